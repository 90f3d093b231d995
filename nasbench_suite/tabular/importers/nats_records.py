"""What an architecture's record in NATS-Bench's and NAS-Bench-201's files holds, and where it goes in tables.

A record maps a schedule (`hp`: "12" and "200", or "01", "12" and "90") to a dictionary whose `all_results`
maps (data set, seed) to the results of one training: dictionaries from epoch (from 0 on) to a number, and
from `SPLIT@EPOCH` to a number (AutoDL-Projects, `ResultsCount.state_dict`). Accuracies are per cent in the
files and fractions in tables. An entry that a record lacks is NaN; a record of another shape is an error.

Tables hold what the authors' package `nats_bench` answers: sums run over the epochs in their order, as in
`ResultsCount.get_train` and `get_eval`, and parameters, multiply-adds and latency are those of
`ArchResults.get_compute_costs`.
"""

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Recorded
from nasbench_suite.errors import DamagedFileError

Buffers = Mapping[str, NDArray[np.float64]]
"""Values by metric, float64 `[epochs, repeats, rows]`, NaN where nothing was found."""

SPLITS = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": {"valid": "x-valid", "test": "x-test", "ori_test": "ori-test"},
    "ImageNet16-120": {"valid": "x-valid", "test": "x-test", "ori_test": "ori-test"},
}
"""What the files call the evaluations of each data set that a table calls valid, test and ori_test."""


@dataclass(frozen=True)
class Schedule:
    """A training schedule: a run of its own, never a prefix of a longer one.

    Attributes
    ----------
    name
        Key in the record.
    epochs
        Its length.
    seeds
        The seeds that are on record; a table's repeats.
    suffix
        What follows the data set in the name of a task.
    last_only
        (data set, evaluation) pairs that are recorded after the last epoch alone.
    has_top5
        Whether the top-5 training accuracy is recorded.
    """

    name: str
    epochs: int
    seeds: tuple[int, ...]
    suffix: str = ""
    last_only: frozenset[tuple[str, str]] = frozenset()
    has_top5: bool = True


TOPOLOGY = (
    Schedule(
        "200",
        200,
        (777, 888, 999),
        last_only=frozenset(
            [("cifar10-valid", "test")]
            + [(data, split) for data in ("cifar100", "ImageNet16-120") for split in ("valid", "test")]
        ),
        has_top5=False,
    ),
    Schedule("12", 12, (111, 777, 888, 999), "@12"),
)
"""Schedules of the topology space; after 12 epochs seed 111 is there, and 777 for `cifar10-valid`."""
SIZE = (
    Schedule("90", 90, (777, 888, 999)),
    Schedule("12", 12, (777, 888, 999), "@12"),
    Schedule("01", 1, (777, 888, 999), "@1"),
)
"""Schedules of the size space. After 90 epochs and after 1 most networks have seed 777 only."""


@dataclass(frozen=True)
class ResultLayout:
    """The columns of the table of one data set under one schedule, and how a record fills them."""

    dataset: str
    schedule: Schedule

    @property
    def task(self) -> str:
        """The part of the task's name after the slash."""
        return self.dataset + self.schedule.suffix

    @cached_property
    def columns(self) -> dict[str, tuple[int, int, Recorded]]:
        """Length of the repeat axis, length of the epoch axis, and when it is recorded, by metric."""
        repeats, epochs = len(self.schedule.seeds), self.schedule.epochs
        each: tuple[int, int, Recorded] = (repeats, epochs, "each epoch")
        columns = {"train_accuracy": each, "train_loss": each, "train_seconds": each}
        if self.schedule.has_top5:
            columns["train_top5_accuracy"] = each
        for split in SPLITS[self.dataset]:
            last_only = (self.dataset, split) in self.schedule.last_only
            columns[f"{split}_accuracy"] = columns[f"{split}_loss"] = (
                (repeats, 1, "last epoch") if last_only else each
            )
            columns[f"{split}_seconds"] = (repeats, 1, "once")
        if "valid" in SPLITS[self.dataset]:
            columns["evaluation_seconds"] = each
        columns |= dict.fromkeys(("params_millions", "flops_millions", "latency_seconds"), (1, 1, "once"))
        return columns

    def buffers(self, rows: int) -> dict[str, NDArray[np.float64]]:
        """Return empty values of `rows` rows."""
        return {
            name: np.full((epochs, repeats, rows), np.nan)
            for name, (repeats, epochs, _) in self.columns.items()
        }

    @cached_property
    def _epochs(self) -> "_Series":
        return _Series(range(self.schedule.epochs))

    @cached_property
    def _evaluations(self) -> "dict[str, tuple[_Series, _Series]]":
        """The keys of accuracies and losses, and of times, of each evaluation."""
        found = {}
        for split, official in SPLITS[self.dataset].items():
            every = [f"{official}@{epoch}" for epoch in range(self.schedule.epochs)]
            kept = every[-1:] if (self.dataset, split) in self.schedule.last_only else every
            found[split] = (_Series(kept), _Series(every))
        return found

    def fill(self, buffers: Buffers, row: int, trainings: Mapping[int, Mapping[str, Any]]) -> None:
        """Write the results of all trainings of an architecture, by seed, into a row.

        Raises
        ------
        DamagedFileError
            When the results are of another data set or schedule, or a seed is not one of the schedule's.
        """
        at = [self._repeat(seed) for seed in trainings]
        for result in trainings.values():
            self._check(result)

        def read(series: "_Series", name: str) -> NDArray[np.float64]:
            return series.of([result[name] for result in trainings.values()])

        buffers["train_accuracy"][:, at, row] = read(self._epochs, "train_acc1es") / 100
        buffers["train_loss"][:, at, row] = read(self._epochs, "train_losses")
        if self.schedule.has_top5:
            buffers["train_top5_accuracy"][:, at, row] = read(self._epochs, "train_acc5es") / 100
        seconds = read(self._epochs, "train_times").cumsum(axis=0)
        buffers["train_seconds"][:, at, row] = seconds
        for split, (kept, every) in self._evaluations.items():
            buffers[f"{split}_accuracy"][:, at, row] = read(kept, "eval_acc1es") / 100
            buffers[f"{split}_loss"][:, at, row] = read(kept, "eval_losses")
            passes = read(every, "eval_times").cumsum(axis=0) / self._epoch_numbers
            buffers[f"{split}_seconds"][0, at, row] = passes[-1]
            if split == "valid":
                buffers["evaluation_seconds"][:, at, row] = seconds + passes
        buffers["params_millions"][0, 0, row] = _size(trainings, "params")
        buffers["flops_millions"][0, 0, row] = _size(trainings, "flop")
        buffers["latency_seconds"][0, 0, row] = _latency(trainings)

    @cached_property
    def _epoch_numbers(self) -> NDArray[np.float64]:
        return np.arange(1.0, self.schedule.epochs + 1)[:, None]

    def _repeat(self, seed: Any) -> int:
        if seed not in self.schedule.seeds:
            known = ", ".join(map(str, self.schedule.seeds))
            raise DamagedFileError(f"seed {seed!r} of {self.dataset} is not one of {known}")
        return self.schedule.seeds.index(seed)

    def _check(self, result: Mapping[str, Any]) -> None:
        if result["name"] != self.dataset or result["epochs"] != self.schedule.epochs:
            raise DamagedFileError(
                f"results of {self.dataset}, {self.schedule.epochs} epochs, are in truth of "
                f"{result['name']!r}, {result['epochs']!r} epochs"
            )


