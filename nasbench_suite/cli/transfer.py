"""`nasbench-suite transfer`: judge what was found on one task by another."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nasbench_suite.cli.output import Json, note, print_json, print_table
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.rules import leaderboard_folders
from nasbench_suite.tabular.datasheet import datasheets

if TYPE_CHECKING:  # SciPy and matplotlib load when something is judged, not for --help
    from nasbench_suite.leaderboards.transfer import Transfers


def transfer(
    places: list[str] = typer.Argument(
        metavar="DIR|TASK...", help="A board that was played (folder or name), or tasks or a benchmark."
    ),
    top: int = typer.Option(10, min=1, help="Of tasks: how many of the best by validation are judged."),
    out: Path | None = typer.Option(None, help="Page to write; DIR/transfer.md without it, of tasks none."),
    as_json: bool = Json,
) -> None:
    """Judge the picks of each task by the tables of all others of the same search space.

    Of a board these are the architectures that the runs ended with; of tasks alone, the best by validation.
    Prints a matrix, searched by judged: the mean test result, and its regret. The page also has the rank
    correlations of the tasks, and a heat map.

    Examples
    --------
        nasbench-suite transfer results/nas-bench-graph

        nasbench-suite transfer graph --top 1 --out graph-transfer.md

        nasbench-suite transfer nats_topology/cifar10-valid nats_topology/cifar100
    """
    from nasbench_suite.leaderboards.results import RESULTS, find_board, load_board
    from nasbench_suite.leaderboards.transfer import transfer_of_board, transfer_of_tasks
    from nasbench_suite.leaderboards.transfer_page import PAGE, as_data, write_transfers

    page = out
    if len(places) == 1 and _is_board(places[0]):
        home = find_board(places[0])
        found = transfer_of_board(load_board(home / RESULTS), home)
        page = out or home / PAGE
    else:
        found = transfer_of_tasks(_tasks(places), top)
    if page is not None:
        written = write_transfers(found, page)
    if as_json:
        print_json(as_data(found))
    else:
        _print(found)
    for task, reason in found.alone.items():
        note(f"{task} is left out: {reason}.")
    if page is not None:
        note(f"page: {written[-1]}")


def _is_board(place: str) -> bool:
    return Path(place).is_dir() or place in leaderboard_folders()


def _tasks(places: list[str]) -> list[str]:
    """Return the tasks that are named, a benchmark standing for all of its own that are here."""
    from nasbench_suite.tabular.catalogue import imported_tasks, is_ready

    tasks: list[str] = []
    for place in places:
        sheet = datasheets().get(place)
        if sheet is None:
            tasks.append(place)
            continue
        own = [sheet.task(dataset) for dataset in sheet.tasks]
        here = [task for task in own if is_ready(task)]
        if not here:
            raise NasbenchSuiteError(
                f"no table of {place} is here; import it first (nasbench-suite show {place} says how). Here "
                f"are: {', '.join(imported_tasks()) or 'none'}."
            )
        tasks += here
    return list(dict.fromkeys(tasks))


def _print(found: "Transfers") -> None:
    from nasbench_suite.leaderboards.short_names import short_names

    for space in found.spaces:
        for label, judged in space.by_strategy.items():
            rows = [
                [
                    name,
                    *(
                        f"{scale.text(m)} ({scale.text(r)})"
                        for scale, m, r in zip(space.scales, means, regrets, strict=True)
                    ),
                ]
                for name, means, regrets in zip(
                    short_names(space.searched), judged.mean, judged.regret, strict=True
                )
            ]
            best = [scale.text(value) for scale, value in zip(space.scales, space.best, strict=True)]
            rows.append(["best in the table", *best])
            title = f"{label}: mean test result of the picks in {found.result_unit} (regret)"
            headings = ["searched on", *short_names(space.judged)]
            print_table(headings, rows, title=title)
