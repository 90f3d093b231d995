"""The table format: one HDF5 file per task, readable without this package.

    /                 attributes: sha256, description (JSON)
    /genes            uint8   [rows, genes]            the architecture of each row
    /index            int32   [codes]                  row of each architecture code, -1 where there is none
    /epochs           int32   [epochs]                 training epochs of the epoch axis; empty: fully trained
    /metrics/NAME     float64 [rows, repeats, epochs]  NaN where missing; attributes unit, direction, role

The attribute `sha256` is that of the data: description (but for the program that wrote the file) and every
dataset. It names the table in records and boards. Damage is seen by the seal of the file (`sealed.py`).
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nasbench_suite.benchmark import Metric, Role
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.spaces import CategoricalSpace, Codes, Genes, SearchSpace, get_space

KIND = Kind("table", 1, "delete it and it will be made again from its source")
_METRIC_ATTRIBUTES = ("unit", "direction", "role", "description")

RowMeaning = Literal["string", "class"]


class TableDescription(BaseModel):
    """What a table is and where it comes from; stored as JSON in the file.

    Attributes
    ----------
    task
        `BENCHMARK/DATASET`.
    space
        Name of the search space.
    rows
        What a row is: one per architecture `string` (isomorphic ones were trained separately and differ)
        or one per isomorphism `class`.
    repeats
        What the entries of the repeat axis are, for example `["seed 777", "seed 888"]`.
    licence, source, source_version, source_sha256, created_with
        Provenance: licence of the data, what it was read from, that source's version and SHA-256, and the
        program that wrote the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    space: str
    rows: RowMeaning
    repeats: list[str]
    licence: str
    source: str
    source_version: str
    source_sha256: str
    created_with: str


@dataclass(frozen=True)
class Table:
    """A task's results, in memory.

    Attributes
    ----------
    description
        What the table is and where it comes from.
    genes
        uint8 `[rows, n_genes]`.
    index
        int32 `[space.n_codes]`: the row that answers for each architecture code, -1 where there is none.
    epochs
        int32 `[epochs]`, ascending; empty when the table knows only full training.
    metrics, columns
        Metrics by name, and their values, float64 `[rows, repeats, max(1, epochs)]`.
    """

    description: TableDescription
    genes: Genes
    index: NDArray[np.int32]
    epochs: NDArray[np.int32]
    metrics: dict[str, Metric]
    columns: dict[str, NDArray[np.float64]]
    sha256: str = ""

    def __post_init__(self) -> None:
        shape = (len(self.genes), len(self.description.repeats), max(1, len(self.epochs)))
        for name in self.metrics:
            if self.columns[name].shape != shape:
                raise ValueError(f"column {name} has shape {self.columns[name].shape}, not {shape}")
        for role in ("valid", "test"):
            named = [m.name for m in self.metrics.values() if m.role == role]
            if len(named) != 1:
                raise ValueError(f"a table has exactly one {role} metric, not {named}")

    def metric_of_role(self, role: Role) -> str | None:
        """Return the name of the metric with this role; the first if there are several."""
        return next((m.name for m in self.metrics.values() if m.role == role), None)


def index_of(space: SearchSpace, genes: Genes, rows: RowMeaning) -> NDArray[np.int32]:
    """Return the row that answers for each code of the space, int32 `[n_codes]`, -1 where there is none.

    Raises
    ------
    DamagedFileError
        When two rows are the same architecture, in the sense of `rows`.
    """
    if not isinstance(space, CategoricalSpace):
        raise TypeError(f"space {space.name} cannot be indexed by code")
    if rows == "class":
        codes: Codes = space.key(genes).astype(np.int64)
    else:
        codes = space.encode(genes)
    row_of_code = np.full(space.n_codes, -1, dtype=np.int32)
    row_of_code[codes] = np.arange(len(genes))
    twice = np.flatnonzero(row_of_code[codes] != np.arange(len(genes)))
    if twice.size:
        text = space.format(genes[twice[:1]])[0]
        raise DamagedFileError(f"architecture {text} has more than one row; each must appear once.")
    if rows == "string":
        return row_of_code
    representative = space.representative_of_code
    return np.where(representative >= 0, row_of_code[representative], -1).astype(np.int32)


def save_table(table: Table, path: Path) -> None:
    """Write the table, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """

    def fill(file: h5py.File) -> None:
        file.attrs["description"] = table.description.model_dump_json()
        file.attrs["sha256"] = _digest(table)
        file.create_dataset("genes", data=table.genes)
        file.create_dataset("index", data=table.index)
        file.create_dataset("epochs", data=table.epochs)
        for name, metric in table.metrics.items():
            dataset = file.create_dataset(f"metrics/{name}", data=table.columns[name])
            dataset.attrs.update({key: getattr(metric, key) for key in _METRIC_ATTRIBUTES})

    write_sealed(path, KIND, fill)


def read_table(path: Path) -> Table:
    """Read a table and verify its checksum.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another schema or no table at all.
    NasbenchSuiteError
        When there is no such file.
    """
    with open_sealed(path, KIND) as file:
        metrics: dict[str, Metric] = {}
        columns: dict[str, NDArray[np.float64]] = {}
        for name, dataset in file["metrics"].items():
            metrics[name] = Metric(name, **{key: _as_text(value) for key, value in dataset.attrs.items()})
            columns[name] = dataset[:]
        return Table(
            description=TableDescription.model_validate(json.loads(_as_text(file.attrs["description"]))),
            genes=file["genes"][:],
            index=file["index"][:],
            epochs=file["epochs"][:],
            metrics=metrics,
            columns=columns,
            sha256=_as_text(file.attrs["sha256"]),
        )


def _as_text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else str(value)


def _digest(table: Table) -> str:
    # Not over created_with: the same data has the same digest whatever version of the suite read it.
    description = table.description.model_dump_json(exclude={"created_with"})
    digest = hashlib.sha256(description.encode())
    for name in sorted(table.metrics):
        metric = table.metrics[name]
        digest.update(f"{name}|{metric.unit}|{metric.direction}|{metric.role}|{metric.description}".encode())
    arrays: list[NDArray[Any]] = [table.genes, table.index, table.epochs]
    arrays += [table.columns[name] for name in sorted(table.columns)]
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_index(table: Table) -> None:
    """Check that the stored index is the one that the genes give; for `nasbench-suite check`.

    Raises
    ------
    DamagedFileError
        When it is not, or when two rows are the same architecture.
    """
    expected = index_of(get_space(table.description.space), table.genes, table.description.rows)
    if not np.array_equal(expected, table.index):
        raise DamagedFileError(
            f"the index of table {table.description.task} disagrees with its genes; delete the table and it "
            "will be made again from its source."
        )
