"""`nasbench-suite validate`: train what a board's searches picked, and hold it against the tables."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.workers import available_cores, workers

if TYPE_CHECKING:  # torch, SciPy and matplotlib load when something is trained, not for --help
    from nasbench_suite.leaderboards.validation import ColumnValidation, Validation


def validate(
    folder: str = typer.Argument(metavar="DIR", help="Folder of a board that was played, or its name."),
    top: int = typer.Option(3, min=1, help="Picks of each strategy on each task."),
    seeds: int = typer.Option(3, min=1, help="Trainings of each pick; seeds are new, from 1001 on."),
    best: int = typer.Option(0, min=0, help="Only picks of so many strategies, best rank first; 0 for all."),
    latency: bool = typer.Option(
        False,
        "--latency",
        help="Also time the networks here: sums of operators, and whole.",
    ),
    recipe: str = typer.Option("", help="Training recipe; the table's own without it."),
    data: str = typer.Option("", help="Data set; the table's own without it."),
    device: str = typer.Option("cpu", help="Where to train: cpu or cuda."),
    out: Path | None = typer.Option(None, help="Page to write; DIR/validation.md without it."),
    jobs: int = Jobs,
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Train the top picks of a board from scratch and say how well the tables agree with it.

    Picks are the architectures that most runs of a strategy ended with. Writes a page, a table as CSV and a
    figure. Interrupted, it continues where it stopped when the same command is given again.

    Examples
    --------
        nasbench-suite validate results/my-board --top 3 --seeds 3

        nasbench-suite validate results/my-board --best 5 --top 1 --latency

        nasbench-suite validate nats-topology --recipe nasbench201-12 --data cifar10_jpeg-valid --device cuda
    """
    from nasbench_suite.leaderboards.results import RESULTS, find_board, load_board
    from nasbench_suite.leaderboards.validate import TRAININGS, validate
    from nasbench_suite.leaderboards.validation import Choice
    from nasbench_suite.leaderboards.validation_page import PAGE, as_data, write_validation

    home = find_board(folder)
    board = load_board(home / RESULTS)
    choice = Choice(top=top, seeds=seeds, recipe=recipe, data=data, device=device, best=best, latency=latency)
    kept = f"finished trainings are in {home / TRAININGS}; give the same command to continue."
    with (
        interruptible(kept),
        progress(f"training for {board.rules.title}", quiet) as advance,
        workers(jobs or available_cores()) as executor,
    ):
        found = validate(board, home, choice, advance, executor=executor)
    written = write_validation(found, out or home / PAGE, folder)
    if as_json:
        print_json(as_data(found))
    else:
        _print(found)
    for reason, columns in found.skipped_by_reason.items():
        note(f"not validated: {', '.join(columns)}: {reason}")
    note(f"page: {written[-1]}")


def _print(found: "Validation") -> None:
    from nasbench_suite.leaderboards.scale import percent
    from nasbench_suite.leaderboards.validation_page import interval, points

    rows = []
    for column in found.columns:
        agreement = column.agreement["test"]
        rows.append(
            [
                column.column,
                str(agreement.architectures),
                interval(agreement.kendall),
                interval(agreement.spearman),
                points(agreement.gap.mean),
                percent(agreement.standard_error),
            ]
        )
    headings = ["column", "picks", "Kendall", "Spearman", "mean gap", "standard error"]
    print_table(headings, rows, title="test accuracy: trained from scratch less table, in points")
    for column in found.columns:
        if column.latencies is not None:
            _print_latencies(column)
    for column in found.columns:
        print(f"{column.column}: {column.agreement['test'].verdict}.")
        for sentence in (*column.differences, *column.missing):
            note(f"{column.column}: {sentence}")
        for gain in column.ensembles:
            over = gain.over_seeds("test", "over_best")
            print(
                f"{column.column}: ensemble of top {gain.size}: {points(over.mean)} points over the best "
                "single."
            )


def _print_latencies(column: "ColumnValidation") -> None:
    from nasbench_suite.leaderboards.validation_page import correlation, measured

    found = column.latencies
    assert found is not None
    rows = [
        [
            pick.architecture,
            measured(pick.table["test"]),
            measured(pick.trained["test"]),
            f"{predicted:.3f}",
            f"{took:.3f}",
        ]
        for pick, predicted, took in zip(column.picks, found.predicted, found.measured, strict=True)
    ]
    headings = ["pick", "test, table (%)", "trained", "latency, sum of operators (ms)", "network (ms)"]
    print_table(headings, rows, title=column.column)
    note(
        f"latencies rank alike with {correlation(found.spearman)} (Spearman), vary by up to "
        f"{100 * found.variation:.0f} %; {found.machine}"
    )
