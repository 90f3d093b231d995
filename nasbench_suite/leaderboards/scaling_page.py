"""Writes scaling: a page in Markdown, every number as CSV, and a figure with a panel for each task."""

import csv
import io
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from nasbench_suite.drawing import MARKERS, colour, draw_panels, svg
from nasbench_suite.leaderboards.power_law import STEEPEST, FittedLaw
from nasbench_suite.leaderboards.scaling import Judgement
from nasbench_suite.leaderboards.scaling_board import Scaled, ScalingBoard
from nasbench_suite.leaderboards.scaling_picks import Above
from nasbench_suite.storage import write_whole

PAGE = "scaling.md"
_PANEL = (3.6, 2.8)
_POINTS = 200
"""Architectures of a panel; more hide each other and make the file large."""
_GRID = 16
_LAW, _FRONTIER = "black", "#d55e00"
_FIRST_COLOUR = 1
"""The first colour of a strategy; the one before is that of the architectures."""
_CONSTANTS = [f"{name}{end}" for name in "abc" for end in ("", "_low", "_high")]
_OF_LAWS = ("architectures", "missing", "faultless", *_CONSTANTS)
_OF_ALL = (
    "r2_law",
    "r2_isotonic",
    "r2_log_law",
    "r2_log_isotonic",
    "spearman",
    "size",
    "wiring",
    "spread",
    "above",
)
_OF_PICKS = (
    "runs",
    "runs_missing",
    "residual",
    "residual_low",
    "residual_high",
    "by_size",
    "runs_above",
    "runs_above_band",
    "better_than",
    "below_frontier",
    "median_cost",
    "mean_accuracy",
)
_HEAD = ("task", "cost", "metric", "role", "row")
_COLUMNS = (*_HEAD, *_OF_LAWS, *_OF_ALL, *_OF_PICKS)
Line = dict[str, str | int | float]


def write_scaling(board: ScalingBoard, folder: Path, command: str) -> list[Path]:
    """Write page, table and figure, each whole or absent, and return their paths, the page last.

    Parameters
    ----------
    board
        What was found.
    folder
        Where to.
    command
        What made it, for the page.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written.
    """
    page = folder / PAGE
    table, figure = page.with_suffix(".csv"), page.with_suffix(".svg")
    written = {
        figure: svg(_drawn(board), figure.name),
        table: csv_of_scaling(board).encode(),
        page: markdown_of_scaling(board, command, figure.name).encode(),
    }
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def markdown_of_scaling(board: ScalingBoard, command: str, figure: str) -> str:
    """Return the text of the page."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(points=points, number=number, share=share)
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        board=board, command=command, figure=figure, constant=constant, steepest=STEEPEST
    )


def points(value: float) -> str:
    """Return a fraction as percentage points, a dash where it is not known."""
    return "–" if np.isnan(value) else f"{100 * value:.2f}"


def number(value: float) -> str:
    """Return three significant digits, a dash where it is not known."""
    return "–" if np.isnan(value) else f"{value:.3g}"


def share(value: float) -> str:
    """Return a share as per cent with one decimal, a dash where it is not known."""
    return "–" if np.isnan(value) else f"{100 * value:.1f} %"


def constant(fitted: FittedLaw, name: str) -> str:
    """Return a constant of a law with its interval."""
    low, high = fitted.interval(name)
    return f"{number(getattr(fitted.law, name))} ({number(low)} to {number(high)})"


def lines_of(board: ScalingBoard) -> Iterator[Line]:
    """Yield what the CSV says: for each metric the law of all, the frontier, and each strategy's picks."""
    for scaled in board.tasks:
        for judged in scaled.scaling.judgements:
            head: Line = {
                "task": scaled.scaling.task,
                "cost": scaled.scaling.compute.name,
                "metric": judged.metric,
                "role": judged.role,
            }
            yield {**head, "row": "all", **_of_all(judged)}
            if judged.frontier is not None:
                fitted = judged.frontier.fitted
                yield {**head, "row": "frontier", **_of_law(fitted, len(judged.frontier.costs))}
            for label, found in scaled.above.get(judged.role, {}).items():
                yield {**head, "row": label, **_of_picks(found)}


def _of_law(fitted: FittedLaw, architectures: int) -> Line:
    found: Line = {"architectures": architectures}
    for name in "abc":
        low, high = fitted.interval(name)
        found |= {name: getattr(fitted.law, name), f"{name}_low": low, f"{name}_high": high}
    return found


def _of_all(judged: Judgement) -> Line:
    explained, worth = judged.explained, judged.worth
    return {
        **_of_law(judged.fitted, len(judged.points.rows)),
        "missing": judged.points.missing,
        "faultless": judged.points.faultless,
        "r2_law": explained.law,
        "r2_isotonic": explained.isotonic,
        "r2_log_law": explained.log_law,
        "r2_log_isotonic": explained.log_isotonic,
        "spearman": explained.spearman,
        **vars(worth),
    }


