"""Tables on disk: what is written is read back, and what is damaged is refused."""

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import h5py
import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import Table
from nasbench_suite.tabular.table import check_index, create_table, read_table, save_table

PARTS = ("description", "genes", "epochs", "metrics", "columns")


@pytest.fixture
def table(make_table):
    return make_table(rows=50, missing=0.2)


@pytest.fixture
def path(table, tmp_path):
    save_table(table, tmp_path / "table.h5")
    return tmp_path / "table.h5"


def dataset_bytes(path):
    """Where the bytes of every dataset lie in the file, as HDF5 says: name to range."""
    found = {}

    def visit(name, entry):
        if isinstance(entry, h5py.Dataset):
            found[name] = range(entry.id.get_offset(), entry.id.get_offset() + entry.id.get_storage_size())

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_the_user_block_says_what_the_file_is_and_the_sha256_of_every_array(path):
    whole = path.read_bytes()
    first, seal, rest = whole.split(b"\n", 2)
    assert first == b"nasbench-suite table 2"
    length = int(seal.split(b" ")[2])
    assert seal == b"sha256 %s %d" % (sha256(rest[:length]).hexdigest().encode(), length)
    stated = json.loads(rest[:length])
    places = dataset_bytes(path)
    assert stated["arrays"].keys() == places.keys()
    assert stated["bytes"] == len(whole)
    with h5py.File(path) as file:
        assert not any(rest[length : file.userblock_size - len(first) - len(seal) - 2])
        for name, entry in stated["arrays"].items():
            assert entry["sha256"] == sha256(whole[places[name][0] : places[name][-1] + 1]).hexdigest()
            assert entry["offset"] == places[name][0]
            assert tuple(entry["shape"]) == file[name].shape
            assert np.dtype(entry["dtype"]) == file[name].dtype


def test_a_table_is_read_back_as_it_was(table, path):
    found = read_table(path)
    assert found.description == table.description
    assert found.metrics == table.metrics
    assert len(found) == len(table) == 50
    assert found.index_arrays.keys() == table.index_arrays.keys() == {"index"}
    pairs = [(getattr(table, name), getattr(found, name)) for name in ("genes", "epochs")]
    for given, kept in [*pairs, (table.index_arrays["index"], found.index_arrays["index"])]:
        assert kept.dtype == given.dtype
        assert np.array_equal(kept, given)
        assert not kept.flags.writeable
    assert set(found.columns) == set(table.columns)
    for name, values in table.columns.items():
        assert found.columns[name].dtype == values.dtype
        assert np.array_equal(found.columns[name], values, equal_nan=True)


def test_the_checksum_on_disk_is_that_in_memory(table, path):
    assert read_table(path).sha256 == table.sha256
    assert len(table.sha256) == 64


def test_the_checksum_is_over_everything_but_the_program_that_wrote_it(make_table):
    table = make_table(rows=50)

    def sha256_with(**changes):
        parts = {name: getattr(table, name) for name in PARTS} | changes
        return Table(**parts).sha256

    stated = sha256_with()
    assert stated == table.sha256 == make_table(rows=50).sha256
    described = table.description.model_copy
    assert sha256_with(description=described(update={"created_with": "another"})) == stated
    other_metrics = {**table.metrics, "params_millions": replace(table.metrics["params_millions"], unit="k")}
    values = table.columns["valid_accuracy"].copy()
    values[3, 2, 1] += 1e-9
    assert (
        len(
            {
                stated,
                sha256_with(description=described(update={"source_version": "2"})),
                sha256_with(description=described(update={"partial_epochs": "because"})),
                sha256_with(metrics=other_metrics),
                sha256_with(epochs=np.array([12, 201], dtype=np.int32)),
                sha256_with(columns={**table.columns, "valid_accuracy": values}),
                sha256_with(genes=table.genes[::-1].copy()),
            }
        )
        == 7
    )


def test_the_file_reads_without_this_package(table, path):
    with h5py.File(path) as file:
        values = file["metrics/valid_accuracy"]
        assert values.shape == (2, 3, 50)
        assert np.array_equal(values[1, 2], table.columns["valid_accuracy"][:, 2, 1], equal_nan=True)
        assert dict(values.attrs) == {
            "unit": "fraction",
            "direction": "max",
            "role": "valid",
            "recorded": "each epoch",
            "description": "made up",
        }
        assert json.loads(file.attrs["description"]) == table.description.model_dump()
        row = file["index"][int(get_space("nats_topology").encode(table.genes[7:8])[0])]
        assert row == 7


def test_writing_twice_gives_the_same_bytes_and_checksum(table, path, tmp_path):
    save_table(table, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


OPENED = """
import pathlib, sys
import nasbench_suite.tabular.benchmark
from nasbench_suite.tabular.table import read_table

def resident():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024

before = resident()
table = read_table(pathlib.Path(sys.argv[1]))
assert len(table) == 15625
opened = resident()
table.columns["params_millions"]
print(opened - before, resident() - opened)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_opening_a_table_reads_none_of_its_arrays(make_table, tmp_path):
    table, axes, path = make_table(epochs=tuple(range(1, 101))), (3, 100), tmp_path / "table.h5"
    shapes = dict.fromkeys(table.metrics, axes)
    parts = (table.description, table.genes, table.epochs, table.metrics, shapes)
    with create_table(path, *parts):
        pass
    assert path.stat().st_size > 140e6
    command = [sys.executable, "-c", OPENED, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    opened, touched = map(int, done.stdout.split())
    assert opened < 5e6
    assert 30e6 < touched < 60e6, "one of four columns"


def test_every_error_names_the_file(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"absent\.h5"):
        read_table(tmp_path / "absent.h5")


def test_check_index_compares_index_and_genes(table):
    check_index(table)
    index = table.index_arrays["index"]
    there = np.flatnonzero(index >= 0)
    index[there[:2]] = index[there[1::-1]]
    with pytest.raises(DamagedFileError, match="disagrees with its genes"):
        check_index(table)


def test_check_index_compares_the_stored_index(path, manifest_edited):
    check_index(read_table(path))
    with h5py.File(path, "r+") as file:
        index = file["index"][:]
        there = np.flatnonzero(index >= 0)
        index[there[:2]] = index[there[1::-1]]
        file["index"][...] = index
    with manifest_edited(path) as manifest:
        manifest["arrays"]["index"]["sha256"] = None
    with pytest.raises(DamagedFileError, match="disagrees with its genes"):
        check_index(read_table(path))
