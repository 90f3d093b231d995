"""What a board's pages show of strategies that train a supernet: a table, and operations by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nasbench_suite.drawing import COLOURS, draw_panels
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.scale import Scale
from nasbench_suite.leaderboards.statistics import Estimate
from nasbench_suite.leaderboards.supernets import Supernets
from nasbench_suite.tasks import load_benchmark

OPERATIONS_FIGURE = "operations-by-epoch.svg"
_PANEL_INCHES = (3.4, 2.2)
_DASH = "–"


@dataclass(frozen=True)
class SupernetRow:
    """One line of the table; text as the pages show it.

    Attributes
    ----------
    test
        Of the architectures that the runs ended with, mean ± standard deviation, as `Scale` writes them.
    beside
        The same mean of the strategies that look results up, after as many seconds, by label.
    seconds, kendall, spearman, megabytes
        Means over runs.
    failed
        Runs that ended because a loss was no number.
    """

    column: str
    strategy: str
    runs: int
    test: str
    beside: dict[str, str]
    seconds: str
    kendall: str
    spearman: str
    megabytes: str
    failed: int


def supernet_rows(board: Board) -> list[SupernetRow]:
    """Return the table of the strategies that train a supernet, column by column; none where none does."""
    return [
        _row(board, column, label, found)
        for column, by_label in board.supernets.items()
        for label, found in by_label.items()
    ]


def beside_labels(board: Board) -> list[str]:
    """Return the labels of the strategies that look results up; none where no table says what that takes."""
    if not any(len(board.seconds[column]) for column in board.supernets):
        return []
    trained = {label for by_label in board.supernets.values() for label in by_label}
    return [label for label in board.labels if label not in trained]


def _row(board: Board, column: str, label: str, found: Supernets) -> SupernetRow:
    summary = board.summaries[column][label]
    seconds = float(found.seconds.mean())
    return SupernetRow(
        column=column,
        strategy=label,
        runs=summary.runs,
        test=_spread(board.scales[column], summary.test),
        beside={other: _after(board, column, other, seconds) for other in beside_labels(board)},
        seconds=f"{seconds:,.0f}",
        kendall=_mean(found.kendall),
        spearman=_mean(found.spearman),
        megabytes=f"{found.step_bytes.mean() / 1e6:.1f}",
        failed=int(found.failed.sum()),
    )


def _after(board: Board, column: str, label: str, seconds: float) -> str:
    """Return the mean test result of a strategy's incumbents after so many seconds."""
    grid, curve = board.seconds[column], board.summaries[column][label].seconds_curve
    if board.rules.clock != "total" or not len(grid) or not grid[0] <= seconds <= grid[-1]:
        return _DASH
    place = int(np.searchsorted(grid, seconds, side="right")) - 1
    best, sign = board.references[column].best_test, 1 if board.references[column].maximise else -1
    return board.scales[column].text(best - sign * float(curve.mean[place]))


def _spread(scale: Scale, found: Estimate) -> str:
    return scale.text(found.mean) if np.isnan(found.sd) else scale.spread(found)


def _mean(values: NDArray[np.float64]) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return _DASH
    return f"{known.mean():.2f}" if len(known) == 1 else f"{known.mean():.2f} ± {known.std(ddof=1):.2f}"


def operations_figure(board: Board) -> Figure:
    """Draw how many genes of the derived architecture have each operation, by epoch, the mean over runs."""
    items = [(c, label, f) for c, by_label in board.supernets.items() for label, f in by_label.items()]
    names = {column.name: _operation_names(column.search) for column in board.rules.columns}

    def draw(axes: Axes, item: tuple[str, str, Supernets]) -> None:
        column, label, found = item
        _stacked(axes, found, names[column])
        axes.set_title(label if len(board.columns) == 1 else f"{label}, {column}", fontsize=9)

    figure = draw_panels(items, draw, size=_PANEL_INCHES)
    figure.supxlabel("epochs", fontsize=10)
    figure.supylabel("genes of the derived architecture", fontsize=10)
    handles = {
        name: handle
        for axes in figure.axes
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles=list(handles.values()),
        labels=list(handles),
        loc="outside upper center",
        ncols=min(5, len(handles)),
        frameon=False,
        fontsize=9,
    )
    return figure


def _stacked(axes: Axes, found: Supernets, names: Sequence[str]) -> None:
    known = ~np.isnan(found.operations)
    total = np.where(known, found.operations, 0.0).sum(axis=0)
    mean = np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))
    epochs = np.arange(1, len(mean) + 1)
    axes.stackplot(epochs, mean.T, labels=names, colors=COLOURS[: mean.shape[1]], alpha=0.85)
    axes.set_xlim(1, max(2, len(mean)))
    axes.set_ylim(0, float(np.nanmax(mean.sum(axis=1))))


def _operation_names(task: str) -> Sequence[str]:
    space = load_benchmark(task).space
    return space.operations or [f"value {place}" for place in range(max(space.cardinalities))]
