"""Any CSV or Parquet file whose rows are architectures, read as a `TableMapping` says."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Recorded
from nasbench_suite.errors import (
    ArchitectureError,
    DamagedFileError,
    NasbenchSuiteError,
    NasbenchSuiteWarning,
)
from nasbench_suite.foreign.cells import Cells, read_cells, shown
from nasbench_suite.formula import Formula
from nasbench_suite.spaces import Genes, GridSpace, get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.mapping import ByEpoch, Formulas, TableMapping, TaskMapping
from nasbench_suite.tabular.table import Column, Table

_QUOTED = re.compile(r"`([^`]*)`")
_PARSED_BETWEEN_REPORTS = 1000
_SMALLEST_OF_LARGEST = 0.01
"""A fraction that no architecture exceeds this in is per cent of per cent, more likely than not."""


def convert(job: ImportJob) -> None:
    """Import one file as the mapping in `job.options["mapping"]` (JSON) says, a table for each of its tasks.

    Raises
    ------
    ArchitectureError
        When a row's architecture is none of the space: names the line.
    UnknownNameError
        When a column or metric is not there.
    DamagedFileError
        When an architecture is there twice, a cell is no number or infinite, or a fraction is not between 0
        and 1: names the line.
    NasbenchSuiteError
        When there is no mapping, or the file cannot be read.
    """
    path = job.one_file()
    if "mapping" not in job.options:
        raise NasbenchSuiteError(
            "importer table needs to know what the columns mean; give --mapping FILE.toml, or --space, "
            "--name, --arch and the metrics."
        )
    mapping = TableMapping.model_validate_json(job.options["mapping"])
    cells = read_cells(path)
    source = Source.of([path], mapping.benchmark.version)
    genes: dict[tuple[str, ...], Genes] = {}
    for dataset, task in mapping.tasks.items():
        space, texts = _rows(cells, task)
        key = (space, task.arch, *task.settings)
        if key not in genes:
            genes[key] = _genes(cells, task, space, texts, job)
        entry = job.sheet.tasks[dataset].model_copy(update={"space": space})
        sheet = job.sheet.model_copy(update={"tasks": {**job.sheet.tasks, dataset: entry}})
        job.save(_table(replace(job, sheet=sheet), dataset, task, cells, source, genes[key]))


def _rows(cells: Cells, task: TaskMapping) -> tuple[str, list[str]]:
    """Return the space of a task's rows, and each row in its text form."""
    texts = cells.texts(task.arch) if task.arch else [""] * len(cells)
    if not texts:
        raise DamagedFileError(f"{cells.file} has no rows; give a file with at least one architecture.")
    if not task.settings:
        return task.space, texts
    words = {name: _words(cells.texts(name)) for name in task.settings}
    grid = GridSpace({name: _distinct(values) for name, values in words.items()})
    named = [[f"{name}={value}" for value in values] for name, values in words.items()]
    rows = [" ".join(parts).strip() for parts in zip(*named, texts, strict=True)]
    return f"{task.space}*{grid.name}" if task.space else grid.name, rows


def _words(texts: list[str]) -> list[str]:
    """Return the values of a hyperparameter as words; numbers in one form, however they are written."""
    words = [text.strip() for text in texts]
    try:
        return [f"{float(word):.12g}" for word in words]
    except ValueError:
        return words


def _distinct(words: list[str]) -> list[str]:
    """Return different words, numbers by size."""
    try:
        return sorted(set(words), key=float)
    except ValueError:
        return sorted(set(words))


def _genes(cells: Cells, task: TaskMapping, space_name: str, texts: list[str], job: ImportJob) -> Genes:
    """Return the architecture of every row, uint8 `[rows, n_genes]`."""
    space = get_space(space_name)
    columns = " and ".join(repr(name) for name in (*task.settings, task.arch) if name)
    genes = np.empty((len(texts), space.n_genes), dtype=np.uint8)
    first_row: dict[bytes, int] = {}
    for row, text in enumerate(texts):
        if row % _PARSED_BETWEEN_REPORTS == 0:
            job.progress(row, len(texts))
        try:
            genes[row] = space.parse(text)
        except ArchitectureError as problem:
            raise ArchitectureError(
                f"{cells.file}, {cells.place(row)}, column {columns}: {shown(text)}: {problem}"
            ) from problem
        before = first_row.setdefault(genes[row].tobytes(), row)
        if before != row:
            raise DamagedFileError(
                f"{cells.file}, {cells.place(row)}: architecture {shown(text)} is there already in "
                f"{cells.place(before)}; each must appear once."
            )
    job.progress(len(texts), len(texts))
    return genes


def _table(
    job: ImportJob, dataset: str, task: TaskMapping, cells: Cells, source: Source, genes: Genes
) -> Table:
    epochs = sorted({int(epoch) for columns in task.columns.values() for epoch in _by_epoch(columns)})
    repeats = _repeats(dataset, task)
    return assemble(
        job.sheet,
        job.task(dataset),
        source,
        genes,
        {
            metric: _column(cells, dataset, metric, columns, epochs, len(repeats), job)
            for metric, columns in task.columns.items()
        },
        rows=task.rows,
        repeats=repeats,
        epochs=epochs,
    )


