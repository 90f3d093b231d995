"""A board: plays the searches that the rules ask for, keeps what is needed to show them, reads it back."""

import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import load_benchmark
from nasbench_suite.cards import strategy_cards
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
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
    Curve,
    Estimate,
    Reached,
    Summary,
    mean_ranks,
    rank_correlation,
    summarise,
)
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.benchmark import TabularBenchmark

FORMAT = "nasbench-suite board"
SCHEMA = 1
RESULTS = "results.h5"
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


# -- keeping and reading back ----------------------------------------------------------------------


def save_board(board: Board, path: Path) -> None:
    """Write the board's numbers to an HDF5 file, whole or not at all."""
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["schema"] = SCHEMA
        head = _head(board)
        file.attrs["head"] = head
        numbers = _numbers(board)
        file.attrs["sha256"] = _digest(head, numbers)
        for name, values in numbers.items():
            file.create_dataset(name, data=values)
    write_whole(path, image.getvalue())


def load_board(path: Path) -> Board:
    """Read a board's numbers and verify their checksum.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, or no board.
    NasbenchSuiteError
        When there is no such file.
    """
    if not path.is_file():
        raise NasbenchSuiteError(f"there is no {path}; play the board first: nasbench-suite leaderboard run.")
    damaged = DamagedFileError(f"{path} is truncated, corrupt or no board; play the board again.")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or file.attrs["schema"] != SCHEMA:
                raise damaged
            head, stated = str(file.attrs["head"]), str(file.attrs["sha256"])
            numbers = {name: file[name][()] for name in _dataset_names(file)}
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        raise damaged from problem
    if _digest(head, numbers) != stated:
        raise damaged
    return _from_parts(json.loads(head), numbers)


def _dataset_names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, entry: names.append(name) if isinstance(entry, h5py.Dataset) else None)
    return sorted(names)


def _head(board: Board) -> str:
    return json.dumps(
        {
            "rules": board.rules.model_dump(),
            "references": {task: asdict(reference) for task, reference in board.references.items()},
            "units": board.units,
            "versions": board.versions,
        },
        sort_keys=True,
    )


def _key(board_task: str, label_number: int) -> str:
    return f"{board_task.replace('/', ':')}/{label_number:03d}"


def _numbers(board: Board) -> dict[str, NDArray[Any]]:
    """Return all numbers by dataset name: per task and strategy one row of scalars and the curves."""
    numbers: dict[str, NDArray[Any]] = {"evaluations": board.evaluations}
    for task in board.rules.tasks:
        numbers[f"seconds/{task.replace('/', ':')}"] = board.seconds[task]
        for number, label in enumerate(board.labels):
            summary, key = board.summaries[task][label], _key(task, number)
            scalars = [float(summary.runs)]
            for field in fields(Summary):
                value = getattr(summary, field.name)
                if isinstance(value, Estimate | Reached):
                    scalars += list(asdict(value).values())
                elif isinstance(value, Curve):
                    numbers[f"curves/{key}/{field.name}"] = np.array([value.mean, value.low, value.high])
            numbers[f"scalars/{key}"] = np.array(scalars)
    return numbers


def _from_parts(head: dict[str, Any], numbers: dict[str, NDArray[Any]]) -> Board:
    rules = Rules.model_validate(head["rules"])
    labels = [entry.name for entry in rules.strategies]
    return Board(
        rules=rules,
        references={task: Reference(**values) for task, values in head["references"].items()},
        summaries={
            task: {label: _summary(numbers, _key(task, n)) for n, label in enumerate(labels)}
            for task in rules.tasks
        },
        evaluations=numbers["evaluations"],
        seconds={task: numbers[f"seconds/{task.replace('/', ':')}"] for task in rules.tasks},
        units=head["units"],
        versions=head["versions"],
    )


def _summary(numbers: dict[str, NDArray[Any]], key: str) -> Summary:
    scalars = iter(numbers[f"scalars/{key}"].tolist())
    parts: dict[str, Any] = {}
    for field in fields(Summary):
        if field.type is int:
            parts[field.name] = int(next(scalars))
        elif field.type in (Estimate, Reached):
            parts[field.name] = field.type(*(next(scalars) for _ in fields(field.type)))
        else:
            parts[field.name] = Curve(*numbers[f"curves/{key}/{field.name}"])
    return Summary(**parts)


def _digest(head: str, numbers: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(head.encode())
    for name in sorted(numbers):
        array = np.ascontiguousarray(numbers[name])
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
