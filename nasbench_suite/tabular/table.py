"""The table format: one HDF5 file per task, readable without this package, opened without reading it.

    /                 attributes: description (JSON), metrics (JSON)
    /genes            uint8   [rows, genes]            the architecture of each row
    /index            int32   [codes]                  row of each architecture number, -1 where there is none
    /keys, /key_rows  uint64, int32 [rows]             instead of /index in spaces too large to number
    /epochs           int32   [epochs]                 training epochs of the epoch axis; empty: fully trained
    /metrics/NAME     float64 [epochs, repeats, rows]  NaN where missing; attributes: its `Metric`

A metric recorded once or after the last epoch only has one entry on the epoch axis; one that all trainings
share has one on the repeat axis. What a query gathers from, one metric after some epochs in one training, is
contiguous. Damage is seen by the seals of the file (`mapped.py`).

The SHA-256 of a table is that of its description (but for the program that wrote the file), its metrics and
the sums of its arrays. It names the table in records and boards.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter

from nasbench_suite.benchmark import Metric, Recorded
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.mapped import ArrayLayout, MappedFile, Place, create_mapped, open_mapped, sha256_of
from nasbench_suite.sealed import Kind
from nasbench_suite.spaces import Genes, NumberedSpace, get_space
from nasbench_suite.tabular.row_index import INDEX_ARRAYS, RowIndex, RowMeaning, index_arrays, row_index

KIND = Kind("table", 2, "delete it and it will be made again from its source")
_METRIC_ATTRIBUTES = ("unit", "direction", "role", "recorded", "description")
_METRICS = TypeAdapter(dict[str, Metric])

Values = NDArray[np.float64]


class TableDescription(BaseModel):
    """What a table is and where it comes from; stored as JSON in the file.

    Attributes
    ----------
    task
        `BENCHMARK/DATASET`.
    space
        Name of the search space.
    valid, test
        Names of the metrics that steer a search and that judge it; empty where there is none. The same name
        twice says that the publication has only one result, which does both.
    rows
        What a row is: one per architecture `string` (isomorphic ones were trained separately and differ)
        or one per isomorphism `class`.
    repeats
        What the entries of the repeat axis are, for example `["seed 777", "seed 888"]`.
    partial_epochs
        Why results after fewer epochs are not to be had, where they are not; completes a sentence.
    licence, source, source_version, source_sha256, created_with
        Provenance: licence of the data, what it was read from, that source's version and SHA-256, and the
        program that wrote the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    space: str
    valid: str
    test: str
    rows: RowMeaning
    repeats: list[str]
    partial_epochs: str = ""
    licence: str
    source: str
    source_version: str
    source_sha256: str
    created_with: str


class Column(NamedTuple):
    """The values of a metric, float64 `[rows, repeats, epochs]`, and what its epoch axis is.

    The repeat axis has one entry where all trainings share the value; the epoch axis has one unless the
    metric is recorded after each epoch.
    """

    values: Values
    recorded: Recorded = "each epoch"


