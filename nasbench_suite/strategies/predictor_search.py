"""What strategies have in common that predict before they evaluate: random ones first, then the promising.

All runs are played in lock step, and the predictors of all runs are fitted at once.
"""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.surrogates.encodings import ArchitectureEncoder

Values = NDArray[np.float64]
Features = NDArray[np.float32]
ENCODINGS = ("auto", "one_hot", "path", "adjacency")
"""What a card may offer: `auto` is the path encoding in spaces of cells, and one-hot elsewhere."""
_DRAWS_PER_CANDIDATE = 3
"""Candidates drawn for each that is wanted, since some were evaluated before."""


class PredictorSearch(Strategy):
    """Rounds of `batch` proposals, the first `initial` at random.

    Before each round a predictor is fitted to what every run has seen. It judges candidates, and those that
    the acquisition likes best are proposed, the best first.

    Attributes
    ----------
    genes, scores
        What every run has evaluated, `[n, runs, n_genes]` and `[n, runs]`.
    """

    initial: int
    batch: int
    candidates: int
    encoding: str
    longest_path: int

    def setup(self) -> None:
        """Begin with nothing seen."""
        self.genes = np.zeros((0, self.runs, self.space.n_genes), dtype=np.uint8)
        self.scores = np.zeros((0, self.runs))
        self._keys = np.zeros((0, self.runs), dtype=np.uint64)
        self._waiting: list[Genes] = []

    def ask(self) -> Proposals:
        """Propose the next of the round; begin a new one where it is over."""
        if len(self.genes) < self.initial:
            return Proposals(self.space.sample(self.rng, self.runs))
        if not self._waiting:
            self._waiting = list(self.round())
        return Proposals(self._waiting[0].copy())

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep the results."""
        if self._waiting:
            self._waiting.pop(0)
        self.genes = np.concatenate([self.genes, proposals.genes[None]])
        self.scores = np.concatenate([self.scores, self.rewards(evaluations)[None]])
        self._keys = np.concatenate([self._keys, self.space.key(proposals.genes)[None]])

    # -- a round -----------------------------------------------------------------------------------------

    def round(self) -> Genes:
        """Return what is proposed next, the best first, uint8 `[batch, runs, n_genes]`."""
        candidates = self.fresh(self.drawn_candidates())
        liked = self.acquisition(candidates)
        best = np.argsort(-liked, axis=0, kind="stable")[: self.batch]
        found: Genes = np.take_along_axis(candidates, best[:, :, None], axis=0)
        return found

    @abstractmethod
    def drawn_candidates(self) -> Genes:
        """Return more candidates than are wanted, uint8 `[m, runs, n_genes]`, in the order of preference."""

    @abstractmethod
    def acquisition(self, candidates: Genes) -> Values:
        """Return how much every candidate is liked, `[candidates, runs]`."""

    def fresh(self, drawn: Genes) -> Genes:
        """Return the first `candidates` that a run has neither evaluated nor drawn before, up to isomorphism.

        Where these are too few, random ones follow; where even of these too few are new, some are not.
        """
        others = self.space.sample(self.rng, self.candidates * self.runs)
        drawn = np.concatenate([drawn, others.reshape(self.candidates, self.runs, -1)])
        m, n = drawn.shape[:2]
        keys = self.space.key(drawn.reshape(m * n, -1)).reshape(m, n)
        seen = np.concatenate([self._keys, keys])
        order = np.argsort(seen, axis=0, kind="stable")
        ordered = np.take_along_axis(seen, order, axis=0)
        repeated = np.zeros(seen.shape, dtype=bool)
        again = np.concatenate([np.zeros((1, n), dtype=bool), ordered[1:] == ordered[:-1]])
        np.put_along_axis(repeated, order, again, axis=0)
        repeated = repeated[len(self._keys) :]
        first = np.argsort(repeated, axis=0, kind="stable")[: self.candidates]
        found: Genes = np.take_along_axis(drawn, first[:, :, None], axis=0)
        missing = np.take_along_axis(repeated, first, axis=0)
        if missing.any():
            found[missing] = self.space.sample(self.rng, int(missing.sum()))
        return found

    # -- what is seen ------------------------------------------------------------------------------------

    def encoder(self) -> ArchitectureEncoder:
        """Return what turns architectures into features."""
        automatic = "path" if self.space.has_cells else "one_hot"
        name = automatic if self.encoding == "auto" else self.encoding
        return ArchitectureEncoder(self.space.name, name, self.longest_path)

    def encoded(self, rows: Genes) -> Features:
        """Return features by run, float32 `[runs, n, columns]`, for rows `[n, runs, n_genes]`."""
        n, runs = rows.shape[:2]
        features = self.encoder().transform(rows.swapaxes(0, 1).reshape(n * runs, -1))
        return features.reshape(runs, n, -1)

    def standardised(self) -> Values:
        """Return the scores by run with mean 0 and deviation 1, `[runs, n]`; failures as the worst."""
        scores = self.scores.T
        finite = np.isfinite(scores)
        worst = np.where(finite, scores, np.inf).min(axis=1, keepdims=True)
        known = np.where(finite, scores, np.where(np.isfinite(worst), worst, 0.0))
        spread = known.std(axis=1, keepdims=True)
        found: Values = (known - known.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        return found

    def best(self, number: int) -> Genes:
        """Return the best of every run so far, the best first, uint8 `[number, runs, n_genes]`."""
        order = np.argsort(-self.scores, axis=0, kind="stable")[:number]
        found: Genes = np.take_along_axis(self.genes, order[:, :, None], axis=0)
        return found

    def mutants(self, parents: Genes, steps: int = 1) -> Genes:
        """Return mutants of parents `[p, runs, n_genes]` in turn, three for every wanted candidate."""
        number = _DRAWS_PER_CANDIDATE * self.candidates
        rows = parents[np.arange(number) % len(parents)].reshape(number * self.runs, -1)
        for _ in range(steps):
            rows = self.space.mutate(self.rng, rows)
        return rows.reshape(number, self.runs, -1)
