"""`nasbench-suite leaderboard`: play a board, write its pages."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.leaderboards.rules import find_leaderboard, read_rules
from nasbench_suite.workers import available_cores, workers

if TYPE_CHECKING:  # SciPy and matplotlib load when a board is played or drawn, not for --help
    from nasbench_suite.leaderboards.board import Board

app = typer.Typer(help="Play a leaderboard by its rules, and write its pages.", no_args_is_help=True)

_RECORDS = "runs"


@app.command()
def run(
    folder: str = typer.Argument(metavar="DIR", help="Folder with rules.toml, or the name of a leaderboard."),
    out: Path | None = typer.Option(None, help="Folder for results and pages; DIR without it."),
    jobs: int = Jobs,
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Play all searches that the rules ask for and write board.md, board.html and figures.

    An interrupted board continues where it stopped when the same command is given again. Played into
    another folder (--out), the board is compared with the one in DIR.

    Examples
    --------
        nasbench-suite leaderboard run leaderboards/nas-bench-graph --out results/nas-bench-graph

        nasbench-suite leaderboard run my-board --jobs 4
    """
    home = find_leaderboard(folder)
    rules = read_rules(home)  # before what loads for seconds, so that what is wrong there is said at once

    from nasbench_suite.leaderboards.comparison import compare
    from nasbench_suite.leaderboards.play_board import run_board
    from nasbench_suite.leaderboards.render import write_pages
    from nasbench_suite.leaderboards.results import RESULTS, load_board, save_board

    target = out or home
    kept = f"finished blocks are in {target / _RECORDS}; give the same command to continue."
    with (
        interruptible(kept),
        progress(rules.title, quiet) as advance,
        workers(jobs or available_cores()) as executor,
    ):
        board = run_board(rules, home, target / _RECORDS, executor=executor, progress=advance)
    save_board(board, target / RESULTS)
    pages = write_pages(board, target, home.name)
    _print_board(board, as_json)
    if out is not None and (home / RESULTS).is_file():
        note(compare(board, load_board(home / RESULTS), home))
    note(f"page: {next(page for page in pages if page.suffix == '.html')}")


@app.command()
def render(
    folder: str = typer.Argument(metavar="DIR", help="Folder of a board that was played."),
    as_json: bool = Json,
) -> None:
    """Write the pages of a board again from its kept results, without playing.

    The pages say the rules by which it was played; if rules.toml has changed since, a remark says so.

    Example:

        nasbench-suite leaderboard render leaderboards/nas-bench-graph
    """
    from nasbench_suite.leaderboards.render import write_pages
    from nasbench_suite.leaderboards.results import RESULTS, load_board

    home = find_leaderboard(folder)
    board, asked = load_board(home / RESULTS), read_rules(home)
    pages = write_pages(board, home, home.name)
    _print_board(board, as_json)
    if board.rules != asked:
        note(
            f"the rules have changed since {home / RESULTS} was played, and the pages say the old ones; "
            f"to play by the new ones, run: nasbench-suite leaderboard run {folder}"
        )
    note(f"page: {next(page for page in pages if page.suffix == '.html')}")


