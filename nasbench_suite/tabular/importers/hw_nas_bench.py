"""HW-NAS-Bench: latency and energy of the topology space's cells on six devices.

Li, Yu, Fu, Zhang, Zhao, You, Yu, Wang, Lin: "HW-NAS-Bench: Hardware-Aware Neural Architecture Search
Benchmark" (ICLR 2021). Either the official pickle, `HW-NAS-Bench-v1_0.pickle`, or CSV files, one per data set
and named after it, with a column `arch_str` and the official names of the measurements.

The pickle is a dictionary: `nasbench201`, data set, then `config` (a dictionary with `arch_str` per cell) and
one sequence of numbers per measurement (so reads the official `hw_nas_bench_api.py`). Whether the numbers are
Python's, NumPy's or arrays is not documented, so all are read. Its other half, `fbnet`, holds measurements of
single operators: see `hw_nas_bench_fbnet.py`.
`average_hw_metric`, which the API adds, is the product of all measurements: none itself, and not in the file.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.cells import read_cells, shown
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.spaces import Genes, NatsTopologySpace, get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.completeness import check_complete
from nasbench_suite.tabular.importers.hw_nas_bench_fbnet import convert_fbnet
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.measurement import as_number
from nasbench_suite.tabular.table import Column

SPACE = "nats_topology"
VERSION = "v1.0"
MEASUREMENTS = {
    "edgegpu_latency": "edgegpu_latency_ms",
    "edgegpu_energy": "edgegpu_energy_mj",
    "raspi4_latency": "raspi4_latency_ms",
    "edgetpu_latency": "edgetpu_latency_ms",
    "pixel3_latency": "pixel3_latency_ms",
    "eyeriss_latency": "eyeriss_latency_ms",
    "eyeriss_energy": "eyeriss_energy_mj",
    "eyeriss_arithmetic_intensity": "eyeriss_arithmetic_intensity_ops_per_byte",
    "fpga_latency": "fpga_latency_ms",
    "fpga_energy": "fpga_energy_mj",
}
"""What a table calls each of the official measurements."""
_MISSING = {"edgetpu_latency": -1.0}
"""The value by which the files say that a cell was not measured."""
_NOT_MEASURED = ("config", "average_hw_metric")
_NOT_OF_FBNET = ("edgetpu_latency", "eyeriss_arithmetic_intensity")
_CSV = re.compile(r"\.csv(\.gz)?$")


@dataclass(frozen=True)
class _Measured:
    """The cells of one data set as the file has them; `place` says where a row is."""

    dataset: str
    where: str
    source: Source
    texts: list[str]
    columns: dict[str, NDArray[np.float64]]
    place: Callable[[int], str]


def convert(job: ImportJob) -> None:
    """Convert the official pickle, or CSV files: one table per data set, and space if the pickle has both.

    Raises
    ------
    DamagedFileError
        When a file has another structure, lacks cells or operators, has a cell twice, or holds what is no
        measurement.
    NasbenchSuiteError
        When pickle and CSV files are mixed, or a CSV file's name says no data set.
    """
    if all(_CSV.search(file.name) for file in job.files):
        _save_all(job, map(partial(_of_csv, job), job.files))
        return
    file = job.one_file()
    source = Source.of([file], VERSION)
    content = read_pickle(file.read_bytes(), file.name)
    _save_all(job, _of_pickle(job, file, source, content))
    if "fbnet" in content:
        names = {name: ours for name, ours in MEASUREMENTS.items() if name not in _NOT_OF_FBNET}
        convert_fbnet(job, source, content["fbnet"], f"{file.name}: fbnet", names)


def _save_all(job: ImportJob, parts: Iterable[_Measured]) -> None:
    done: set[str] = set()
    for part in parts:
        if part.dataset in done:
            raise NasbenchSuiteError(f"two files are of {part.dataset}; give one file per data set.")
        done.add(part.dataset)
        _save(job, part)


def _of_csv(job: ImportJob, file: Path) -> _Measured:
    stem = _CSV.sub("", file.name)
    datasets = _datasets(job)
    dataset = next((name for name in datasets if re.search(rf"(^|[_-]){name}$", stem)), None)
    if dataset is None:
        raise NasbenchSuiteError(
            f"{file.name} does not say its data set; let its name end in one of {', '.join(datasets)} "
            "before .csv or .csv.gz."
        )
    cells = read_cells(file)
    lacking = [name for name in ("arch_str", *MEASUREMENTS) if name not in cells.names]
    if lacking:
        raise DamagedFileError(
            f"{cells.file} has no column {', '.join(lacking)}; it is no export of HW-NAS-Bench's cells."
        )
    return _Measured(
        dataset=dataset,
        where=file.name,
        source=Source.of([file], VERSION),
        texts=cells.texts("arch_str"),
        columns={name: cells.numbers(name) for name in MEASUREMENTS},
        place=cells.place,
    )


def _of_pickle(job: ImportJob, file: Path, source: Source, content: Any) -> Iterator[_Measured]:
    datasets = _datasets(job)
    tables = content.get("nasbench201") if isinstance(content, dict) else None
    if not isinstance(tables, dict) or set(tables) != set(datasets):
        raise DamagedFileError(
            f"{file.name} has not the data sets {', '.join(datasets)} under 'nasbench201'; use the "
            "official file HW-NAS-Bench-v1_0.pickle."
        )
    for dataset in datasets:
        where = f"{file.name}: nasbench201, {dataset}"
        texts, columns = _checked_table(tables[dataset], where)
        yield _Measured(dataset, where, source, texts, columns, lambda row: f"entry {row}")


def _datasets(job: ImportJob) -> list[str]:
    """Return the data sets of the topology space."""
    return [name for name, task in job.sheet.tasks.items() if task.space == SPACE]


def _checked_table(table: Any, where: str) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """Return strings and measurements of one data set, of equal length."""
    names = {name for name in table if name not in _NOT_MEASURED} if isinstance(table, dict) else set()
    if names != set(MEASUREMENTS):
        raise DamagedFileError(
            f"{where}: the measurements are {', '.join(sorted(map(str, names))) or 'none'}, not the "
            f"{len(MEASUREMENTS)} of version 1.0; use the official file."
        )
    configurations = table.get("config")
    if isinstance(configurations, dict) and list(configurations) == list(range(len(configurations))):
        configurations = list(configurations.values())
    if not isinstance(configurations, list):
        raise DamagedFileError(f"{where}: 'config' is no list of cells; use the official file.")
    texts: list[str] = []
    for row, entry in enumerate(configurations):
        text = entry.get("arch_str") if isinstance(entry, dict) else None
        if type(text) is not str:
            raise DamagedFileError(f"{where}, entry {row}: there is no 'arch_str'; use the official file.")
        texts.append(text)
    return texts, {name: _numbers(table[name], len(texts), f"{where}, {name}") for name in MEASUREMENTS}


def _numbers(values: Any, rows: int, what: str) -> NDArray[np.float64]:
    """Return a measurement of every cell, float64 `[rows]`."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(listed, list | tuple) or len(listed) != rows:
        raise DamagedFileError(f"{what}: there are not {rows:,} values, one per cell; use the official file.")
    numbers = np.empty(rows)
    for row, value in enumerate(listed):
        try:
            numbers[row] = as_number(value)
        except ValueError as problem:
            raise DamagedFileError(f"{what}, entry {row}: {problem}; use the official file.") from problem
    return numbers


