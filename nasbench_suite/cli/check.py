"""`nasbench-suite check`: every card, table and board, read and verified."""

import importlib.util

import typer

from nasbench_suite.cards import datasheets, strategy_cards
from nasbench_suite.cli.output import Json, Quiet, complain, interruptible, print_json, progress
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.rules import leaderboard_folders, read_rules
from nasbench_suite.spaces import get_space
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.table import check_index
from nasbench_suite.tasks import load_benchmark, task_names

_PROBLEMS = 2


def check(as_json: bool = Json, quiet: bool = Quiet) -> None:
    """Check every card, datasheet, table and board: schema, completeness, checksums.

    Tables that are not converted yet are converted. Ends with exit code 2 if anything is wrong.

    Example:

        nasbench-suite check
    """
    checks = {
        **{f"strategy {name}": _check_strategy for name in strategy_cards()},
        **{f"datasheet {name}": _check_datasheet for name in datasheets()},
        **{f"table {name}": _check_table for name in task_names()},
        **{f"leaderboard {name}": _check_leaderboard for name in leaderboard_folders()},
    }
    problems: dict[str, str] = {}
    with interruptible("nothing was changed."), progress("checking", quiet) as advance:
        for done, (what, perform) in enumerate(checks.items(), start=1):
            try:
                perform(what.partition(" ")[2])
            except NasbenchSuiteError as found:
                problems[what] = str(found)
            advance(done, len(checks))
    if as_json:
        print_json({"checked": list(checks), "problems": problems})
    else:
        for what, problem in problems.items():
            complain(f"{what}: {problem}")
        print(f"{len(checks)} checked, {len(problems)} with problems")
    if problems:
        raise typer.Exit(_PROBLEMS)


def _check_strategy(name: str) -> None:
    card = strategy_cards()[name]
    module = card.implementation.partition(":")[0]
    if importlib.util.find_spec(module) is None:
        raise NasbenchSuiteError(f"{card.implementation} is not there; correct implementation in its card.")
    for key, entry in card.hyperparameters.items():
        entry.check(key, entry.value)


def _check_datasheet(name: str) -> None:
    sheet = datasheets()[name]
    for task, entry in sheet.tasks.items():
        get_space(entry.space)
        for metric in (entry.valid, entry.test):
            if metric not in sheet.metrics:
                raise NasbenchSuiteError(f"task {task} names metric {metric}, which the datasheet lacks.")


def _check_table(task: str) -> None:
    benchmark = load_benchmark(task)
    if isinstance(benchmark, TabularBenchmark):
        check_index(benchmark.table)


def _check_leaderboard(name: str) -> None:
    from nasbench_suite.leaderboards.results import RESULTS, load_board  # loads SciPy, so not for --help

    folder = leaderboard_folders()[name]
    rules = read_rules(folder)
    for task in rules.tasks:
        for entry in rules.strategies:
            rules.search(entry, task, folder).check()
    if (folder / RESULTS).is_file():
        load_board(folder / RESULTS)
