"""`nasbench-suite list`: what there is."""

from enum import StrEnum

import typer

from nasbench_suite.cards import datasheets, strategy_cards
from nasbench_suite.cli.output import Json, print_json, print_table
from nasbench_suite.leaderboards.rules import leaderboard_folders, read_rules
from nasbench_suite.spaces import get_space, space_names
from nasbench_suite.tasks import task_names


class Kind(StrEnum):
    """What can be listed."""

    BENCHMARKS = "benchmarks"
    SPACES = "spaces"
    STRATEGIES = "strategies"
    LEADERBOARDS = "leaderboards"


def list_names(
    kind: Kind | None = typer.Argument(None, help="Only these; all without it."), as_json: bool = Json
) -> None:
    """List benchmarks, spaces, strategies and leaderboards.

    Examples
    --------
        nasbench-suite list

        nasbench-suite list strategies --json
    """
    kinds = [kind] if kind else list(Kind)
    found = {k.value: _describe(k) for k in kinds}
    if as_json:
        print_json(found)
        return
    for name, entries in found.items():
        print_table([name, ""], [[key, text] for key, text in entries.items()], left=2)
        print()


def _describe(kind: Kind) -> dict[str, str]:
    """Return a line of text for every name of a kind."""
    match kind:
        case Kind.BENCHMARKS:
            return {task: _task_title(task) for task in task_names()}
        case Kind.SPACES:
            return {name: _space_title(name) for name in space_names()}
        case Kind.STRATEGIES:
            return {name: card.summary for name, card in strategy_cards().items()}
        case Kind.LEADERBOARDS:
            return {name: read_rules(folder).title for name, folder in leaderboard_folders().items()}


def _task_title(task: str) -> str:
    benchmark, _, dataset = task.partition("/")
    sheet = datasheets()[benchmark]
    return f"{sheet.title}: {sheet.tasks[dataset].title}"


def _space_title(name: str) -> str:
    space = get_space(name)
    return f"{space.size:,} architectures, {space.distinct:,} distinct, {space.n_genes} genes"
