"""Local search with scalarisations: every climb weighs the objectives anew.

White, Nolen, Savani: "Exploring the Loss Landscape in Neural Architecture Search" (UAI 2021) for the climb;
Knowles: "ParEGO" (IEEE Transactions on Evolutionary Computation 10(1), 2006), equation 2, for the weighing:
the augmented Chebyshev distance from the best of each objective, with weights drawn at random.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals
from nasbench_suite.strategies.local_search import LocalSearch


class MoLocalSearch(LocalSearch):
    """Draws `scouts` architectures first, whose extremes are the scale of each objective for the whole run.

    Attributes
    ----------
    weights
        Of the objectives in the present climb of every run, `[runs, objectives]`; a row sums to 1.
    """

    name = "mo_local_search"
    multi_objective = True
    improvement: str
    starts: int
    scouts: int
    augmentation: float

    def setup(self) -> None:
        """Give every run a queue, weights and no scale yet."""
        objectives = max(1, len(self.objectives))
        self.weights = np.zeros((self.runs, objectives))
        self._scouted = 0
        self._low = np.full((self.runs, objectives), np.inf)
        self._high = np.full((self.runs, objectives), -np.inf)
        super().setup()

    def ask(self) -> Proposals:
        """Propose scouts, then the next architecture of every queue."""
        if self._scouted < self.scouts:
            return Proposals(self.space.sample(self.rng, self.runs))
        return super().ask()

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Widen the scale by a scout, or climb."""
        if self._scouted >= self.scouts:
            super().tell(proposals, evaluations)
            return
        values = self.values(evaluations)
        known = np.isfinite(values)
        self._low = np.minimum(self._low, np.where(known, values, np.inf))
        self._high = np.maximum(self._high, np.where(known, values, -np.inf))
        self._scouted += 1

    def rewards(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return minus the augmented Chebyshev distance, float64 `[runs]`, less any violation.

        Whoever misses a constraint is behind all that keep to them, unless these are further from the best
        than twice the scale.
        """
        values = self.values(evaluations)
        span = np.where(self._high > self._low, self._high - self._low, 1.0)
        best = np.where(np.isfinite(self._high), self._high, 0.0)
        known = np.isfinite(values)
        weighted = self.weights * np.where(known, best - values, 0.0) / span
        distance = weighted.max(axis=1) + self.augmentation * weighted.sum(axis=1)
        violations = self.violations(evaluations)
        rewards = np.where(violations > 0, np.minimum(-distance, -2.0) - violations, -distance)
        return np.where(known.all(axis=1), rewards, -np.inf)

    def _restart(self, runs: NDArray[np.int64]) -> None:
        """Draw weights, evenly over all that there are, and queue freshly drawn architectures."""
        if runs.size:
            drawn = self.rng.exponential(size=(runs.size, self.weights.shape[1]))
            self.weights[runs] = drawn / drawn.sum(axis=1, keepdims=True)
        super()._restart(runs)
