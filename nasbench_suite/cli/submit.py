"""`nasbench-suite submit`: somebody's runs in one file."""

from pathlib import Path

import typer

from nasbench_suite.cli.output import note


def submit(
    folder: Path = typer.Argument(metavar="DIR", help="Folder of a board that was played, with its `runs`."),
    strategy: str = typer.Option(..., help="Label of the strategy on the board."),
    out: Path | None = typer.Option(None, help="File to write; LABEL.zip without it."),
    rules: Path | None = typer.Option(None, metavar="DIR", help="Folder of the rules, if it is another."),
    about: str = typer.Option("", help="A sentence or two for readers of the board."),
) -> None:
    """Pack the runs of one strategy into a file that `leaderboard add` checks and takes onto a board.

    Play the board with your strategy first: copy its rules.toml, add yours to it, and run it. The file holds
    the records of all runs, the strategy's own file and the versions that made them.

    Example:

        nasbench-suite submit my-board --strategy climber --about "Hill climbing with restarts."
    """
    from nasbench_suite.leaderboards.results import RESULTS, load_board
    from nasbench_suite.leaderboards.submission import pack

    board = load_board(folder / RESULTS)
    path = pack(board, folder, strategy, out or Path(f"{strategy}.zip"), home=rules or folder, about=about)
    note(f"submission: {path} ({path.stat().st_size / 1e6:.1f} MB)")
