"""Searches in rounds: a generator learns from what was evaluated, and draws what is evaluated next."""

from abc import abstractmethod

import numpy as np

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.training.threads import one_thread

_REDRAWS = 8
"""How often more are drawn to find proposals that a run has not evaluated; then others fill up."""


class GenerativeRounds(Strategy):
    """All runs at once: every run has a generator of its own.

    A round begins when the proposals of the last one are evaluated. The best `top` architectures that the run
    has evaluated are the truth, from which it learns; then the generator draws the next `proposals`. The
    first round are `initial` architectures at random.
    """

    initial: int
    top: int
    proposals: int

    def setup(self) -> None:
        """Draw the first architectures of every run, after what learns is made."""
        self.make()
        self._genes = np.zeros((self.runs, 0, self.space.n_genes), dtype=np.uint8)
        self._scores = np.zeros((self.runs, 0))
        drawn = self.space.sample(self.rng, self.runs * self.initial)
        self._queue = drawn.reshape(self.runs, self.initial, self.space.n_genes)
        self._told = np.zeros((self.runs, self.initial))
        self._next = 0

    @abstractmethod
    def make(self) -> None:
        """Draw the weights of what learns."""

    @abstractmethod
    def learn(self) -> None:
        """Learn from what was evaluated."""

    @abstractmethod
    def draw(self, number: int) -> Genes:
        """Return valid architectures that the generators draw, `[runs, number, n_genes]`."""

    def ask(self) -> Proposals:
        """Propose the next architecture of every round."""
        return Proposals(self._queue[:, self._next].copy())

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep the results; when the round is complete, learn and draw the next one."""
        self._told[:, self._next] = self.rewards(evaluations)
        self._next += 1
        if self._next < self._queue.shape[1]:
            return
        self._genes = np.concatenate([self._genes, self._queue], axis=1)
        self._scores = np.concatenate([self._scores, self._told], axis=1)
        with one_thread():
            self.learn()
            self._queue = self._fresh()
        self._told = np.zeros((self.runs, self.proposals))
        self._next = 0

    def truth(self) -> Genes:
        """Return the best distinct architectures of every run, `[runs, top, n_genes]`, best first.

        They begin anew where a run has fewer.
        """
        found = np.zeros((self.runs, self.top, self.space.n_genes), dtype=np.uint8)
        for run, (genes, scores) in enumerate(zip(self._genes, self._scores, strict=True)):
            ordered = genes[np.argsort(-scores, kind="stable")]
            _, first = np.unique(ordered, axis=0, return_index=True)
            best = ordered[np.sort(first)][: self.top]
            found[run] = np.resize(best, (self.top, self.space.n_genes))
        return found

    def some(self, truth: Genes, number: int) -> Genes:
        """Draw from the truth, `[runs, number, n_genes]`."""
        places = self.rng.integers(truth.shape[1], size=(self.runs, number, 1))
        return np.take_along_axis(truth, places, axis=1)

    def _fresh(self) -> Genes:
        """Draw the next proposals, those first that the run has not evaluated, `[runs, proposals, n_genes]`.

        Where the generator has none left, others are moved one step away from what it draws.
        """
        pools = [self.draw(self.proposals) for _ in range(_REDRAWS)]
        moved = self.space.mutate(self.rng, pools[0].reshape(-1, self.space.n_genes))
        drawn = np.concatenate([*pools, moved.reshape(pools[0].shape)], axis=1)
        queue = np.zeros((self.runs, self.proposals, self.space.n_genes), dtype=np.uint8)
        for run in range(self.runs):
            queue[run] = _unseen(drawn[run], self._genes[run], self.proposals)
        return queue


def _unseen(drawn: Genes, seen: Genes, number: int) -> Genes:
    """Return `number` of the drawn rows: the first that are new, then the others in their order."""
    known = {row.tobytes() for row in seen}
    new: list[Genes] = []
    old: list[Genes] = []
    for row in drawn:
        key = row.tobytes()
        (old if key in known else new).append(row)
        known.add(key)
        if len(new) == number:
            break
    chosen: Genes = np.array((new + old)[:number])
    return chosen
