"""What a board's picks cost beside how good they are, and the front of the table they come from."""

from typing import Any

import numpy as np

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.fronts import FrontTable
from nasbench_suite.leaderboards.outcomes import open_table
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.rules import Judging
from nasbench_suite.tabular.benchmark import TabularBenchmark

_NO_COSTS = {"nats", "1", "fraction", "percent", "not stated"}
"""Units of what is small in a good network, but is not spent on it."""
_DIGITS = 5
MOST_PICKS = 20
"""Architectures of each strategy that are shown, those that most of its runs ended with."""


def cost_fronts(board: Board) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by column and cost, what a chart of results over costs needs, as JSON values.

    `unit`: of the cost; `higher`: whether larger test results are better; `front`: `x` (cost) and `y` (test
    result, on the scale of the board's pages) of the architectures that none beats in both by test; `picks`:
    rows of `strategy`, `x`, `y`, `runs` and `architecture`. Nothing where a table is not here, records no
    cost, or has one best and cheapest architecture; nothing of boards of before picks were kept.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for column in board.rules.columns:
        if column.search not in board.picks:
            continue
        try:
            table = open_table(column.test)
        except NasbenchSuiteError:
            continue
        for metric in costs_of(table):
            try:
                front = FrontTable.of(table, ["valid", f"min {metric}"])
            except NasbenchSuiteError:
                continue
            found.setdefault(column.name, {})[metric] = _of_column(board, column, front)
    return found


def costs_of(table: TabularBenchmark) -> list[str]:
    """Return the metrics of a table that an architecture costs: parameters, latencies, energies."""
    return [
        name
        for name, metric in sorted(table.metrics.items())
        if metric.role == "info" and metric.direction == "min" and metric.unit not in _NO_COSTS
    ]


def _of_column(board: Board, column: Judging, front: FrontTable) -> dict[str, Any]:
    benchmark = front.table
    metric = benchmark.metrics[benchmark.test_metric or benchmark.valid_metric]
    cost = benchmark.metrics[front.objectives[1].name]
    factor = board.scales[column.name].factor * (1 if metric.direction == "max" else -1)
    x, y = -front.test[:, 1], factor * front.test[:, 0]
    line = front.test_front[np.argsort(x[front.test_front], kind="stable")]
    picks = []
    for label in board.labels:
        top = _top(board.picks[column.search][label])
        rows = front.rows(top.genes)
        for row, text, runs in zip(rows, benchmark.space.format(top.genes), top.runs.tolist(), strict=True):
            if row >= 0 and np.isfinite([x[row], y[row]]).all():
                values = {"x": _number(x[row]), "y": _number(y[row])}
                picks.append({"strategy": label, **values, "runs": runs, "architecture": text})
    return {
        "unit": cost.unit,
        "higher": metric.direction == "max",
        "front": [{"x": _number(x[row]), "y": _number(y[row])} for row in line],
        "picks": picks,
    }


def _top(picks: Picks) -> Picks:
    order = np.argsort(-picks.runs, kind="stable")[:MOST_PICKS]
    return Picks(picks.genes[order], picks.runs[order])


def _number(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
