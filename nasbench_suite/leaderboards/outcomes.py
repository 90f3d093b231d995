"""How good the runs of a strategy were: what the table says of their incumbents, over the budget.

The incumbent is the architecture with the best validation result that the run has seen. Its quality is the
table's mean over all trainings, fully trained, whatever noisy or early result made it the incumbent. Regrets
are distances to the best of the table in the same column: test regret to the best test result that any
architecture has, which a search that chooses by validation need not be able to reach.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.loop import Budget
from nasbench_suite.runs import Runs
from nasbench_suite.tabular.benchmark import TabularBenchmark

_Values = NDArray[np.float64]

TOP_SHARE = 0.01
"""Share of the table that counts as its top."""
POINTS_PER_CURVE = 60


@dataclass(frozen=True)
class Reference:
    """What regrets are measured against.

    Attributes
    ----------
    best_valid, best_test
        The best values of the table's columns (means over all trainings), each a per-column optimum.
    top_valid
        The validation result from which an architecture is in the top 1 % of the table.
    test_of_best_valid
        The test result of the architecture with the best validation result.
    maximise
        Whether larger is better.
    """

    best_valid: float
    best_test: float
    top_valid: float
    test_of_best_valid: float
    maximise: bool

    @classmethod
    def of(cls, benchmark: Benchmark) -> "Reference":
        """Return the reference of a table.

        Raises
        ------
        NasbenchSuiteError
            When the benchmark is no table, so that no optimum is known.
        """
        if not isinstance(benchmark, TabularBenchmark):
            raise NasbenchSuiteError(f"{benchmark.id} is no table, so regrets are not known there.")
        valid, test = benchmark.valid_column(), benchmark.test_column()
        maximise = benchmark.metrics[benchmark.valid_metric].direction == "max"
        sign = 1.0 if maximise else -1.0
        return cls(
            best_valid=sign * float(np.nanmax(sign * valid)),
            best_test=sign * float(np.nanmax(sign * test)),
            top_valid=sign * float(np.nanquantile(sign * valid, 1 - TOP_SHARE)),
            test_of_best_valid=float(test[np.nanargmax(sign * valid)]),
            maximise=maximise,
        )


@dataclass(frozen=True)
class Outcomes:
    """Results of the runs of one strategy on one task; regrets are never negative.

    Attributes
    ----------
    test, test_regret, valid_regret
        Of the final incumbents, float64 `[runs]`; NaN where a run found nothing.
    evaluations
        Counted evaluations, float64 `[runs]`.
    to_top, to_optimum
        Evaluations until the incumbent was in the top 1 % by validation, and until it was the best by
        validation, float64 `[runs]`; infinity where that did not happen.
    test_regret_at, valid_regret_at
        Regrets of the incumbent after each number of evaluations in `evaluation_grid`, `[runs, points]`.
    test_regret_at_seconds
        Test regret at each time of `seconds_grid`, `[runs, points]`; no points where no cost is known.
    """

    test: _Values
    test_regret: _Values
    valid_regret: _Values
    evaluations: _Values
    to_top: _Values
    to_optimum: _Values
    test_regret_at: _Values
    valid_regret_at: _Values
    test_regret_at_seconds: _Values

    @staticmethod
    def concatenate(blocks: "list[Outcomes]") -> "Outcomes":
        """Join the outcomes of the blocks of one search."""
        names = [f.name for f in fields(Outcomes)]
        return Outcomes(
            **{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}
        )


def evaluation_grid(budget: Budget, most: int) -> NDArray[np.int64]:
    """Return evaluation counts, about evenly spaced on a logarithmic axis, that end with the budget."""
    last = budget.evaluations or most
    return np.unique(np.round(np.geomspace(1, last, POINTS_PER_CURVE)).astype(np.int64))


def seconds_grid(budget: Budget, least: float, most: float) -> _Values:
    """Return times, evenly spaced on a logarithmic axis, from the cheapest evaluation to the budget."""
    return np.geomspace(least, budget.seconds or most, POINTS_PER_CURVE)


@dataclass(frozen=True)
class Judge:
    """Turns records into outcomes; picklable, so that workers can use it.

    Attributes
    ----------
    evaluations, seconds
        The grids at which regrets are read off.
    """

    evaluations: NDArray[np.int64]
    seconds: _Values

    def __call__(self, runs: Runs, benchmark: Benchmark) -> Outcomes:
        """Return the outcomes of a record; this is where test results are revealed."""
        reference = Reference.of(benchmark)
        sign = 1.0 if reference.maximise else -1.0
        valid, test = _of_incumbents(runs, benchmark)
        counted = runs.evaluations()
        valid_regret = sign * (reference.best_valid - valid)
        test_regret = sign * (reference.best_test - test)
        clock = runs.clock()
        return Outcomes(
            test=test[:, -1],
            test_regret=test_regret[:, -1],
            valid_regret=valid_regret[:, -1],
            evaluations=counted[:, -1].astype(np.float64),
            to_top=_first(sign * (valid - reference.top_valid) >= 0, counted),
            to_optimum=_first(valid == reference.best_valid, counted),
            test_regret_at=_read_at(test_regret, counted, self.evaluations),
            valid_regret_at=_read_at(valid_regret, counted, self.evaluations),
            test_regret_at_seconds=(
                np.zeros((len(test), 0)) if clock is None else _read_at(test_regret, clock, self.seconds)
            ),
        )


def _of_incumbents(runs: Runs, benchmark: Benchmark) -> tuple[_Values, _Values]:
    """Return the table's validation and test results of the incumbent at every step, `[runs, steps]`."""
    incumbents = runs.incumbents()
    changed = np.diff(incumbents, axis=1, prepend=-1) != 0
    run, step = np.nonzero(changed)
    if not run.size:  # no run has any result
        nothing = np.full(incumbents.shape, np.nan)
        return nothing, nothing
    genes = runs.genes[run, incumbents[run, step]]
    which = np.full(incumbents.shape, -1)
    which[run, step] = np.arange(len(run))
    which = np.maximum.accumulate(which, axis=1)
    found = incumbents >= 0
    valid = benchmark.query(genes).valid
    test = benchmark.reveal(genes).test
    return np.where(found, valid[which], np.nan), np.where(found, test[which], np.nan)


def _first(reached: NDArray[np.bool_], counted: NDArray[np.int64]) -> _Values:
    """Return the number of evaluations at the first step that is marked; infinity if none is."""
    step = reached.argmax(axis=1)
    evaluations = np.take_along_axis(counted, step[:, None], axis=1)[:, 0]
    return np.where(reached.any(axis=1), evaluations, np.inf)


def _read_at(values: _Values, axis: NDArray[np.number], grid: NDArray[np.number]) -> _Values:
    """Read a step function at grid points: the value of the last step whose axis does not exceed the point.

    NaN before the first step; the last value goes on beyond the last.
    """
    if len(axis) and (axis == axis[0]).all():  # all runs have the same axis, as with a budget of evaluations
        step = np.searchsorted(axis[0], grid, side="right") - 1
        return np.where(step >= 0, values[:, step], np.nan)
    columns = []
    for row, places in zip(values, axis, strict=True):
        step = np.searchsorted(places, grid, side="right") - 1
        columns.append(np.where(step >= 0, row[step], np.nan))
    return np.array(columns).reshape(len(values), len(grid))
