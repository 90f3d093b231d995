"""Writes a board's pages: `board.md` with SVG figures beside it, and one self-contained `board.html`."""

import base64
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from nasbench_suite.drawing import svg
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.charts import CURVES, chart_data, curve_chart, final_chart, front_chart
from nasbench_suite.leaderboards.checklist import checklist
from nasbench_suite.leaderboards.cost_fronts import MOST_PICKS, cost_fronts
from nasbench_suite.leaderboards.downloads import ranking_latex, ranking_markdown, results_csv
from nasbench_suite.leaderboards.figures import CRITICAL_DIFFERENCES, board_figures, figure_names
from nasbench_suite.leaderboards.found_cells import found_cells
from nasbench_suite.leaderboards.found_generators import (
    GENERATORS_FIGURE,
    generators_figure,
    has_generators,
)
from nasbench_suite.leaderboards.inline_code import inline_code
from nasbench_suite.leaderboards.picture import Picture
from nasbench_suite.leaderboards.published import compare, remarks
from nasbench_suite.leaderboards.statistics import Reached
from nasbench_suite.leaderboards.supernet_page import (
    OPERATIONS_FIGURE,
    beside_labels,
    operations_figure,
    supernet_rows,
)
from nasbench_suite.leaderboards.vega import vega_script
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.datasheet import Datasheet, datasheets, described_tasks

_CAPTIONS = {
    "regret-by-evaluations.svg": "Test regret of the incumbent over the number of evaluations, mean over "
    "runs with the normal interval of the mean.",
    "validation-regret-by-evaluations.svg": "Validation regret of the incumbent over the number of "
    "evaluations, mean over runs with the normal interval of the mean: what the search itself can see.",
    "regret-by-seconds.svg": "Test regret of the incumbent over simulated seconds, mean over runs with the "
    "normal interval of the mean.",
    "final-regret.svg": "Test regret at the end of the budget, mean over runs with its bootstrap interval.",
    "critical-differences.svg": "Mean ranks over tasks by test regret, 1 is best; a bar joins strategies "
    "that Wilcoxon's test over tasks does not tell apart, after Holm's correction for all pairs.",
    GENERATORS_FIGURE: "Signals of generators below real ones: the architecture that most runs, of "
    "all strategies, ended with, and the best, a middling and the worst of the table by validation.",
    OPERATIONS_FIGURE: "How many genes of the derived architecture have each operation after every epoch of "
    "the supernet, mean over runs.",
}


def write_pages(board: Board, folder: Path, name: str) -> list[Path]:
    """Write `board.md`, `figures/*.svg` and `board.html` into `folder` and return their paths.

    Parameters
    ----------
    name
        The leaderboard's folder name, for the command that makes the board again.
    """
    figures = page_figures(board)
    written = []
    for file, content in figures.items():
        write_whole(folder / "figures" / file, content)
        written.append(folder / "figures" / file)
    pages = {"board.md": markdown_page(board, name), "board.html": html_page(board, name, figures)}
    for page, text in pages.items():
        write_whole(folder / page, text.encode())
        written.append(folder / page)
    return written


def page_figure_names(board: Board) -> list[str]:
    """Return the file names of all figures of a board's pages, without drawing them."""
    names = figure_names(board) + ([OPERATIONS_FIGURE] if board.supernets else [])
    return names + ([GENERATORS_FIGURE] if has_generators(board) else [])


def page_figures(board: Board) -> dict[str, bytes]:
    """Return all figures of a board's pages as SVG, by file name."""
    figures = board_figures(board)
    if board.supernets:
        figures[OPERATIONS_FIGURE] = svg(operations_figure(board), OPERATIONS_FIGURE)
    if has_generators(board):
        figures[GENERATORS_FIGURE] = generators_figure(board)
    return figures


def _caption(board: Board, file: str) -> str:
    caption = _CAPTIONS[file]
    if board.rules.clock == "total":
        return caption.replace("simulated seconds", "seconds, simulated and billed")
    return caption


def markdown_page(board: Board, name: str) -> str:
    """Return the text of `board.md`; `name` is the leaderboard's folder name."""
    pictures = [Picture(file, _caption(board, file), "") for file in page_figure_names(board)]
    return _render("board.md", board, pictures, name)


