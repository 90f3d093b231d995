"""Hyperband: random architectures, many of them after few epochs, few after many.

Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization" (JMLR 2018), Algorithm 1.
"""

from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.brackets import BracketSearch, Stage


class Hyperband(BracketSearch):
    """Brackets of random architectures, the one that begins with most of them first.

    A training that is promoted goes on from where it was paused.
    """

    name = "hyperband"
    resumes = True
    eta: int
    min_epochs: int
    max_epochs: int
    rungs: int

    def stages_of(self, bracket: int, rungs: int) -> list[Stage]:
        """Return the stages of a bracket; they repeat after `rungs` brackets.

        With s halvings `ceil(rungs eta^s / (s + 1))` architectures begin, and stage i has the floor of that
        over `eta^i`.
        """
        halvings = rungs - 1 - bracket % rungs
        first = -(-rungs * self.eta**halvings // (halvings + 1))
        return [
            Stage(rungs - 1 - halvings + step, max(1, first // self.eta**step))
            for step in range(halvings + 1)
        ]

    def new(self) -> Genes:
        """Draw uniformly."""
        return self.space.sample(self.rng, self.runs)
