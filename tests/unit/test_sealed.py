"""Sealed files that somebody made who means harm: the seal holds, and what is read must be in the file."""

import h5py
import numpy as np
import pytest

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.sealed import Kind, open_sealed, write_sealed

KIND = Kind("trial", 1, "make it again")


def linked_to_another_file(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.arange(6.0)
    file["values"] = h5py.ExternalLink(folder / "other.h5", "secret")


def read_from_another_file(file, folder):
    (folder / "secret.txt").write_bytes(b"48 bytes that are nobody's business but my own..")
    file.create_dataset("values", shape=6, dtype="f8", external=[(folder / "secret.txt", 0, 48)])


def put_together_of_another_file(file, folder):
    layout = h5py.VirtualLayout(shape=(6,), dtype="f8")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "secret", shape=(6,))
    file.create_virtual_dataset("values", layout)


def linked_by_name(file, folder):
    file["all"] = np.arange(6.0)
    file["values"] = h5py.SoftLink("/all")


def never_written(file, folder):
    file.create_dataset("values", shape=(10**6, 10**7), dtype="f8", chunks=(1000, 1000), compression="gzip")


def in_itself(file, folder):
    group = file.create_group("values")
    group["values"] = group


def in_two_places(file, folder):
    group = file.create_group("values")
    for _ in range(60):  # 2 ** 60 paths
        inner = group.create_group("left")
        group["right"] = inner
        group = inner


def deeper_than_any(file, folder):
    group = file
    for _ in range(3000):
        group = group.create_group("values")


def a_type(file, folder):
    file["values"] = np.dtype("f8")


@pytest.mark.parametrize(
    "harm",
    [
        linked_to_another_file,
        read_from_another_file,
        put_together_of_another_file,
        linked_by_name,
        never_written,
        in_itself,
        in_two_places,
        deeper_than_any,
        a_type,
    ],
)
def test_what_a_file_does_not_hold_itself_is_refused(tmp_path, harm):
    write_sealed(tmp_path / "file.h5", KIND, lambda file: harm(file, tmp_path))
    with pytest.raises(DamagedFileError, match="no trial"), open_sealed(tmp_path / "file.h5", KIND):
        pytest.fail("it was opened")


def test_what_packs_best_is_read(tmp_path):
    """Nothing packs better than zeros; neither they nor groups and arrays of nothing are taken for harm."""

    def fill(file):
        packing = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
        file.create_dataset("a/zeros", data=np.zeros(20_000_000), chunks=(20_000_000,), **packing)
        file["a/b/nothing"] = np.zeros((0, 7))
        file["a/b/one"] = 7.0

    write_sealed(tmp_path / "file.h5", KIND, fill)
    with open_sealed(tmp_path / "file.h5", KIND) as file:
        assert file["a/zeros"].nbytes > 1000 * file["a/zeros"].id.get_storage_size()
        assert not file["a/zeros"][:].any()
        assert file["a/b/nothing"].shape == (0, 7)
        assert file["a/b/one"][()] == 7.0


def test_what_does_not_fit_into_memory_is_said(tmp_path):
    write_sealed(tmp_path / "file.h5", KIND, lambda file: file.update({"values": np.zeros(3)}))
    with (
        pytest.raises(NasbenchSuiteError, match="unpacks to more than there is memory for"),
        open_sealed(tmp_path / "file.h5", KIND),
    ):
        np.empty(1 << 62, np.uint8)