class _Series:
    """Reads the numbers under a fixed sequence of keys out of dictionaries."""

    def __init__(self, keys: Sequence[int | str] | range):
        self._keys = list(keys)
        # Looks all keys up in one call, several times as fast as a loop; a single one comes without a tuple.
        self._look_up: Callable[[Mapping[Any, Any]], Any] = itemgetter(*self._keys)
        self._doubles = struct.Struct(f"{len(self._keys)}d")  # twice as fast as NumPy, and takes no text

    def of(self, trainings: Sequence[Mapping[Any, Any] | None]) -> NDArray[np.float64]:
        """Return the numbers of each training, float64 `[keys, trainings]`; NaN where there is none."""
        try:
            found = b"".join([self._doubles.pack(*self._numbers(numbers)) for numbers in trainings])
        except struct.error as problem:
            raise DamagedFileError("a result is no number") from problem
        return np.frombuffer(found, dtype=np.float64).reshape(len(trainings), len(self._keys)).T

    def _numbers(self, numbers: Mapping[Any, Any] | None) -> Any:
        if not numbers:
            return [np.nan] * len(self._keys)
        try:
            found = self._look_up(numbers)
            return found if len(self._keys) > 1 else (found,)
        except KeyError:
            return [numbers.get(key, np.nan) for key in self._keys]


def _size(trainings: Mapping[int, Mapping[str, Any]], name: str) -> float:
    """Average a number that should be the same for all seeds; where some are wrong, seed 888 is right."""
    sizes = {seed: float(result[name]) for seed, result in trainings.items()}
    if len({f"{size:.5f}" for size in sizes.values()}) > 1:  # so compares `get_compute_costs`
        return sizes.get(888, math.nan)
    return _mean(list(sizes.values()))


def _latency(trainings: Mapping[int, Mapping[str, Any]]) -> float:
    """Average over the seeds that have a measured latency."""
    measured = [_mean(result["latency"]) for result in trainings.values() if result["latency"]]
    return _mean([latency for latency in measured if latency > 0])


def _mean(numbers: Sequence[float]) -> float:
    # Not math.fsum nor NumPy, which round otherwise than the sum of the authors' package.
    total = 0.0
    for number in numbers:
        total += number
    return total / len(numbers) if numbers else math.nan


def layouts(schedules: Sequence[Schedule]) -> list[ResultLayout]:
    """Return the layout of every data set under every schedule."""
    return [ResultLayout(dataset, schedule) for schedule in schedules for dataset in SPLITS]


def results(
    record: Mapping[str, Any], plan: Mapping[tuple[str, str], ResultLayout], text: str
) -> Iterator[tuple[ResultLayout, dict[int, Any]]]:
    """Yield the layout and the results, by seed, of every data set under every schedule of a record.

    Parameters
    ----------
    plan
        Layouts by schedule and data set.
    text
        The architecture that the record is to be of.

    Raises
    ------
    DamagedFileError
        When it is of another one, or of an unknown data set.
    """
    for schedule in dict.fromkeys(schedule for schedule, _ in plan):
        trainings = record[schedule]
        if trainings["arch_str"] != text:
            raise DamagedFileError(f"it is of architecture {trainings['arch_str']!r}, not {text!r}")
        for dataset, seeds in trainings["dataset_seed"].items():
            if (schedule, dataset) not in plan:
                raise DamagedFileError(f"data set {dataset!r} is not one of the benchmark's")
            yield plan[schedule, dataset], {seed: trainings["all_results"][dataset, seed] for seed in seeds}
