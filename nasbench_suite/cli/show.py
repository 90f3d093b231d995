"""`nasbench-suite show`: one thing, whole."""

from pathlib import Path
from typing import Any

import typer

from nasbench_suite.cli.output import Json, note, print_json, print_table
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.leaderboards.rules import leaderboard_folders, read_rules
from nasbench_suite.spaces import get_space, space_names
from nasbench_suite.strategies.card import StrategyCard, strategy_cards
from nasbench_suite.surrogates.card import surrogate_card, surrogate_folders
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.catalogue import is_ready
from nasbench_suite.tabular.datasheet import Datasheet, datasheets
from nasbench_suite.tabular.importers import PACKAGE_IMPORTERS, built, gan
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tasks import SURROGATE, load_benchmark, task_names


def show(
    name: str = typer.Argument(help="A strategy, benchmark, task, space, surrogate or leaderboard."),
    figures: bool = typer.Option(
        False, "--figures", help="Of a task or benchmark: what its results tell of architectures and seeds."
    ),
    picture: Path | None = typer.Option(
        None, metavar="FOLDER", help="Of a task: draw its results into this folder."
    ),
    as_json: bool = Json,
) -> None:
    """Show the card of a strategy or surrogate, a datasheet, a task's table, a space or a board's rules.

    Examples
    --------
        nasbench-suite show regularized_evolution

        nasbench-suite show graph/cora

        nasbench-suite show nats_topology-mnist1d --figures

        nasbench-suite show gan/mnist1d --picture pictures
    """
    if picture is not None:
        _draw(name, picture)
        return
    facts = _figures(name) if figures else _facts(name)
    if as_json:
        print_json(facts)
        return
    for title, value in facts.items():
        _print_fact(title, value)


def _draw(name: str, folder: Path) -> None:
    from nasbench_suite.cli.picture import draw  # loads matplotlib

    if name not in task_names():
        raise UnknownNameError("task called", name, task_names())
    for path in draw(name, folder):
        note(f"picture: {path}")


def _facts(name: str) -> dict[str, Any]:
    if name in strategy_cards():
        return _strategy_facts(strategy_cards()[name])
    if name in datasheets():
        return _datasheet_facts(datasheets()[name])
    if name in task_names() or name.startswith(SURROGATE):
        return _task_facts(name)
    if name in space_names() or "grid(" in name:
        return _space_facts(name)
    if name in leaderboard_folders():
        return read_rules(leaderboard_folders()[name]).model_dump(exclude_none=True)
    if name in surrogate_folders():
        return surrogate_card(surrogate_folders()[name]).model_dump(exclude_none=True)
    named = (strategy_cards(), datasheets(), task_names(), space_names(), leaderboard_folders())
    known = [one for names in (*named, surrogate_folders()) for one in names]
    raise UnknownNameError("strategy, benchmark, task, space, surrogate or leaderboard called", name, known)


def _figures(name: str) -> dict[str, Any]:
    """Return the figures of a task, or of every task of a datasheet whose table is here."""
    from nasbench_suite.tabular.quality import rounded_figures  # loads SciPy, so not for --help

    sheet = datasheets().get(name)
    if sheet is None and name not in task_names():
        raise UnknownNameError("benchmark or task called", name, [*datasheets(), *task_names()])
    tasks = [name] if sheet is None else list(map(sheet.task, sheet.tasks))
    here = [task for task in tasks if sheet is None or is_ready(task)]
    if not here:
        raise NasbenchSuiteError(
            f"no table of {name} is here; nasbench-suite show {name} says how to get one."
        )
    return {task: rounded_figures(load_benchmark(task)) for task in here}


def _strategy_facts(card: StrategyCard) -> dict[str, Any]:
    return card.model_dump(exclude_none=True)


def _datasheet_facts(sheet: Datasheet) -> dict[str, Any]:
    facts = sheet.model_dump(exclude_none=True)
    downloads = {entry.pop("file"): entry for entry in facts.pop("downloads")}
    return facts | ({"downloads": downloads} if downloads else {}) | {"how to get it": _how_to_get(sheet)}


def _how_to_get(sheet: Datasheet) -> list[str]:
    """Return what a user has to do before the tables can be asked."""
    if sheet.importer in ("built", "gan"):
        return [(built if sheet.importer == "built" else gan).how_to_get(sheet)]
    if sheet.importer in PACKAGE_IMPORTERS:
        return ["nothing to do: a package that is installed with the suite ships the data"]
    ways = [
        f"nasbench-suite import {sheet.importer} FILE..., with the official files; they are: {sheet.source}"
    ]
    if sheet.downloads:
        unverified = not all(entry.sha256 or entry.md5 for entry in sheet.downloads if entry.wanted)
        ways.insert(0, f"nasbench-suite download {sheet.name} --import{' --trust' * unverified}")
    return ways


def _space_facts(name: str) -> dict[str, Any]:
    space = get_space(name)
    return {
        "name": name,
        "architectures": space.size,
        "distinct": space.distinct,
        "cardinalities": list(space.cardinalities),
    }


def _task_facts(name: str) -> dict[str, Any]:
    benchmark = load_benchmark(name)
    facts: dict[str, Any] = {
        "name": name,
        "space": benchmark.space.name,
        "fidelities": list(benchmark.fidelities),
        "repeats": benchmark.repeats,
        "metrics": {
            m.name: {"unit": m.unit, "direction": m.direction, "role": m.role, "description": m.description}
            for m in benchmark.metrics.values()
        },
    }
    if isinstance(benchmark, TabularBenchmark):
        description = benchmark.table.description
        facts |= {
            "rows": len(benchmark.table.genes),
            "a row is one per": description.rows,
            "sha256": benchmark.table.sha256,
            **description.model_dump(exclude={"task", "space", "repeats", "rows"}),
        }
    elif isinstance(benchmark, OperatorSumBenchmark):
        of_sums = {"licence", "source", "source_version", "source_sha256", "created_with"}
        facts |= {
            "results are sums of": [*benchmark.table.before, *_layers(benchmark), *benchmark.table.after],
            "sha256": benchmark.table.sha256,
            **benchmark.table.description.model_dump(include=of_sums),
        }
    return facts


def _layers(benchmark: OperatorSumBenchmark) -> list[str]:
    space = benchmark.space
    return [f"{space.n_genes} layers, each one of {space.cardinalities[0]} operations"]


def _print_fact(title: str, value: Any) -> None:
    if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
        columns = list(dict.fromkeys(key for entry in value.values() for key in entry))
        rows = [[key, *(str(entry.get(c, "")) for c in columns)] for key, entry in value.items()]
        print_table([title, *columns], rows, left=1 + len(columns))
    elif isinstance(value, dict):
        print_table([title, ""], [[key, str(entry)] for key, entry in value.items()], left=2)
    elif isinstance(value, list) and value and isinstance(value[0], str):
        print_table([title], [[f"- {entry}"] for entry in value])
    else:
        print_table([title], [[str(value)]])
    print()
