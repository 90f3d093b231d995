"""How good the runs of a strategy were: what the table says of their incumbents, over the budget.

The incumbent is the architecture with the best validation result that the run has seen. Its quality is the
table's mean over all trainings, fully trained, whatever noisy or early result made it the incumbent. Regrets
are distances to the best of the table in the same column: test regret to the best test result that any
architecture has, which a search that chooses by validation need not be able to reach.
"""

import warnings
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.clock import Budget
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.runs import Runs
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tasks import load_benchmark

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
    def of(cls, by_valid: TabularBenchmark, by_test: TabularBenchmark | None = None) -> "Reference":
        """Return the reference of a table, or of the two tables that hold validation and test results."""
        by_test = by_test or by_valid
        valid, test = by_valid.valid_column(), by_test.test_column()
        maximise = by_valid.metrics[by_valid.valid_metric].direction == "max"
        sign = 1.0 if maximise else -1.0
        best = by_valid.table.genes[[np.nanargmax(sign * valid)]]
        return cls(
            best_valid=sign * float(np.nanmax(sign * valid)),
            best_test=sign * float(np.nanmax(sign * test)),
            top_valid=sign * float(np.nanquantile(sign * valid, 1 - TOP_SHARE)),
            test_of_best_valid=float(test[by_test.rows(best)[0]]),
            maximise=maximise,
        )


@dataclass(frozen=True)
class Outcomes:
    """Results of the runs of one strategy on one task; regrets are never negative.

    Attributes
    ----------
    valid, test, test_regret, valid_regret
        Of the final incumbents, float64 `[runs]`; NaN where a run found nothing.
    best_test_seen
        The best test result among all architectures that a run has seen, float64 `[runs]`: what choosing by
        test would report. NaN unless it was asked for.
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

    valid: _Values
    test: _Values
    test_regret: _Values
    valid_regret: _Values
    best_test_seen: _Values
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


def evaluation_grid(last: int) -> NDArray[np.int64]:
    """Return evaluation counts up to `last`, about evenly spaced on a logarithmic axis."""
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
    interpolate_at
        Simulated seconds at which final results are interpolated; None: they are those of the end.
    best_test_seen
        Whether that is asked for.
    add_billed
        Whether seconds that strategies bill are added to the simulated ones.
    """

    evaluations: NDArray[np.int64]
    seconds: _Values
    interpolate_at: float | None = None
    best_test_seen: bool = False
    add_billed: bool = False

    def __call__(
        self, runs: Runs, by_valid: TabularBenchmark, by_test: TabularBenchmark | None = None
    ) -> Outcomes:
        """Return the outcomes of a record; this is where test results are revealed.

        Parameters
        ----------
        runs
            The record, perhaps of a search on another task: a shorter schedule.
        by_valid, by_test
            The tables whose fully trained validation and test results count; the same one if one is given.
        """
        by_test = by_test or by_valid
        reference = Reference.of(by_valid, by_test)
        sign = 1.0 if reference.maximise else -1.0
        with warnings.catch_warnings():  # boards tell how many runs are left out, see `Board.left_out`
            warnings.simplefilter("ignore", MissingResultWarning)
            valid, test = _of_incumbents(runs, by_valid, by_test)
            best_seen = (
                _best_test_seen(runs, by_test, sign) if self.best_test_seen else np.full(len(test), np.nan)
            )
        counted = runs.evaluations()
        clock = runs.clock()
        valid_regret = sign * (reference.best_valid - valid)
        test_regret = sign * (reference.best_test - test)

        def final(values: _Values) -> _Values:
            if self.interpolate_at is None or clock is None:
                return values[:, -1]
            return _interpolated(values, clock, runs.length, self.interpolate_at)

        return Outcomes(
            valid=final(valid),
            test=final(test),
            test_regret=final(test_regret),
            valid_regret=final(valid_regret),
            best_test_seen=best_seen,
            evaluations=counted[:, -1].astype(np.float64),
            to_top=_first(sign * (valid - reference.top_valid) >= 0, counted),
            to_optimum=_first(valid == reference.best_valid, counted),
            test_regret_at=_read_at(test_regret, counted, self.evaluations),
            valid_regret_at=_read_at(valid_regret, counted, self.evaluations),
            test_regret_at_seconds=self._by_seconds(runs, test_regret),
        )

    def _by_seconds(self, runs: Runs, test_regret: _Values) -> _Values:
        """Read the regret off over seconds; NaN where the strategy's own were measured and do not count."""
        clock = runs.total_clock() if self.add_billed else runs.clock()
        if clock is None:
            return np.zeros((len(test_regret), 0))
        if runs.search_seconds is not None and not self.add_billed:
            return np.full((len(test_regret), len(self.seconds)), np.nan)
        return _read_at(test_regret, clock, self.seconds)


def open_table(task: str) -> TabularBenchmark:
    """Return the table of a task.

    Raises
    ------
    NasbenchSuiteError
        When the benchmark is no table, so that no optimum is known.
    """
    benchmark = load_benchmark(task)
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(f"{task} is no table; a leaderboard needs one to know regrets.")
    return benchmark


def _of_incumbents(
    runs: Runs, by_valid: TabularBenchmark, by_test: TabularBenchmark
) -> tuple[_Values, _Values]:
    """Return the tables' validation and test results of the incumbent at every step, `[runs, steps]`."""
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
    valid = by_valid.query(genes).valid
    test = by_test.reveal(genes).test
    return np.where(found, valid[which], np.nan), np.where(found, test[which], np.nan)


def _best_test_seen(runs: Runs, by_test: TabularBenchmark, sign: float) -> _Values:
    """Return the best test result of each run's architectures, `[runs]`."""
    seen = np.full(runs.valid.shape, -np.inf)
    seen[runs.present] = sign * by_test.reveal(runs.genes[runs.present]).test
    best = np.fmax.reduce(seen, axis=1)
    return np.where(np.isinf(best), np.nan, sign * best)


def _interpolated(values: _Values, clock: _Values, length: NDArray[np.int64], at: float) -> _Values:
    """Interpolate linearly between the two steps whose ends lie nearest to `at` seconds, `[runs]`.

    Where both lie on the same side this extrapolates, as NATS-Bench's code does
    (AutoDL-Projects, `exps/NATS-Bench/draw-fig8.py`, `query_performance`).
    """
    steps = np.arange(values.shape[1])
    distance = np.where(steps < length[:, None], np.abs(clock - at), np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, :2]
    if order.shape[1] < 2:
        return values[:, -1]
    row = np.arange(len(values))
    first, second = order.T
    early, late = clock[row, first], clock[row, second]
    gap = np.where(late == early, 1.0, late - early)
    share = np.where((length > 1) & (late != early), (at - early) / gap, 0.0)
    interpolated: _Values = values[row, first] + share * (values[row, second] - values[row, first])
    return np.where(length > 1, interpolated, values[:, 0])


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
