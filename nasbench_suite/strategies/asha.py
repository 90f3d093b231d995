"""ASHA: successive halving that promotes as soon as there is someone to promote.

Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar: "A System for Massively Parallel
Hyperparameter Tuning" (MLSys 2020), Algorithm 2, with one worker.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.brackets import epochs_of_rungs


class Asha(Strategy):
    """Every run looks from the top for an architecture among the best of its rung that was not promoted yet.

    A training that is promoted goes on from where it was paused.

    Attributes
    ----------
    rung_genes, rung_scores, rung_promoted, rung_sizes
        By rung and run what has been evaluated, `[rungs, runs, capacity, n_genes]`, `[rungs, runs,
        capacity]` twice, and how many, `[rungs, runs]`. Scores of empty places and failures are minus
        infinity.
    """

    name = "asha"
    resumes = True
    eta: int
    min_epochs: int
    max_epochs: int
    rungs: int

    def setup(self) -> None:
        """Lay out the rungs.

        Raises
        ------
        NasbenchSuiteError
            When `min_epochs` exceeds `max_epochs`.
        """
        self.epochs = epochs_of_rungs(self.min_epochs, self.max_epochs, self.eta, self.rungs)
        shape = (len(self.epochs), self.runs, 0)
        self.rung_genes: NDArray[np.uint8] = np.zeros((*shape, self.space.n_genes), dtype=np.uint8)
        self.rung_scores: NDArray[np.float64] = np.zeros(shape)
        self.rung_promoted: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        self.rung_sizes: NDArray[np.int64] = np.zeros(shape[:2], dtype=np.int64)
        self._rung: NDArray[np.int64] = np.zeros(self.runs, dtype=np.int64)

    def ask(self) -> Proposals:
        """Propose whom each run promotes, or a random architecture in the lowest rung."""
        genes: Genes = self.space.sample(self.rng, self.runs)
        self._rung = np.zeros(self.runs, dtype=np.int64)
        for below in range(len(self.epochs) - 2, -1, -1):
            found, place = self.promotable(below)
            taken = np.flatnonzero(found & (self._rung == 0))
            genes[taken] = self.rung_genes[below, taken, place[taken]]
            self.rung_promoted[below, taken, place[taken]] = True
            self._rung[taken] = below + 1
        if self.epochs[0] is None:
            return Proposals(genes)
        return Proposals(genes, np.array(self.epochs, dtype=np.int64)[self._rung])

    def promotable(self, rung: int) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Return which runs have somebody to promote from a rung, and the place of the best of these.

        One in `eta` of the results of a rung may be promoted, the best; failures never are.
        """
        scores, promoted = self.rung_scores[rung], self.rung_promoted[rung]
        if not scores.shape[1]:
            return np.zeros(self.runs, dtype=bool), np.zeros(self.runs, dtype=np.intp)
        order = np.argsort(-scores, axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.broadcast_to(np.arange(scores.shape[1]), order.shape), axis=1)
        may = (rank < (self.rung_sizes[rung] // self.eta)[:, None]) & ~promoted & (scores > -np.inf)
        best = np.where(may, scores, -np.inf).argmax(axis=1)
        return may.any(axis=1), best

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep every run's result in its rung."""
        rewards = self.rewards(evaluations)
        runs, place = np.arange(self.runs), self.rung_sizes[self._rung, np.arange(self.runs)]
        if place.max() == self.rung_scores.shape[2]:
            self._grow()
        self.rung_genes[self._rung, runs, place] = proposals.genes
        self.rung_scores[self._rung, runs, place] = np.where(np.isfinite(rewards), rewards, -np.inf)
        self.rung_sizes[self._rung, runs] += 1

    def _grow(self) -> None:
        more = max(32, self.rung_scores.shape[2])
        wider = ((0, 0), (0, 0), (0, more))
        self.rung_genes = np.pad(self.rung_genes, (*wider, (0, 0)))
        self.rung_scores = np.pad(self.rung_scores, wider, constant_values=-np.inf)
        self.rung_promoted = np.pad(self.rung_promoted, wider)
