"""Local search: climb to a local optimum of the neighbourhood graph, then start again.

White, Nolen, Savani: "Exploring the Loss Landscape in Neural Architecture Search" (UAI 2021).
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy


class LocalSearch(Strategy):
    """Draws a few architectures, climbs from the best, restarts at a local optimum.

    With `improvement = "first"` a run moves to the first neighbour that is better; with `"best"` it looks
    at the whole neighbourhood and moves to the best one. Runs climb at their own pace in lock step: each
    keeps a queue of architectures to look at, the drawn ones while it (re)starts, its neighbours later.
    """

    name = "local_search"
    improvement: str
    starts: int

    def setup(self) -> None:
        """Give every run a queue and begin with a restart."""
        runs, n_genes = self.runs, self.space.n_genes
        widest = self.space.neighbourhoods(self.space.sample(np.random.default_rng(0), 1))[0].shape[1]
        self._queue = np.zeros((runs, max(widest, self.starts), n_genes), dtype=np.uint8)
        self._length = np.zeros(runs, dtype=np.int64)
        self._next = np.zeros(runs, dtype=np.int64)
        self._centre_score = np.full(runs, -np.inf)
        self._best_seen = np.zeros((runs, n_genes), dtype=np.uint8)
        self._best_score = np.full(runs, -np.inf)
        self._starting = np.zeros(runs, dtype=bool)
        self._run = np.arange(runs)
        self._restart(self._run)

    def ask(self) -> Proposals:
        """Propose the next architecture of every queue."""
        return Proposals(self._queue[self._run, self._next])

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Remember the best of the queue; at its end, or on an improvement, climb or restart."""
        score = self.rewards(evaluations)
        better = score > self._best_score
        self._best_score = np.where(better, score, self._best_score)
        self._best_seen[better] = proposals.genes[better]
        self._next += 1
        done = self._next == self._length
        if self.improvement == "first":
            done |= ~self._starting & (score > self._centre_score)
        climb = done & (self._best_score > self._centre_score)
        self._climb(np.flatnonzero(climb))
        self._restart(np.flatnonzero(done & ~climb))

    def _climb(self, runs: NDArray[np.int64]) -> None:
        """Move to the best architecture seen and queue its neighbours in random order."""
        if not runs.size:
            return
        neighbours, present = self.space.neighbourhoods(self._best_seen[runs])
        order = np.where(present, self.rng.random(present.shape), 2.0).argsort(axis=1)
        self._queue[runs, : present.shape[1]] = np.take_along_axis(neighbours, order[:, :, None], axis=1)
        self._length[runs] = present.sum(axis=1)
        self._next[runs] = 0
        self._starting[runs] = False
        self._centre_score[runs] = self._best_score[runs]

    def _restart(self, runs: NDArray[np.int64]) -> None:
        """Queue freshly drawn architectures; the best of them becomes the next centre."""
        if not runs.size:
            return
        drawn = self.space.sample(self.rng, len(runs) * self.starts)
        self._queue[runs, : self.starts] = drawn.reshape(len(runs), self.starts, -1)
        self._length[runs] = self.starts
        self._next[runs] = 0
        self._starting[runs] = True
        self._centre_score[runs] = -np.inf
        self._best_score[runs] = -np.inf
