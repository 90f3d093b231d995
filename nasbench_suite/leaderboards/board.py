"""A board: plays the searches that the rules ask for and gathers what its pages show."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.cards import strategy_cards
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.jobs import Block, in_folder, made_with, play_blocks
from nasbench_suite.leaderboards.outcomes import (
    Judge,
    Outcomes,
    Reference,
    evaluation_grid,
    seconds_grid,
)
from nasbench_suite.leaderboards.rules import Entry, Rules
from nasbench_suite.leaderboards.statistics import (
    Summary,
    mean_ranks,
    rank_correlation,
    summarise,
)
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tasks import load_benchmark

_LONGEST_CLOCK_STEPS = 100
_FEWEST_FOR_CORRELATION = 5

RegretName = Literal["test_regret", "valid_regret"]


@dataclass(frozen=True)
class Board:
    """Everything that the pages of a leaderboard show.

    Attributes
    ----------
    rules
        The rules it was played by.
    references
        What regrets are measured against, by task.
    summaries
        By task and strategy label.
    evaluations, seconds
        Grids of the curves; `seconds` by task, empty where no cost is recorded.
    units
        Name of the test metric by task.
    versions
        What the results depend on: package versions and the SHA-256 of every table.
    """

    rules: Rules
    references: dict[str, Reference]
    summaries: dict[str, dict[str, Summary]]
    evaluations: NDArray[np.int64]
    seconds: dict[str, NDArray[np.float64]]
    units: dict[str, str]
    versions: dict[str, str]

    @property
    def labels(self) -> list[str]:
        """Strategy labels in the order of the rules."""
        return [entry.name for entry in self.rules.strategies]

    def ranks(self, by: RegretName = "test_regret") -> dict[str, float]:
        """Return the mean rank over tasks of every strategy, by mean regret."""
        return dict(zip(self.labels, mean_ranks(self._regrets(by)).tolist(), strict=True))

    def misled(self) -> list[str]:
        """Return the tasks on which better validation goes with worse test over the strategies.

        That is where the rank correlation (Spearman) between the strategies' mean validation and test
        regrets is negative; it takes at least five strategies to mean anything.
        """
        if len(self.labels) < _FEWEST_FOR_CORRELATION:
            return []
        test, valid = self._regrets("test_regret"), self._regrets("valid_regret")
        correlations = [rank_correlation(test[:, t], valid[:, t]) for t in range(len(self.rules.tasks))]
        return [task for task, r in zip(self.rules.tasks, correlations, strict=True) if r < 0]

    def _regrets(self, name: RegretName) -> NDArray[np.float64]:
        """Return mean regrets, float64 `[strategies, tasks]`."""
        return np.array(
            [
                [getattr(self.summaries[task][label], name).mean for task in self.rules.tasks]
                for label in self.labels
            ]
        )

    def by_rank(self) -> list[str]:
        """Return the labels, best mean rank first."""
        ranks = self.ranks()
        return sorted(self.labels, key=lambda label: ranks[label])

    def tuned_on(self, label: str) -> list[str]:
        """Return the board's tasks on which the strategy's hyperparameters were chosen."""
        entry = next(e for e in self.rules.strategies if e.name == label)
        card = strategy_cards().get(entry.strategy)
        return [] if card is None else [task for task in card.tuned_on if task in self.rules.tasks]

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
                task: {
                    "metric": self.units[task],
                    "reference": asdict(self.references[task]),
                    "strategies": {
                        label: {
                            key: _plain(value)
                            for key, value in asdict(summary).items()
                            if not key.endswith("_curve")
                        }
                        for label, summary in self.summaries[task].items()
                    },
                }
                for task in self.rules.tasks
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
    tasks = {task: _check_task(rules, task, folder) for task in rules.tasks}
    references = {task: Reference.of(benchmark) for task, benchmark in tasks.items()}
    grid = evaluation_grid(rules.budget, _most_evaluations(rules, tasks))
    seconds = {task: _seconds_grid(rules, benchmark) for task, benchmark in tasks.items()}
    blocks: list[tuple[str, Entry, Block]] = []
    for entry in sorted(rules.strategies, key=_slow_first):
        for task in rules.tasks:
            search = rules.search(entry, task, folder)
            place = work / task.replace("/", "-") / entry.name
            blocks += [(task, entry, block) for block in in_folder(search.blocks(), place)]
    judges = {task: Judge(grid, seconds[task]) for task in rules.tasks}
    answers = play_blocks(
        [block for _, _, block in blocks],
        _JudgeByTask(judges),
        executor=executor,
        progress=progress,
    )
    summaries: dict[str, dict[str, Summary]] = {task: {} for task in rules.tasks}
    for entry in rules.strategies:
        for task in rules.tasks:
            of_search = [
                answer
                for (t, e, _), answer in zip(blocks, answers, strict=True)
                if t == task and e.name == entry.name
            ]
            summaries[task][entry.name] = summarise(
                Outcomes.concatenate(of_search),
                best_test=references[task].best_test,
                confidence=rules.confidence,
                resamples=rules.resamples,
                seed=rules.seed,
            )
    return Board(
        rules=rules,
        references=references,
        summaries=summaries,
        evaluations=grid,
        seconds=seconds,
        units={task: benchmark.test_metric for task, benchmark in tasks.items()},
        versions=_versions(rules, tasks, folder),
    )


@dataclass(frozen=True)
class _JudgeByTask:
    judges: dict[str, Judge]

    def __call__(self, runs: Any, benchmark: Any) -> Outcomes:
        return self.judges[benchmark.id](runs, benchmark)


def _slow_first(entry: Entry) -> int:
    """Sort strategies that learn with torch first, so that no long block is left for the end."""
    card = strategy_cards().get(entry.strategy)
    return 0 if card is None or card.learns_on == "torch" else 1


def _check_task(rules: Rules, task: str, folder: Path) -> TabularBenchmark:
    benchmark = load_benchmark(task)
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(f"{task} is no table; a leaderboard needs one to know regrets.")
    for entry in rules.strategies:
        rules.search(entry, task, folder).check()
    return benchmark


def _most_evaluations(rules: Rules, tasks: dict[str, TabularBenchmark]) -> int:
    """Bound the evaluations of a run with a budget in seconds by the cheapest architecture."""
    if rules.evaluations is not None:
        return rules.evaluations
    cheapest = min(_costs(benchmark).min() for benchmark in tasks.values())
    return int(np.ceil((rules.seconds or 0) / cheapest)) + 1


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
    return seconds_grid(rules.budget, float(costs.min()), most)


def _versions(rules: Rules, tasks: dict[str, TabularBenchmark], folder: Path) -> dict[str, str]:
    versions: dict[str, str] = {}
    for entry in rules.strategies:
        versions |= made_with(rules.search(entry, rules.tasks[0], folder).source)
    versions |= {f"table {task}": benchmark.table.sha256 for task, benchmark in tasks.items()}
    return dict(sorted(versions.items()))
