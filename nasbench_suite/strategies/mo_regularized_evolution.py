"""Regularized evolution with several objectives: who wins a tournament is decided by fronts and crowding.

Real, Aggarwal, Huang, Le: "Regularized Evolution for Image Classifier Architecture Search" (AAAI 2019),
Algorithm 1, with the crowded comparison of Deb et al. (NSGA-II, 2002, section III-B).
"""

import numpy as np

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.pareto import ranks_and_crowding


class MoRegularizedEvolution(Strategy):
    """The population is a ring: the newest member takes the place of the oldest, however good that is."""

    name = "mo_regularized_evolution"
    multi_objective = True
    population: int
    sample: int

    def setup(self) -> None:
        """Allocate the ring of every run."""
        self._evaluated = 0
        self._genes = np.zeros((self.runs, self.population, self.space.n_genes), dtype=np.uint8)
        self._values = np.zeros((self.runs, self.population, max(1, len(self.objectives))))
        self._violations = np.zeros((self.runs, self.population))
        self._run = np.arange(self.runs)

    def ask(self) -> Proposals:
        """Fill the population at random, then mutate the winner of a tournament in every run."""
        if self._evaluated < self.population:
            return Proposals(self.space.sample(self.rng, self.runs))
        contestants = self.rng.integers(self.population, size=(self.runs, self.sample))
        ranks, crowding = ranks_and_crowding(self._values, violations=self._violations)
        order = np.lexsort((-crowding, ranks), axis=-1).argsort(axis=-1)  # place of each member, 0 the best
        winner = np.take_along_axis(order, contestants, axis=1).argmin(axis=1)
        parents = self._genes[self._run, contestants[self._run, winner]]
        return Proposals(self.space.mutate(self.rng, parents))

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Put the child of every run in the place of its oldest member."""
        slot = self._evaluated % self.population
        self._genes[:, slot] = proposals.genes
        self._values[:, slot] = self.values(evaluations)
        self._violations[:, slot] = self.violations(evaluations)
        self._evaluated += 1
