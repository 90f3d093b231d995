"""Somebody's runs in one file: the records of a strategy on all tasks of a board, and what made them.

A zip file: `submission.json`, the records as `records/TASK/block-NNNN.h5` (the task's slash is a dash), and
the file of the strategy, where it is none of the suite, as `strategy.py`. The same runs give the same bytes.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from nasbench_suite.blocks import made_with
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.rules import Entry, Rules
from nasbench_suite.storage import write_whole
from nasbench_suite.strategies.catalogue import StrategySource

RECORDS = "runs"
"""Folder of a board that was played, in which the records lie."""
HEAD, STRATEGY = "submission.json", "strategy.py"
_FORMAT = 1
_RECORD = re.compile(r"records/[\w@.-]+/block-\d{4,}\.h5")
_MOST_BYTES = 2 << 30
_MOST_FILES = 100_000
_WHAT_DAMAGE_RAISES = (
    *(zipfile.BadZipFile, zlib.error, ValidationError, NotImplementedError, RuntimeError, EOFError, OSError),
)
_WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that the same content gives the same bytes."""


class Head(BaseModel):
    """What a submission says of itself.

    Attributes
    ----------
    format
        Of the file.
    contest
        What the rules of the board fix for everybody, see `contest_of`.
    entry
        The strategy as the rules have it; its file, if it has one, is `strategy.py`.
    about
        A sentence or two of the submitter.
    made_with
        The processor, and versions of Python and packages.
    sha256
        Of every other file, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    contest: dict[str, object]
    entry: Entry
    about: str
    made_with: dict[str, str]
    sha256: dict[str, str]


@dataclass(frozen=True)
class Submission:
    """The content of a file: its head, and the bytes of all files that the head names."""

    head: Head
    files: Mapping[str, bytes]

    @property
    def label(self) -> str:
        """What the board calls it."""
        return self.head.entry.name

    @property
    def file(self) -> str:
        """What the strategy's file is called beside the board's rules."""
        return f"{self.label}.py"

    @property
    def entry(self) -> Entry:
        """The strategy as the board's rules will have it, its file beside them."""
        entry = self.head.entry
        if self.code is None:
            return entry
        return entry.model_copy(update={"strategy": entry.strategy.replace(STRATEGY, self.file, 1)})

    @property
    def code(self) -> bytes | None:
        """The file of the strategy; None where the suite has it."""
        return self.files.get(STRATEGY)

    def records(self, task: str) -> list[bytes]:
        """Return the records of a task, block by block."""
        folder = f"records/{task.replace('/', '-')}/"
        return [self.files[name] for name in sorted(self.files) if name.startswith(folder)]


def contest_of(rules: Rules) -> dict[str, object]:
    """Return what the rules fix for all strategies: tasks, budget, seed, and what counts."""
    names = {"tasks", "evaluations", "seconds", "overshoot", "seed", "duplicates", "repeat"}
    return json.loads(rules.model_dump_json(include=names))  # type: ignore[no-any-return]


def pack(board: Board, folder: Path, label: str, out: Path, *, home: Path, about: str = "") -> Path:
    """Write the runs of one strategy of a board that was played into a file.

    Parameters
    ----------
    board, folder
        The board, and where it was played: the folder with `runs`.
    label
        Of the strategy.
    out
        The file to write.
    home
        The folder of the rules, to which files of strategies are relative.
    about
        A sentence or two for readers of the board.

    Raises
    ------
    NasbenchSuiteError
        When the board has no such strategy, or its records or its file are not there.
    """
    entries = {entry.name: entry for entry in board.rules.strategies if entry.name in board.labels}
    if label not in entries:
        raise NasbenchSuiteError(
            f"the board has no strategy {label!r} that was played; it has {', '.join(entries)}."
        )
    entry, files = entries[label], _records(board.rules, folder, label)
    strategy = entry.strategy
    if ".py:" in strategy:
        path, _, cls = strategy.rpartition(":")
        source = home / path
        if not source.is_file():
            raise NasbenchSuiteError(f"the file of {label}, {source}, is not there; say where its rules lie.")
        files[STRATEGY], strategy = source.read_bytes(), f"{STRATEGY}:{cls}"
    head = Head(
        format=_FORMAT,
        contest=contest_of(board.rules),
        entry=entry.model_copy(update={"strategy": strategy, "label": label}),
        about=about,
        made_with=_versions(board, entry, home),
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    )
    write_whole(out, _zipped({HEAD: head.model_dump_json(indent=1).encode(), **files}))
    return out


def _versions(board: Board, entry: Entry, home: Path) -> dict[str, str]:
    search = board.rules.search(entry, board.rules.tasks[0], home)
    return made_with(StrategySource.of(search.strategy))


def _records(rules: Rules, folder: Path, label: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for task in rules.tasks:
        name = task.replace("/", "-")
        blocks = sorted((folder / RECORDS / name / label).glob("block-*.h5"))
        if not blocks:
            raise NasbenchSuiteError(
                f"{folder / RECORDS / name / label} has no records; play the board here first: "
                "nasbench-suite leaderboard run."
            )
        files |= {f"records/{name}/{path.name}": path.read_bytes() for path in blocks}
    return files


def _zipped(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return target.getvalue()


def read_submission(path: Path) -> Submission:
    """Read a file; nothing in it is run, and nothing is written anywhere.

    Raises
    ------
    DamagedFileError
        When it is no submission, of another format, larger than any can be, or a file in it is not what its
        head says.
    NasbenchSuiteError
        When there is none.
    """
    if not path.is_file():
        raise NasbenchSuiteError(f"there is no {path}; pack one with nasbench-suite submit.")
    try:
        with zipfile.ZipFile(path) as archive:
            files = _unpacked(archive, path)
        head = Head.model_validate_json(files.pop(HEAD, b""))
    except _WHAT_DAMAGE_RAISES as cause:
        raise _damaged(path, "it is no submission, or damaged") from cause
    if head.format != _FORMAT:
        raise _damaged(path, f"its format is {head.format}, not {_FORMAT}")
    for name in sorted({*head.sha256, *files}):
        if name not in files or hashlib.sha256(files[name]).hexdigest() != head.sha256.get(name):
            raise _damaged(path, f"{name} is not what {HEAD} says of it")
    return Submission(head, files)


def _unpacked(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise _damaged(path, "it unpacks to more than a submission can hold")
    for entry in entries:
        if entry.filename not in (HEAD, STRATEGY) and not _RECORD.fullmatch(entry.filename):
            raise _damaged(path, f"{entry.filename!r} is nothing that a submission has")
    files: dict[str, bytes] = {}
    for entry in entries:
        with archive.open(entry) as file:
            content = file.read(entry.file_size + 1)
        if len(content) != entry.file_size:
            raise _damaged(path, f"{entry.filename} is longer than the file says")
        files[entry.filename] = content
    return files


def _damaged(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(f"{path} cannot be read: {what}; get it again from who packed it.")
