"""Writing mapped files: several processes, full disks, failures half-way; whole or absent."""

import errno
import os
import signal
import subprocess
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest
from mapped_file import KIND, environment, output_of, program, read_all, write

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.mapped import ArrayLayout, Place, create_mapped, open_mapped


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "thing.h5")


def only_thing_in(folder):
    return [entry.name for entry in folder.iterdir()] == ["thing.h5"]


def fill_part(place: Place, first: int) -> None:
    place.open("r+")[first : first + 10] = np.arange(first, first + 10)


def test_worker_processes_fill_parts(tmp_path):
    path = tmp_path / "thing.h5"
    with (
        create_mapped(path, KIND, {}, {"a": ArrayLayout("<f8", (40,))}) as places,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        list(pool.map(fill_part, [places["a"]] * 4, range(0, 40, 10)))
    assert read_all(path)["a"].tolist() == list(range(40))


WRITER = """
from mapped_file import *
for _ in range(60):
    write(Path(sys.argv[1]), {"a": np.full(20_000, float(sys.argv[2]))}, {"number": sys.argv[2]})
"""


def test_of_two_writers_at_once_each_reader_sees_one_whole(tmp_path):
    path = tmp_path / "thing.h5"
    writers = [subprocess.Popen(program(WRITER, path, number), env=environment()) for number in "12"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            whole = path.read_bytes()
            other = tmp_path / "seen.h5"
            other.write_bytes(whole)
            file = open_mapped(other, KIND)
            assert (file.array("a") == float(file.head["number"])).all()
            seen.add(file.head["number"])
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen
    (tmp_path / "seen.h5").unlink()
    assert only_thing_in(tmp_path)


KILLED = """
import time
from mapped_file import *
with create_mapped(Path(sys.argv[1]), KIND, {}, {"a": ArrayLayout("<f8", (10**6,))}) as places:
    values = places["a"].open("r+")
    values[:500_000] = 7
    print("half", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are sent the POSIX way")
def test_a_killed_writer_leaves_the_old_file_whole(path):
    before = path.read_bytes()
    writer = subprocess.Popen(program(KILLED, path), env=environment(), stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "half\n"
    writer.kill()
    writer.communicate()
    assert path.read_bytes() == before
    assert all(entry.name.startswith(".") for entry in path.parent.iterdir() if entry != path)
    read_all(write(path))
    assert only_thing_in(path.parent)


# -- disks that are full, failures while writing -----------------------------------------------------


@pytest.mark.parametrize("step", ["create_simple", "posix_fallocate", "fsync", "replace", "chmod"])
@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "No space"), KeyboardInterrupt()], ids=repr)
def test_a_failure_leaves_the_old_file_and_nothing_else(path, monkeypatch, step, problem):
    def fail(*args, **kwargs):
        raise problem

    before = path.read_bytes()
    monkeypatch.setattr(h5py.h5s if step == "create_simple" else os, step, fail, raising=False)
    expected = NasbenchSuiteError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write(path)
    if expected is NasbenchSuiteError:
        assert str(caught.value) == (
            f"cannot write {path}: the disk is full; free some space and run the same command again."
        )
    assert path.read_bytes() == before
    assert only_thing_in(path.parent)


@pytest.mark.parametrize("problem", [KeyError("x"), KeyboardInterrupt(), DamagedFileError("x")], ids=repr)
def test_what_goes_wrong_while_arrays_are_filled_passes_through(path, problem):
    before = path.read_bytes()
    with pytest.raises(type(problem)), create_mapped(path, KIND, {}, {"a": ArrayLayout("<f8", (4,))}):
        raise problem
    assert path.read_bytes() == before
    assert only_thing_in(path.parent)


def test_a_source_that_cannot_be_read_is_not_called_a_failure_to_write(path, tmp_path):
    with pytest.raises(OSError), create_mapped(path, KIND, {}, {"a": ArrayLayout("<f8", (4,))}):  # noqa: PT011
        (tmp_path / "source").read_bytes()


@pytest.mark.parametrize("limit", [0, 1000, 3000, 6000, 100_000, 802_000])
def test_a_limit_on_the_size_of_files_is_a_sentence(path, limit):
    before = path.read_bytes()
    code = """
import resource
from mapped_file import *
from nasbench_suite.errors import NasbenchSuiteError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    write(Path(sys.argv[1]), {"a": np.zeros(100_000)})
except NasbenchSuiteError as problem:
    print(problem)
"""
    assert output_of(code, path, limit) == (
        f"cannot write {path}: the file would be larger than the system allows; raise the file-size limit.\n"
    )
    assert path.read_bytes() == before
    assert only_thing_in(path.parent)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("filled", [0, 60_000, 120_000, 124_000, 128_000])
def test_a_full_disk_is_a_sentence(small_disk, filled):
    (small_disk / "other").write_bytes(bytes(filled))
    path = small_disk / "thing.h5"
    with pytest.raises(NasbenchSuiteError) as caught:
        write(path, {"a": np.ones(20_000)})
    assert str(caught.value) == (
        f"cannot write {path}: the disk is full; free some space and run the same command again."
    )
    assert [entry.name for entry in small_disk.iterdir()] == ["other"]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NasbenchSuiteError, match="a part of the path is a file, not a folder"):
        write(tmp_path / "file" / "thing.h5")
    (tmp_path / "thing.h5").mkdir()
    with pytest.raises(NasbenchSuiteError, match=r"cannot write .*thing\.h5: "):
        write(tmp_path / "thing.h5")
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "thing.h5"}
