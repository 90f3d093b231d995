"""`nasbench-suite reproduce`: play a published comparison and print ours beside theirs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.leaderboards.rules import find_leaderboard, leaderboard_folders, read_rules
from nasbench_suite.workers import available_cores, workers

if TYPE_CHECKING:  # SciPy and matplotlib load when a board is played or drawn, not for --help
    from nasbench_suite.leaderboards.board import Board

_RECORDS = "runs"


def reproduce(
    name: str = typer.Argument(
        metavar="NAME", help="Leaderboard with published results: its name, or its folder."
    ),
    runs: int = typer.Option(0, min=0, help="Runs of each strategy; those of the rules without it."),
    out: Path | None = typer.Option(
        None, help="Folder for records and pages; results/NAME without it.", show_default=False
    ),
    jobs: int = Jobs,
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Play the searches of a published comparison by its own protocol and hold them against its numbers.

    Prints both beside each other with the standard error of the difference and a verdict, and writes
    board.md and board.html. Interrupted, it continues where it stopped when the same command is given again.

    Examples
    --------
        nasbench-suite reproduce nats-topology

        nasbench-suite reproduce nas-bench-graph --runs 50 --out results/graph
    """
    from nasbench_suite.leaderboards.play_board import run_board
    from nasbench_suite.leaderboards.render import write_pages
    from nasbench_suite.leaderboards.results import RESULTS, save_board

    home = _find(name)
    rules = read_rules(home)
    if runs:
        entries = [entry.model_copy(update={"runs": runs}) for entry in rules.strategies]
        rules = rules.model_copy(update={"runs": runs, "strategies": entries})
    target = out or Path("results") / home.resolve().name
    kept = f"finished blocks are in {target / _RECORDS}; give the same command to continue."
    with (
        interruptible(kept),
        progress(rules.title, quiet) as advance,
        workers(jobs or available_cores()) as executor,
    ):
        board = run_board(rules, home, target / _RECORDS, executor=executor, progress=advance)
    save_board(board, target / RESULTS)
    pages = write_pages(board, target, home.resolve().name)
    _print(board, as_json)
    note(f"page: {next(page for page in pages if page.suffix == '.html')}")


def _find(name: str) -> Path:
    """Return the folder of a leaderboard that has published results.

    Raises
    ------
    UnknownNameError
        When there is no such leaderboard.
    NasbenchSuiteError
        When it has no published results.
    """
    known = [board for board, folder in leaderboard_folders().items() if read_rules(folder).published]
    if not Path(name).is_dir() and name not in leaderboard_folders():
        raise UnknownNameError("published comparison", name, known)
    folder = find_leaderboard(name)
    if read_rules(folder).published is None:
        raise NasbenchSuiteError(
            f"the rules of {name} carry no published results to compare with; play it with: nasbench-suite "
            f"leaderboard run {name}. Comparisons: {', '.join(known)}."
        )
    return folder


def _print(board: "Board", as_json: bool) -> None:
    from nasbench_suite.leaderboards.published import compare, remarks

    comparisons = compare(board)
    published = board.rules.published
    assert published is not None
    if as_json:
        print_json(
            {
                "title": board.rules.title,
                "source": published.source,
                "comparisons": [{**asdict(c), "agrees": c.agrees, "verdict": c.verdict} for c in comparisons],
                "not_played": board.skipped,
                "versions": board.versions,
            }
        )
        return
    rows = [
        [
            c.strategy,
            c.column,
            c.quantity,
            c.published,
            c.ours,
            f"{c.difference:+.2f} ± {c.standard_error:.2f}",
            "agrees" if c.agrees else c.verdict,
        ]
        for c in comparisons
    ]
    headings = ["strategy", "column", "result", "published", "ours", "difference", "verdict"]
    print_table(headings, rows, title=f"{board.rules.title} (%, mean ± standard deviation)", left=3)
    agree = sum(c.agrees for c in comparisons)
    note(f"{agree} of {len(comparisons)} published numbers agree. Published: {published.source}.")
    for label, reason in board.skipped.items():
        note(f"not played: {label}, because {reason}")
    for where, why in remarks(comparisons):
        note(f"{where}: {why}")
