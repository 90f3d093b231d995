"""pymoo's own NSGA-II, behind the suite's door.

Blank, Deb: "pymoo: Multi-Objective Optimization in Python" (IEEE Access 8, 2020). `nsga2` is the same method
for all runs at once; this one is what pymoo's users have.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.single_run import SingleRunStrategy

if TYPE_CHECKING:  # an optional package
    from pymoo.core.algorithm import Algorithm
    from pymoo.core.individual import Individual

_SEEDS = 2**31
_WORST = 1e30
"""What a missing result is told as: pymoo sorts no infinities."""


class Nsga2Pymoo(SingleRunStrategy):
    """pymoo's algorithm with the space's own draws, crossover and one-step mutation.

    Attributes
    ----------
    algorithm
        pymoo's; None until the first result says how many objectives there are.
    """

    name = "nsga2_pymoo"
    multi_objective = True
    population: int
    crossover_probability: float
    mutation_probability: float

    def setup(self) -> None:
        """Refuse at once where pymoo is not installed."""
        _require_pymoo()
        self.algorithm: Algorithm | None = None
        self.waiting: list[Individual] = []
        self.scored: list[Individual] = []
        self.first = list(self.space.sample(self.rng, self.population))
        self.early: list[tuple[Genes, NDArray[np.float64], float]] = []

    def propose(self) -> Genes:
        """Return the next member of the generation that the algorithm asks for."""
        if self.algorithm is None:
            early: Genes = self.first[len(self.early)]
            return early
        if not self.waiting:
            asked = self.algorithm.ask()
            self.waiting = [] if asked is None else list(asked)
        if not self.waiting:  # all children were known already
            drawn: Genes = self.space.sample(self.rng, 1)[0]
            return drawn
        return np.asarray(self.waiting[0].X, dtype=np.uint8)

    def observe(self, genes: Genes, score: float) -> None:
        """Take a single objective."""
        self.observe_values(genes, np.array([score]), 0.0)

    def observe_values(self, genes: Genes, values: NDArray[np.float64], violation: float) -> None:
        """Score the member; after the last of a generation tell the algorithm."""
        if self.algorithm is None:
            self.early.append((genes, values, violation))
            if len(self.early) == self.population:
                self._begin()
            return
        if not self.waiting:
            return
        member = self.waiting.pop(0)
        _score(member, values, violation)
        self.scored.append(member)
        if not self.waiting:
            self._tell()

    def _begin(self) -> None:
        """Build the algorithm, whose first generation are the architectures that were drawn."""
        self.algorithm = _algorithm(self, np.stack([genes for genes, _, _ in self.early]))
        known = {genes.tobytes(): (values, violation) for genes, values, violation in self.early}
        for member in self.algorithm.ask():  # those drawn twice are there once
            _score(member, *known[member.X.astype(np.uint8).tobytes()])
            self.scored.append(member)
        self._tell()

    def _tell(self) -> None:
        from pymoo.core.population import Population

        assert self.algorithm is not None
        self.algorithm.tell(infills=Population.create(*self.scored))
        self.scored = []


def _require_pymoo() -> None:
    try:
        import pymoo  # noqa: F401
    except ModuleNotFoundError as problem:
        raise NasbenchSuiteError(
            "strategy nsga2_pymoo needs the package pymoo; run: pip install 'nasbench-suite[pymoo]'; "
            "strategy nsga2 is the same method without it."
        ) from problem


def _score(member: Any, values: NDArray[np.float64], violation: float) -> None:
    member.set("F", -np.where(np.isfinite(values), values, -_WORST))
    member.set("G", np.array([min(violation, _WORST)]))
    member.evaluated.update(("F", "G"))


def _algorithm(search: Nsga2Pymoo, first: Genes) -> "Algorithm":
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.core.termination import NoTermination

    objectives = len(search.early[0][1])
    problem = Problem(n_var=search.space.n_genes, n_obj=objectives, n_ieq_constr=1, vtype=int)
    algorithm = NSGA2(
        pop_size=search.population,
        sampling=first,
        crossover=_crossover(search.space, search.crossover_probability),
        mutation=_mutation(search.space, search.mutation_probability),
    )
    algorithm.setup(problem, termination=NoTermination(), seed=int(search.rng.integers(_SEEDS)))
    return algorithm


def _crossover(space: SearchSpace, probability: float) -> Any:
    from pymoo.core.crossover import Crossover

    class OfSpace(Crossover):  # type: ignore[misc]  # untyped
        def _do(self, problem: Any, parents: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> Any:
            mothers, fathers = parents.astype(np.uint8)
            return space.crossover(random_state, mothers, fathers)[None].astype(parents.dtype)

    return OfSpace(2, 1, prob=probability)


def _mutation(space: SearchSpace, probability: float) -> Any:
    from pymoo.core.mutation import Mutation

    class OfSpace(Mutation):  # type: ignore[misc]  # untyped
        def _do(self, problem: Any, rows: Any, *args: Any, random_state: Any = None, **kwargs: Any) -> Any:
            return space.mutate(random_state, rows.astype(np.uint8)).astype(rows.dtype)

    return OfSpace(prob=probability)
