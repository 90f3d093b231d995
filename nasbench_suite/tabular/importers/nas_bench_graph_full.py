"""NAS-Bench-Graph's full files: every epoch of three trainings, a pickle for each data set and seed.

Qin et al.: "NAS-Bench-Graph" (NeurIPS 2022), files `cora0.bench`, `cora1.bench`, `cora2.bench` and so on.
Each is a dictionary from cell number (see `nas_bench_graph`) to a record; its `dur` has an entry per epoch of
seven numbers: performance on training, validation and test nodes, their losses, and the best test performance
so far (README of THUMNLab/NAS-Bench-Graph). Guessed, for want of the files: that the four numbers of the
light files may be there too, that an entry may be a list, a tuple or a row of an array, and that all
trainings of a data set have the same number of epochs or end early.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Recorded
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.pickle_stream import stream_items
from nasbench_suite.mapped import Place
from nasbench_suite.tabular.importers.assembly import Source, describe
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.nas_bench_graph import genes_of_numbers, numbers_of_space
from nasbench_suite.tabular.table import create_table
from nasbench_suite.workers import workers

_NAME = re.compile(r"(?P<dataset>[a-z]+)(?P<seed>[0-9])\.bench")
_CURVES = ("train_{}", "valid_{}", "test_{}", "train_loss", "valid_loss", "test_loss", "best_test_{}")
"""What the seven numbers of an epoch are; the braces stand for the data set's measure."""
_SCALARS = {
    "valid_perf": "reported_valid_{}",
    "perf": "reported_test_{}",
    "latency": "latency_seconds",
    "para": "params_millions",
}
_RECORDS_AT_ONCE = 128


def convert(job: ImportJob) -> None:
    """Convert full files, one or several seeds of one or several data sets: one table per data set.

    Raises
    ------
    DamagedFileError
        When a file is truncated, corrupt or of another structure, or lacks cells although the option
        `partial` is not set.
    NasbenchSuiteError
        When a file's name says no data set and seed, or two files are of the same.
    """
    files = _by_dataset(job)
    done, total = 0, len(job.files)
    job.progress(done, total)
    with workers(job.jobs) as executor:
        for dataset, seeds in files.items():
            plan = _Plan.of(job, dataset, seeds)
            with plan.created(job, seeds) as places:
                shares = [(plan, file, place, places) for place, file in enumerate(seeds)]
                for _ in (executor.map if executor else map)(_fill, shares):
                    done += 1
                    job.progress(done, total)


@dataclass(frozen=True)
class _File:
    path: Path
    seed: int


def _by_dataset(job: ImportJob) -> dict[str, list[_File]]:
    """Return the files of each data set, by seed."""
    found: dict[str, list[_File]] = {}
    for path in job.files:
        parts = _NAME.fullmatch(path.name)
        if parts is None or parts["dataset"] not in job.sheet.tasks:
            raise NasbenchSuiteError(
                f"{path.name} does not say its data set and seed; official names are such as cora0.bench, "
                f"for {', '.join(job.sheet.tasks)}."
            )
        seeds = found.setdefault(parts["dataset"], [])
        if any(file.seed == int(parts["seed"]) for file in seeds):
            raise NasbenchSuiteError(f"two files are called {path.name}; give one.")
        seeds.append(_File(path, int(parts["seed"])))
    return {dataset: sorted(seeds, key=lambda file: file.seed) for dataset, seeds in found.items()}


@dataclass(frozen=True)
class _Plan:
    """What the table of a data set will hold.

    Attributes
    ----------
    measure
        `accuracy` or `roc_auc`.
    numbers
        The cells of the rows, ascending.
    epochs
        Length of the longest training.
    scalars
        Which of `_SCALARS` the records have.
    partial
        Whether a file may lack cells.
    """

    dataset: str
    measure: str
    numbers: tuple[int, ...]
    epochs: int
    scalars: tuple[str, ...]
    partial: bool

    @classmethod
    def of(cls, job: ImportJob, dataset: str, files: Sequence[_File]) -> "_Plan":
        """Look at the first record of each file; with the option `partial`, at all numbers."""
        entry, partial = job.sheet.tasks[dataset], "partial" in job.options
        numbers: set[int] = set() if partial else set(numbers_of_space(entry.space))
        epochs, scalars = 0, set()
        for file in files:
            with file.path.open("rb") as content:
                items = stream_items(content, None, file.path.name)
                for number, record in islice(items, 1):
                    epochs = max(epochs, len(_curves(record, f"{file.path.name}: cell {number!r:.40}")))
                    scalars |= set(_SCALARS) & set(record)
                    numbers |= {number} if partial else set()
                numbers |= {number for number, _ in items} if partial else set()
        if not epochs:
            raise DamagedFileError(f"{files[0].path.name} has no cells; use the official file.")
        _check_numbers(numbers, entry.space, files[0].path.name)
        kept = tuple(name for name in _SCALARS if name in scalars)
        return cls(dataset, entry.valid.removeprefix("valid_"), tuple(sorted(numbers)), epochs, kept, partial)

    @property
    def columns(self) -> dict[str, Recorded]:
        """All metrics, the seven of every epoch first, and when they are recorded."""
        curves: dict[str, Recorded] = {name.format(self.measure): "each epoch" for name in _CURVES}
        return curves | {_SCALARS[name].format(self.measure): "once" for name in self.scalars}

    @contextmanager
    def created(self, job: ImportJob, files: Sequence[_File]) -> Iterator[dict[str, Place]]:
        """Create the table; yield where its columns lie."""
        description = describe(
            job.sheet,
            job.task(self.dataset),
            Source.of([file.path for file in files]),
            rows="class",
            repeats=[f"seed {file.seed}" for file in files],
        )
        metrics = {
            name: job.sheet.metrics[name].metric(name, recorded) for name, recorded in self.columns.items()
        }
        shapes = {
            name: (len(files), self.epochs if recorded == "each epoch" else 1)
            for name, recorded in self.columns.items()
        }
        genes = genes_of_numbers(self.numbers, description.space, description.source)
        epochs = np.arange(1, self.epochs + 1, dtype=np.int32)
        with create_table(job.path(self.dataset), description, genes, epochs, metrics, shapes) as places:
            yield places