def _by_epoch(columns: Formulas | ByEpoch) -> ByEpoch:
    return columns if isinstance(columns, dict) else {}


def _per_training(columns: Formulas | ByEpoch) -> Iterator[list[str]]:
    """Yield the formulas of every epoch that a metric has, one per training."""
    for formulas in columns.values() if isinstance(columns, dict) else [columns]:
        yield [formulas] if isinstance(formulas, str) else formulas


def _repeats(dataset: str, task: TaskMapping) -> list[str]:
    """Return what the repeat axis is."""
    lengths = {len(formulas) for columns in task.columns.values() for formulas in _per_training(columns)}
    if not lengths <= {1, max(lengths)}:
        raise NasbenchSuiteError(
            f"task {dataset} has metrics with {' and '.join(map(str, sorted(lengths)))} trainings; give "
            "every metric one column, or one for each training."
        )
    if not task.repeats:
        number = max(lengths)
        return [f"training {place}" for place in range(1, number + 1)] if number > 1 else ["as given"]
    if len(task.repeats) != max(lengths):
        raise NasbenchSuiteError(
            f"task {dataset} names {len(task.repeats)} repeat(s) and its metrics have {max(lengths)} "
            "columns; name each training once."
        )
    return task.repeats


def _column(
    cells: Cells,
    dataset: str,
    name: str,
    columns: Formulas | ByEpoch,
    epochs: list[int],
    repeats: int,
    job: ImportJob,
) -> Column:
    what = f"metric {name} of task {dataset}"
    by_epoch = _by_epoch(columns)
    recorded: Recorded = "each epoch"
    if sorted(map(int, by_epoch)) != epochs:
        if by_epoch and sorted(map(int, by_epoch)) != epochs[-1:]:
            raise NasbenchSuiteError(
                f"{what} has epochs {', '.join(by_epoch)} where the task has {', '.join(map(str, epochs))}; "
                "give all of them, or the last only."
            )
        recorded = "once" if job.sheet.metrics[name].role == "info" and not by_epoch else "last epoch"
    ordered = {epoch: by_epoch[epoch] for epoch in sorted(by_epoch, key=int)} if by_epoch else columns
    computed = [[_compute(cells, text) for text in formulas] for formulas in _per_training(ordered)]
    if len({len(trainings) for trainings in computed}) > 1:
        raise NasbenchSuiteError(
            f"{what} has one column after some epochs and {repeats} after others; give as many for each."
        )
    values = np.array(computed, dtype=np.float64).transpose(2, 1, 0)
    if job.sheet.metrics[name].unit == "fraction":
        _check_fractions(cells, name, values)
    return Column(values, recorded)


def _check_fractions(cells: Cells, name: str, values: NDArray[np.float64]) -> None:
    """Refuse what can be no fraction, and warn of what was probably divided by 100 once too often.

    Raises
    ------
    DamagedFileError
        When a value is not between 0 and 1: names the line.
    """
    outside = (values < 0) | (values > 1)
    if outside.any():
        place = cells.place(int(np.flatnonzero(outside.any(axis=(1, 2)))[0]))
        raise DamagedFileError(
            f"{cells.file}, {place}: {name} is {values[outside][0]:.6g}, where a fraction is between 0 "
            "and 1; divide a column in per cent by 100 (--percent), or give the metric another unit "
            "(--valid 'score[points]=COLUMN')."
        )
    largest = np.nanmax(values, initial=0.0)
    if 0 < largest <= _SMALLEST_OF_LARGEST:
        warnings.warn(
            f"{name} is {largest:.6g} at most; if the file has fractions already, import it again without "
            "--percent.",
            NasbenchSuiteWarning,
            stacklevel=2,
        )


def _compute(cells: Cells, text: str) -> NDArray[np.float64]:
    """Return the values of a formula over columns, or of the column with exactly that name, `[rows]`."""
    if text in cells.names:
        return cells.numbers(text)
    quoted: dict[str, str] = {}

    def plain(found: re.Match[str]) -> str:
        return quoted.setdefault(found.group(1), f"quoted_column_{len(quoted)}")

    formula = Formula(_QUOTED.sub(plain, text), "column", "column names (between backticks if need be)")
    column_of = {word: name for name, word in quoted.items()}
    values = {name: cells.numbers(column_of.get(name, name)) for name in formula.names}
    result: NDArray[np.float64] = np.broadcast_to(formula(values), (len(cells),)).astype(np.float64)
    return _finite(cells, text, result)


def _finite(cells: Cells, text: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DamagedFileError(
            f"{cells.file}, {cells.place(int(infinite[0]))}: {text!r} is infinite; correct its columns."
        )
    return values
