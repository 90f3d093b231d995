"""NAS-Bench-Graph from the PyPI package `nas-bench-graph`: a pickle per data set, a record per cell.

Each file is a dictionary from the benchmark's cell number (base ten: link pattern, then four operations in
the nine-operation order, also for `proteins`) to `valid_perf`, `perf`, `latency` (s), `para` (millions).
Values are means over three trainings; the light files keep no curves.
"""

import math
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.spaces import Genes, GraphSpace, get_space
from nasbench_suite.spaces.graph import OPERATIONS
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.table import Column, Table

PACKAGE = "nas-bench-graph"
_CELL_NUMBERS = 10**5
_FIELDS = {"valid": "valid_perf", "test": "perf", "latency_seconds": "latency", "params_millions": "para"}


def from_package(sheet: Datasheet, task: str) -> Table:
    """Read the table of `task` (`graph/cora`) from the installed package.

    Raises
    ------
    NasbenchSuiteError
        When the package is not installed.
    DamagedFileError
        When the file is not what the package publishes.
    """
    dataset = task.partition("/")[2]
    path = _package_folder() / "light" / f"{dataset}.bench"
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read; install {PACKAGE} again.") from problem
    return read_light_file(content, path.name, sheet, task)


def _package_folder() -> Path:
    spec = find_spec("nas_bench_graph")  # found, not imported: nothing of the package runs
    if spec is None or spec.origin is None:
        raise NasbenchSuiteError(f"package {PACKAGE} is not installed; run: pip install {PACKAGE}")
    return Path(spec.origin).parent


def read_light_file(content: bytes, source: str, sheet: Datasheet, task: str) -> Table:
    """Build the table of `task` from the bytes of one light file; see `from_package`."""
    dataset = sheet.tasks[task.partition("/")[2]]
    space = get_space(dataset.space)
    records = read_pickle(content, source)
    numbers = _check_records(records, source)
    genes = genes_of_numbers(numbers, dataset.space, source)
    if not np.array_equal(space.canonical(genes), genes):
        raise DamagedFileError(f"{source} has cells that are not canonical; use the official file.")
    names = {"valid": dataset.valid, "test": dataset.test}
    columns = {
        names.get(column, column): Column(np.array([float(records[n][key]) for n in numbers])[:, None, None])
        for column, key in _FIELDS.items()
    }
    return assemble(
        sheet,
        task,
        Source.of_bytes(content, f"{PACKAGE} (PyPI), light/{source}", metadata.version(PACKAGE)),
        genes,
        columns,
        rows="class",
        repeats=["mean of 3 trainings"],
    )


def _check_records(records: Any, source: str) -> list[int]:
    """Return the cell numbers in ascending order, after checking that every record has its four numbers."""
    wrong = DamagedFileError(f"{source} is no light file of NAS-Bench-Graph; use the official file.")
    if not isinstance(records, dict) or not records:
        raise wrong
    if not all(type(number) is int and 0 <= number < _CELL_NUMBERS for number in records):
        raise wrong
    for record in records.values():
        if not isinstance(record, dict) or not all(
            type(record.get(key)) is float and math.isfinite(record[key]) for key in _FIELDS.values()
        ):
            raise wrong
    return sorted(records)


def genes_of_numbers(numbers: Sequence[int], space: str, source: str) -> Genes:
    """Split the base-ten cell numbers into genes, translating operations to the space's own order.

    Raises
    ------
    DamagedFileError
        When a number is of no cell of the space.
    """
    digits = np.array(numbers, dtype=np.int64)[:, None] // 10 ** np.arange(4, -1, -1) % 10
    position = np.full(10, 255, dtype=np.uint8)
    for place, operation in enumerate(OPERATIONS["graph"]):
        if operation in OPERATIONS[space]:
            position[place] = OPERATIONS[space].index(operation)
    genes = np.concatenate([digits[:, :1].astype(np.uint8), position[digits[:, 1:]]], axis=1)
    if not get_space(space).valid(genes).all():
        raise DamagedFileError(f"{source} has cells that are not in space {space}; use the official file.")
    return genes


@cache
def numbers_of_space(space: str) -> tuple[int, ...]:
    """Return the cell numbers of all canonical cells of a space, ascending."""
    graph = get_space(space)
    if not isinstance(graph, GraphSpace):
        raise TypeError(f"{space} is no space of graph networks")
    representatives = graph.representative_of_code
    genes = graph.decode(np.unique(representatives[representatives >= 0])).astype(np.int64)
    official = np.array([OPERATIONS["graph"].index(operation) for operation in OPERATIONS[space]])
    digits = np.concatenate([genes[:, :1], official[genes[:, 1:]]], axis=1)
    return tuple(np.sort(digits @ 10 ** np.arange(4, -1, -1)).tolist())