def html_page(board: Board, name: str, figures: dict[str, bytes] | None = None) -> str:
    """Return the text of `board.html`: charts in place of those figures that they show.

    Parameters
    ----------
    name
        The leaderboard's folder name.
    figures
        Those of `page_figures`, where they are there already.
    """
    figures = page_figures(board) if figures is None else figures
    pictures = [
        Picture(file, _caption(board, file), base64.b64encode(figures[file]).decode())
        for file in (CRITICAL_DIFFERENCES, OPERATIONS_FIGURE, GENERATORS_FIGURE)
        if file in figures
    ]
    fronts = cost_fronts(board)
    data = {**chart_data(board), "fronts": fronts}
    shown = {kind for of_column in data["curves"].values() for kind in of_column}
    downloads = {
        f"{name}.csv": results_csv(board),
        f"{name}.tex": ranking_latex(board),
        f"{name}.md": ranking_markdown(board),
    }
    return _render(
        "board.html",
        board,
        pictures,
        name,
        css=_template("page.css"),
        script=_template("board.js"),
        vega=vega_script(),
        chart_data=_json(data),
        chart_specs=_json({"curves": curve_chart(), "finals": final_chart(), "fronts": front_chart()}),
        kinds={kind: title for kind, title in CURVES.items() if kind in shown},
        downloads={file: _json(text) for file, text in downloads.items()},
        cells=found_cells(board),
        fronts=bool(fronts),
        most_picks=MOST_PICKS,
    )


def _json(value: Any) -> str:
    """Return JSON as it may stand in a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _template(file: str) -> str:
    return (files(__package__) / "templates" / file).read_text(encoding="utf-8")


def _render(page: str, board: Board, pictures: list[Picture], name: str, **more: Any) -> str:
    environment = Environment(
        autoescape=page.endswith(".html"),  # Markdown is not HTML,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"reached": reached, "share": share, "probability": probability, "number": _number}
    environment.filters.update(filters, inline_code=inline_code)
    comparisons = compare(board)
    return environment.from_string(_template(f"{page}.j2")).render(
        board=board,
        rules=board.rules,
        scales=board.scales,
        ranks=board.ranks(),
        valid_ranks=board.ranks(by="valid_regret"),
        order=board.by_rank(),
        tuned={label: board.tuned_on(label) for label in board.labels},
        misled=board.misled(),
        skipped=board.skipped,
        comparisons=comparisons,
        remarks=remarks(comparisons),
        supernets=supernet_rows(board),
        beside=beside_labels(board),
        pictures=pictures,
        sheets=_sheets(board),
        differences=board.differences,
        over=board.over_tasks,
        checklist=checklist(board),
        name=name,
        budget=_budget(board),
        **more,
    )


def _sheets(board: Board) -> list[Datasheet]:
    """Return the datasheets of the board's tasks, by name; of a user's own table, that of its benchmark."""
    by_task, by_name = described_tasks(), datasheets()
    tasks = {task for c in board.rules.columns for task in (c.search, c.valid, c.test)}
    found = (by_task.get(task) or by_name.get(task.partition("/")[0]) for task in tasks)
    return sorted({sheet.name: sheet for sheet in found if sheet is not None}.values(), key=lambda s: s.name)


def _budget(board: Board) -> str:
    if board.rules.evaluations is not None:
        return f"{board.rules.evaluations:,} evaluations"
    if isinstance(board.rules.seconds, dict):
        amounts = [f"{board.rules.seconds[task]:,g} on {task}" for task in board.rules.tasks]
        return f"simulated seconds ({', '.join(amounts)})"
    return f"{board.rules.seconds:,g} simulated seconds"


def share(value: float) -> str:
    """Write a share as whole percent, and as less than one where rounding would hide it."""
    return "<1 %" if 0 < value < 0.01 else f"{100 * value:.0f} %"


def _number(value: float, form: str = ".3f") -> str:
    """Write a number by a format; a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:{form}}"


def probability(p: float) -> str:
    """Write a p-value or a probability with three decimals, and as less than the last where it is."""
    return "–" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def reached(goal: Reached) -> str:
    """Write the median number of evaluations to a goal and the share of runs that reached it."""
    median = f"{goal.median:.0f}" if math.isfinite(goal.median) else "–"
    return f"{median} ({share(goal.share)})"
