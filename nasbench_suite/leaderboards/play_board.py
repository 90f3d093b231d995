"""Plays the searches that a board's rules ask for, judges them, and gathers the board."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.blocks import Block, in_folder, play_blocks
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.outcomes import (
    Judge,
    Outcomes,
    Reference,
    evaluation_grid,
    open_table,
    seconds_grid,
)
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.rules import Entry, Judging, Rules
from nasbench_suite.leaderboards.statistics import summarise
from nasbench_suite.leaderboards.supernets import Supernets
from nasbench_suite.runs import Runs
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.tabular.benchmark import TabularBenchmark

_LONGEST_CLOCK_STEPS = 100


def run_board(
    rules: Rules,
    folder: Path,
    work: Path,
    *,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Play all searches of the rules, taking up stored blocks, and return the board.

    Parameters
    ----------
    rules, folder
        The rules and the folder they lie in (files of strategies are relative to it).
    work
        Folder for the records of all runs; an interrupted board continues from there.
    executor, progress
        See `search`.
    """
    tasks = {task: open_table(task) for task in rules.tasks}
    entries, skipped = _playable(rules, folder)
    grid = evaluation_grid(rules.evaluations or _most_evaluations(rules, tasks))
    seconds = {task: _seconds_grid(rules, benchmark) for task, benchmark in tasks.items()}
    judge = board_judge(rules, grid, seconds)
    references = {c.name: Reference.of(open_table(c.valid), open_table(c.test)) for c in rules.columns}
    judging = {c.name: open_table(c.test) for c in rules.columns}
    blocks: list[tuple[str, Entry, Block]] = []
    for entry in sorted(entries, key=_slow_first):
        for task in rules.tasks:
            search = rules.search(entry, task, folder)
            place = work / task.replace("/", "-") / entry.name
            blocks += [(task, entry, block) for block in in_folder(search.blocks(), place)]
    answers = play_blocks([block for _, _, block in blocks], judge, executor=executor, progress=progress)
    outcomes: dict[tuple[str, str], list[Outcomes]] = {}
    supernets: dict[str, dict[str, list[Supernets]]] = {}
    joined: dict[str, dict[str, Outcomes]] = {}
    picks: dict[str, dict[str, list[Picks]]] = {task: {} for task in rules.tasks}
    for (task, entry, _), judged in zip(blocks, answers, strict=True):
        picks[task].setdefault(entry.name, []).append(judged.picks)
        for column, (of_block, of_supernets) in judged.columns.items():
            outcomes.setdefault((column, entry.name), []).append(of_block)
            if of_supernets is not None:
                supernets.setdefault(column, {}).setdefault(entry.name, []).append(of_supernets)
    for (column, label), parts in outcomes.items():
        joined.setdefault(column, {})[label] = Outcomes.concatenate(parts)
    return Board(
        rules=rules,
        references=references,
        summaries={
            column: {
                entry.name: summarise(
                    joined[column][entry.name],
                    best_test=reference.best_test,
                    confidence=rules.confidence,
                    resamples=rules.resamples,
                    seed=rules.seed,
                )
                for entry in entries
            }
            for column, reference in references.items()
        },
        evaluations=grid,
        seconds={column.name: seconds[column.search] for column in rules.columns},
        metrics={name: table.test_metric for name, table in judging.items()},
        units={name: table.metrics[table.test_metric].unit for name, table in judging.items()},
        versions=_versions([judged.made_with for judged in answers], rules),
        skipped=skipped,
        not_held_out=[c.name for c in rules.columns if _is_one_result(c)],
        picks={
            task: {label: Picks.join(parts) for label, parts in of_task.items()}
            for task, of_task in picks.items()
        },
        supernets={
            column: {label: Supernets.concatenate(parts) for label, parts in of_column.items()}
            for column, of_column in supernets.items()
        },
        finals={
            column: {entry.name: Finals.of(joined[column][entry.name], grid) for entry in entries}
            for column in references
        },
    )


def _is_one_result(column: Judging) -> bool:
    by_valid, by_test = open_table(column.valid), open_table(column.test)
    return by_valid is by_test and by_valid.valid_metric == by_test.test_metric


