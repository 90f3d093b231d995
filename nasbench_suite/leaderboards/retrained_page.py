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
_SPLITS = {"valid": "validation", "test": "test", "train": "training"}


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
    # Every second colour: neighbours in the list are light and dark of one.
    colours = {architecture: colour(2 * place + 1) for place, architecture in enumerate(known)}
    trained = [found for found in board.studies if found.seconds] or board.studies
    both = [(found, split) for found in trained for split in (found.study.split, "train")]
    drawn = draw_panels(both, partial(_curves, colours), size=_PANEL, columns=2)
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
        ends_in_training=ends_in_training,
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
            "published_in_training": [one.train_accuracy[-1] for one in row.published_curves],
            "ours_in_training": [None if np.isnan(curve[-1]) else curve[-1] for curve in row.train_curves],
            "difference": None if np.isnan(row.difference) else row.difference,
            "standard_error": None if np.isnan(row.standard_error) else row.standard_error,
            "agrees": row.agrees,
            "agrees_less_loss": row.agrees_less(loss) if loss is not None else None,
            "failures": row.failures,
        }
        for found in board.studies
        for row in found.rows
    ]


def _curves(colours: Mapping[str, str], axes: Axes, panel: tuple[StudyResult, str]) -> None:
    """Draw a study, on its own split or in training; a cell has the same colour in all.

    Ours are lines; published curves are broken, and results alone a column of dots at the end.
    """
    found, split = panel
    last = 1
    for row in found.rows:
        of_cell = colours[row.architecture]
        for curve in row.train_curves if split == "train" else row.curves:
            epochs = [epoch for epoch, value in enumerate(curve) if not np.isnan(value)]
            axes.plot(np.array(epochs) + 1, [curve[epoch] for epoch in epochs], color=of_cell, linewidth=1.2)
            last = max(last, len(curve))
        for one in row.published_curves:
            values = one.train_accuracy if split == "train" else one.accuracy
            axes.plot(one.epochs, values, ":", color=of_cell, linewidth=1.0)
        axes.plot([], [], color=of_cell, label=f"cell {row.architecture}")
    for place, row in enumerate(found.rows if split != "train" else []):
        ends = [last * (1.03 + 0.02 * place)] * len(row.published)
        axes.plot(ends, row.published, "o", color=colours[row.architecture], markersize=4)
    axes.set_title(found.study.title, fontsize=8)
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel(f"{_SPLITS[split]} accuracy (%)", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="lower right")


def ends_in_training(row: Retrained) -> str:
    """Return the training accuracies after the last epoch, published and then ours."""
    published = ", ".join(number(one.train_accuracy[-1]) for one in row.published_curves)
    ours = ", ".join(number(curve[-1]) for curve in row.train_curves)
    return f"{published or '–'}; {ours or '–'}"
