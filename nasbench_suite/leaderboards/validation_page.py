"""Writes what a validation found: a page in Markdown, a table as CSV, and a scatter plot as SVG."""

import csv
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasbench_suite.drawing import draw_panels, svg
from nasbench_suite.leaderboards.agreement import Correlation
from nasbench_suite.leaderboards.scale import percent
from nasbench_suite.leaderboards.validation import ColumnValidation, Measured, Pick, Split, Validation
from nasbench_suite.storage import write_whole

PAGE = "validation.md"
_DASH = "–"
_PANEL_INCHES = (3.6, 3.2)
_COLUMNS = (
    "column",
    "architecture",
    "picked_by",
    "runs",
    *(
        f"{where}_{split}{what}"
        for where in ("table", "trained")
        for split in ("valid", "test")
        for what in ("", "_sd", "_trainings")
    ),
    "gap_valid",
    "gap_test",
    "latency_ms_sum",
    "latency_ms_network",
)
_SPLITS: tuple[Split, Split] = ("valid", "test")


def write_validation(found: Validation, page: Path, name: str) -> list[Path]:
    """Write the page, `PAGE.csv` and `PAGE.svg` of the same name beside it, and return their paths.

    Parameters
    ----------
    page
        The Markdown file.
    name
        The leaderboard, for the command that makes the page again.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written; each is whole or absent.
    """
    table, figure = page.with_suffix(".csv"), page.with_suffix(".svg")
    written = {
        figure: svg(_scatter(found), figure.name),
        table: csv_table(found).encode(),
        page: markdown_page(found, name, figure.name).encode(),
    }
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def markdown_page(found: Validation, name: str, figure: str) -> str:
    """Return the text of the page; `figure` is the file name of its figure."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(
        measured=measured,
        points=points,
        interval=interval,
        picked=_picked,
        percent=percent,
        correlation=correlation,
    )
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(found=found, name=name, figure=figure, splits=_SPLITS)


def measured(value: Measured) -> str:
    """Write mean and standard deviation in percent, the latter where there are two trainings or more."""
    return percent(value.mean) if np.isnan(value.sd) else f"{percent(value.mean)} ± {percent(value.sd)}"


def points(value: float) -> str:
    """Write a difference in percentage points with its sign; a dash for NaN."""
    return _DASH if np.isnan(value) else f"{100 * value:+.2f}"


def interval(found: Correlation) -> str:
    """Write a correlation and its interval."""
    if np.isnan(found.value):
        return _DASH
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def correlation(value: float) -> str:
    """Write a correlation; a dash for NaN."""
    return _DASH if np.isnan(value) else f"{value:.2f}"


def _picked(pick: Pick) -> str:
    return ", ".join(f"{label} ({runs})" for label, runs in pick.picked_by.items())


def csv_table(found: Validation) -> str:
    """Return one line per column and pick, results as fractions; empty where there is none."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for column in found.columns:
        for row, pick in enumerate(column.picks):
            sides = [side[split] for side in (pick.table, pick.trained) for split in _SPLITS]
            numbers = [number for side in sides for number in (side.mean, side.sd, side.trainings)]
            writer.writerow(
                [
                    column.column,
                    pick.architecture,
                    "; ".join(pick.picked_by),
                    sum(pick.picked_by.values()),
                    *map(_cell, numbers),
                    *(_cell(pick.gap(split)) for split in _SPLITS),
                    *map(_cell, _latencies(column, row)),
                ]
            )
    return target.getvalue()


def _latencies(column: ColumnValidation, row: int) -> list[float]:
    """Return the predicted and the measured latency of a pick, in milliseconds; NaN where there is none."""
    found = column.latencies
    if found is None:
        return [float("nan"), float("nan")]
    return [float(found.predicted[row]), float(found.measured[row])]


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.8g}"


def _scatter(found: Validation) -> Figure:
    """Draw the test results of the trainings over those of the table, a panel for each column."""

    def draw(axes: Axes, column: ColumnValidation) -> None:
        picks = [pick for pick in column.picks if not np.isnan(pick.gap("test"))]
        axes.set_title(column.column, fontsize=10)
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
        if not picks:
            axes.text(0.5, 0.5, "nothing to compare", ha="center", va="center", transform=axes.transAxes)
            return
        _points(axes, [pick.table["test"] for pick in picks], [pick.trained["test"] for pick in picks])

    figure = draw_panels(found.columns, draw, size=_PANEL_INCHES)
    figure.supxlabel("test accuracy in the table (%)", fontsize=10)
    figure.supylabel("trained from scratch (%)", fontsize=10)
    return figure


def _points(axes: Axes, table: Sequence[Measured], trained: Sequence[Measured]) -> None:
    """Draw means with standard deviations over trainings as bars, and the diagonal."""
    x, y = (np.array([100 * one.mean for one in side]) for side in (table, trained))
    bars = [np.nan_to_num([100 * one.sd for one in side]) for side in (table, trained)]
    axes.errorbar(
        x, y, xerr=bars[0], yerr=bars[1], fmt="o", color="#0072b2", markersize=4, capsize=2, linewidth=0.8
    )
    axes.axline((x[0], x[0]), slope=1, color="#7f7f7f", linewidth=1, linestyle="--", zorder=0)


def as_data(found: Validation) -> dict[str, Any]:
    """Return everything as plain JSON values; NaN becomes null."""
    return {
        "title": found.title,
        "top": found.choice.top,
        "columns": {column.column: _column_data(column) for column in found.columns},
        "skipped": dict(found.skipped),
    }


def _column_data(column: ColumnValidation) -> dict[str, Any]:
    return {
        "trained_for": list(column.trained_for),
        "recipe": column.recipe,
        "data": column.data,
        "seeds": list(column.seeds),
        "differences": list(column.differences),
        "missing": list(column.missing),
        "picks": [
            {
                "architecture": pick.architecture,
                "picked_by": dict(pick.picked_by),
                "table": _sides(pick.table),
                "trained": _sides(pick.trained),
                "gap": {split: _plain(pick.gap(split)) for split in _SPLITS},
                "failures": list(pick.failures),
                "latency_ms": dict(
                    zip(("sum", "network"), map(_plain, _latencies(column, row)), strict=True)
                ),
            }
            for row, pick in enumerate(column.picks)
        ],
        "agreement": {split: _plain(vars(found)) for split, found in column.agreement.items()},
        "ensembles": [
            {"size": gain.size}
            | {
                f"{split}_{what}": _plain(vars(gain.over_seeds(split, what)))
                for split in _SPLITS
                for what in ("ensemble", "over_best", "over_mean")
            }
            for gain in column.ensembles
        ],
    }


def _sides(side: Any) -> dict[str, Any]:
    return {split: _plain(vars(found)) for split, found in side.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return _plain(vars(value))
    return None if isinstance(value, float) and not np.isfinite(value) else value
