"""Writes boards of fronts: a page in Markdown, the numbers as CSV, attained fronts and curves as SVG."""

import csv
import io
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nasbench_suite.drawing import colour, panels, svg
from nasbench_suite.leaderboards.front_board import FrontBoard, FrontSummary
from nasbench_suite.storage import write_whole
from nasbench_suite.strategies.objective import VALID

PAGE = "fronts.md"
ATTAINED, CURVES = "fronts.svg", "fronts-by-evaluations.svg"
_LOG_RANGE = 30.0
"""From this ratio of the largest to the smallest cost on, its axis is logarithmic."""


def write_front_board(board: FrontBoard, folder: Path, name: str) -> list[Path]:
    """Write page, table and figures, each whole or absent, and return their paths.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written.
    """
    written = {
        folder / ATTAINED: svg(_attained(board), ATTAINED),
        folder / CURVES: svg(_curves(board), CURVES),
        (folder / PAGE).with_suffix(".csv"): csv_of_fronts(board).encode(),
        folder / PAGE: markdown_of_fronts(board, name).encode(),
    }
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def markdown_of_fronts(board: FrontBoard, name: str) -> str:
    """Return the text of the page."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        board=board,
        name=name,
        figures=(ATTAINED, CURVES),
        percent=percent,
        interval=lambda share: f"{percent(share.mean)} ({percent(share.low)}–{percent(share.high)})",
        best=_best(board),
        sources={name: sha for known in board.known.values() for name, sha in known.sources.items()},
    )


def percent(share: float) -> str:
    """Return a share in percent with one decimal; a dash where there is none."""
    return "–" if np.isnan(share) else f"{100 * share:.1f}"


def _best(board: FrontBoard) -> Mapping[str, set[str]]:
    """Return, by problem, the strategy with the largest share and those whose interval reaches its mean."""
    found = {}
    for problem, by in board.summaries.items():
        most = max(summary.share.mean for summary in by.values())
        found[problem] = {
            label for label, s in by.items() if s.share.mean == most or np.nan_to_num(s.share.high) >= most
        }
    return found


def as_data(board: FrontBoard) -> dict[str, Any]:
    """Return the numbers of a board as plain JSON values."""
    return {
        "title": board.rules.title,
        "ranks": board.ranks(),
        "problems": {
            problem: {
                "objectives": board.known[problem].names,
                "front": board.known[problem].size,
                "share_of_the_front_by_validation": board.known[problem].valid_share,
                "sources": board.known[problem].sources,
                "strategies": {label: _numbers(summary) for label, summary in by.items()},
            }
            for problem, by in board.summaries.items()
        },
        "transfer": None if board.transfer is None else _lists(board.transfer),
    }


def _numbers(summary: FrontSummary) -> dict[str, float | None]:
    share = summary.share
    found = {
        "share": share.mean,
        "share_sd": share.sd,
        "share_low": share.low,
        "share_high": share.high,
        "size": summary.size,
        "optimal": summary.optimal,
    }
    return {key: None if np.isnan(value) else value for key, value in found.items()}


def _lists(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in values.tolist()]


def csv_of_fronts(board: FrontBoard) -> str:
    """Return one line per problem and strategy; empty where there is no number."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    rows = [
        {"problem": problem, "strategy": label, **_numbers(summary)}
        for problem, by in board.summaries.items()
        for label, summary in by.items()
    ]
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            "" if value is None else value if isinstance(value, str) else f"{value:.6g}"
            for value in row.values()
        )
    return target.getvalue()


def _attained(board: FrontBoard) -> Figure:
    """Draw, per problem, the front and what half of the runs of each strategy attain."""
    figure, shown = panels(len(board.known), height=2.7)
    for axes, (problem, known) in zip(shown, board.known.items(), strict=True):
        quality, cost = known.names[:2]
        signs = np.array([1.0 if name.startswith(("max", "valid")) else -1.0 for name in (quality, cost)])
        for number, label in enumerate(board.labels):
            _steps(
                axes, board.summaries[problem][label].attained * signs, color=colour(number), linewidth=1.2
            )
        _steps(axes, known.points * signs, color="black", linewidth=1.0, linestyle=":")
        axes.plot(*(known.points * signs).T[::-1], "k.", markersize=3)
        costs = known.points[:, 1] * signs[1]
        if costs.min() > 0 and costs.max() / costs.min() > _LOG_RANGE:
            axes.set_xscale("log")
        axes.set_title(problem, fontsize=10)
        axes.set_xlabel(_axis(cost), fontsize=8)
        axes.set_ylabel(_axis(quality), fontsize=8)
        axes.tick_params(labelsize=7)
    _legend(figure, board, front=True)
    return figure


def _axis(objective: str) -> str:
    name = objective.removeprefix("min ").removeprefix("max ")
    return "test result" if name == VALID else name


def _steps(axes: Axes, points: NDArray[np.float64], **style: Any) -> None:
    ordered = points[np.argsort(points[:, 1])]
    axes.step(ordered[:, 1], ordered[:, 0], where="post", **style)


def _curves(board: FrontBoard) -> Figure:
    """Draw, per problem, the mean share of the front over evaluations, with its band."""
    figure, shown = panels(len(board.known))
    for axes, problem in zip(shown, board.known, strict=True):
        for number, label in enumerate(board.labels):
            found = board.summaries[problem][label].curve
            axes.plot(board.grid, 100 * found.mean, color=colour(number), linewidth=1.4)
            axes.fill_between(
                board.grid, 100 * found.low, 100 * found.high, color=colour(number), alpha=0.2, linewidth=0
            )
        axes.axhline(100 * board.known[problem].valid_share, color="black", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(problem, fontsize=10)
        axes.grid(visible=True, which="major", linewidth=0.4, alpha=0.5)
        axes.tick_params(labelsize=7)
    figure.supxlabel("evaluations", fontsize=10)
    figure.supylabel("share of the front's volume (%)", fontsize=10)
    _legend(figure, board, front=False)
    return figure


def _legend(figure: Figure, board: FrontBoard, *, front: bool) -> None:
    handles = [
        Line2D([], [], color=colour(number), linewidth=2, label=label)
        for number, label in enumerate(board.labels)
    ]
    name = "front of the table, by test" if front else "front by validation"
    handles.append(Line2D([], [], color="black", linewidth=1, linestyle=":", label=name))
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