def _of_picks(found: Above) -> Line:
    values = (
        found.runs,
        found.missing,
        found.residual.mean,
        found.residual.low,
        found.residual.high,
        found.by_size,
        found.above,
        found.above_band,
        found.better_than,
        found.below_frontier,
        found.cost,
        found.accuracy,
    )
    return dict(zip(_OF_PICKS, values, strict=True))


def csv_of_scaling(board: ScalingBoard) -> str:
    """Return one line for each law, frontier and strategy; empty where a column says nothing of it."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for line in lines_of(board):
        writer.writerow(_cell(line.get(name, "")) for name in _COLUMNS)
    return target.getvalue()


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def as_data(board: ScalingBoard) -> list[dict[str, Any]]:
    """Return the lines of the CSV for JSON; what is not known is None."""
    return [
        {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in line.items()}
        for line in lines_of(board)
    ]


def _drawn(board: ScalingBoard) -> Figure:
    labels = list(dict.fromkeys(label for s in board.tasks for above in s.above.values() for label in above))
    items = [(scaled, labels) for scaled in board.tasks]
    figure = draw_panels(items, _panel, size=_PANEL)
    handles = [
        Line2D([], [], color=colour(0), marker=".", linewidth=0, label="architectures"),
        Line2D([], [], color=_LAW, label="law of all"),
        Line2D([], [], color=_FRONTIER, label="law of the frontier"),
    ]
    for place, label in enumerate(labels):
        handles.append(Line2D([], [], linewidth=0, markersize=5, label=label, **_mark(place)))
    columns = 4 if len(board.tasks) > 1 else 3
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, fontsize=8)
    return figure


def _mark(place: int) -> dict[str, Any]:
    return {"color": colour(place + _FIRST_COLOUR), "marker": MARKERS[place % len(MARKERS)]}


def _panel(axes: Axes, item: tuple[Scaled, Sequence[str]]) -> None:
    """Draw the last judged metric, by which picks were not chosen where the table has test results."""
    scaled, labels = item
    judged = scaled.scaling.judgements[-1]
    costs, errors = judged.points.costs, judged.points.errors
    shown = np.random.default_rng(0).permutation(len(costs))[:_POINTS]
    axes.plot(
        costs[shown], errors[shown], ".", color=colour(0), markersize=2, alpha=0.35, rasterized=True, zorder=1
    )
    grid = np.geomspace(costs.min(), costs.max(), _GRID)
    _curve(axes, judged.fitted, grid, _LAW)
    if judged.frontier is not None:
        frontier = judged.frontier
        inside = grid[(grid >= frontier.costs[0]) & (grid <= frontier.costs[-1])]
        _curve(axes, frontier.fitted, inside, _FRONTIER)
        axes.plot(
            frontier.costs, frontier.errors, "_", color=_FRONTIER, markersize=4, rasterized=True, zorder=1
        )
    for label, found in scaled.above.get(judged.role, {}).items():
        if found.runs:
            mark = _mark(labels.index(label))
            axes.plot(found.cost, 1 - found.accuracy, markersize=4, alpha=0.85, zorder=4, **mark)
    low = min(
        [float(errors.min())] + ([] if judged.frontier is None else [float(judged.frontier.errors.min())])
    )
    axes.set(xscale="log", yscale="log", ylim=(0.9 * low, 1.1 * float(errors.max())))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=_ticks(*axis.get_view_interval())))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.set_title(scaled.scaling.task, fontsize=9)
    axes.set_xlabel(_x_label(scaled), fontsize=8)
    axes.set_ylabel(f"1 - {judged.metric}", fontsize=8)
    axes.tick_params(labelsize=7)


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Return which multiples of powers of ten are marked, so that an axis has some marks and not too many."""
    ratio = high / low
    if ratio > 30:
        return (1,)
    return (1, 2, 5) if ratio > 5 else (1, 1.5, 2, 3, 5, 7)


def _x_label(scaled: Scaled) -> str:
    compute = scaled.scaling.compute
    return (
        compute.name
        if compute.name.partition("@")[0].endswith(("_ms", "_millions"))
        else (f"{compute.name} ({compute.unit})")
    )


def _curve(axes: Axes, fitted: FittedLaw, grid: np.ndarray, shade: str) -> None:
    low, high = fitted.band(grid)
    axes.fill_between(grid, low, high, color=shade, alpha=0.2, linewidth=0, zorder=2)
    axes.plot(grid, fitted.law.errors(grid), color=shade, linewidth=1.3, zorder=3)