@app.command()
def add(
    folder: str = typer.Argument(metavar="DIR", help="Folder of a board that was played, or its name."),
    submission: Path = typer.Argument(metavar="FILE", help="What `nasbench-suite submit` packed."),
    out: Path = typer.Option(..., help="Folder for the board with the new strategy; may be DIR."),
    replays: int = typer.Option(1, min=0, help="Blocks of runs on each task to be played again."),
    run_code: bool = typer.Option(
        False, "--run-code", help="The submission's own file may be run for that; read it first."
    ),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Check somebody's runs and take them onto a board.

    Every proposal of every run is looked up in the tables again, budgets and clocks are counted again, and
    some blocks are played again: they must give the same bytes. Anything that does not hold is refused in a
    sentence, and nothing is written.

    Example:

        nasbench-suite leaderboard add nas-bench-graph climber.zip --out results/with-climber
    """
    from nasbench_suite.leaderboards.added_rules import added_rules
    from nasbench_suite.leaderboards.admission import admit
    from nasbench_suite.leaderboards.render import write_pages
    from nasbench_suite.leaderboards.results import RESULTS, load_board, save_board
    from nasbench_suite.leaderboards.submission import read_submission
    from nasbench_suite.storage import write_whole

    home = find_leaderboard(folder)
    board, read = load_board(home / RESULTS), read_submission(submission)
    with interruptible("nothing was written."), progress(f"checking {read.label}", quiet) as advance:
        found = admit(board, home, read, replays=replays, run_code=run_code, progress=advance)
    if read.code is not None:
        write_whole(out / read.file, read.code)
    text = (home / "rules.toml").read_text(encoding="utf-8")
    write_whole(out / "rules.toml", added_rules(text, read).encode())
    save_board(found.board, out / RESULTS)
    pages = write_pages(found.board, out, out.name)
    _print_board(found.board, as_json)
    for remark in found.remarks:
        note(remark)
    note(f"{read.label}: {found.scored} blocks looked up again, {found.replayed} played again; all hold.")
    note(f"page: {next(page for page in pages if page.suffix == '.html')}")


@app.command()
def costs(
    folder: str = typer.Argument(metavar="DIR", help="Folder with costs.toml, or the name of such a board."),
    out: Path | None = typer.Option(None, help="Folder for the page; DIR without it."),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Judge cost models: how well they predict what architectures take on devices.

    Example:

        nasbench-suite leaderboard costs leaderboards/hardware-help --out results/hardware-help
    """
    from nasbench_suite.leaderboards.cost_rules import read_cost_rules

    home, rules = read_cost_rules(folder)

    from nasbench_suite.leaderboards.cost_board import judge_costs
    from nasbench_suite.leaderboards.cost_page import write_cost_board

    with interruptible("nothing was written."), progress(rules.title, quiet) as advance:
        board = judge_costs(rules, advance)
    pages = write_cost_board(board, out or home, home.name)
    if as_json:
        print_json({label: {d: asdict(s) for d, s in found.items()} for label, found in board.scores.items()})
        return
    rows = [
        [
            label,
            *(f"{found[device].trimmed:.3f}" for device in rules.unseen),
            f"{board.means(label).trimmed:.3f}",
        ]
        for label, found in board.scores.items()
    ]
    print_table(["model", *rules.unseen, "mean"], rows, title=f"{rules.title} (Spearman, trimmed)")
    note(f"page: {pages[-1]}")


@app.command()
def fronts(
    folder: str = typer.Argument(metavar="DIR", help="Folder with fronts.toml, or the name of such a board."),
    out: Path | None = typer.Option(None, help="Folder for the page; DIR without it."),
    jobs: int = Jobs,
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Play strategies on problems with several objectives, and judge the fronts that they deliver.

    An interrupted board continues where it stopped when the same command is given again.

    Example:

        nasbench-suite leaderboard fronts leaderboards/graph-fronts --out results/graph-fronts
    """
    from nasbench_suite.leaderboards.front_rules import read_front_rules

    home, rules = read_front_rules(folder)

    from nasbench_suite.leaderboards.front_board import run_front_board
    from nasbench_suite.leaderboards.front_page import as_data, percent, write_front_board

    target = out or home
    kept = f"finished blocks are in {target / _RECORDS}; give the same command to continue."
    with (
        interruptible(kept),
        progress(rules.title, quiet) as advance,
        workers(jobs or available_cores()) as executor,
    ):
        board = run_front_board(rules, home, target / _RECORDS, executor=executor, progress=advance)
    pages = write_front_board(board, target, home.name)
    if as_json:
        print_json(as_data(board))
        return
    ranks = board.ranks()
    rows = [
        [label, f"{ranks[label]:.2f}", *(percent(by[label].share.mean) for by in board.summaries.values())]
        for label in board.by_rank()
    ]
    rows.append(["front by validation", "", *(percent(known.valid_share) for known in board.known.values())])
    print_table(["strategy", "rank", *board.known], rows, title=f"{rules.title} (% of the front's volume)")
    note(f"page: {pages[-1]}")


@app.command()
def scaling(
    folder: str = typer.Argument("scaling", metavar="DIR", help="Folder with scaling.toml, or its name."),
    out: Path | None = typer.Option(None, help="Folder for the page; DIR without it."),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Fit error against compute on several tasks, beside the picks of boards: macro against micro.

    Example:

        nasbench-suite leaderboard scaling leaderboards/scaling --out results/scaling
    """
    from nasbench_suite.leaderboards.scaling_rules import read_scaling_rules

    home, rules = read_scaling_rules(folder)

    from nasbench_suite.cli.scaling import note_left_out, print_laws
    from nasbench_suite.leaderboards.scaling_board import judge_scaling
    from nasbench_suite.leaderboards.scaling_page import as_data, write_scaling

    with interruptible("nothing was written."), progress(rules.title, quiet) as advance:
        board = judge_scaling(rules, advance)
    pages = write_scaling(board, out or home, f"nasbench-suite leaderboard scaling {home.name}")
    if as_json:
        print_json(as_data(board))
    else:
        print_laws(board)
    note_left_out(board)
    note(f"page: {pages[-1]}")


@app.command()
def retrain(
    folder: str = typer.Argument(metavar="DIR", help="Folder with retrained.toml, or its name."),
    out: Path | None = typer.Option(None, help="Folder for trainings and page; DIR without it."),
    device: str = typer.Option("cpu", help="Where to train: `cpu` or `cuda`."),
    compiled: bool = typer.Option(
        False, "--compile", help="Compile the networks for a CPU, which pays where they train for long."
    ),
    train: bool = typer.Option(
        True, "--train/--no-train", help="Make the trainings that are missing, or write the page without."
    ),
    published: Path | None = typer.Option(
        None,
        metavar="ARCHIVE",
        help="Take published learning curves from NATS-Bench's archive, a folder or .tar, and keep them.",
        show_default=False,
    ),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Make published trainings again, with their recipe, and hold the results against them.

    What is in the folder already is not trained again; interrupted, it continues there.

    Examples
    --------
        nasbench-suite leaderboard retrain cifar10-retrained --device cuda --out results/cifar10-retrained

        nasbench-suite leaderboard retrain cifar10-retrained --no-train --published NATS-tss-v1_0-3ffb9-simple
    """
    from nasbench_suite.leaderboards.retrained_rules import read_retrained_rules

    home, rules = read_retrained_rules(folder)

    from nasbench_suite.leaderboards.published_curves import PUBLISHED, keep_published, read_published
    from nasbench_suite.leaderboards.retrained_board import TRAININGS, judge_retrained, retrain
    from nasbench_suite.leaderboards.retrained_page import (
        as_data,
        number,
        signed,
        verdict,
        write_retrained,
    )

    target = out or home
    if published is None:
        curves = read_published(target) or read_published(home)
    else:
        curves = keep_published(rules, published, target)
        note(f"published curves of {len(curves)} trainings: {target / PUBLISHED}")
    kept = f"finished trainings are in {target / TRAININGS}; give the same command to continue."
    if train:
        with interruptible(kept), progress(rules.title, quiet) as advance:
            retrain(rules, target, device=device, compiled=compiled, progress=advance)
    board = judge_retrained(rules, target, curves)
    pages = write_retrained(
        board, target, f"nasbench-suite leaderboard retrain {home.name} --device {device}"
    )
    if as_json:
        print_json(as_data(board))
    else:
        for found in board.studies:
            rows = [
                [
                    row.architecture,
                    ", ".join(map(number, row.published)),
                    ", ".join(map(number, row.ours)),
                    signed(row.difference),
                    number(row.standard_error),
                    verdict(row, rules.loss),
                ]
                for row in found.rows
            ]
            headings = ["cell", "published", "ours", "difference", "standard error", ""]
            print_table(headings, rows, title=found.study.title)
    note(f"page: {pages[-1]}")


def _print_board(board: "Board", as_json: bool) -> None:
    from nasbench_suite.leaderboards.short_names import short_names

    if as_json:
        print_json(board.as_data())
        return
    ranks, valid_ranks = board.ranks(), board.ranks(by="valid_regret")
    headings = ["strategy", "rank", "rank (valid)", *short_names(board.columns)]
    rows = [
        [
            label,
            f"{ranks[label]:.2f}",
            f"{valid_ranks[label]:.2f}",
            *(scale.text(board.summaries[task][label].test.mean) for task, scale in board.scales.items()),
        ]
        for label in board.by_rank()
    ]
    best = [scale.text(board.references[task].best_test) for task, scale in board.scales.items()]
    rows.append(["best in the table", "", "", *best])
    title = f"{board.rules.title} (mean test result of the incumbents, in {board.result_unit})"
    print_table(headings, rows, title=title)
