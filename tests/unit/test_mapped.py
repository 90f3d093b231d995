"""Mapped files: HDF5 to everybody, and no byte of ours changes unnoticed."""

import itertools
import json
import os
import pickle
from hashlib import sha256

import h5py
import numpy as np
import pytest
from mapped_file import ARRAYS, HEAD, KIND, dataset_ranges, output_of, read_all, sealed_bytes, write

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.mapped import open_mapped
from nasbench_suite.sealed import Kind


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "thing.h5")


def test_any_hdf5_program_reads_arrays_groups_and_attributes(path):
    with h5py.File(path) as file:
        assert file.attrs["text"] == HEAD["text"]
        assert json.loads(file.attrs["nested"]) == HEAD["nested"]
        for name, array in ARRAYS.items():
            assert file[name].dtype == array.dtype
            assert np.array_equal(file[name][()], array)
            assert dict(file[name].attrs) == {"unit": f"of {name}"}


def test_arrays_are_contiguous_aligned_and_bear_no_time(path):
    with h5py.File(path) as file:
        assert file.userblock_size >= sealed_bytes(path)
        for name, array in ARRAYS.items():
            assert file[name].id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
            assert h5py.h5g.get_objinfo(file[name].id).mtime == 0
            if array.size:
                assert file[name].id.get_offset() % 64 == 0
    places = sorted(dataset_ranges(path).values(), key=lambda place: place[0])
    assert all(a[-1] < b[0] for a, b in itertools.pairwise(places))


def test_what_is_written_is_read_back(path):
    file = open_mapped(path, KIND)
    assert file.head == HEAD
    assert set(file.names()) == set(ARRAYS)
    assert "small" in file
    assert "large" not in file
    for name, array in ARRAYS.items():
        assert file.array(name).dtype == array.dtype
        assert np.array_equal(file.array(name), array)
        assert file.array(name) is file.array(name)
        assert file.place(name).shape == array.shape
        assert file.sums[name] == sha256(array.tobytes()).hexdigest()
        if array.size:
            with pytest.raises(ValueError, match="read-only"):
                file.array(name).flat[0] = 0


@pytest.mark.parametrize("n", [0, 1, 3, 10, 40, 700])
@pytest.mark.parametrize("letter", ["a", "é", "長", "\t"], ids=ascii)
def test_the_manifest_fits_whatever_the_names(tmp_path, n, letter):
    arrays = {letter * 200 + str(number): np.array([number], dtype=np.int32) for number in range(n)}
    path = write(tmp_path / "thing.h5", arrays, {"text": letter * n})
    assert {name: array.tolist() for name, array in read_all(path).items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


def test_the_same_data_gives_the_same_bytes_in_another_process(path, tmp_path):
    other = tmp_path / "other" / "again.h5"
    code = "from mapped_file import *; write(Path(sys.argv[1]))"
    output_of(code, other, PYTHONHASHSEED="7")
    assert other.read_bytes() == path.read_bytes()


def test_a_place_is_small_to_pickle_and_maps_the_same_file(path):
    place = open_mapped(path, KIND).place("group/values")
    copy = pickle.loads(pickle.dumps(place))
    assert copy == place
    assert np.array_equal(copy.open("r"), ARRAYS["group/values"])


# -- damage ------------------------------------------------------------------------------------------


def test_every_flipped_byte_of_ours_is_noticed_and_no_other_matters(path):
    whole = path.read_bytes()
    sealed = sealed_bytes(path)
    ours = {*range(sealed), *(byte for place in dataset_ranges(path).values() for byte in place)}
    for position in (*sorted(ours), *range(sealed, len(whole), 11)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            found = read_all(path)
        except DamagedFileError:
            assert position in ours
        else:
            assert position not in ours
            assert found.keys() == ARRAYS.keys()
            assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())


def test_other_arrays_are_read_when_one_is_damaged(path):
    whole = bytearray(path.read_bytes())
    whole[dataset_ranges(path)["small"][3]] ^= 1
    path.write_bytes(whole)
    file = open_mapped(path, KIND)
    for _ in range(2):
        with pytest.raises(DamagedFileError, match="checksum does not hold"):
            file.array("small")
    assert np.array_equal(file.array("group/values"), ARRAYS["group/values"])


def test_every_truncation_is_refused_on_opening(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFileError, match="truncated or corrupt"):
            open_mapped(path, KIND)


def test_a_file_that_shrinks_after_it_was_opened_is_refused_on_touch(path):
    file = open_mapped(path, KIND)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFileError):
        file.array("group/values")


def test_another_kind_and_another_schema_are_told_apart(path):
    with pytest.raises(DamagedFileError, match="or no table; delete it"):
        open_mapped(path, Kind("table", 3, "delete it"))
    with pytest.raises(DamagedFileError, match="is a thing of schema 3, this version reads 4; make it"):
        open_mapped(path, Kind("thing", 4, "make it anew"))


# -- what is no file ---------------------------------------------------------------------------------


def test_an_absent_file_and_a_folder_are_sentences(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"none\.h5 cannot be read: No such file or directory\."):
        open_mapped(tmp_path / "none.h5", KIND)
    with pytest.raises(NasbenchSuiteError, match=r"cannot be read: Is a directory\."):
        open_mapped(tmp_path, KIND)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    code = """
from mapped_file import *
from nasbench_suite.errors import DamagedFileError
try:
    open_mapped(Path(sys.argv[1]), KIND)
except DamagedFileError:
    print("refused")
"""
    assert output_of(code, tmp_path / "pipe.h5") == "refused\n"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_file_that_may_not_be_read_is_a_sentence(path):
    path.chmod(0)
    mine = os.geteuid()
    try:
        if mine == 0:
            os.seteuid(65_534)
        with pytest.raises(NasbenchSuiteError, match=r"thing\.h5 cannot be read: Permission denied\."):
            open_mapped(path, KIND)
    finally:
        os.seteuid(mine)
