"""Files that are whole or absent: written aside, flushed, then renamed into place."""

import errno
import os
import tempfile
from pathlib import Path

from nasbench_suite.errors import NasbenchSuiteError

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


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees either the old file or the whole new one.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full. Nothing half-written stays behind.
    """
    aside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        aside = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as problem:
        if aside is not None:
            aside.unlink(missing_ok=True)
        raise NasbenchSuiteError(f"cannot write {path}: {explain(problem)}.") from problem
    except BaseException:
        if aside is not None:
            aside.unlink(missing_ok=True)
        raise
