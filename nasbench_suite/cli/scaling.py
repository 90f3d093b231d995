"""`nasbench-suite scaling`: error against compute on a task, and which strategies find networks above it."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.errors import NasbenchSuiteError

if TYPE_CHECKING:  # SciPy, scikit-learn and matplotlib load when something is fitted, not for --help
    from nasbench_suite.leaderboards.scaling_board import Scaled, ScalingBoard


def scaling(
    task: str = typer.Argument(metavar="TASK", help="A task whose table is here."),
    cost: str = typer.Option(
        ..., metavar="COST", help="A metric of the table, QUANTITY@DEVICE, params_millions or flops_millions."
    ),
    board: str = typer.Option("", metavar="DIR", help="A board that was played: its picks beside the curve."),
    out: Path | None = typer.Option(None, metavar="DIR", help="Where page, table and figure go."),
    confidence: float = typer.Option(0.95, help="Of intervals, between 0 and 1."),
    resamples: int = typer.Option(500, min=20, help="Of every bootstrap."),
    seed: int = typer.Option(0, min=0, help="Of every bootstrap."),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Fit error against compute, a C^-b + c, to all architectures of a task and to the best of every size.

    Says how much of the accuracy compute alone explains, what size is worth and what wiring, and, with a
    board, which strategies find networks above the curve. Parameters and multiply-adds that a table lacks
    are counted.

    Examples
    --------
        nasbench-suite scaling graph/cora --cost params_millions --board nas-bench-graph

        nasbench-suite scaling nats_topology/mnist1d --cost flops_millions --board mnist1d --out scaling

        nasbench-suite scaling nats_size/cifar100 --cost flops_millions --json
    """
    if not 0 < confidence < 1:
        raise NasbenchSuiteError(f"--confidence lies between 0 and 1, such as 0.95, not {confidence:g}.")

    from nasbench_suite.leaderboards.scaling_board import judge_scaling
    from nasbench_suite.leaderboards.scaling_page import as_data, write_scaling
    from nasbench_suite.leaderboards.scaling_rules import ScalingEntry, ScalingRules

    rules = ScalingRules(
        title=f"Error against compute on {task}",
        about=f"All architectures of the table by {cost}.",
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        tasks=[ScalingEntry(task=task, cost=cost, board=board)],
    )
    with interruptible("nothing was written."), progress(f"scaling of {task}", quiet) as advance:
        found = judge_scaling(rules, advance)
    if out is not None:
        command = f"nasbench-suite scaling {task} --cost {cost}{f' --board {board}' if board else ''}"
        written = write_scaling(found, out, command)
    if as_json:
        print_json(as_data(found))
    else:
        print_laws(found)
        print_picks(found.tasks[0])
    note_left_out(found)
    if out is not None:
        note(f"page: {written[-1]}")


def print_laws(board: "ScalingBoard") -> None:
    """Print the laws of all tasks, with what compute explains."""
    from nasbench_suite.leaderboards.scaling_page import constant, points

    rows = []
    for scaled in board.tasks:
        for judged in scaled.scaling.judgements:
            head = [scaled.scaling.task, scaled.scaling.compute.name, judged.metric]
            own = [constant(judged.fitted, name) for name in "abc"]
            explained = [f"{judged.explained.law:.3f}", f"{judged.explained.isotonic:.3f}"]
            worth = [points(judged.worth.size), points(judged.worth.wiring)]
            rows.append([*head, "all", f"{len(judged.points.rows):,}", *own, *explained, *worth])
            if judged.frontier is not None:
                own = [constant(judged.frontier.fitted, name) for name in "abc"]
                size = f"{len(judged.frontier.costs):,}"
                rows.append([*head, "frontier", size, *own, "", "", "", ""])
    headings = ["task", "compute", "judged by", "of", "architectures", "a", "b", "c"]
    headings += ["R² law", "R² isotonic", "size, points", "wiring, points"]
    print_table(headings, rows, title="error = a C^-b + c", left=4)


def print_picks(scaled: "Scaled") -> None:
    """Print where the picks of every strategy lie."""
    from nasbench_suite.leaderboards.scaling_page import points, share

    for judged in scaled.scaling.judgements:
        rows = [
            [
                label,
                f"{one.runs}",
                f"{points(one.residual.mean)} ({points(one.residual.low)} to {points(one.residual.high)})",
                points(one.by_size),
                share(one.above),
                share(one.above_band),
                share(one.better_than),
                points(one.accuracy),
            ]
            for label, one in scaled.above.get(judged.role, {}).items()
        ]
        headings = ["strategy", "runs", "above the curve, points", "by size, points"]
        headings += ["runs above", "above the band", "better than", "accuracy, %"]
        if rows:
            print_table(headings, rows, title=f"picks of {scaled.board}, judged by {judged.metric}")


def note_left_out(board: "ScalingBoard") -> None:
    """Say what of each task was left out, and which costs were counted."""
    for scaled in board.tasks:
        task, compute = scaled.scaling.task, scaled.scaling.compute
        if compute.origin.startswith("counted"):
            note(f"{task}: {compute.name} is {compute.origin}.")
        for judged in scaled.scaling.judgements:
            if judged.points.missing:
                what = f"architectures without {judged.metric} or {compute.name} are left out"
                note(f"{task}: {judged.points.missing:,} {what}.")
            if judged.points.faultless:
                note(f"{task}: {judged.points.faultless:,} architectures make no error and are left out.")
            if judged.frontier is None:
                note(f"{task}: too few ranges of {compute.name} are filled for a frontier.")
            for label, one in scaled.above.get(judged.role, {}).items():
                if one.missing:
                    note(f"{task}: {one.missing} runs of {label} end with what lacks {judged.metric}.")
