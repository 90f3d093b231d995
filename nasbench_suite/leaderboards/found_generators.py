"""What generators of a board's tables make: the best, a middling, the worst, what most runs ended with."""

import numpy as np

from nasbench_suite.drawing import svg
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.spaces import get_space
from nasbench_suite.tabular.datasheet import Datasheet, described_tasks
from nasbench_suite.tabular.gan_file import GanFile, read_gan_file
from nasbench_suite.tabular.generator_samples import real_inputs, samples_figure
from nasbench_suite.tabular.importers.gan import trainings_path

GENERATORS_FIGURE = "generators.svg"


def has_generators(board: Board) -> bool:
    """Tell whether a board has a task of generators whose samples the suite ships."""
    return _first(board) is not None


def generators_figure(board: Board) -> bytes:
    """Return what the generators make of the board's first task that has some, as SVG."""
    found = _first(board)
    assert found is not None
    task, sheet = found
    content = read_gan_file(trainings_path(sheet))
    return svg(
        samples_figure(content, real_inputs(content), _most_found(board, task, content)), GENERATORS_FIGURE
    )


def _first(board: Board) -> tuple[str, Datasheet] | None:
    for task in board.rules.tasks:
        sheet = described_tasks().get(task)
        if sheet is not None and sheet.importer == "gan" and trainings_path(sheet).is_file():
            return task, sheet
    return None


def _most_found(board: Board, task: str, content: GanFile) -> tuple[int, str] | None:
    """Return the place of the architecture that most runs ended with, and in how many; None if none did."""
    of_task = board.picks.get(task, {})
    picks = Picks.join(list(of_task.values())) if of_task else None
    if picks is None or not len(picks):
        return None
    space = get_space(content.description.space)
    place = int(picks.runs.argmax())
    (row,) = np.flatnonzero(space.key(content.genes) == space.key(picks.genes[[place]])[0])[:1]
    return int(row), f"in {picks.runs[place]:,} of {picks.runs.sum():,} runs"
