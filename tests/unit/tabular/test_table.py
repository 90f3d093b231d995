"""Tables on disk: what is written is read back, and what is damaged is refused."""

import random
from hashlib import sha256

import h5py
import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular.table import check_index, index_of, read_table, save_table


@pytest.fixture
def table(make_table):
    return make_table(rows=50, missing=0.2)


@pytest.fixture
def path(table, tmp_path):
    save_table(table, tmp_path / "table.h5")
    return tmp_path / "table.h5"


def test_the_first_512_bytes_say_what_the_file_is_and_its_sha256(path):
    whole = path.read_bytes()
    assert whole.startswith(
        b"nasbench-suite table 1\nsha256 " + sha256(whole[512:]).hexdigest().encode() + b"\n"
    )


def dataset_bytes(path):
    """Where the bytes of every dataset lie in the file: name to range."""
    found = {}

    def visit(name, entry):
        if isinstance(entry, h5py.Dataset):
            found[name] = range(entry.id.get_offset(), entry.id.get_offset() + entry.id.get_storage_size())

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_a_table_is_read_back_as_it_was(table, path):
    found = read_table(path)
    assert found.description == table.description
    assert found.metrics == table.metrics
    for name in ("genes", "index", "epochs"):
        given, kept = getattr(table, name), getattr(found, name)
        assert kept.dtype == given.dtype
        assert np.array_equal(kept, given)
    assert set(found.columns) == set(table.columns)
    for name, values in table.columns.items():
        assert np.array_equal(found.columns[name], values, equal_nan=True)


def test_the_file_reads_without_this_package(table, path):
    with h5py.File(path) as file:
        values = file["metrics/valid_accuracy"]
        assert values.shape == (50, 3, 2)
        assert (values.attrs["unit"], values.attrs["role"]) == ("fraction", "valid")
        row = file["index"][int(get_space("nats_topology").encode(table.genes[7:8])[0])]
        assert row == 7


def test_writing_twice_gives_the_same_bytes_and_checksum(table, path, tmp_path):
    save_table(table, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()
    assert len(read_table(path).sha256) == 64


@pytest.mark.parametrize("part", ["first", "middle", "last"])
def test_a_flipped_bit_in_any_dataset_is_noticed(path, part):
    whole = path.read_bytes()
    places = dataset_bytes(path)
    assert len(places) == 7
    for place in places.values():
        position = {"first": place[0], "middle": place[len(place) // 2], "last": place[-1]}[part]
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(DamagedFileError, match="checksum"):
            read_table(path)


def test_a_changed_word_of_the_description_is_noticed(path):
    whole = path.read_bytes()
    assert whole.count(b"random numbers") == 1
    path.write_bytes(whole.replace(b"random numbers", b"random numbets"))
    with pytest.raises(DamagedFileError, match="checksum"):
        read_table(path)


def test_a_flipped_byte_anywhere_is_noticed_or_harmless(path, readings_of_flipped):
    size, stated = path.stat().st_size, read_table(path).sha256
    in_datasets = {byte for place in dataset_bytes(path).values() for byte in place}
    elsewhere = [byte for byte in range(size) if byte not in in_datasets]
    positions = random.Random(0).sample(elsewhere, 400)
    found = readings_of_flipped(path, "nasbench_suite.tabular.table:read_table", positions)
    assert set(found.values()) <= {"refused", f"read {stated}"}
    assert len(found) == len(positions)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFileError, match="truncated or corrupt"):
        read_table(path)


def test_a_file_that_lacks_its_last_byte_is_refused(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError):
        read_table(path)


def test_another_schema_is_refused_with_its_number(path):
    path.write_bytes(path.read_bytes().replace(b"nasbench-suite table 1\n", b"nasbench-suite table 2\n", 1))
    with pytest.raises(DamagedFileError, match="schema 2, this version reads 1"):
        read_table(path)


@pytest.mark.parametrize("missing", ["genes", "index", "epochs", "metrics", "metrics/valid_accuracy"])
def test_a_file_without_a_part_is_refused(path, missing, edited):
    with edited(path) as file:
        del file[missing]
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize("missing", ["sha256", "description"])
def test_a_file_without_an_attribute_is_refused(path, missing, edited):
    with edited(path) as file:
        del file.attrs[missing]
    with pytest.raises(DamagedFileError):
        read_table(path)


@pytest.mark.parametrize("change", ["absent", "unknown"])
def test_a_metric_with_other_attributes_is_refused(path, change, edited):
    with edited(path) as file:
        attributes = file["metrics/valid_accuracy"].attrs
        if change == "absent":
            del attributes["unit"]
        else:
            attributes["colour"] = "red"
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


def test_every_error_names_the_file(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"absent\.h5"):
        read_table(tmp_path / "absent.h5")


def test_a_cell_with_two_rows_is_refused():
    space = get_space("nats_topology")
    genes = space.sample(np.random.default_rng(0), 30)
    twice = np.concatenate([genes, genes[4:5]])
    with pytest.raises(DamagedFileError, match="more than one row") as caught:
        index_of(space, twice, "string")
    assert space.format(genes[4:5])[0] in str(caught.value)


def test_isomorphic_rows_are_two_strings_but_one_class():
    graph = get_space("graph")
    same = np.stack([graph.parse("0012:gat,gcn,gin,fc"), graph.parse("0012:gcn,gat,fc,gin")])
    assert np.count_nonzero(index_of(graph, same, "string") >= 0) == 2
    with pytest.raises(DamagedFileError, match="more than one row"):
        index_of(graph, same, "class")


def test_the_index_of_classes_answers_for_every_numbering():
    graph = get_space("graph")
    rows = graph.parse("0012:gat,gcn,gin,fc")[None]
    index = index_of(graph, rows, "class")
    every = graph.decode(np.arange(graph.n_codes))
    every = every[graph.valid(every)]
    expected = np.where(graph.key(every) == graph.key(rows)[0], 0, -1)
    assert np.array_equal(index[graph.encode(every)], expected)
    assert np.count_nonzero(index >= 0) == 2


def test_check_index_compares_index_and_genes(table):
    check_index(table)
    table.index[np.flatnonzero(table.index >= 0)[:2]] = table.index[np.flatnonzero(table.index >= 0)[1::-1]]
    with pytest.raises(DamagedFileError, match="disagrees with its genes"):
        check_index(table)
