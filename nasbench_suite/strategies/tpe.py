"""TPE: draws from a density of the good architectures, of which the likeliest against the others is taken.

Bergstra, Bardenet, Bengio, Kegl: "Algorithms for Hyper-Parameter Optimization" (NeurIPS 2011), section 4,
for categorical values, with the settings of Optuna.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.base import Proposals, Strategy

Values = NDArray[np.float64]
_MOST_REDRAWS = 20


class Tpe(Strategy):
    """Every gene has a density of its own; all runs are played at once.

    Attributes
    ----------
    genes, scores
        What every run has evaluated, `[n, runs, n_genes]` and `[n, runs]`.
    """

    name = "tpe"
    initial: int
    candidates: int
    good_share: float
    most_good: int
    prior_weight: float

    def setup(self) -> None:
        """Begin with nothing seen."""
        self.genes = np.zeros((0, self.runs, self.space.n_genes), dtype=np.uint8)
        self.scores = np.zeros((0, self.runs))

    def ask(self) -> Proposals:
        """Draw uniformly at first, then from the density of the good."""
        if len(self.genes) < self.initial:
            return Proposals(self.space.sample(self.rng, self.runs))
        good, others = self.densities()
        drawn = self.drawn(good)
        liked = log_likelihood(good, drawn) - log_likelihood(others, drawn)
        liked[~self.valid(drawn)] = -np.inf
        best = liked.argmax(axis=0)
        genes: Genes = drawn[best, np.arange(self.runs)]
        wrong = ~self.space.valid(genes)
        if wrong.any():  # no draw of a run is an architecture
            genes[wrong] = self.space.sample(self.rng, int(wrong.sum()))
        return Proposals(genes)

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep the results."""
        self.genes = np.concatenate([self.genes, proposals.genes[None]])
        self.scores = np.concatenate([self.scores, self.rewards(evaluations)[None]])

    def good(self) -> int:
        """Return how many of the results count as good."""
        return min(int(np.ceil(self.good_share * len(self.genes))), self.most_good)

    def densities(self) -> tuple[list[Values], list[Values]]:
        """Return the probabilities of every gene's values among the good and the others, `[runs, values]`."""
        order = np.argsort(-self.scores, axis=0, kind="stable")
        ranked = np.take_along_axis(self.genes, order[:, :, None], axis=0)
        good = self.good()
        return self._probabilities(ranked[:good]), self._probabilities(ranked[good:])

    def _probabilities(self, rows: Genes) -> list[Values]:
        """Return a mixture over the observations and a uniform prior of weight `prior_weight`.

        As in Optuna each observation of `n` gives all values some of its weight: to a value v that it has
        `(1 + s) / (1 + s k)`, to any other `s / (1 + s k)`, with `k` values and `s = prior_weight / (n + 1)`.
        """
        found, n = [], len(rows)
        spread = self.prior_weight / (n + 1)
        for gene, limit in enumerate(self.space.cardinalities):
            counts = (rows[:, :, gene, None] == np.arange(limit)).sum(axis=0)
            observed = (counts + n * spread) / (1 + limit * spread)
            found.append((observed + self.prior_weight / limit) / (n + self.prior_weight))
        return found

    def drawn(self, good: list[Values]) -> Genes:
        """Draw candidates from the density of the good, uint8 `[candidates, runs, n_genes]`.

        What is no architecture is drawn again, so often as may be.
        """
        genes = self._draw(good)
        for _ in range(_MOST_REDRAWS):
            wrong = ~self.valid(genes)
            if not wrong.any():
                break
            genes = np.where(wrong[:, :, None], self._draw(good), genes)
        return genes

    def _draw(self, good: list[Values]) -> Genes:
        genes = np.empty((self.candidates, self.runs, self.space.n_genes), dtype=np.uint8)
        for gene, shares in enumerate(good):
            below = shares.cumsum(axis=1)[:, :-1]
            draws = self.rng.random((self.candidates, self.runs))
            genes[:, :, gene] = (draws[:, :, None] >= below).sum(axis=2)
        return genes

    def valid(self, drawn: Genes) -> NDArray[np.bool_]:
        """Tell which candidates are architectures, bool `[candidates, runs]`."""
        flat = self.space.valid(drawn.reshape(-1, self.space.n_genes))
        return flat.reshape(drawn.shape[:2])


def log_likelihood(shares: list[Values], drawn: Genes) -> Values:
    """Return the logarithm of the product over genes of the probability of their values.

    Parameters
    ----------
    shares
        Of every gene's values, `[runs, values]`.
    drawn
        uint8 `[candidates, runs, n_genes]`.
    """
    runs = np.arange(drawn.shape[1])
    total = np.zeros(drawn.shape[:2])
    for gene, of_gene in enumerate(shares):
        total += np.log(of_gene[runs, drawn[:, :, gene]])
    return total
