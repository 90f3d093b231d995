"""Files that are whole or absent: written aside, flushed, then renamed into place.

Whoever writes holds a lock on what lies aside. The system releases it when a process is killed, so that the
next writer of the same file knows what was abandoned, and removes it.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from nasbench_suite.errors import NasbenchSuiteError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # no POSIX: nobody can tell what was abandoned, and it stays
    fcntl = None

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "your disk quota is used up; free some space and run the same command again",
    errno.EFBIG: "the file would be larger than the system allows; raise the file-size limit",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "you may not write there; choose another folder or change its permissions",
    errno.EPERM: "you may not write there; choose another folder or change its permissions",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another folder",
}


def explain(problem: OSError) -> str:
    """Return why writing failed and what to do, without a full stop."""
    return _REASONS.get(problem.errno or 0, problem.strerror or str(problem))


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path` that takes its place when the block ends well, and goes if not.

    An OSError is the caller's to explain; the caller flushes what it writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    with _locked_aside(path, _new_file) as aside:
        try:
            yield aside
            aside.chmod(0o644)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


@contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which goes when the block ends.

    An OSError is the caller's to explain. What earlier ones left is the caller's to remove, when nothing of
    it is wanted any more: see `remove_abandoned`.
    """
    with _locked_aside(path, tempfile.mkdtemp) as aside:
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees either the old file or the whole new one.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full. Nothing half-written stays behind.
    """
    try:
        with written_aside(path) as aside, aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise NasbenchSuiteError(f"cannot write {path}: {explain(problem)}.") from problem


def remove_abandoned(path: Path) -> None:
    """Remove the files and folders aside of `path` whose writers were killed, as far as that is possible."""
    start = f".{path.name}."
    with suppress(OSError), os.scandir(path.parent) as entries:  # 0.3 microseconds an entry
        for name in [entry.name for entry in entries if entry.name.startswith(start)]:
            if re.fullmatch(r"\w{8}\.part", name.removeprefix(start)):
                with suppress(OSError):
                    _remove_unlocked(path.parent / name)


def _new_file(**where: Any) -> str:
    descriptor, name = tempfile.mkstemp(**where)
    os.close(descriptor)
    return str(name)


@contextmanager
def _locked_aside(path: Path, new: Callable[..., str]) -> Iterator[Path]:
    """Yield a new file or folder aside, locked until the block ends as far as there are locks."""
    while True:
        aside = Path(new(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        lock = _lock(aside, wait=True)
        if aside.exists():
            break
        _release(lock)  # it was taken for abandoned before it was locked
    try:
        yield aside
    finally:
        _release(lock)


def _remove_unlocked(aside: Path) -> None:
    lock = _lock(aside, wait=False)
    if lock is None:
        return
    try:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()
    finally:
        _release(lock)


def _lock(aside: Path, *, wait: bool) -> int | None:
    """Open and lock a file or folder; None where another has the lock or the file system knows no locks."""
    if fcntl is None:
        return None
    how = os.O_RDONLY if aside.is_dir() else os.O_RDWR  # NFS locks what may be written
    try:
        descriptor = os.open(aside, how)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
