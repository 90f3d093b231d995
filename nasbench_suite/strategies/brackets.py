"""Successive halving in brackets, the frame of Hyperband and BOHB.

Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization" (JMLR 2018), Algorithm 1.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.base import Proposals, Strategy


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of successive halving.

    Attributes
    ----------
    rung
        Number of the budget, 0 for the smallest.
    size
        Evaluations at that budget.
    """

    rung: int
    size: int


def rung_epochs(min_epochs: int, max_epochs: int, eta: int) -> list[int]:
    """Return the epochs of every budget, ascending: `max_epochs / eta^k`, floored, as far as `min_epochs`."""
    epochs = []
    divisor = 1
    while min_epochs * divisor <= max_epochs:
        epochs.append(max_epochs // divisor)
        divisor *= eta
    return epochs[::-1]


def epochs_of_rungs(min_epochs: int, max_epochs: int, eta: int, rungs: int) -> list[int] | list[None]:
    """Return the epochs of every budget, ascending; `rungs` times full training where `max_epochs` is 0.

    Raises
    ------
    NasbenchSuiteError
        When `min_epochs` exceeds `max_epochs`.
    """
    if not max_epochs:
        return [None] * rungs
    epochs = rung_epochs(max(min_epochs, 1), max_epochs, eta)
    if not epochs:
        raise NasbenchSuiteError(
            f"min_epochs is {min_epochs}, but max_epochs is {max_epochs}; raise the latter."
        )
    return epochs


class BracketSearch(Strategy):
    """All runs go through the same stages, since their sizes do not depend on results.

    Attributes
    ----------
    epochs
        Epochs of every budget, ascending; None for full training.
    """

    eta: int
    min_epochs: int
    max_epochs: int
    rungs: int

    def setup(self) -> None:
        """Lay out the budgets and begin the first bracket.

        Raises
        ------
        NasbenchSuiteError
            When `min_epochs` exceeds `max_epochs`.
        """
        self.epochs = epochs_of_rungs(self.min_epochs, self.max_epochs, self.eta, self.rungs)
        self._bracket = 0
        self._stages = self.stages_of(0, len(self.epochs))
        nobody = np.zeros((0, self.runs, self.space.n_genes), dtype=np.uint8)
        self._begin_stage(nobody, nobody[:, :, 0] > 0)

    @abstractmethod
    def stages_of(self, bracket: int, rungs: int) -> list[Stage]:
        """Return the stages of the bracket with this number, from 0, where there are `rungs` budgets."""

    @abstractmethod
    def new(self) -> Genes:
        """Return an architecture per run that enters a bracket, uint8 `[runs, n_genes]`."""

    def learn(self, rung: int, genes: Genes, scores: NDArray[np.float64]) -> None:  # optional
        """Take what came of one architecture per run at a budget; minus infinity for failures."""

    def ask(self) -> Proposals:
        """Propose the next promoted architecture of the stage, or a new one where a run has none left."""
        slot, epochs = len(self._told), self.epochs[self._stages[0].rung]
        if slot >= len(self._promoted):
            return Proposals(self.new(), epochs)
        promoted = self._is_promoted[slot]
        if promoted.all():
            return Proposals(self._promoted[slot].copy(), epochs)
        return Proposals(np.where(promoted[:, None], self._promoted[slot], self.new()), epochs)

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Record the results; after the last of a stage promote the best."""
        rewards = self.rewards(evaluations)
        scores = np.where(np.isfinite(rewards), rewards, -np.inf)
        self._told.append((proposals.genes.copy(), scores))
        self.learn(self._stages[0].rung, proposals.genes, scores)
        if len(self._told) == self._stages[0].size:
            self._end_stage()

    def _begin_stage(self, promoted: Genes, is_promoted: NDArray[np.bool_]) -> None:
        """Begin a stage with the promoted, `[k, runs, n_genes]`, and which of them are there, `[k, runs]`."""
        self._promoted, self._is_promoted = promoted, is_promoted
        self._told: list[tuple[Genes, NDArray[np.float64]]] = []

    def _end_stage(self) -> None:
        """Promote to the next stage; after the last one begin the next bracket."""
        genes = np.stack([genes for genes, _ in self._told])
        scores = np.stack([scores for _, scores in self._told])
        self._stages = self._stages[1:]
        kept = self._stages[0].size if self._stages else 0
        if not self._stages:
            self._bracket += 1
            self._stages = self.stages_of(self._bracket, len(self.epochs))
        # The promoted go on in the order of their first evaluation. Failed ones are never promoted, so a
        # run may have fewer than the stage takes; new architectures fill its other places.
        best = np.argsort(-scores, axis=0, kind="stable")[:kept]
        alive = np.take_along_axis(scores, best, axis=0) > -np.inf
        place = np.sort(np.where(alive, best, len(genes)), axis=0)
        promoted = np.take_along_axis(genes, np.minimum(place, len(genes) - 1)[:, :, None], axis=0)
        self._begin_stage(promoted, place < len(genes))
