"""What writers leave that are killed, and when it goes."""

import errno
import os
import subprocess
import sys
import tempfile

import pytest

from nasbench_suite import storage
from nasbench_suite.storage import folder_aside, remove_abandoned, write_whole

fcntl = pytest.importorskip("fcntl", reason="without POSIX nobody can tell what was abandoned")


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


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