def _check_numbers(numbers: set[int], space: str, where: str) -> None:
    strange = next((n for n in numbers if type(n) is not int), None)
    strange = next(iter(numbers - set(numbers_of_space(space))), None) if strange is None else strange
    if strange is not None:
        raise DamagedFileError(
            f"{where}: {strange!r:.40} is the number of no canonical cell of space {space}; use the official "
            "file."
        )


def _curves(record: Any, where: str) -> NDArray[np.float64]:
    """Return the seven numbers of every epoch, float64 `[epochs, 7]`."""
    try:
        curves = np.array(record["dur"])
        if curves.dtype.kind not in "fiu" or curves.shape[1:] != (len(_CURVES),) or np.isinf(curves).any():
            raise ValueError
    except (LookupError, TypeError, ValueError, OverflowError) as problem:
        raise DamagedFileError(
            f"{where} has no 'dur' with seven numbers for each epoch; use the official full file."
        ) from problem
    return curves.astype(np.float64)


def _scalar(record: Mapping[str, Any], name: str, where: str) -> float:
    value = record.get(name, math.nan)
    if type(value) not in (float, int) or math.isinf(value):
        raise DamagedFileError(f"{where}: {name!r} is {value!r:.40}, no number; use the official file.")
    return float(value)


def _fill(share: tuple[_Plan, _File, int, Mapping[str, Place]]) -> None:
    """Write one file into one repeat of the table."""
    plan, file, repeat, places = share
    columns = [places[name].open("r+")[:, repeat] for name in plan.columns]
    rows = {number: row for row, number in enumerate(plan.numbers)}
    with file.path.open("rb") as content:
        items = stream_items(content, None, file.path.name)
        while chunk := list(islice(items, _RECORDS_AT_ONCE)):
            taken, values = _values(plan, chunk, rows, file.path.name)
            for column, block in zip(columns, values, strict=True):
                column[:, taken] = block
    if rows and not plan.partial:
        raise DamagedFileError(
            f"{file.path.name} lacks {len(rows):,} of {len(plan.numbers):,} cells, one of them "
            f"{min(rows):05d}; fetch it again, or add --partial to import what is there."
        )
    for column in columns:
        column[:, list(rows.values())] = np.nan


def _values(
    plan: _Plan, chunk: Sequence[tuple[Any, Any]], rows: dict[int, int], where: str
) -> tuple[list[int], list[NDArray[np.float64]]]:
    """Return the rows of some records, taken out of `rows`, and a block `[epochs, records]` per metric."""
    curves = np.full((plan.epochs, len(chunk), len(_CURVES)), np.nan)
    scalars = np.full((len(plan.scalars), 1, len(chunk)), np.nan)
    taken = []
    for place, (number, record) in enumerate(chunk):
        cell = f"{where}: cell {number!r:.40}"
        if type(number) is not int or number not in rows:
            raise DamagedFileError(f"{cell} is there twice or no cell of the space; use the official file.")
        taken.append(rows.pop(number))
        curve = _curves(record, cell)
        if len(curve) > plan.epochs:
            raise DamagedFileError(
                f"{cell} has {len(curve)} epochs, more than the first, {plan.epochs}; use the official file."
            )
        curves[: len(curve), place] = curve
        for which, name in enumerate(plan.scalars):
            scalars[which, 0, place] = _scalar(record, name, cell)
    return taken, [*np.moveaxis(curves, 2, 0), *scalars]
