"""Tables that are damaged, or sealed by somebody else: refused when opened or touched, never misread."""

import random

import h5py
import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TableDescription, TabularBenchmark
from nasbench_suite.tabular.table import read_table, save_table


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


def read_all(path):
    """Open a table and touch every array of it."""
    table = read_table(path)
    for name in table.file.names():
        table.file.array(name)
    return table


def flip(path, position, whole):
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])


@pytest.mark.parametrize("part", ["first", "middle", "last"])
def test_a_flipped_bit_in_any_dataset_is_noticed_when_it_is_touched(path, part):
    whole = path.read_bytes()
    places = dataset_bytes(path)
    assert len(places) == 7
    for name, place in places.items():
        flip(path, {"first": place[0], "middle": place[len(place) // 2], "last": place[-1]}[part], whole)
        with pytest.raises(DamagedFileError, match="checksum"):
            read_table(path).file.array(name)
        with pytest.raises(DamagedFileError, match="checksum"):
            read_all(path)


@pytest.mark.parametrize(
    ("damaged", "touch"),
    [
        ("genes", lambda task, rows: task.query(rows)),
        ("index", lambda task, rows: task.query(rows)),
        ("metrics/valid_accuracy", lambda task, rows: task.query(rows)),
        ("metrics/train_seconds", lambda task, rows: task.query(rows, repeat=1)),
        ("metrics/params_millions", lambda task, rows: task.query(rows, info=["params_millions"])),
        ("metrics/test_accuracy", lambda task, rows: task.reveal(rows)),
        ("metrics/test_accuracy", lambda task, rows: task.test_column()),
    ],
)
@pytest.mark.filterwarnings("ignore::nasbench_suite.benchmark.MissingResultWarning")
def test_no_answer_comes_from_a_damaged_array(table, path, damaged, touch):
    flip(path, dataset_bytes(path)[damaged][5], path.read_bytes())
    task = TabularBenchmark(read_table(path))
    for _ in range(2):
        with pytest.raises(DamagedFileError, match="checksum"):
            touch(task, table.genes[:2])


def test_a_changed_word_of_the_description_is_noticed(path):
    whole = path.read_bytes()
    assert whole.count(b"random numbers") == 2, "once in the manifest, once as an attribute for HDF5 programs"
    path.write_bytes(whole.replace(b"random numbers", b"random numbets", 1))
    with pytest.raises(DamagedFileError, match="checksum"):
        read_table(path)


def test_a_flipped_byte_anywhere_is_noticed_or_not_ours(path, readings_of_flipped):
    whole, stated = path.read_bytes(), read_table(path).sha256
    first, seal, _ = whole.split(b"\n", 2)
    sealed = len(first) + len(seal) + 2 + int(seal.split(b" ")[2])
    ours = {*range(sealed), *(byte for place in dataset_bytes(path).values() for byte in place)}
    elsewhere = [byte for byte in range(len(whole)) if byte not in ours]
    draw = random.Random(0)
    positions = draw.sample(elsewhere, 300) + draw.sample(range(sealed), 150) + draw.sample(sorted(ours), 150)
    found = readings_of_flipped(path, "nasbench_suite.tabular.table:read_table", positions)
    assert found == {byte: "refused" if byte in ours else f"read {stated}" for byte in positions}


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFileError, match="truncated or corrupt"):
        read_table(path)


@pytest.mark.parametrize("change", [lambda whole: whole[:-1], lambda whole: whole + b"\0"])
def test_a_file_that_is_a_byte_shorter_or_longer_is_refused(path, change):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize("schema", [1, 3])
def test_another_schema_is_refused_with_its_number(path, schema):
    mark = b"nasbench-suite table %d\n"
    path.write_bytes(path.read_bytes().replace(mark % 2, mark % schema, 1))
    with pytest.raises(DamagedFileError, match=f"schema {schema}, this version reads 2; delete it"):
        read_table(path)


@pytest.mark.parametrize("missing", ["genes", "epochs", "metrics/valid_accuracy", "metrics/params_millions"])
def test_a_file_without_an_array_is_refused(path, missing, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["arrays"][missing]
    with pytest.raises(DamagedFileError):
        read_table(path)


def test_a_file_without_an_index_is_refused(path, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["arrays"]["index"]
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("genes", {"dtype": "<i4", "shape": [50, 1]}),
        ("genes", {"shape": [50, 5]}),
        ("genes", {"shape": [300]}),
        ("index", {"dtype": "<f4"}),
        ("index", {"shape": [15_624]}),
        ("index", {"dtype": "<u4"}),
        ("epochs", {"dtype": "<f4"}),
        ("epochs", {"shape": [2, 1]}),
        ("epochs", {"shape": [1]}),
        ("metrics/valid_accuracy", {"dtype": "<i8"}),
        ("metrics/valid_accuracy", {"shape": [2, 3, 50, 1]}),
        ("metrics/valid_accuracy", {"shape": [50, 3, 2]}),
        ("metrics/valid_accuracy", {"shape": [300]}),
    ],
    ids=str,
)
def test_a_file_with_an_array_of_another_type_or_shape_is_refused(path, name, entry, manifest_edited):
    with manifest_edited(path) as manifest:
        manifest["arrays"][name].update(entry, sha256=None)
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize("row", [50, -(2**31), 2**31 - 1])
def test_an_index_that_points_beyond_the_rows_is_refused(path, table, row, manifest_edited):
    with h5py.File(path, "r+") as file:
        file["index"][...] = row
    with manifest_edited(path) as manifest:
        manifest["arrays"]["index"]["sha256"] = None
    with pytest.raises(DamagedFileError):
        TabularBenchmark(read_table(path)).query(table.genes[:2])


@pytest.mark.parametrize("missing", ["description", "metrics"])
def test_a_head_without_a_part_is_refused(path, missing, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["head"][missing]
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize("head", [None, [], "description", 7])
def test_a_head_of_another_type_is_refused(path, head, manifest_edited):
    with manifest_edited(path) as manifest:
        manifest["head"] = head
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize("missing", sorted(TableDescription.model_fields.keys() - {"partial_epochs"}))
def test_a_description_without_a_key_is_refused(path, missing, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["head"]["description"][missing]
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": "neither"},
        {"repeats": []},
        {"repeats": "abc"},
        {"repeats": ["one", "two"]},
        {"valid": "no_such_metric"},
        {"valid": "params_millions"},
        {"test": "valid_accuracy", "valid": "test_accuracy"},
        {"colour": "red"},
        {"task": 7},
    ],
    ids=str,
)
def test_a_description_that_disagrees_with_the_table_is_refused(path, change, manifest_edited):
    with manifest_edited(path) as manifest:
        manifest["head"]["description"].update(change)
    with pytest.raises(DamagedFileError):
        read_table(path)


def test_a_space_that_this_version_lacks_is_named(path, manifest_edited):
    with manifest_edited(path) as manifest:
        manifest["head"]["description"]["space"] = "nats_topologie"
    with pytest.raises(NasbenchSuiteError, match="did you mean nats_topology"):
        TabularBenchmark(read_table(path))


@pytest.mark.parametrize(
    "change",
    [
        {"unit": None},
        {"colour": "red"},
        {"unit": 7},
        {"direction": "sideways"},
        {"role": "boss"},
        {"recorded": "weekly"},
        {"recorded": "once"},
        {"name": "valid_accuracy"},
    ],
    ids=str,
)
def test_a_metric_with_other_attributes_is_refused(path, change, manifest_edited):
    with manifest_edited(path) as manifest:
        metric = manifest["head"]["metrics"]["params_millions"]
        if None in change.values():
            del metric["unit"]
        else:
            metric.update(change)
    with pytest.raises(DamagedFileError):
        read_table(path)


def test_an_hdf5_file_of_another_kind_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.arange(3)
    with pytest.raises(DamagedFileError, match="or no table"):
        read_table(tmp_path / "other.h5")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n", bytes(10_000)])
def test_what_is_no_hdf5_file_is_refused(tmp_path, content):
    (tmp_path / "other.h5").write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_table(tmp_path / "other.h5")
