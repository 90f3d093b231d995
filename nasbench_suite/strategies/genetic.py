"""A generational genetic algorithm: tournament selection, crossover, mutation, elitism.

Holland's scheme in the form of Goldberg, "Genetic Algorithms in Search, Optimization and Machine Learning"
(1989), chapter 3; tournaments after Goldberg and Deb (FOGA 1991).
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy


class Genetic(Strategy):
    """The elite survives with its recorded score; only children are evaluated.

    A run has converged when its best score has not risen for `patience` generations; it then starts again
    from a random population and goes on until the budget ends.
    """

    name = "genetic"
    population: int
    elite: int
    tournament: int
    crossover_probability: float
    mutation_probability: float
    patience: int

    def setup(self) -> None:
        """Begin every run with a random population to evaluate."""
        runs, n_genes = self.runs, self.space.n_genes
        self._elite_size = min(self.elite, self.population - 1)
        self._genes = np.zeros((runs, self.population, n_genes), dtype=np.uint8)
        self._scores = np.full((runs, self.population), -np.inf)
        self._next = np.zeros(runs, dtype=np.int64)
        self._best = np.full(runs, -np.inf)
        self._stale = np.zeros(runs, dtype=np.int64)
        self._run = np.arange(runs)
        self._begin(self._run)

    def ask(self) -> Proposals:
        """Propose the next unevaluated member of every population."""
        return Proposals(self._genes[self._run, self._next])

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Score the member; after the last one breed the next generation or, if converged, begin again."""
        self._scores[self._run, self._next] = self.rewards(evaluations)
        self._next += 1
        complete = self._next == self.population
        if complete.any():
            self._end_generation(np.flatnonzero(complete))

    def _end_generation(self, runs: NDArray[np.int64]) -> None:
        best = self._scores[runs].max(axis=1)
        risen = best > self._best[runs]
        self._stale[runs] = np.where(risen, 0, self._stale[runs] + 1)
        self._best[runs] = np.maximum(best, self._best[runs])
        converged = self._stale[runs] >= self.patience
        self._begin(runs[converged])
        self._breed(runs[~converged])

    def _begin(self, runs: NDArray[np.int64]) -> None:
        drawn = self.space.sample(self.rng, len(runs) * self.population)
        self._genes[runs] = drawn.reshape(len(runs), self.population, self.space.n_genes)
        self._scores[runs] = -np.inf
        self._next[runs] = 0
        self._best[runs] = -np.inf
        self._stale[runs] = 0

    def _breed(self, runs: NDArray[np.int64]) -> None:
        """Keep the elite in front, replace the others by children."""
        order = np.argsort(-self._scores[runs], axis=1, kind="stable")
        genes = np.take_along_axis(self._genes[runs], order[:, :, None], axis=1)
        scores = np.take_along_axis(self._scores[runs], order, axis=1)
        children = self._children(genes)
        kept = self._elite_size
        self._genes[runs] = np.concatenate([genes[:, :kept], children], axis=1)
        self._scores[runs, :kept] = scores[:, :kept]
        self._scores[runs, kept:] = -np.inf
        self._next[runs] = kept

    def _children(self, ranked: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `population - elite` children per run of populations sorted best first."""
        runs, _, n_genes = ranked.shape
        size = (runs, self.population - self._elite_size)
        mother = self._select(ranked, size).reshape(-1, n_genes)
        father = self._select(ranked, size).reshape(-1, n_genes)
        crossed = self.rng.random(len(mother)) < self.crossover_probability
        children = mother.copy()
        children[crossed] = self.space.crossover(self.rng, mother[crossed], father[crossed])
        mutated = self.rng.random(len(mother)) < self.mutation_probability
        children[mutated] = self.space.mutate(self.rng, children[mutated])
        return children.reshape(*size, n_genes)

    def _select(self, ranked: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
        """Hold tournaments with replacement: in a sorted population the smallest position wins."""
        winner = self.rng.integers(self.population, size=(*size, self.tournament)).min(axis=2)
        return np.take_along_axis(ranked, winner[:, :, None], axis=1)
