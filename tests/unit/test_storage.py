"""Files appear whole or not at all, and failures are sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.storage import write_whole


def test_folders_are_made_and_bytes_written(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_whole(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "file.bin"
    write_whole(path, b"old and long")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_reader_of_the_old_file_keeps_it(tmp_path):
    path = tmp_path / "file.bin"
    write_whole(path, b"old")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, problem):
    path = tmp_path / "file.bin"
    write_whole(path, b"old")

    def fail(*args, **kwargs):
        raise problem

    monkeypatch.setattr(os, step, fail)
    expected = NasbenchSuiteError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_whole(path, b"new")
    if expected is NasbenchSuiteError:
        assert str(caught.value) == (
            f"cannot write {path}: the disk is full; free some space and run the same command again."
        )
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_bytes_are_flushed_to_disk_before_the_file_appears(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *args: (steps.append("fsync"), fsync(*args)))
    monkeypatch.setattr(os, "replace", lambda *args: (steps.append("replace"), replace(*args)))
    write_whole(tmp_path / "file.bin", b"new")
    assert steps == ["fsync", "replace"]


def test_a_limit_on_the_size_of_files_is_a_sentence(tmp_path):
    path = tmp_path / "file.bin"
    write_whole(path, b"old")
    code = f"""
import pathlib, resource, signal
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.storage import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(pathlib.Path({str(path)!r}), bytes(5000))
except NasbenchSuiteError as problem:
    print(problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == (
        f"cannot write {path}: the file would be larger than the system allows; raise the file-size limit."
    )
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_a_path_below_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NasbenchSuiteError, match="a part of the path is a file, not a folder"):
        write_whole(tmp_path / "file" / "below" / "x.bin", b"new")


def test_a_path_directly_below_a_file_is_the_same_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NasbenchSuiteError, match="a part of the path is a file, not a folder"):
        write_whole(tmp_path / "file" / "x.bin", b"new")


def test_a_folder_in_the_place_of_the_file_is_a_sentence(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(NasbenchSuiteError, match=r"cannot write .*folder: "):
        write_whole(tmp_path / "folder", b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody may write to")
def test_an_unwritable_folder_is_a_sentence():
    with pytest.raises(NasbenchSuiteError, match=r"cannot write /proc/nowhere/x\.bin: "):
        write_whole(Path("/proc/nowhere/x.bin"), b"new")
