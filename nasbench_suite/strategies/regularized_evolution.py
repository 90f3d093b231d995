"""Regularized (aging) evolution: tournament selection, mutation, and the oldest dies.

Real, Aggarwal, Huang, Le: "Regularized Evolution for Image Classifier Architecture Search" (AAAI 2019),
Algorithm 1.
"""

import numpy as np

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy


class RegularizedEvolution(Strategy):
    """The population is a ring: the newest member takes the place of the oldest."""

    name = "regularized_evolution"
    population: int
    sample: int

    def setup(self) -> None:
        """Allocate the ring of every run."""
        self._evaluated = 0
        self._genes = np.zeros((self.population, self.runs, self.space.n_genes), dtype=np.uint8)
        self._scores = np.full((self.population, self.runs), -np.inf)
        self._run = np.arange(self.runs)

    def ask(self) -> Proposals:
        """Fill the population at random, then mutate the winner of a tournament in every run."""
        if self._evaluated < self.population:
            return Proposals(self.space.sample(self.rng, self.runs))
        contestants = self.rng.integers(self.population, size=(self.sample, self.runs))
        winner = self._scores[contestants, self._run].argmax(axis=0)
        parents = self._genes[contestants[winner, self._run], self._run]
        return Proposals(self.space.mutate(self.rng, parents))

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Put the child of every run in the place of its oldest member."""
        slot = self._evaluated % self.population
        self._genes[slot] = proposals.genes
        self._scores[slot] = self.rewards(evaluations)
        self._evaluated += 1
