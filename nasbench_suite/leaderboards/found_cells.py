"""The architectures that runs ended with most often, as pictures for a page."""

import base64

from nasbench_suite.drawing import svg
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.cell_drawing import draw_cell
from nasbench_suite.leaderboards.outcomes import open_table
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.picture import Picture
from nasbench_suite.spaces import SearchSpace, get_space
from nasbench_suite.tabular.datasheet import described_tasks


def found_cells(board: Board) -> list[Picture]:
    """Return, for each task whose architectures are cells, the one that most runs ended with.

    The captions say which, and in how many of all runs. Nothing where a board is of before picks were kept,
    or where the table of a user's own task, which alone knows its space, is not here.
    """
    found: list[Picture] = []
    for task, of_task in board.picks.items():
        picks = Picks.join(list(of_task.values()))
        if not len(picks):
            continue
        place = int(picks.runs.argmax())
        row = picks.genes[[place]]
        space = _space_of(task)
        if space is None or not space.has_cells:
            continue
        share = f"{picks.runs[place]:,} of {picks.runs.sum():,} runs"
        for number, graph in enumerate(space.graphs(row)):
            name = f"{task}, cell {number + 1}" if number else task
            caption = f"{name}: {space.format(row)[0]}, in {share}."
            drawn = base64.b64encode(svg(draw_cell(graph), f"{task}-{number}")).decode()
            found.append(Picture(name, caption, drawn))
    return found


def _space_of(task: str) -> SearchSpace | None:
    """Return the space of a task by its datasheet, which needs no table; of a user's own, by its table."""
    sheet = described_tasks().get(task)
    if sheet is None:
        try:
            return open_table(task).space
        except NasbenchSuiteError:
            return None
    (space,) = (entry.space for name, entry in sheet.tasks.items() if sheet.task(name) == task)
    return get_space(space)
