"""NSGA-II: generations sorted by domination, and within a front by crowding.

Deb, Pratap, Agarwal, Meyarivan: "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (IEEE
Transactions on Evolutionary Computation 6(2), 2002), section III-C, with constraints as in section VI.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.pareto import survivors

_MOST_REDRAWS = 10
"""How often children that a population has already are moved on; what is left then stays."""


class Nsga2(Strategy):
    """As many children as the population has members; the better half of both is the next population.

    Without objectives it is a genetic algorithm that maximises the reward. Members are sorted, best first.
    """

    name = "nsga2"
    multi_objective = True
    population: int
    crossover_probability: float
    mutation_probability: float

    def setup(self) -> None:
        """Begin every run with a random population to evaluate."""
        drawn = self.space.sample(self.rng, self.runs * self.population)
        self._young = drawn.reshape(self.runs, self.population, self.space.n_genes)
        objectives = max(1, len(self.objectives))
        self._young_values = np.zeros((self.runs, self.population, objectives))
        self._young_violations = np.zeros((self.runs, self.population))
        self._members = self._young[:, :0]
        self._values, self._violations = self._young_values[:, :0], self._young_violations[:, :0]
        self._next = 0

    def ask(self) -> Proposals:
        """Propose the next child of every run."""
        return Proposals(self._young[:, self._next].copy())

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Score the child; after the last one select the next population and breed."""
        self._young_values[:, self._next] = self.values(evaluations)
        self._young_violations[:, self._next] = self.violations(evaluations)
        self._next += 1
        if self._next == self.population:
            self._select()
            self._young = self._children()
            self._next = 0

    def _select(self) -> None:
        """Keep the best of parents and children."""
        genes = np.concatenate([self._members, self._young], axis=1)
        values = np.concatenate([self._values, self._young_values], axis=1)
        violations = np.concatenate([self._violations, self._young_violations], axis=1)
        kept = survivors(values, self.population, violations=violations)
        self._members = np.take_along_axis(genes, kept[..., None], axis=1)
        self._values = np.take_along_axis(values, kept[..., None], axis=1)
        self._violations = np.take_along_axis(violations, kept, axis=1)

    def _children(self) -> Genes:
        """Breed as many children as there are members, uint8 `[runs, population, n_genes]`."""
        shape = self._members.shape
        mothers, fathers = (self._winners().reshape(-1, shape[-1]) for _ in range(2))
        crossed = self.rng.random(len(mothers)) < self.crossover_probability
        children = mothers.copy()
        children[crossed] = self.space.crossover(self.rng, mothers[crossed], fathers[crossed])
        mutated = self.rng.random(len(children)) < self.mutation_probability
        children[mutated] = self.space.mutate(self.rng, children[mutated])
        for _ in range(_MOST_REDRAWS):
            again = self._known_already(children.reshape(shape)).ravel()
            if not again.any():
                break
            children[again] = self.space.mutate(self.rng, children[again])
        return children.reshape(shape)

    def _winners(self) -> Genes:
        """Hold binary tournaments: members are sorted, so the smaller place wins."""
        places = self.rng.integers(self.population, size=(self.runs, self.population, 2)).min(axis=2)
        return np.take_along_axis(self._members, places[..., None], axis=1)

    def _known_already(self, children: Genes) -> NDArray[np.bool_]:
        """Tell which children are members, or earlier children, of their run: `[runs, population]`."""
        together = np.concatenate([self._members, children], axis=1)
        same = (together[:, :, None] == together[:, None]).all(axis=3)
        earlier = np.tril(np.ones(same.shape[1:], dtype=bool), -1)
        return np.asarray((same & earlier).any(axis=2)[:, self._members.shape[1] :])
