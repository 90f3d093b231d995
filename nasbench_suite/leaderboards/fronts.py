"""Fronts: which architectures none beats in every objective, and how much of a table's front a search has.

A search with several objectives delivers the architectures of its front by validation; what they are worth
is the volume that they dominate by test (Zitzler, Thiele: "Multiobjective Evolutionary Algorithms: A
Comparative Case Study and the Strength Pareto Approach", IEEE Transactions on Evolutionary Computation 3(4),
1999). Volumes are counted in the scale of the table's own front by test, whose worst and best values are 0
and 1 of each objective, down to a reference point at -0.1 (Ishibuchi et al.: "How to Specify a Reference
Point in Hypervolume Calculation", Evolutionary Computation 26(3), 2018, on why not at 0), and as a share of
what the whole front dominates.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import moocore
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations, MissingResultWarning
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.costed_benchmark import CostedBenchmark, with_costs
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.constraint import Constraint, check_reachable, total_violation
from nasbench_suite.strategies.objective import VALID, Objective
from nasbench_suite.tabular.benchmark import TabularBenchmark

Values = NDArray[np.float64]
"""Objectives of architectures, `[n, objectives]`, each to be maximised."""
_MARGIN = 0.1
"""How far below the worst of the front the reference point lies."""


def nondominated(values: Values) -> NDArray[np.bool_]:
    """Tell which rows none beats, `[n]`; equal rows all stay, those with a missing objective do not."""
    known = np.isfinite(values).all(axis=1)
    best = np.zeros(len(values), dtype=bool)
    if known.any():
        best[known] = moocore.is_nondominated(values[known], maximise=True, keep_weakly=True)
    return best


@dataclass(frozen=True)
class Scale:
    """In what volumes are counted.

    Attributes
    ----------
    worst, best
        Of each objective on a front, `[objectives]`: 0 and 1 of the scale.
    """

    worst: NDArray[np.float64]
    best: NDArray[np.float64]

    @classmethod
    def of(cls, front: Values) -> "Scale":
        """Return the scale of a front.

        Raises
        ------
        NasbenchSuiteError
            When an objective is the same all along it.
        """
        worst, best = front.min(axis=0), front.max(axis=0)
        if (worst == best).any():
            place = int(np.flatnonzero(worst == best)[0])
            raise NasbenchSuiteError(
                f"objective {place + 1} is {best[place]:g} all along the front, so there is nothing to "
                "trade; leave it out."
            )
        return cls(worst, best)

    def volume(self, values: Values) -> float:
        """Return the volume that architectures dominate above the reference point."""
        scaled = (values - self.worst) / (self.best - self.worst)
        inside = scaled[(scaled > -_MARGIN).all(axis=1)]
        if not len(inside):
            return 0.0
        return float(moocore.hypervolume(inside, ref=[-_MARGIN] * values.shape[1], maximise=True))


@dataclass(frozen=True)
class FrontTable:
    """A table's architectures in several objectives.

    Attributes
    ----------
    table
        The table that is searched.
    objectives
        With their directions.
    sources
        What costs come of that are not in the table, by name; see `CostedBenchmark.sources`.
    valid, test
        Objectives of every row by validation and by test results, `[rows, objectives]`; minus infinity where
        missing, or where a constraint is not kept to. The same where no test results are held out.
    """

    table: TabularBenchmark
    objectives: tuple[Objective, ...]
    sources: dict[str, str]
    valid: Values
    test: Values

    @classmethod
    def of(
        cls, benchmark: Benchmark, objectives: Sequence[str], constraints: Sequence[str] = ()
    ) -> "FrontTable":
        """Look all architectures of a table up; this is where test results are revealed.

        Raises
        ------
        NasbenchSuiteError
            When the benchmark is no table, there are fewer than two objectives, or no architecture keeps to
            the constraints.
        UnknownNameError
            When nothing knows an objective.
        """
        if not isinstance(benchmark, TabularBenchmark):
            raise NasbenchSuiteError(f"{benchmark.id} is no table, so its front is not known.")
        if len(objectives) < 2:
            raise NasbenchSuiteError("a front needs at least two objectives.")
        bounds = tuple(map(Constraint.parse, constraints))
        names = [Objective.parse(text).name for text in objectives] + [one.name for one in bounds]
        costed = with_costs(benchmark, sorted(set(names) - {VALID}))
        for one in bounds:
            one.check(costed.metrics)
        check_reachable(bounds, costed)
        parsed = tuple(Objective.parse(text).resolved(costed.metrics) for text in objectives)
        genes = benchmark.table.genes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissingResultWarning)
            found = costed.query(genes, info=sorted({*(one.name for one in parsed), *names} - {VALID}))
            tested = found.valid if not benchmark.test_metric else benchmark.reveal(genes).test
        allowed = total_violation(bounds, found) == 0
        judged = Evaluations(tested, found.seconds, found.info, found.maximise)
        valid, test = (_values(parsed, results, allowed) for results in (found, judged))
        sources = costed.sources() if isinstance(costed, CostedBenchmark) else {}
        return cls(benchmark, parsed, sources, valid, test)

    @cached_property
    def front(self) -> NDArray[np.intp]:
        """Rows of the front by validation, `[n]`."""
        return np.flatnonzero(nondominated(self.valid))

    @cached_property
    def test_front(self) -> NDArray[np.intp]:
        """Rows of the front by test, `[n]`."""
        return np.flatnonzero(nondominated(self.test))

    @cached_property
    def scale(self) -> Scale:
        """The scale of the front by test."""
        return Scale.of(self.test[self.test_front])

    @cached_property
    def whole_volume(self) -> float:
        """The volume of the front by test."""
        return self.scale.volume(self.test[self.test_front])

    @cached_property
    def valid_share(self) -> float:
        """What the whole front by validation reaches by test: the most that a search can be sure of."""
        return self.share(self.front)

    def delivered(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return those rows among some that none of them beats by validation."""
        rows = np.unique(rows)
        return rows[nondominated(self.valid[rows])]

    def share(self, rows: NDArray[np.integer]) -> float:
        """Return the volume of rows by test, as a share of the whole front's."""
        return self.scale.volume(self.test[rows]) / self.whole_volume

    def rows(self, genes: Genes) -> NDArray[np.integer]:
        """Return the table's rows of architectures, `[n]`."""
        return self.table.rows(genes)


def _values(
    objectives: tuple[Objective, ...], found: Evaluations, allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    values = np.stack([one.values(found) for one in objectives], axis=1)
    return np.where(allowed[:, None], values, -np.inf)