class _MappedColumns(Mapping[str, Values]):
    """The metrics of a mapped file by name, each verified when it is first touched."""

    def __init__(self, file: MappedFile, names: list[str]):
        self._file = file
        self._names = names

    def __getitem__(self, name: str) -> Values:
        if name not in self._names:
            raise KeyError(name)
        return self._file.array(f"metrics/{name}").transpose(2, 1, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Table:
    """A task's results, in memory.

    Attributes
    ----------
    description
        What the table is and where it comes from.
    genes
        uint8 `[rows, n_genes]`.
    epochs
        int32 `[epochs]`, ascending; empty when the table knows only full training.
    metrics, columns
        Metrics by name, and their values, float64 `[rows, repeats, epochs]`; see `Column` for axes of one.

    Raises
    ------
    ValueError
        When shapes, roles or names disagree.
    """

    def __init__(
        self,
        description: TableDescription,
        genes: Genes,
        epochs: NDArray[np.int32],
        metrics: Mapping[str, Metric],
        columns: Mapping[str, Values],
    ):
        self.description = description
        self.epochs = epochs
        self.metrics = metrics
        self.columns = columns
        self.genes = genes
        _check(
            description, metrics, len(epochs), {n: values.shape for n, values in columns.items()}, len(self)
        )

    def __len__(self) -> int:
        return len(self.genes)

    def __reduce__(self) -> Any:
        return Table, (self.description, self.genes, self.epochs, self.metrics, self.columns)

    @cached_property
    def index_arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays by which rows are found, by name; see `row_index.index_arrays`."""
        return index_arrays(get_space(self.description.space), self.genes, self.description.rows)

    @cached_property
    def row_index(self) -> RowIndex:
        """Finds the rows of architectures."""
        description = self.description
        space = get_space(description.space)
        return row_index(space, self.index_arrays, self.genes, description.rows)

    @cached_property
    def sums(self) -> Mapping[str, str]:
        """The SHA-256 of every array, by its name in the file."""
        arrays: dict[str, NDArray[Any]] = {"genes": self.genes, "epochs": self.epochs, **self.index_arrays}
        arrays |= {f"metrics/{name}": values.transpose(2, 1, 0) for name, values in self.columns.items()}
        return {name: sha256_of(array) for name, array in arrays.items()}

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 that names the table."""
        # Not over created_with: the same data has the same digest whatever version of the suite read it.
        named = {
            "description": self.description.model_dump(exclude={"created_with"}),
            "metrics": {name: asdict(metric) for name, metric in self.metrics.items()},
            "sums": dict(self.sums),
        }
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


class MappedTable(Table):
    """A table whose arrays are mapped from a file, each verified when it is first touched."""

    def __init__(self, file: MappedFile):
        self.file = file
        self.description = TableDescription.model_validate(file.head["description"])
        self.epochs = file.array("epochs")
        self.metrics = {name: Metric(**entry) for name, entry in file.head["metrics"].items()}
        _METRICS.validate_python(file.head["metrics"])  # a Metric takes any words
        self.columns = _MappedColumns(file, list(self.metrics))
        shapes = {name: file.place(f"metrics/{name}").shape[::-1] for name in self.metrics}
        _check(self.description, self.metrics, len(self.epochs), shapes, len(self))
        self._check_arrays()

    def _check_arrays(self) -> None:
        """Check that every array is there, of the type and shape that a table has."""
        space, rows = get_space(self.description.space), len(self)
        expected = {"genes": ("|u1", (rows, space.n_genes)), "epochs": ("<i4", self.epochs.shape[:1])}
        if isinstance(space, NumberedSpace):
            expected["index"] = ("<i4", (space.n_codes,))
        else:
            expected |= {"keys": ("<u8", (rows,)), "key_rows": ("<i4", (rows,))}
        expected |= {f"metrics/{n}": ("<f8", self.file.place(f"metrics/{n}").shape) for n in self.metrics}
        for name, (dtype, shape) in expected.items():
            place = self.file.place(name)
            if (place.dtype, place.shape) != (dtype, shape):
                raise ValueError(f"{name} is {place.dtype} {place.shape}, not {dtype} {shape}")

    def __len__(self) -> int:
        return self.file.place("genes").shape[0]

    def __reduce__(self) -> Any:
        return read_table, (self.file.path,)  # another process maps the same file

    @cached_property
    def genes(self) -> Genes:  # type: ignore[override]  # read when it is needed
        """Architectures of the rows, uint8 `[rows, n_genes]`."""
        return self.file.array("genes")

    @cached_property
    def index_arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays by which rows are found, by name."""
        arrays = {name: self.file.array(name) for name in INDEX_ARRAYS if name in self.file}
        rows = arrays["index" if "index" in arrays else "key_rows"]
        if rows.min(initial=0) < -1 or rows.max(initial=-1) >= len(self):
            raise KIND.damaged(self.file.path)
        return arrays

    @cached_property
    def sums(self) -> Mapping[str, str]:
        """The SHA-256 of every array, as the file states them."""
        return self.file.sums


def _check(
    description: TableDescription,
    metrics: Mapping[str, Metric],
    n_epochs: int,
    shapes: Mapping[str, tuple[int, ...]],
    rows: int,
) -> None:
    repeats = len(description.repeats)
    for name, metric in metrics.items():
        shape, epochs = shapes[name], max(1, n_epochs) if metric.recorded == "each epoch" else 1
        if metric.name != name:
            raise ValueError(f"column {name} belongs to metric {metric.name}")
        if shape not in ((rows, 1, epochs), (rows, repeats, epochs)):
            raise ValueError(f"column {name} has shape {shape}, not ({rows}, {repeats}, {epochs})")
    for name, role in ((description.valid, "valid"), (description.test, "test")):
        if name and name not in metrics:
            raise ValueError(f"there is no metric {name}")
        if name and metrics[name].role != role and description.valid != description.test:
            raise ValueError(f"metric {name} has role {metrics[name].role}, not {role}")


@contextmanager
def create_table(
    path: Path,
    description: TableDescription,
    genes: Genes,
    epochs: NDArray[np.int32],
    metrics: Mapping[str, Metric],
    shapes: Mapping[str, tuple[int, int]],
) -> Iterator[dict[str, Place]]:
    """Yield the places of a new table's columns, to be filled: for tables too large for memory.

    Parameters
    ----------
    shapes
        The lengths of the repeat axis and the epoch axis of every metric. On disk a column is float64
        `[epochs, repeats, rows]`; nothing is filled in, so every entry must be written.

    Raises
    ------
    ValueError
        When shapes, roles or names disagree.
    DamagedFileError
        When two rows are the same architecture.
    NasbenchSuiteError
        When the folder is not writable or the disk cannot hold the table.
    """
    _check(
        description, metrics, len(epochs), {n: (len(genes), *axes) for n, axes in shapes.items()}, len(genes)
    )
    small: dict[str, NDArray[Any]] = {"genes": genes, "epochs": epochs}
    small |= index_arrays(get_space(description.space), genes, description.rows)
    layouts = {name: ArrayLayout(array.dtype.str, array.shape) for name, array in small.items()}
    for name, (repeats, n_epochs) in shapes.items():
        attributes = {key: getattr(metrics[name], key) for key in _METRIC_ATTRIBUTES}
        layouts[f"metrics/{name}"] = ArrayLayout("<f8", (n_epochs, repeats, len(genes)), attributes)
    head = {
        "description": description.model_dump(),
        "metrics": {name: asdict(metric) for name, metric in metrics.items()},
    }
    with create_mapped(path, KIND, head, layouts) as places:
        for name, array in small.items():
            if array.size:
                places[name].open("r+")[...] = array
        yield {name: places[f"metrics/{name}"] for name in shapes}


def save_table(table: Table, path: Path) -> None:
    """Write the table, whole or not at all; see `create_table`."""
    shapes = {name: (values.shape[1], values.shape[2]) for name, values in table.columns.items()}
    with create_table(path, table.description, table.genes, table.epochs, table.metrics, shapes) as places:
        for name, place in places.items():
            place.open("r+")[...] = table.columns[name].transpose(2, 1, 0)


def read_table(path: Path) -> Table:
    """Open a table: its description is verified now, its arrays when they are first touched.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another schema or no table at all.
    NasbenchSuiteError
        When there is no such file.
    """
    file = open_mapped(path, KIND)
    try:
        return MappedTable(file)
    except (
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as problem:  # pydantic's errors are ValueErrors
        raise KIND.damaged(path) from problem


def check_index(table: Table) -> None:
    """Check that the stored index is the one that the genes give; for `nasbench-suite check`.

    Raises
    ------
    DamagedFileError
        When it is not, or when two rows are the same architecture.
    """
    expected = index_arrays(get_space(table.description.space), table.genes, table.description.rows)
    stored = table.index_arrays
    if expected.keys() != stored.keys() or any(not np.array_equal(expected[n], stored[n]) for n in expected):
        raise DamagedFileError(
            f"the index of table {table.description.task} disagrees with its genes; delete the table and it "
            "will be made again from its source."
        )
