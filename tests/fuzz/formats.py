"""The readers of formats other than pickles, and small files for each: see `readers.py`."""

import bz2
import io
import json
import pickle
import struct
import tarfile
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nasbench_suite import get_space, search
from nasbench_suite.benchmark import Metric
from nasbench_suite.cards import read_card
from nasbench_suite.foreign.crc32c import crc32c, masked
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.foreign.tfrecord import read_records
from nasbench_suite.runs import Runs
from nasbench_suite.tabular import Table, TableDescription, TabularBenchmark
from nasbench_suite.tabular.catalogue import datasheet_of
from nasbench_suite.tabular.importers import importer
from nasbench_suite.tabular.importers.job import ImportJob, staged
from nasbench_suite.tabular.importers.mapping import TableMapping
from nasbench_suite.tabular.importers.nats_archive import open_archive
from nasbench_suite.tabular.importers.nats_bench import decompress
from nasbench_suite.tabular.table import read_table, save_table

MAPPING = {
    "benchmark": {"name": "mine", "licence": "none"},
    "metrics": {"valid": {"unit": "fraction", "direction": "max", "role": "valid", "description": "made up"}},
    "tasks": {"t": {"space": "nats_topology", "arch": "index", "columns": {"valid": "a / 100 + b"}}},
}


def imported(format_name: str, content: bytes, path: Path, suffix: str, options: dict[str, str]) -> int:
    """Import a file into a folder of its own; return how many tables came of it."""
    file = path.with_suffix(suffix)
    file.write_bytes(content)
    if format_name == "table":
        sheet = TableMapping.model_validate(MAPPING).datasheet()
        options = {"mapping": json.dumps(MAPPING)}
    else:
        sheet = datasheet_of(format_name)
    target = path.parent / "tables"
    with staged(target) as staging:
        importer(format_name)(ImportJob((file,), sheet, sheet.name, staging, options=options))
        return len(list(staging.iterdir()))


def reader_of(format_name: str, suffix: str, **options: str) -> Callable[[bytes, Path], Any]:
    """Return the importer of a format as a reader."""
    return lambda content, path: imported(format_name, content, path, suffix, options)


def read_tfrecord(content: bytes, path: Path) -> Any:
    """The records of a TFRecord file."""
    path.write_bytes(content)
    return list(read_records(path))


def read_whole_table(content: bytes, path: Path) -> Any:
    """Every array of a table, and a query."""
    path.write_bytes(content)
    table = read_table(path)
    arrays = [table.genes, *table.index_arrays.values(), *table.columns.values()]
    task = TabularBenchmark(table)
    return [array.sum() for array in arrays], task.query(table.genes[:2], info=["params_millions"])


def read_runs(content: bytes, path: Path) -> Any:
    """A record of runs."""
    path.write_bytes(content)
    return Runs.load(path).incumbents()


def read_nats_tar(content: bytes, path: Path) -> Any:
    """The members of an archive of NATS-Bench, unpacked."""
    path.write_bytes(content)
    archive = open_archive(path)
    members = [archive.meta, *archive.records.values()]
    return [read_pickle(decompress(member.read(), member.name), member.name) for member in members]


def read_mapping(content: bytes, path: Path) -> Any:
    """A card in TOML."""
    path.write_bytes(content)
    return read_card(path, TableMapping)


@cache
def tfrecords() -> list[bytes]:
    """A file of a few records."""

    def checksum(part: bytes) -> bytes:
        return masked(crc32c(part, np.array([0]), np.array([len(part)]))).astype("<u4").tobytes()

    whole = b""
    for payload in (b"", b"record", b"x" * 300):
        length = struct.pack("<Q", len(payload))
        whole += length + checksum(length) + payload + checksum(payload)
    return [whole]


