"""Files appear whole or not at all, and failures are sentences."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nasbench_suite import NasbenchSuiteError, storage
from nasbench_suite.storage import folder_aside, remove_abandoned, write_whole

fcntl = pytest.importorskip("fcntl", reason="without POSIX nobody can tell what was abandoned")


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


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


# -- what writers leave that are killed -----------------------------------------------------------

WRITER = """
import pathlib, sys
from nasbench_suite.storage import folder_aside, written_aside
with {aside}(pathlib.Path(sys.argv[1])) as aside:
    if aside.is_dir():
        (aside / "large").write_text("half")
    else:
        aside.write_text("half")
    print(aside.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["written_aside", "folder_aside"])
def writer(request, tmp_path):
    """A process that is half-way in writing `file.bin`, or a folder of that name."""
    command = [sys.executable, "-c", WRITER.format(aside=request.param), str(tmp_path / "file.bin")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.aside = process.stdout.readline().strip()
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_writer_left_goes_when_the_same_file_is_written_again(tmp_path, writer):
    writer.kill()
    writer.communicate()
    assert names(tmp_path) == [writer.aside]
    write_whole(tmp_path / "other.bin", b"other")
    assert names(tmp_path) == [writer.aside, "other.bin"]
    write_whole(tmp_path / "file.bin", b"new")
    assert names(tmp_path) == ["file.bin", "other.bin"]


def test_what_a_living_writer_writes_stays(tmp_path, writer):
    write_whole(tmp_path / "file.bin", b"new")
    remove_abandoned(tmp_path / "file.bin")
    assert names(tmp_path) == [writer.aside, "file.bin"]
    writer.communicate()
    assert writer.returncode == 0
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    "name", [".file.bin.part", ".file.bin.mine.part", ".file_bin.abcdefgh.part", ".file.bin.abcdefgh"]
)
def test_what_is_not_named_like_a_file_aside_stays(tmp_path, name):
    (tmp_path / name).write_text("mine")
    write_whole(tmp_path / "file.bin", b"new")
    assert names(tmp_path) == [name, "file.bin"]


def test_a_link_or_a_pipe_in_the_place_of_a_file_aside_does_no_harm(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").write_text("mine")
    (tmp_path / ".file.bin.abcdefgh.part").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / ".file.bin.abcdefgi.part")
    write_whole(tmp_path / "file.bin", b"new")
    assert (tmp_path / "mine" / "kept").read_text() == "mine"
    assert (tmp_path / "file.bin").read_bytes() == b"new"


def no_locks(descriptor, how):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("lost", ["module", "locks"])
def test_where_there_are_no_locks_files_are_written_and_nothing_is_taken_for_abandoned(
    tmp_path, monkeypatch, lost
):
    if lost == "module":
        monkeypatch.setattr(storage, "fcntl", None)
    else:
        monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / ".file.bin.abcdefgh.part").write_text("perhaps being written")
    write_whole(tmp_path / "file.bin", b"new")
    with folder_aside(tmp_path / "file.bin") as aside:
        (aside / "x").write_text("")
    assert names(tmp_path) == [".file.bin.abcdefgh.part", "file.bin"]


def test_a_file_aside_that_was_taken_for_abandoned_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    made, make = [], tempfile.mkstemp

    def raced(**where):
        descriptor, name = make(**where)
        made.append(name)
        if len(made) == 1:
            remove_abandoned(tmp_path / "file.bin")
            assert names(tmp_path) == []
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", raced)
    write_whole(tmp_path / "file.bin", b"new")
    assert len(made) == 2
    assert (tmp_path / "file.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["file.bin"]
