"""The figures of a board, drawn with matplotlib as SVG; the same board gives the same bytes."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from nasbench_suite.drawing import MARKERS, colour, panels, svg
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.statistics import Curve, Estimate

CRITICAL_DIFFERENCES = "critical-differences.svg"
_LOWEST_BAND = 0.5
"""Share of the mean below which a band on a logarithmic axis is cut off."""


def figure_names(board: Board) -> list[str]:
    """Return the file names of a board's figures, in the order in which pages show them."""
    names = ["regret-by-evaluations.svg", "validation-regret-by-evaluations.svg", "final-regret.svg"]
    if board.over_tasks is not None:
        names.append(CRITICAL_DIFFERENCES)
    if not all(len(grid) for grid in board.seconds.values()):
        return names
    by_seconds = ["regret-by-seconds.svg"]
    return names + by_seconds if board.rules.seconds is None else by_seconds + names


def board_figures(board: Board) -> dict[str, bytes]:
    """Return all figures of a board as SVG, by file name."""
    return {name: svg(_draw(board, name), name) for name in figure_names(board)}


def _draw(board: Board, name: str) -> Figure:
    curves: dict[str, tuple[str, str, str]] = {
        "regret-by-evaluations.svg": ("test_regret_curve", "evaluations", "test regret"),
        "validation-regret-by-evaluations.svg": ("valid_regret_curve", "evaluations", "validation regret"),
        "regret-by-seconds.svg": ("seconds_curve", _seconds_label(board), "test regret"),
    }
    if name == CRITICAL_DIFFERENCES:
        return _critical_differences(board)
    if name not in curves:
        return _finals(board)
    attribute, x_label, y_label = curves[name]

    def curve(task: str, label: str) -> Curve:
        found: Curve = getattr(board.summaries[task][label], attribute)
        return found

    def grid(task: str) -> NDArray[Any]:
        return board.seconds[task] if attribute == "seconds_curve" else board.evaluations

    return _anytime(board, curve, grid, (x_label, f"{y_label} ({board.difference_unit})"))


def _seconds_label(board: Board) -> str:
    return "seconds, simulated and billed" if board.rules.clock == "total" else "simulated seconds"


def _anytime(
    board: Board,
    curve_of: Callable[[str, str], Curve],
    grid_of: Callable[[str], NDArray[Any]],
    labels: tuple[str, str],
) -> Figure:
    """Draw one panel per task: a mean regret of the incumbent over the budget, with its band."""
    figure, shown = panels(len(board.columns))
    for axes, task in zip(shown, board.columns, strict=False):
        factor, smallest = board.scales[task].factor, board.scales[task].smallest
        for number, label in enumerate(board.labels):
            curve, grid = curve_of(task, label), grid_of(task)
            mean = np.maximum(factor * curve.mean, factor * smallest)
            axes.plot(grid, mean, color=colour(number), linewidth=1.4)
            # A band that reaches zero, as with the first few runs to finish, must not stretch the axis.
            low = np.maximum(factor * curve.low, np.maximum(_LOWEST_BAND * mean, factor * smallest))
            axes.fill_between(grid, low, factor * curve.high, color=colour(number), alpha=0.2, linewidth=0)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(task, fontsize=10)
        axes.grid(visible=True, which="major", linewidth=0.4, alpha=0.5)
    figure.supxlabel(labels[0], fontsize=10)
    figure.supylabel(labels[1], fontsize=10)
    _legend(figure, board, lines=True)
    return figure


def _finals(board: Board) -> Figure:
    """Draw the final test regret of every strategy and task with its bootstrap interval."""
    figure, shown = panels(len(board.columns), height=0.28 * len(board.labels) + 0.9)
    for axes, task in zip(shown, board.columns, strict=False):
        factor = board.scales[task].factor
        for number, label in enumerate(board.labels):
            regret = board.summaries[task][label].test_regret
            axes.errorbar(
                factor * regret.mean,
                -number,
                xerr=_distances(factor, regret),
                color=colour(number),
                marker=MARKERS[number % len(MARKERS)],
                markersize=5,
                capsize=2,
            )
        axes.set_yticks([])
        axes.margins(y=0.15)
        axes.set_title(task, fontsize=10)
        axes.grid(visible=True, axis="x", linewidth=0.4, alpha=0.5)
    figure.supxlabel(f"final test regret ({board.difference_unit})", fontsize=10)
    _legend(figure, board, lines=False)
    return figure


def _critical_differences(board: Board) -> Figure:
    """Draw mean ranks on a line, and bars over strategies that are not told apart."""
    import scikit_posthocs as posthocs  # loads for seconds

    over = board.over_tasks
    assert over is not None
    figure = Figure(figsize=(8.0, 0.9 + 0.16 * len(over.ranks)), layout="constrained")
    axes = figure.subplots()
    drawn = posthocs.critical_difference_diagram(
        pd.Series(over.ranks),
        over.p,
        alpha=1 - board.rules.confidence,
        ax=axes,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
        label_props={"fontsize": 9},
        color_palette={label: colour(number) for number, label in enumerate(board.labels)},
    )
    for bar in itertools.chain.from_iterable(drawn["crossbars"]):
        ends, height = np.asarray(bar.get_xdata()), np.asarray(bar.get_ydata())
        bar.set_data([ends.min(), ends.max()], height[:2])  # its points come in the order of a set
    return figure


def _distances(factor: float, regret: Estimate) -> NDArray[np.float64] | None:
    """Return how far the ends of an interval are from the mean, `[2, 1]`; None where there is none."""
    if np.isnan(regret.low):
        return None
    return factor * np.array([[regret.mean - regret.low], [regret.high - regret.mean]])


def _legend(figure: Figure, board: Board, *, lines: bool) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=colour(number),
            linewidth=2 if lines else 0,
            marker="" if lines else MARKERS[number % len(MARKERS)],
            label=label,
        )
        for number, label in enumerate(board.labels)
    ]
    columns = min(4, len(handles)) if len(board.columns) > 1 else 3
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, fontsize=9)
