"""Grid search: all combinations of values, one after the other, in an order of its own for every run.

As old as experiments; Bergstra, Bengio: "Random Search for Hyper-Parameter Optimization" (JMLR 2012) hold it
against random search.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.base import Proposals, Strategy

_MOST_SKIPPED = 10_000
_WRAP = 2**63


class GridSearch(Strategy):
    """Goes through the grid of all gene values, from a corner that is drawn for every run.

    With `levels` only so many values of every gene are on the grid, spread evenly over them; 0 for all. The
    genes that change fastest are drawn too, so that the runs differ. After the last point the grid begins
    anew.

    Attributes
    ----------
    place
        The next point of every run, int64 `[runs]`.
    """

    name = "grid_search"
    levels: int

    def setup(self) -> None:
        """Draw corners and orders."""
        limits = np.array(self.space.cardinalities)
        self.counts = np.minimum(limits, self.levels) if self.levels else limits
        orders = [self.rng.permutation(len(limits)) for _ in range(self.runs)]
        self.orders: NDArray[np.intp] = np.array(orders)
        self.corners = self.rng.integers(self.counts, size=(self.runs, len(limits)))
        self.size = min(int(np.prod(self.counts.astype(object))), _WRAP - 1)
        self.place = np.zeros(self.runs, dtype=np.int64)

    def ask(self) -> Proposals:
        """Propose the next point of every run's grid that is an architecture of the space."""
        genes = self.points(self.place)
        for _ in range(_MOST_SKIPPED):
            wrong = ~self.space.valid(genes)
            if not wrong.any():
                return Proposals(genes)
            self.place[wrong] = (self.place[wrong] + 1) % self.size
            genes = self.points(self.place)
        genes[wrong] = self.space.sample(self.rng, int(wrong.sum()))  # a grid without architectures
        return Proposals(genes)

    def points(self, place: NDArray[np.int64]) -> Genes:
        """Return the points with the given numbers, one per run, uint8 `[runs, n_genes]`."""
        steps = np.zeros((self.runs, self.space.n_genes), dtype=np.int64)
        rest, runs = place.copy(), np.arange(self.runs)
        for column in self.orders.T:
            count = self.counts[column]
            steps[runs, column] = rest % count
            rest //= count
        level = (self.corners + steps) % self.counts
        limits = np.array(self.space.cardinalities)
        spread = np.where(self.counts > 1, level * (limits - 1) // np.maximum(self.counts - 1, 1), level)
        found: Genes = spread.astype(np.uint8)
        return found

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Go on; results do not matter."""
        self.place = (self.place + 1) % self.size
