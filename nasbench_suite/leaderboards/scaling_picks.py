"""Which strategies find networks above the curve: picks of a board beside the law of error by compute."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.picks import RECORDS, Picks, read_picks
from nasbench_suite.leaderboards.power_law import Values
from nasbench_suite.leaderboards.scaling import Asked, Judgement, Scaling, errors_of
from nasbench_suite.leaderboards.statistics import Estimate, estimate_mean
from nasbench_suite.tabular.benchmark import TabularBenchmark


@dataclass(frozen=True)
class Above:
    """Where the picks of a strategy lie.

    All means are over runs; accuracies are fractions.

    Attributes
    ----------
    runs, missing
        Runs whose pick has a result and a cost, and others.
    residual
        By how much a pick's accuracy exceeds the law's at the same compute; the interval resamples runs and
        takes the law as it is.
    by_size
        By how much the law's accuracy at the pick's compute exceeds the law's mean over all architectures:
        what the pick gains by being larger. With `residual` it adds up to how far a pick is above that mean.
    above, above_band
        Share of runs above the curve, and above its band.
    better_than
        Mean share of all architectures that lie lower against the curve, by the ratio of error to law.
    below_frontier
        By how much a pick's accuracy falls short of the frontier's law at the same compute; NaN without one.
    cost, accuracy
        Median cost, and mean accuracy.
    """

    runs: int
    missing: int
    residual: Estimate
    by_size: float
    above: float
    above_band: float
    better_than: float
    below_frontier: float
    cost: float
    accuracy: float


def picks_for(board: Board, folder: Path, task: str) -> tuple[str, dict[str, Picks]]:
    """Return the task that a board searched to be judged by a table, and what each strategy picked there.

    Parameters
    ----------
    board, folder
        A board that was played, and where it lies.
    task
        A task of the board, or one whose table judges one of its searches.

    Raises
    ------
    NasbenchSuiteError
        When the board has no search for it, or several, or does not know what its runs ended with.
    """
    columns = board.rules.columns
    own = [name for name in board.rules.tasks if name == task]
    judged = [column.search for column in columns if task in (column.valid, column.test)]
    searched = own or list(dict.fromkeys(judged))
    if len(searched) != 1:
        tables = dict.fromkeys(name for c in columns for name in (c.search, c.valid, c.test))
        what = f"searches {' and '.join(searched)} for" if searched else "has nothing to do with"
        raise NasbenchSuiteError(
            f"the board in {folder} {what} {task}; give a task that one search of it is judged by, out of "
            f"{', '.join(tables)}."
        )
    picks = board.picks or read_picks(folder / RECORDS, board.rules.tasks, board.labels)
    return searched[0], picks[searched[0]]


def above_the_curve(
    scaling: Scaling, judgement: Judgement, benchmark: TabularBenchmark, picks: dict[str, Picks], asked: Asked
) -> dict[str, Above]:
    """Return where the picks of every strategy lie, the highest above the curve first.

    Parameters
    ----------
    scaling, judgement
        The task's laws, and by which metric picks are judged.
    benchmark
        The same task's table.
    picks
        By strategy.
    asked
        Intervals.
    """
    errors = errors_of(benchmark, judgement.role)
    found = {
        label: _above(judgement, _looked_up(benchmark, own.genes, errors, scaling.compute.values), own, asked)
        for label, own in picks.items()
    }
    residuals = {label: one.residual.mean if one.runs else -np.inf for label, one in found.items()}
    return {label: found[label] for label in sorted(found, key=lambda name: -residuals[name])}


def _looked_up(
    benchmark: TabularBenchmark, genes: NDArray[np.uint8], errors: Values, costs: Values
) -> tuple[Values, Values]:
    """Return costs and errors of architectures, NaN where the table has none."""
    rows = benchmark.table.row_index.rows(genes)
    return np.where(rows >= 0, costs[rows], np.nan), np.where(rows >= 0, errors[rows], np.nan)


def _above(judgement: Judgement, picked: tuple[Values, Values], own: Picks, asked: Asked) -> Above:
    known = ~np.isnan(picked[0]) & ~np.isnan(picked[1])
    costs, errors, runs = picked[0][known], picked[1][known], own.runs[known]
    points, law = judgement.points, judgement.fitted.law
    expected = law.errors(costs)
    ratios = np.sort(points.errors / law.errors(points.costs))
    lower = 1 - np.searchsorted(ratios, errors / expected, side="right") / len(ratios)
    frontier = judgement.frontier
    best = np.full(len(costs), np.nan) if frontier is None else frontier.fitted.law.errors(costs)
    band = judgement.fitted.band(costs)[0]

    def mean(values: Values) -> float:
        return float(np.average(values, weights=runs)) if runs.sum() else float("nan")

    return Above(
        runs=int(runs.sum()),
        missing=int(own.runs[~known].sum()),
        residual=estimate_mean(np.repeat(expected - errors, runs), **vars(asked)),
        by_size=float(law.errors(points.costs).mean()) - mean(expected),
        above=mean((errors < expected).astype(float)),
        above_band=mean((errors < band).astype(float)),
        better_than=mean(lower),
        below_frontier=mean(errors - best),
        cost=float(np.median(np.repeat(costs, runs))) if runs.sum() else float("nan"),
        accuracy=1 - mean(errors),
    )
