"""`nasbench-suite check`: every card, table and board, read and verified."""

import importlib.util

import typer

from nasbench_suite.cli.output import Json, Quiet, complain, interruptible, print_json
from nasbench_suite.cli.progress import progress
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware import known_costs
from nasbench_suite.leaderboards.cost_rules import cost_boards, read_cost_rules
from nasbench_suite.leaderboards.front_rules import front_boards, read_front_rules
from nasbench_suite.leaderboards.retrained_rules import read_retrained_rules, retrained_boards
from nasbench_suite.leaderboards.rules import find_leaderboard, leaderboard_folders, read_rules
from nasbench_suite.leaderboards.scaling_rules import read_scaling_rules, scaling_boards
from nasbench_suite.spaces import get_space
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.strategies.constraint import Constraint
from nasbench_suite.strategies.objective import Objective
from nasbench_suite.surrogates.card import surrogate_folders
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.catalogue import is_ready
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.gan_file import FILE_NAME, read_gan_file
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tabular.table import MappedTable, Table, check_index
from nasbench_suite.tasks import load_benchmark, task_names

_PROBLEMS = 2


def check(as_json: bool = Json, quiet: bool = Quiet) -> None:
    """Check every card, datasheet, table and board: schema, completeness, checksums of every array.

    Tables that a package ships are converted if they are not yet; those that you would have to import or
    build first are named and skipped. Ends with exit code 2 if anything is wrong.

    Example:

        nasbench-suite check
    """
    here = {task: is_ready(task) for task in task_names()}
    skipped = [task for task, ready in here.items() if not ready]
    checks = {
        **{f"strategy {name}": _check_strategy for name in strategy_cards()},
        **{f"datasheet {name}": _check_datasheet for name in datasheets()},
        **{f"table {name}": _check_table for name, ready in here.items() if ready},
        **{f"generators {name}": _check_generators for name in _generator_tables()},
        **{f"surrogate {name}": _check_surrogate for name in surrogate_folders()},
        **{f"leaderboard {name}": _check_leaderboard for name in leaderboard_folders()},
        **{f"costs {name}": _check_costs for name in cost_boards()},
        **{f"fronts {name}": _check_fronts for name in front_boards()},
        **{f"scaling {name}": _check_scaling for name in scaling_boards()},
        **{f"retrained {name}": _check_retrained for name in retrained_boards()},
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
        print_json({"checked": list(checks), "skipped": skipped, "problems": problems})
    else:
        for what, problem in problems.items():
            complain(f"{what}: {problem}")
        print(f"{len(checks)} checked, {len(problems)} with problems{_not_here(skipped)}")
    if problems:
        raise typer.Exit(_PROBLEMS)


def _not_here(tasks: list[str]) -> str:
    return f", {len(tasks)} tables not here (import or build them first): {', '.join(tasks)}" if tasks else ""


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
            if metric and metric not in sheet.metrics:
                raise NasbenchSuiteError(f"task {task} names metric {metric}, which the datasheet lacks.")


def _check_table(task: str) -> None:
    benchmark = load_benchmark(task)
    if not isinstance(benchmark, TabularBenchmark | OperatorSumBenchmark):
        return
    table = benchmark.table
    if isinstance(table, MappedTable):
        for name in table.file.names():
            table.file.array(name)  # a queried table verifies only what it touches
    if isinstance(table, Table):
        check_index(table)
    if table.description.task != task:
        raise NasbenchSuiteError(
            f"the file is the table of {table.description.task}; give it back its name, or import it again."
        )


def _generator_tables() -> list[str]:
    return [path.parent.name for path in sorted((content_root() / "tabular").glob("*/gan.toml"))]


def _check_generators(name: str) -> None:
    from nasbench_suite.training.gan.classifier import classifier_path, load_classifier
    from nasbench_suite.training.gan.generator import bottom_size, gan_space
    from nasbench_suite.training.gan.plan import PLAN, read_gan_plan  # loads torch, so not for --help

    folder = content_root() / "tabular" / name
    plan = read_gan_plan(folder / PLAN)
    bottom_size(load_classifier(classifier_path(plan.data)).shape, gan_space(plan.space).n_cells)
    built = folder / FILE_NAME
    if built.is_file() and read_gan_file(built).description.request != plan.request:
        raise NasbenchSuiteError(f"{built} is not what {PLAN} beside it asks for; build it again.")


def _check_surrogate(name: str) -> None:
    from nasbench_suite.surrogates.shipped import verified_model  # loads XGBoost or torch, so not for --help

    verified_model(surrogate_folders()[name])


def _check_costs(name: str) -> None:
    _, rules = read_cost_rules(cost_boards()[name])
    known = {cost.name for cost in known_costs() if cost.task == rules.task}
    for device in (*rules.known, *rules.unseen):
        if f"{rules.quantity}@{device}" not in known:
            raise UnknownNameError(f"cost in {rules.task} called", f"{rules.quantity}@{device}", known)


def _check_leaderboard(name: str) -> None:
    from nasbench_suite.leaderboards.results import RESULTS, load_board  # loads SciPy, so not for --help

    folder = leaderboard_folders()[name]
    rules = read_rules(folder)
    waiting = {task for task in task_names() if not is_ready(task)}
    for task in (task for task in rules.tasks if task not in waiting):
        for entry in rules.strategies:
            rules.search(entry, task, folder).check()
    if (folder / RESULTS).is_file():
        load_board(folder / RESULTS)


def _check_fronts(name: str) -> None:
    folder, rules = read_front_rules(front_boards()[name])
    costs = {cost.name: cost.task for cost in known_costs()}
    for problem in rules.problems:
        if problem.task not in task_names():
            raise UnknownNameError("task", problem.task, task_names())
        wanted = {Objective.parse(text).name for text in problem.objectives}
        wanted |= {Constraint.parse(text).name for text in problem.constraints}
        for cost in (one for one in wanted if "@" in one):
            if cost not in costs:
                raise UnknownNameError("cost called", cost, costs)
        if all(map(is_ready, (problem.task, *(costs[one] for one in wanted if one in costs)))):
            for entry in rules.strategies:
                rules.search(entry, problem, folder).check()


def _check_retrained(name: str) -> None:
    from nasbench_suite.leaderboards.published_curves import read_published  # load torch, so not for --help
    from nasbench_suite.leaderboards.retrained_board import judge_retrained
    from nasbench_suite.training.recipes import get_recipe
    from nasbench_suite.training.task import training_task

    home, rules = read_retrained_rules(retrained_boards()[name])
    for study in rules.studies:
        task = training_task(study.task)
        get_recipe(study.recipe)
        for entry in study.published:
            get_space(task.space).parse(entry.architecture)
    judge_retrained(rules, home, read_published(home))


def _check_scaling(name: str) -> None:
    _, rules = read_scaling_rules(scaling_boards()[name])
    for entry in rules.tasks:
        if entry.task not in task_names():
            raise UnknownNameError("task", entry.task, task_names())
        if entry.board:
            find_leaderboard(entry.board)
