"""Writes boards of cost models: a page in Markdown, the numbers as CSV, and scatter plots as SVG."""

import csv
import io
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from numpy.typing import NDArray

from nasbench_suite.drawing import COLOURS, draw_panels, svg
from nasbench_suite.leaderboards.cost_board import CostBoard
from nasbench_suite.storage import write_whole

PAGE = "costs.md"
_FIELDS = (
    ("rho", "spearman"),
    ("tau", "kendall"),
    ("within 10 %", "within_10"),
    ("within 5 %", "within_5"),
)
_PANEL = (3.0, 2.7)
_POINTS = 1500
"""Points of a scatter plot; more hide each other and make the file large."""


def write_cost_board(board: CostBoard, folder: Path, name: str) -> list[Path]:
    """Write page, table and figure, each whole or absent, and return their paths.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written.
    """
    page = folder / PAGE
    table, figure = page.with_suffix(".csv"), page.with_suffix(".svg")
    items = [(device, pair, board.rules.quantity) for device, pair in board.shown.items()]
    drawn = draw_panels(items, _scatter, size=_PANEL)
    drawn.suptitle(board.rules.models[0].label, fontsize=10)
    written = {
        figure: svg(drawn, figure.name),
        table: csv_of_costs(board).encode(),
        page: markdown_of_costs(board, name, figure.name).encode(),
    }
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def markdown_of_costs(board: CostBoard, name: str, figure: str) -> str:
    """Return the text of the page."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        board=board,
        name=name,
        figure=figure,
        fields=_FIELDS,
        number=_number,
        spread=lambda value: "" if np.isnan(value) else f" ± {value:.3f}",
        percent=lambda share: f"{100 * share:g}",
        percent_of=lambda share: "–" if np.isnan(share) else f"{100 * share:.1f} %",
    )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def csv_of_costs(board: CostBoard) -> str:
    """Return one line per model and device; empty where there is no number."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    lines = [
        {"model": label, "device": device, **asdict(found)}
        for label, by_device in board.scores.items()
        for device, found in by_device.items()
    ]
    writer.writerow(lines[0])
    for line in lines:
        writer.writerow(_cell(value) for value in line.values())
    return target.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else f"{value:.6g}"


def _scatter(axes: Axes, item: tuple[str, NDArray[np.float64], str]) -> None:
    device, (predicted, costs), quantity = item
    shown = np.linspace(0, len(costs) - 1, min(_POINTS, len(costs))).astype(int)
    axes.plot(
        costs[shown], predicted[shown], ".", markersize=2, alpha=0.35, color=COLOURS[1], rasterized=True
    )
    ends = [float(costs.min()), float(costs.max())]
    axes.plot(ends, ends, linewidth=0.8, color="black")
    axes.set_title(device, fontsize=10)
    axes.set_xlabel(f"measured {quantity}", fontsize=8)
    axes.set_ylabel("predicted", fontsize=8)
    axes.tick_params(labelsize=7)