@cache
def tables() -> list[bytes]:
    """A table of twenty rows."""
    space = get_space("nats_topology")
    rng = np.random.default_rng(0)
    roles = {"valid_accuracy": "valid", "test_accuracy": "test", "params_millions": "info"}
    table = Table(
        TableDescription(
            task="made/up",
            space=space.name,
            valid="valid_accuracy",
            test="test_accuracy",
            rows="string",
            repeats=["a", "b"],
            licence="none",
            source="random numbers",
            source_version="1",
            source_sha256="0" * 64,
            created_with="the fuzzer",
        ),
        space.decode(np.arange(20)),
        np.array([1, 2], dtype=np.int32),
        {name: Metric(name, "fraction", "max", role, "made up") for name, role in roles.items()},
        {name: rng.random((20, 2, 2)) for name in roles},
    )
    with tempfile.TemporaryDirectory() as folder:
        save_table(table, Path(folder) / "table.h5")
        runs = Path(folder) / "runs.h5"
        task = TabularBenchmark(Table(*_complete(table)))
        search("random_search", task, evaluations=4, runs=2).save(runs)
        return [(Path(folder) / "table.h5").read_bytes(), runs.read_bytes()]


def _complete(table: Table) -> tuple[Any, ...]:
    """The parts of the same table with all rows of the space, so that it can be searched."""
    space = get_space("nats_topology")
    columns = {name: np.full((space.n_codes, 2, 2), 0.5) for name in table.columns}
    return table.description, space.decode(np.arange(space.n_codes)), table.epochs, table.metrics, columns


@cache
def archives() -> list[bytes]:
    """Archives in the simple form with two small records."""
    files = {
        "meta.pickle.pbz2": {"meta_archs": ["8:8:8:8:8"], "total_archs": 1},
        "000000.pickle.pbz2": {"01": {"arch_str": "8:8:8:8:8", "all_results": {("cifar10", 777): {0: 0.5}}}},
    }
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, content in files.items():
            packed = bz2.compress(pickle.dumps(content))
            entry = tarfile.TarInfo(f"archive/{name}")
            entry.size = len(packed)
            archive.addfile(entry, io.BytesIO(packed))
    return [whole.getvalue()]


@cache
def macros() -> list[bytes]:
    """The JSON of NAS-Bench-Macro with three networks."""
    record = {"test_acc": [89.5, 88.0, 89.25], "mean_acc": 88.9, "std": 0.5, "params": 890666, "flops": 473}
    return [json.dumps(dict.fromkeys(("02012100", "11111221", "22222222"), record)).encode()]


@cache
def tables_of_text() -> list[bytes]:
    """CSV files of three cells."""
    rows = b"index,a,b\n0,91.5,0.25\n11472,90,0.5\n7,,1e-3\n"
    return [rows, rows.replace(b",", b";"), b"\xef\xbb\xbf" + rows.replace(b"\n", b"\r\n")]


@cache
def mappings() -> list[bytes]:
    """A mapping in TOML."""
    return [
        b'[benchmark]\nname = "mine"\nlicence = "none"\n[metrics.valid]\nunit = "fraction"\n'
        b'direction = "max"\nrole = "valid"\ndescription = "made up"\n[tasks.t]\nspace = "nats_topology"\n'
        b'arch = "index"\n[tasks.t.columns]\nvalid = { 12 = "a / 100", 200 = ["a", "b"] }\n'
    ]


FORMATS: dict[str, tuple[Callable[[bytes, Path], Any], Callable[[], list[bytes]], tuple[bytes, ...]]] = {
    "tfrecord": (read_tfrecord, tfrecords, ()),
    "table": (read_whole_table, tables, (b"sha256", b'"offset":', b'"shape":[', b"<f8", b"-1")),
    "runs": (read_runs, tables, (b"sha256",)),
    "nats_archive": (read_nats_tar, archives, (b"../", b"ustar", b"BZh9")),
    "macro": (reader_of("nasbench-macro", ".json", partial="yes"), macros, (b"NaN", b"1e999", b"[" * 999)),
    "csv": (reader_of("table", ".csv"), tables_of_text, (b"inf", b"nan", b'"', b"1e999", b"\0")),
    "mapping": (read_mapping, mappings, (b"[[", b"'''", b"= {", b"[" * 999)),
}
"""Reader, seeds and meaningful words of each format."""
