"""`nasbench-suite list`: what there is."""

from collections.abc import Mapping
from enum import StrEnum

import typer

from nasbench_suite.cli.output import Json, print_json, print_table
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.hardware import known_costs
from nasbench_suite.leaderboards.rules import leaderboard_folders, read_rules
from nasbench_suite.spaces import get_space, space_names
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.surrogates.card import surrogate_card, surrogate_folders
from nasbench_suite.tabular.catalogue import is_ready, read_any_table, table_path
from nasbench_suite.tabular.datasheet import described_tasks
from nasbench_suite.tabular.importers import PACKAGE_IMPORTERS
from nasbench_suite.tasks import task_names


class Kind(StrEnum):
    """What can be listed."""

    BENCHMARKS = "benchmarks"
    SPACES = "spaces"
    STRATEGIES = "strategies"
    SURROGATES = "surrogates"
    DEVICES = "devices"
    LEADERBOARDS = "leaderboards"


def list_names(
    kind: Kind | None = typer.Argument(None, help="Only these; all without it."), as_json: bool = Json
) -> None:
    """List benchmarks, spaces, strategies, surrogates, costs of devices and leaderboards.

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
        rows = [
            [key, *(text.values() if isinstance(text, dict) else [text])] for key, text in entries.items()
        ]
        headings = [name, "", "table"] if name == Kind.BENCHMARKS else [name, "", ""]
        print_table(headings, rows, left=3)
        print()


def _describe(kind: Kind) -> Mapping[str, str | dict[str, str]]:
    """Return a line of text for every name of a kind; of a benchmark also where its table is."""
    match kind:
        case Kind.BENCHMARKS:
            return {task: {"title": _task_title(task), "table": _whereabouts(task)} for task in task_names()}
        case Kind.SPACES:
            return {name: _space_title(name) for name in space_names()}
        case Kind.STRATEGIES:
            return {name: card.summary for name, card in strategy_cards().items()}
        case Kind.SURROGATES:
            return {name: surrogate_card(folder).title for name, folder in surrogate_folders().items()}
        case Kind.DEVICES:
            return _costs()
        case Kind.LEADERBOARDS:
            return {name: read_rules(folder).title for name, folder in leaderboard_folders().items()}


def _costs() -> dict[str, str | dict[str, str]]:
    """Return what is known of devices, by the name that formulas and `cost` take, and of which space."""
    found: dict[str, str | dict[str, str]] = {}
    for cost in known_costs():
        where = found.setdefault(cost.name, {"description": cost.description, "table": ""})
        assert isinstance(where, dict)
        where["table"] = ", ".join(filter(None, [where["table"], cost.task]))
    return found


def _task_title(task: str) -> str:
    sheet = described_tasks().get(task)
    if sheet is not None:
        return f"{sheet.title}: {sheet.tasks[task.partition('/')[2]].title}"
    try:
        return f"imported from {read_any_table(table_path(task)).description.source}"
    except DamagedFileError:
        return "imported, but damaged; import it again"


def _whereabouts(task: str) -> str:
    """Return whether a task's table is here, comes of itself or has to be fetched."""
    if table_path(task).exists():
        return "here"
    if is_ready(task):
        return "made on first use"
    sheet = described_tasks()[task]
    if sheet.importer in PACKAGE_IMPORTERS:
        return "to be built"
    return "to be downloaded" if sheet.downloads else "to be imported"


def _space_title(name: str) -> str:
    space = get_space(name)
    return f"{space.size:,} architectures, {space.distinct:,} distinct, {space.n_genes} genes"