def _save(job: ImportJob, part: _Measured) -> None:
    genes = _genes(part)
    check_complete(job, part.where, cast(NatsTopologySpace, get_space(SPACE)), genes)
    columns = {
        MEASUREMENTS[name]: Column(_measured(part, name)[:, None, None], "once") for name in MEASUREMENTS
    }
    task = job.task(part.dataset)
    table = assemble(job.sheet, task, part.source, genes, columns, rows="string", repeats=["one measurement"])
    job.save(table)


def _genes(part: _Measured) -> Genes:
    """Return the cells of all rows: uint8 `[rows, 6]`."""
    space = get_space(SPACE)
    genes = np.empty((len(part.texts), space.n_genes), dtype=np.uint8)
    for row, text in enumerate(part.texts):
        try:
            genes[row] = space.parse(text)
        except ArchitectureError as problem:
            raise DamagedFileError(f"{part.where}, {part.place(row)}: {problem}") from problem
    for row, (text, official) in enumerate(zip(part.texts, space.format(genes), strict=True)):
        if text != official:  # a bare number, which `parse` takes for an index
            raise DamagedFileError(
                f"{part.where}, {part.place(row)}: {shown(text)} is no architecture string."
            )
    return genes


def _measured(part: _Measured, name: str) -> NDArray[np.float64]:
    """Return the values of a measurement, NaN where it was not made: float64 `[rows]`."""
    values = part.columns[name].copy()
    missing = values == _MISSING.get(name, np.nan)
    wrong = np.flatnonzero(~missing & ~(np.isfinite(values) & (values >= 0)))
    if wrong.size:
        row = int(wrong[0])
        raise DamagedFileError(
            f"{part.where}, {part.place(row)}: {name} is {values[row]:g}, which is no measurement; use the "
            "official file."
        )
    values[missing] = np.nan
    return values
