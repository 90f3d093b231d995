"""Writes transfer matrices: a page in Markdown, a table as CSV, and a heat map as SVG."""

import csv
import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nasbench_suite.drawing import draw_panels, svg
from nasbench_suite.leaderboards.scale import common_unit
from nasbench_suite.leaderboards.short_names import short_names
from nasbench_suite.leaderboards.transfer import Judged, Transfer, Transfers
from nasbench_suite.storage import write_whole

PAGE = "transfer.md"
_CELL_INCHES = 0.52
_MARGIN_INCHES = 1.5
_LEAST_INCHES = 3.4
_DARK_FROM = 0.6
_COLUMNS = (
    "space",
    "strategy",
    "searched",
    "judged",
    "runs",
    "test_mean",
    "test_sd",
    "test_regret",
    "best_test",
    "spearman_test_test",
    "kendall_test_test",
    "spearman_valid_test",
    "architectures",
)
_Values = NDArray[np.float64]
_Panel = tuple[Transfer, str, _Values, str, float]
"""A heat map: what is shown, its heading, values, colour map, and the power that spreads the colours."""


def write_transfers(found: Transfers, page: Path) -> list[Path]:
    """Write the page, and a table and a figure of the same name beside it, and return their paths.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written; each is whole or absent.
    """
    table, figure = page.with_suffix(".csv"), page.with_suffix(".svg")
    written = {
        figure: svg(_heat_maps(found), figure.name),
        table: csv_table(found).encode(),
        page: markdown_page(found, figure.name).encode(),
    }
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def markdown_page(found: Transfers, figure: str) -> str:
    """Return the text of the page; `figure` is the file name of its figure."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(rank=_rank, short=short_names)
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(found=found, figure=figure, least=_least)


def _least(judged: Judged) -> list[float]:
    """Return the least regret of each column; what reaches it is set in bold."""
    filled = np.where(np.isnan(judged.regret), np.inf, judged.regret)
    least: list[float] = filled.min(axis=0).tolist()
    return least


def _rank(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def csv_table(found: Transfers) -> str:
    """Return one line per space, strategy, searched and judging task; empty where there is no number."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for transfer in found.spaces:
        for label, judged in transfer.by_strategy.items():
            for row, searched in enumerate(transfer.searched):
                for column, by in enumerate(transfer.judged):
                    at = row, column
                    numbers = [judged.mean[at], judged.sd[at], judged.regret[at], transfer.best[column]]
                    numbers += [transfer.spearman[at], transfer.kendall[at], transfer.steering[at]]
                    cells = ["" if np.isnan(number) else f"{number:.8g}" for number in numbers]
                    head = [transfer.space, label, searched, by, judged.runs[at]]
                    writer.writerow([*head, *cells, transfer.architectures[at]])
    return target.getvalue()


def _heat_maps(found: Transfers) -> Figure:
    """Draw for each space the regret of the first strategy's picks, and the rank correlation of tasks."""
    panels: list[_Panel] = []
    for transfer in found.spaces:
        label, judged = next(iter(transfer.by_strategy.items()))
        regret = judged.regret * [scale.factor for scale in transfer.scales]
        unit = common_unit(scale.difference for scale in transfer.scales)
        panels.append((transfer, f"test regret ({unit})\n{label}", regret, "Oranges", 0.4))
        panels.append(
            (transfer, "rank correlation\nof validation with test", transfer.steering, "Blues", 1.0)
        )
    rows = max(len(transfer.searched) for transfer in found.spaces)
    columns = max(len(transfer.judged) for transfer in found.spaces)
    width, height = (max(_CELL_INCHES * n + _MARGIN_INCHES, _LEAST_INCHES) for n in (columns, rows))
    return draw_panels(panels, _heat_map, size=(width, height), columns=2)


def _heat_map(axes: Axes, panel: _Panel) -> None:
    transfer, title, values, colours, power = panel
    low, high = (float(f(values)) if not np.isnan(values).all() else 0.0 for f in (np.nanmin, np.nanmax))
    scale = PowerNorm(power, low, high + (high == low))
    axes.imshow(values, cmap=colours, norm=scale, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = not np.isnan(value) and float(scale(value)) > _DARK_FROM
        text = "–" if np.isnan(value) else f"{value:.2f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(transfer.judged)), short_names(transfer.judged), rotation=40, ha="right")
    axes.set_yticks(range(len(transfer.searched)), short_names(transfer.searched))
    axes.tick_params(labelsize=8, length=0)
    axes.set_xlabel("judged on", fontsize=9)
    axes.set_ylabel("searched on", fontsize=9)
    axes.set_title(title, fontsize=10)


def as_data(found: Transfers) -> dict[str, Any]:
    """Return everything as plain JSON values; NaN becomes null."""
    return {
        "title": found.title,
        "spaces": {
            transfer.space: {
                "searched": transfer.searched,
                "judged": transfer.judged,
                "best_test": transfer.best.tolist(),
                "strategies": {
                    label: {
                        "test_mean": _lists(judged.mean),
                        "test_sd": _lists(judged.sd),
                        "test_regret": _lists(judged.regret),
                        "runs": judged.runs.tolist(),
                    }
                    for label, judged in transfer.by_strategy.items()
                },
                "spearman_test_test": _lists(transfer.spearman),
                "kendall_test_test": _lists(transfer.kendall),
                "spearman_valid_test": _lists(transfer.steering),
                "architectures": transfer.architectures.tolist(),
            }
            for transfer in found.spaces
        },
        "alone": found.alone,
    }


def _lists(values: _Values) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in values.tolist()]
