"""What every importer does last: checks what it read and makes a table of it."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

import numpy as np

from nasbench_suite.benchmark import Metric
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.row_index import RowMeaning
from nasbench_suite.tabular.table import Column, Table, TableDescription

_HASHED_AT_ONCE = 1 << 22


class Part(Protocol):
    """A member of an archive."""

    def read(self) -> bytes:
        """Return its bytes."""
        ...


@dataclass(frozen=True)
class Source:
    """What a table was read from.

    Attributes
    ----------
    name
        How records and errors call it: the file's name, never its path.
    version
        Version of the publication, as far as it is known.
    sha256
        Of the file's bytes; of the sums of all files, in order, where there are several.
    """

    name: str
    version: str
    sha256: str

    @classmethod
    def of(cls, files: Sequence[Path], version: str = "") -> "Source":
        """Return the source that one or several files are.

        Raises
        ------
        NasbenchSuiteError
            When one cannot be read.
        """
        sums = [_sha256_of_file(file) for file in files]
        name = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
        return cls(name, version, sums[0] if len(sums) == 1 else _sha256("".join(sums).encode()))

    @classmethod
    def of_parts(cls, parts: Sequence[Part], name: str, version: str = "") -> "Source":
        """Return the source that the members of an archive are, in the order of `parts`."""
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # reading and hashing run beside each other
            sums = list(threads.map(_sha256_of_part, parts))
        return cls(name, version, _sha256("".join(sums).encode()))

    @classmethod
    def of_bytes(cls, content: bytes, name: str, version: str = "") -> "Source":
        """Return the source of which these are all the bytes."""
        return cls(name, version, _sha256(content))


def _sha256_of_part(part: Part) -> str:
    return _sha256(part.read())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256_of_file(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as content:
            while piece := content.read(_HASHED_AT_ONCE):
                digest.update(piece)
    except OSError as problem:
        raise NasbenchSuiteError(f"{file} cannot be read: {problem.strerror}.") from problem
    return digest.hexdigest()


def describe(
    sheet: Datasheet, task: str, source: Source, *, rows: RowMeaning, repeats: Sequence[str]
) -> TableDescription:
    """Return the description of the table of `task` (`BENCHMARK/DATASET`) that is read from `source`.

    Raises
    ------
    UnknownNameError
        When the datasheet has no such data set.
    """
    dataset = task.partition("/")[2]
    if dataset not in sheet.tasks:
        raise UnknownNameError(f"data set of {sheet.name}", dataset, sheet.tasks)
    entry = sheet.tasks[dataset]
    return TableDescription(
        task=task,
        space=entry.space,
        valid=entry.valid,
        test=entry.test,
        rows=rows,
        repeats=list(repeats),
        partial_epochs=entry.partial_epochs,
        licence=sheet.licence,
        source=source.name,
        source_version=source.version,
        source_sha256=source.sha256,
        created_with=f"nasbench-suite {metadata.version('nasbench-suite')}",
    )


def assemble(
    sheet: Datasheet,
    task: str,
    source: Source,
    genes: Genes,
    columns: Mapping[str, Column],
    *,
    rows: RowMeaning,
    repeats: Sequence[str],
    epochs: Sequence[int] = (),
) -> Table:
    """Check what an importer read and return it as a table.

    Parameters
    ----------
    sheet, task
        The datasheet, and `BENCHMARK/DATASET`; the metrics' units and roles are taken from the datasheet.
    source
        What it was read from.
    genes
        uint8 `[rows, n_genes]`, valid architectures of the task's space.
    columns
        Values by name of metric; every name is in the datasheet. NaN where a result is missing.
    rows, repeats
        See `TableDescription`.
    epochs
        What the epoch axis is, ascending; none where only full training is known.

    Raises
    ------
    DamagedFileError
        When an architecture is there twice or a value is infinite: names the architecture.
    """
    description = describe(sheet, task, source, rows=rows, repeats=repeats)
    space = get_space(description.space)
    space.key(genes)  # says which row is out of range or no architecture
    metrics = {name: _metric(sheet, name, column) for name, column in columns.items()}
    for name, column in columns.items():
        check_finite(column.values, genes, description.space, name, source)
    table = Table(
        description=description,
        genes=np.ascontiguousarray(genes, dtype=np.uint8),
        epochs=np.array(epochs, dtype=np.int32),
        metrics=metrics,
        columns={name: np.asarray(column.values, dtype=np.float64) for name, column in columns.items()},
    )
    try:
        table.index_arrays  # noqa: B018  # making them finds an architecture that is there twice
    except DamagedFileError as problem:
        raise DamagedFileError(f"{source.name}: {problem}") from problem
    return table


def _metric(sheet: Datasheet, name: str, column: Column) -> Metric:
    if name not in sheet.metrics:
        raise UnknownNameError(f"metric in the datasheet of {sheet.name}", name, sheet.metrics)
    return sheet.metrics[name].metric(name, column.recorded)


def check_finite(values: np.ndarray, genes: Genes, space: str, name: str, source: Source) -> None:
    """Check that no value is infinite; NaN stands for a missing one.

    Raises
    ------
    DamagedFileError
        When one is; names the first architecture that has it.
    """
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argwhere(infinite)[0][0])
        text = get_space(space).format(genes[row][None])[0]
        raise DamagedFileError(
            f"{source.name}: {name} of architecture {text} is infinite; use the official file."
        )