def board_judge(
    rules: Rules, evaluations: NDArray[np.int64], seconds: dict[str, NDArray[np.float64]]
) -> "JudgeByTask":
    """Return what judges records by the rules, on grids of evaluations and, by task, of seconds."""
    return JudgeByTask(
        rules.columns, {task: _judge(rules, task, evaluations, seconds[task]) for task in rules.tasks}
    )


def _judge(rules: Rules, task: str, evaluations: NDArray[np.int64], seconds: NDArray[np.float64]) -> Judge:
    return Judge(
        evaluations,
        seconds,
        interpolate_at=rules.budget(task).seconds if rules.read_off == "interpolated" else None,
        best_test_seen=rules.published is not None and rules.published.chosen_by == "test",
        add_billed=rules.clock == "total",
    )


@dataclass(frozen=True)
class JudgedRecord:
    """What a board takes from the record of one block.

    Attributes
    ----------
    columns
        Outcomes by column, and what a supernet was asked besides.
    picks
        What its runs ended with.
    made_with
        Processor and versions that it was played with, which may be others than those here.
    """

    columns: dict[str, tuple[Outcomes, Supernets | None]]
    picks: Picks
    made_with: dict[str, str]


@dataclass(frozen=True)
class JudgeByTask:
    """Judges the record of a task for every column that it is searched for."""

    columns: list[Judging]
    judges: dict[str, Judge]

    def __call__(self, runs: Runs, benchmark: Benchmark) -> JudgedRecord:
        """Return what a board takes from a record."""
        judge, judged = self.judges[benchmark.id], {}
        for column in self.columns:
            if column.search == benchmark.id:
                tables = open_table(column.valid), open_table(column.test)
                judged[column.name] = judge(runs, *tables), Supernets.of(runs, *tables)
        return JudgedRecord(judged, Picks.of(runs), runs.request.get("made_with", {}))


def _playable(rules: Rules, folder: Path) -> tuple[list[Entry], dict[str, str]]:
    """Return the strategies that can be played, and why the optional others cannot.

    Raises
    ------
    NasbenchSuiteError
        When one that is not optional cannot.
    """
    entries, skipped = [], {}
    for entry in rules.strategies:
        try:
            for task in rules.tasks:
                search = rules.search(entry, task, folder)
                search.check()
                if entry.optional:
                    search.rehearse()
            entries.append(entry)
        except NasbenchSuiteError as problem:
            if not entry.optional:
                raise
            skipped[entry.name] = str(problem)
    return entries, skipped


def _slow_first(entry: Entry) -> int:
    """Sort strategies that learn with torch first, so that no long block is left for the end."""
    card = strategy_cards().get(entry.strategy)
    return 0 if card is None or card.learns_on == "torch" else 1


def _most_evaluations(rules: Rules, tasks: dict[str, TabularBenchmark]) -> int:
    """Bound the evaluations of a run with a budget in seconds by the cheapest architecture."""
    most = [(rules.budget(task).seconds or 0) / _costs(table).min() for task, table in tasks.items()]
    return int(np.ceil(max(most))) + 1


def _costs(benchmark: TabularBenchmark) -> NDArray[np.float64]:
    costs = benchmark.query(benchmark.table.genes).seconds
    if costs is None:
        raise NasbenchSuiteError(
            f"{benchmark.id} records no training time, so a budget in seconds has no meaning there; "
            "give evaluations in the rules."
        )
    return costs[costs > 0]


def _seconds_grid(rules: Rules, benchmark: TabularBenchmark) -> NDArray[np.float64]:
    if benchmark.cost_metric is None:
        return np.zeros(0)
    costs = _costs(benchmark)
    most = float(np.median(costs)) * (rules.evaluations or _LONGEST_CLOCK_STEPS)
    return seconds_grid(rules.budget(benchmark.id), float(costs.min()), most)


def _versions(made_with: list[dict[str, str]], rules: Rules) -> dict[str, str]:
    """Return what the records were made with, all of it where they differ, and the tables."""
    found: dict[str, set[str]] = {}
    for of_record in made_with:
        for name, version in of_record.items():
            found.setdefault(name, set()).add(version)
    versions = {name: " and ".join(sorted(several)) for name, several in found.items()}
    used = {task for column in rules.columns for task in (column.search, column.valid, column.test)}
    for task in used:
        table = open_table(task).table
        versions[f"table {task}"] = f"{table.sha256} from {table.description.source}"
    return dict(sorted(versions.items()))
