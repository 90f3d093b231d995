"""An import under way: which files, into which tables; either all tables appear or none does."""

import errno
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nasbench_suite.errors import NasbenchSuiteError, shorten
from nasbench_suite.storage import explain, folder_aside, remove_abandoned
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.table import Table, save_table

Progress = Callable[[int, int], None]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_@.+-]*")


def checked_name(name: str) -> str:
    """Return a benchmark's or data set's name if it can be the name of a file.

    Raises
    ------
    NasbenchSuiteError
        When it cannot.
    """
    if not _NAME.fullmatch(name):
        raise NasbenchSuiteError(
            f"{shorten(name)!r} cannot name a benchmark or data set; use letters, digits and _ @ . + -, a "
            "letter or digit first."
        )
    return name


def no_progress(done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class ImportJob:
    """What an importer is asked to do. An importer is a function that takes one and returns nothing.

    Attributes
    ----------
    files
        The files or folders that the user named, in order; at least one.
    sheet
        The datasheet of the benchmark.
    name
        What the tables' tasks start with: the datasheet's name unless the user gave another.
    staging
        An empty folder; what lies there at the end becomes the benchmark's tables.
    jobs
        Worker processes that may be used.
    progress
        To be called with records done and all records.
    options
        Further options of the command line, for importers that take them.
    """

    files: tuple[Path, ...]
    sheet: Datasheet
    name: str
    staging: Path
    jobs: int = 1
    progress: Progress = no_progress
    options: dict[str, str] = field(default_factory=dict)

    def task(self, dataset: str) -> str:
        """Return the task name of a data set."""
        return f"{self.name}/{dataset}"

    def path(self, dataset: str) -> Path:
        """Return where the table of a data set is to be written."""
        return self.staging / f"{dataset}.h5"

    def save(self, table: Table) -> None:
        """Write a table that is held in memory."""
        save_table(table, self.path(table.description.task.partition("/")[2]))

    def one_file(self) -> Path:
        """Return the only file.

        Raises
        ------
        NasbenchSuiteError
            When there are several.
        """
        if len(self.files) != 1:
            raise NasbenchSuiteError(
                f"importer {self.sheet.importer} reads one file, not {len(self.files)}; name one."
            )
        return self.files[0]


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Yield an empty folder whose files are moved to `target`, all or none, when the block ends well.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full. Nothing half-made stays behind.
    """
    with ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = stack.enter_context(folder_aside(target))
            (staging / "new").mkdir()
        except OSError as problem:
            raise NasbenchSuiteError(f"cannot write {target}: {explain(problem)}.") from problem
        yield staging / "new"  # an OSError in here is one of reading the source
        try:
            _move_all(staging, target)
        except OSError as problem:
            raise NasbenchSuiteError(f"cannot write {target}: {explain(problem)}.") from problem
        remove_abandoned(target)


def _move_all(staging: Path, target: Path) -> None:
    """Move the files of `staging/new` to `target`; put back what was there if one cannot be moved."""
    existed = target.is_dir()
    moved: list[str] = []
    (staging / "old").mkdir()
    try:
        for path in sorted((staging / "new").iterdir()):
            target.mkdir(exist_ok=True)
            if (target / path.name).is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder there; remove it")
            if (target / path.name).exists():
                (target / path.name).replace(staging / "old" / path.name)
            moved.append(path.name)
            path.replace(target / path.name)
    except OSError:
        for name in moved:
            (target / name).unlink(missing_ok=True)
            if (staging / "old" / name).exists():
                (staging / "old" / name).replace(target / name)
        if not existed:
            shutil.rmtree(target, ignore_errors=True)
        raise
