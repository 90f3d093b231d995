"""A board: plays the searches that the rules ask for and gathers what its pages show."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.blocks import Block, in_folder, made_with, play_blocks
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.differences import Difference, differences
from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.outcomes import (
    Judge,
    Outcomes,
    Reference,
    evaluation_grid,
    open_table,
    seconds_grid,
)
from nasbench_suite.leaderboards.over_tasks import OverTasks, over_tasks
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.rules import Entry, Judging, Rules
from nasbench_suite.leaderboards.scale import Scale, common_unit
from nasbench_suite.leaderboards.statistics import (
    Summary,
    mean_ranks,
    rank_correlation,
    summarise,
)
from nasbench_suite.leaderboards.supernets import Supernets
from nasbench_suite.runs import Runs
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.tabular.benchmark import TabularBenchmark

_LONGEST_CLOCK_STEPS = 100
_FEWEST_FOR_CORRELATION = 5
_ROPE_OF_FRACTIONS, _ROPE_SHARE = 0.001, 0.01

RegretName = Literal["test_regret", "valid_regret"]


@dataclass(frozen=True)
class Board:
    """Everything that the pages of a leaderboard show.

    Attributes
    ----------
    rules
        The rules it was played by.
    references
        What regrets are measured against, by column (see `Rules.columns`).
    summaries
        By column and strategy label.
    evaluations, seconds
        Grids of the curves; `seconds` by column, empty where no cost is recorded.
    metrics, units
        Name and unit of the test metric by column.
    versions
        What the results depend on: package versions, the SHA-256 of every table and what it was read from.
    skipped
        Optional strategies that the tables cannot serve, by label, and why.
    not_held_out
        Columns whose publication has one result, which steers the search and judges it too.
    picks
        What the runs ended with, by task and strategy label; empty in boards of before these were kept.
    supernets
        Of strategies that train one, by column and label.
    finals
        What every run ended with, by column and label; empty in boards of before these were kept.
    """

    rules: Rules
    references: dict[str, Reference]
    summaries: dict[str, dict[str, Summary]]
    evaluations: NDArray[np.int64]
    seconds: dict[str, NDArray[np.float64]]
    metrics: dict[str, str]
    units: dict[str, str]
    versions: dict[str, str]
    skipped: dict[str, str] = field(default_factory=dict)
    not_held_out: list[str] = field(default_factory=list)
    picks: dict[str, dict[str, Picks]] = field(default_factory=dict)
    supernets: dict[str, dict[str, Supernets]] = field(default_factory=dict)
    finals: dict[str, dict[str, Finals]] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Labels of the strategies that were played, in the order of the rules."""
        return [entry.name for entry in self.rules.strategies if entry.name not in self.skipped]

    @property
    def columns(self) -> list[str]:
        """Names of what results are shown of: tasks, or the rules' judgings."""
        return [column.name for column in self.rules.columns]

    @property
    def scales(self) -> dict[str, Scale]:
        """How the results of each column are written."""
        return {c: Scale.of(self.units[c], self.references[c].best_test) for c in self.columns}

    @property
    def result_unit(self) -> str:
        """What results are in, if all columns have that in common, as words that follow "in"."""
        return common_unit([scale.unit for scale in self.scales.values()])

    @property
    def difference_unit(self) -> str:
        """What regrets are in, if all columns have that in common, as words that follow "in"."""
        return common_unit([scale.difference for scale in self.scales.values()])

    def ranks(self, by: RegretName = "test_regret") -> dict[str, float]:
        """Return the mean rank over tasks of every strategy, by mean regret."""
        return dict(zip(self.labels, mean_ranks(self._regrets(by)).tolist(), strict=True))

    @cached_property
    def differences(self) -> dict[str, dict[str, Difference]]:
        """Every strategy beside the best one of each column; nothing where no finals are kept."""
        settings = {"resamples": self.rules.resamples, "seed": self.rules.seed}
        return {
            column: differences(of_column, confidence=self.rules.confidence, **settings)
            for column, of_column in self.finals.items()
        }

    def anytime(self, column: str, label: str) -> float:
        """Return the mean over runs of the mean test regret over the budget; NaN where none has one."""
        values = self.finals[column][label].anytime
        return float(np.mean(values[~np.isnan(values)])) if not np.isnan(values).all() else float("nan")

    @cached_property
    def over_tasks(self) -> OverTasks | None:
        """What holds over all columns; None with fewer than three strategies or two columns."""
        table = self._regrets("test_regret")
        regrets = dict(zip(self.labels, table, strict=True))
        alpha = 1 - self.rules.confidence
        return over_tasks(regrets, self.ropes, alpha=alpha, seed=self.rules.seed)

    @property
    def ropes(self) -> NDArray[np.float64]:
        """Differences on each column within which strategies are as good, `[columns]`; see `Rules.rope`."""
        return np.array([self.rules.rope or self._usual_rope(column) for column in self.columns])

    def _usual_rope(self, column: str) -> float:
        if self.units[column] == "fraction":
            return _ROPE_OF_FRACTIONS
        return _ROPE_SHARE * abs(self.references[column].best_test) or 1.0

    def misled(self) -> list[str]:
        """Return the columns on which better validation goes with worse test over the strategies.

        That is where the rank correlation (Spearman) between the strategies' mean validation and test
        regrets is negative; it takes at least five strategies to mean anything.
        """
        if len(self.labels) < _FEWEST_FOR_CORRELATION:
            return []
        test, valid = self._regrets("test_regret"), self._regrets("valid_regret")
        correlations = [rank_correlation(test[:, t], valid[:, t]) for t in range(len(self.columns))]
        return [column for column, r in zip(self.columns, correlations, strict=True) if r < 0]

    def _regrets(self, name: RegretName) -> NDArray[np.float64]:
        """Return mean regrets, float64 `[strategies, columns]`."""
        return np.array(
            [
                [getattr(self.summaries[column][label], name).mean for column in self.columns]
                for label in self.labels
            ]
        )

    def by_rank(self) -> list[str]:
        """Return the labels, best mean rank first."""
        ranks = self.ranks()
        return sorted(self.labels, key=lambda label: ranks[label])

    def tuned_on(self, label: str) -> list[str]:
        """Return the columns on whose tasks the strategy's hyperparameters were chosen."""
        entry = next(e for e in self.rules.strategies if e.name == label)
        card = strategy_cards().get(entry.strategy)
        tuned = [] if card is None else card.tuned_on
        return [c.name for c in self.rules.columns if {c.search, c.valid, c.test} & set(tuned)]

    def as_data(self) -> dict[str, Any]:
        """Return tables and ranks as plain JSON values; infinity and NaN become null."""
        ranks, valid_ranks = self.ranks(), self.ranks(by="valid_regret")
        return {
            "title": self.rules.title,
            "ranking": [
                {
                    "strategy": label,
                    "rank_by_test_regret": ranks[label],
                    "rank_by_valid_regret": valid_ranks[label],
                }
                for label in self.by_rank()
            ],
            "tasks": {
                column: {
                    "metric": self.metrics[column],
                    "unit": self.units[column],
                    "reference": asdict(self.references[column]),
                    "strategies": {
                        label: {
                            key: _plain(value)
                            for key, value in asdict(summary).items()
                            if not key.endswith("_curve")
                        }
                        for label, summary in self.summaries[column].items()
                    },
                }
                for column in self.columns
            },
            "versions": self.versions,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


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
    for (task, entry, _), (judged, picked) in zip(blocks, answers, strict=True):
        picks[task].setdefault(entry.name, []).append(picked)
        for column, (of_block, of_supernets) in judged.items():
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
        versions=_versions(rules, entries, folder),
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
class JudgeByTask:
    """Judges the record of a task for every column that it is searched for, and says what its runs picked."""

    columns: list[Judging]
    judges: dict[str, Judge]

    def __call__(
        self, runs: Runs, benchmark: Benchmark
    ) -> tuple[dict[str, tuple[Outcomes, Supernets | None]], Picks]:
        """Return the outcomes of a record by column, and what its runs ended with."""
        judge, judged = self.judges[benchmark.id], {}
        for column in self.columns:
            if column.search == benchmark.id:
                tables = open_table(column.valid), open_table(column.test)
                judged[column.name] = judge(runs, *tables), Supernets.of(runs, *tables)
        return judged, Picks.of(runs)


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


def _versions(rules: Rules, entries: list[Entry], folder: Path) -> dict[str, str]:
    versions: dict[str, str] = {}
    for entry in entries:
        versions |= made_with(rules.search(entry, rules.tasks[0], folder).source)
    used = {task for column in rules.columns for task in (column.search, column.valid, column.test)}
    for task in used:
        table = open_table(task).table
        versions[f"table {task}"] = f"{table.sha256} from {table.description.source}"
    return dict(sorted(versions.items()))
