"""Writes trainings made again: a page in Markdown and a figure of learning curves."""

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes

from nasbench_suite.drawing import colour, draw_panels, svg
from nasbench_suite.leaderboards.retrained_board import TRAININGS, Retrained, RetrainedBoard, StudyResult
from nasbench_suite.leaderboards.retrained_rules import Loss
from nasbench_suite.storage import write_whole
from nasbench_suite.training.environment import in_words

PAGE = "retrained.md"
_PANEL = (4.6, 3.2)


def write_retrained(board: RetrainedBoard, folder: Path, command: str) -> list[Path]:
    """Write page and figure, each whole or absent, and return their paths, the page last.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written.
    """
    page = folder / PAGE
    figure = page.with_suffix(".svg")
    known = dict.fromkeys(row.architecture for found in board.studies for row in found.rows)
    colours = {architecture: colour(place + 1) for place, architecture in enumerate(known)}
    trained = [found for found in board.studies if found.seconds] or board.studies
    drawn = draw_panels(trained, partial(_curves, colours), size=_PANEL, columns=2)
    write_whole(figure, svg(drawn, figure.name))
    write_whole(page, markdown_of_retrained(board, command, figure.name).encode())
    return [figure, page]


def markdown_of_retrained(board: RetrainedBoard, command: str, figure: str) -> str:
    """Return the text of the page."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["number"] = number
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        board=board,
        command=command,
        figure=figure,
        trainings=TRAININGS,
        number=number,
        signed=signed,
        verdict=verdict,
        ran_on=ran_on,
    )


def number(value: float) -> str:
    """Return two decimals, a dash where it is not known."""
    return "–" if np.isnan(value) else f"{value:.2f}"


def signed(value: float) -> str:
    """Return two decimals with their sign, a dash where it is not known."""
    return "–" if np.isnan(value) else f"{value:+.2f}"


def verdict(row: Retrained, loss: Loss | None) -> str:
    """Return in a word whether the means agree, and why trainings failed."""
    word = {True: "agrees", False: "differs", None: "cannot be said"}[row.agrees]
    if word == "differs" and loss is not None and row.agrees_less(loss):
        word = "differs by the loss"
    return "; ".join([word, *row.failures])


def ran_on(found: StudyResult) -> str:
    """Return the devices and versions of a study's trainings."""
    return "; ".join(in_words(one) for one in found.ran_on)


def as_data(board: RetrainedBoard) -> list[dict[str, Any]]:
    """Return what the page says, for JSON."""
    loss = board.rules.loss
    return [
        {
            "study": found.study.title,
            "architecture": row.architecture,
            "published": row.published,
            "ours": row.ours,
            "difference": None if np.isnan(row.difference) else row.difference,
            "standard_error": None if np.isnan(row.standard_error) else row.standard_error,
            "agrees": row.agrees,
            "agrees_less_loss": row.agrees_less(loss) if loss is not None else None,
            "failures": row.failures,
        }
        for found in board.studies
        for row in found.rows
    ]


def _curves(colours: Mapping[str, str], axes: Axes, found: StudyResult) -> None:
    """Draw a study; a cell has the same colour in all, and what was published of it a column."""
    last = 1
    for row in found.rows:
        for curve in row.curves:
            epochs = [epoch for epoch, value in enumerate(curve) if not np.isnan(value)]
            values = [curve[epoch] for epoch in epochs]
            axes.plot(np.array(epochs) + 1, values, color=colours[row.architecture], linewidth=1.2)
            last = max(last, len(curve))
        label = f"cell {row.architecture}"
        axes.plot([], [], color=colours[row.architecture], label=label)
    for place, row in enumerate(found.rows):
        ends = [last * (1.03 + 0.02 * place)] * len(row.published)
        axes.plot(ends, row.published, "o", color=colours[row.architecture], markersize=4)
    axes.set_title(found.study.title, fontsize=8)
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel(f"{found.study.split} accuracy (%)", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="lower right")
