"""Transfer: architectures that were found on one task, judged on another of the same space.

What is judged are the last incumbents of a board's runs, each as often as runs ended with it, or, without a
board, the architectures of a table that are best by validation. A row of a matrix is a task that was
searched, a column one whose test results judge. NAS-Bench-201's Table 5 (Dong, Yang, ICLR 2020) is one row of
such a matrix: searched on CIFAR-10, judged on CIFAR-10, CIFAR-100 and ImageNet16-120.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.outcomes import open_table
from nasbench_suite.leaderboards.picks import RECORDS, Picks, read_picks
from nasbench_suite.leaderboards.scale import Scale, common_unit
from nasbench_suite.tabular.benchmark import TabularBenchmark

_Values = NDArray[np.float64]
_FEWEST_FOR_RANKS = 3


@dataclass(frozen=True, eq=False)
class Judged:
    """Test results of the picks of one strategy, float64 `[searched, judged]`.

    Attributes
    ----------
    mean, sd
        Mean and sample standard deviation over runs; NaN where no pick, or for `sd` fewer than two runs, have
        a result.
    regret
        Distance of the mean to the best test result of the judging table, never negative.
    runs
        Runs whose pick has a result there.
    """

    mean: _Values
    sd: _Values
    regret: _Values
    runs: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Transfer:
    """All tasks of one space against each other.

    Attributes
    ----------
    space
        Its name.
    searched, judged
        Tasks of the rows and columns.
    units
        Of the test results of the judging tasks (`Metric.unit`).
    best
        The best test result of every judging table, `[judged]`.
    by_strategy
        Results of the picks, by strategy label.
    spearman, kendall
        Rank correlation (rho, tau-b) of both tasks' test results over all architectures that have both,
        `[searched, judged]`; NaN where the searched table has no test results.
    steering
        Spearman's rho of the searched task's validation with the judging task's test results.
    architectures
        How many architectures are behind `steering`, int64.
    """

    space: str
    searched: list[str]
    judged: list[str]
    units: list[str]
    best: _Values
    by_strategy: dict[str, Judged]
    spearman: _Values
    kendall: _Values
    steering: _Values
    architectures: NDArray[np.int64]

    @property
    def scales(self) -> list[Scale]:
        """How the results of each judging task are written."""
        return [Scale.of(unit, best) for unit, best in zip(self.units, self.best.tolist(), strict=True)]


@dataclass(frozen=True)
class Transfers:
    """What transfer found: a `Transfer` for each space, and what was left out of them and why."""

    title: str
    what: str
    spaces: list[Transfer]
    alone: dict[str, str]

    @property
    def result_unit(self) -> str:
        """What results are in, as words that follow "in"."""
        return common_unit(scale.unit for space in self.spaces for scale in space.scales)

    @property
    def difference_unit(self) -> str:
        """What regrets are in, as words that follow "in"."""
        return common_unit(scale.difference for space in self.spaces for scale in space.scales)


def transfer_of_board(board: Board, folder: Path) -> Transfers:
    """Judge what each strategy picked on each task of a board by every judging table of the board.

    Parameters
    ----------
    board, folder
        A board that was played, and where it lies.

    Raises
    ------
    NasbenchSuiteError
        When no two of its tasks have the same space, or nothing says what its runs ended with.
    """
    rules = board.rules
    picks = board.picks or read_picks(folder / RECORDS, rules.tasks, board.labels)
    by_strategy = {label: {task: picks[task][label] for task in rules.tasks} for label in board.by_rank()}
    judged = list(dict.fromkeys(column.test for column in rules.columns))
    what = "the architectures that the runs of each strategy ended with, chosen by validation"
    return _transfers(rules.title, what, rules.tasks, judged, by_strategy)


def transfer_of_tasks(tasks: Sequence[str], top: int) -> Transfers:
    """Judge the `top` architectures that are best by validation on each task by every other task's table.

    Raises
    ------
    NasbenchSuiteError
        When no two of the tasks have the same space, or a table is not here.
    """
    searched = [task for task in tasks if open_table(task).valid_metric]
    judged = [task for task in tasks if open_table(task).test_metric]
    what = f"the {top} architectures of each table that are best by validation"
    by_strategy = {f"best {top} by validation": {task: _best(open_table(task), top) for task in searched}}
    return _transfers(f"Transfer between {len(tasks)} tasks", what, searched, judged, by_strategy)


def _best(benchmark: TabularBenchmark, top: int) -> Picks:
    """Return the architectures of a table that are best by validation; the first of equals come first."""
    score = _oriented(benchmark, "valid")
    order = np.argsort(-score, kind="stable")[: min(top, int((~np.isnan(score)).sum()))]
    return Picks(benchmark.table.genes[order], np.ones(len(order), dtype=np.int64))


def _transfers(
    title: str,
    what: str,
    searched: Sequence[str],
    judged: Sequence[str],
    by_strategy: Mapping[str, Mapping[str, Picks]],
) -> Transfers:
    tasks: dict[str, list[str]] = {}
    for task in dict.fromkeys([*searched, *judged]):
        tasks.setdefault(open_table(task).space.name, []).append(task)
    spaces: list[Transfer] = []
    alone: dict[str, str] = {}
    for space, members in tasks.items():
        rows, columns = ([t for t in given if t in members] for given in (searched, judged))
        if len(members) < 2 or not rows or not columns:
            alone |= dict.fromkeys(members, _why_alone(space, len(members), rows))
        else:
            spaces.append(_transfer(space, rows, columns, by_strategy))
    if not spaces:
        raise NasbenchSuiteError(
            "nothing can be transferred: no two of these tasks share a search space, one of them with "
            f"validation and the other with test results ({', '.join(alone) or 'there are none'})."
        )
    return Transfers(title, what, spaces, alone)


def _why_alone(space: str, members: int, rows: list[str]) -> str:
    if members < 2:
        return f"no other task here has its space, {space}"
    return f"of the tasks of space {space} none has {'test' if rows else 'validation'} results"


def _transfer(
    space: str,
    searched: list[str],
    judged: list[str],
    by_strategy: Mapping[str, Mapping[str, Picks]],
) -> Transfer:
    ranks = np.array([[_ranks(open_table(row), open_table(column)) for column in judged] for row in searched])
    tables = [open_table(task) for task in judged]
    return Transfer(
        space=space,
        searched=searched,
        judged=judged,
        units=[table.metrics[table.test_metric].unit for table in tables],
        best=np.array([np.nanmax(_oriented(t, "test")) * _sign(t, "test") for t in tables]),
        by_strategy={
            label: _judge([picks[task] for task in searched], tables) for label, picks in by_strategy.items()
        },
        spearman=ranks[:, :, 0],
        kendall=ranks[:, :, 1],
        steering=ranks[:, :, 2],
        architectures=ranks[:, :, 3].astype(np.int64),
    )


def _judge(picks: Sequence[Picks], tables: Sequence[TabularBenchmark]) -> Judged:
    cells = np.array([[_cell(row, table) for table in tables] for row in picks])
    return Judged(cells[:, :, 0], cells[:, :, 1], cells[:, :, 2], cells[:, :, 3].astype(np.int64))


def _cell(picks: Picks, table: TabularBenchmark) -> tuple[float, float, float, int]:
    """Return mean, standard deviation and regret over the runs whose pick the table has, and their number."""
    test = _looked_up(table, picks.genes, table.test_column())
    known = ~np.isnan(test)
    runs = picks.runs[known]
    if not runs.sum():
        return np.nan, np.nan, np.nan, 0
    values = np.repeat(test[known], runs)
    mean = float(values.mean())
    best = np.nanmax(_oriented(table, "test"))
    sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    return mean, sd, float(best - _sign(table, "test") * mean), len(values)


def _ranks(row: TabularBenchmark, column: TabularBenchmark) -> tuple[float, float, float, int]:
    """Return rho and tau-b of both tests, rho of validation and test, and how many are behind the latter."""
    genes = row.table.genes
    judged = _looked_up(column, genes, _oriented(column, "test"))
    spearman = kendall = np.nan
    if row.test_metric:
        own, other = _both(_oriented(row, "test"), judged)
        if len(own) >= _FEWEST_FOR_RANKS:
            spearman = float(stats.spearmanr(own, other).statistic)
            kendall = float(stats.kendalltau(own, other).statistic)
    valid, other = _both(_oriented(row, "valid"), judged)
    steering = float(stats.spearmanr(valid, other).statistic) if len(valid) >= _FEWEST_FOR_RANKS else np.nan
    return spearman, kendall, steering, len(valid)


def _both(a: _Values, b: _Values) -> tuple[_Values, _Values]:
    known = ~np.isnan(a) & ~np.isnan(b)
    return a[known], b[known]


def _oriented(benchmark: TabularBenchmark, role: str) -> _Values:
    """Return a column of a table so that larger is better, float64 `[rows]`."""
    column = benchmark.valid_column() if role == "valid" else benchmark.test_column()
    return _sign(benchmark, role) * column


def _sign(benchmark: TabularBenchmark, role: str) -> float:
    metric = benchmark.valid_metric if role == "valid" else benchmark.test_metric
    return 1.0 if benchmark.metrics[metric].direction == "max" else -1.0


def _looked_up(benchmark: TabularBenchmark, genes: NDArray[np.uint8], column: _Values) -> _Values:
    """Return the entry of a column for every architecture, NaN for those that the table lacks."""
    rows = benchmark.table.row_index.rows(genes)
    return np.where(rows >= 0, column[rows], np.nan)
