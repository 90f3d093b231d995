"""Finds a task's table: in the user's data folder, converted there on first use if a package ships it.

A table has rows, one per architecture, or operators, whose costs add up to those of any architecture.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from nasbench_suite.benchmark import Metric
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.datasheet import Datasheet, datasheets, described_tasks
from nasbench_suite.tabular.importers import PACKAGE_IMPORTERS, importer
from nasbench_suite.tabular.importers.assembly import Source
from nasbench_suite.tabular.importers.built import source_path
from nasbench_suite.tabular.importers.curves import CURVES, datasheet_of_curves
from nasbench_suite.tabular.importers.job import ImportJob, Progress, checked_name, no_progress, staged
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tabular.operator_table import OperatorTable, is_operator_table, read_operator_table
from nasbench_suite.tabular.table import KIND, Table, read_table, save_table


def tables_folder() -> Path:
    """Return the folder of all converted tables of this schema; apart for every schema."""
    return data_root() / f"tables-{KIND.schema}"


def table_path(task: str) -> Path:
    """Return where the converted table of a task lies, or will lie."""
    benchmark, _, dataset = task.partition("/")
    return tables_folder() / benchmark / f"{dataset}.h5"


def table_tasks() -> list[str]:
    """Return every task that a datasheet describes, and every one whose table the user has imported."""
    return sorted({*described_tasks(), *imported_tasks()})


def imported_tasks() -> list[str]:
    """Return every task whose table is in the user's data folder."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in tables_folder().glob("[!.]*/[!.]*.h5"))


def is_ready(task: str) -> bool:
    """Tell whether the table of a task is here or made without the user's help."""
    sheet = described_tasks().get(task)
    made = PACKAGE_IMPORTERS.get(sheet.importer) if sheet is not None else None
    return table_path(task).exists() or (sheet is not None and made is not None and made.is_ready(sheet))


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one file of this name from another that replaces it; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def is_current(path: Path) -> bool:
    """Tell whether a converted table is there and made of what is there now.

    A table that was made of a build's curves is not, once these have been replaced, or its datasheet says
    something else of the metrics; others do not change.

    Raises
    ------
    DamagedFileError
        When the table is damaged.
    """
    made = stamp(path) if path.parent.parent == tables_folder() else None
    if made is None:
        return False
    source, sha256, metrics = _about(path, made)
    file = source_path(source)
    now = stamp(file) if file is not None else None
    if file is None or now is None:
        return True
    sheet = described_tasks().get(f"{path.parent.name}/{path.stem}")
    described = sheet is None or all(
        metric.name in sheet.metrics
        and sheet.metrics[metric.name].metric(metric.name, metric.recorded) == metric
        for metric in metrics
    )
    return described and _sha256_of(file, now) == sha256


@lru_cache(maxsize=32)
def _about(path: Path, made: tuple[int, int]) -> tuple[str, str, tuple[Metric, ...]]:
    table = read_any_table(path)
    return table.description.source, table.description.source_sha256, tuple(table.metrics.values())


@lru_cache(maxsize=32)
def _sha256_of(path: Path, made: tuple[int, int]) -> str:
    return Source.of([path]).sha256


def read_any_table(path: Path) -> Table | OperatorTable:
    """Open a table of rows or of operators, whichever the file says it is.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another schema or neither.
    NasbenchSuiteError
        When there is no such file.
    """
    return read_operator_table(path) if is_operator_table(path) else read_table(path)


def open_table_task(task: str) -> TabularBenchmark | OperatorSumBenchmark:
    """Open the table of a task, converting it first if a package ships it; see `load_benchmark`."""
    path = table_path(task)
    if not is_current(path):
        sheet = described_tasks().get(task)
        if sheet is None:
            raise UnknownNameError("task", task, table_tasks())
        made = PACKAGE_IMPORTERS.get(sheet.importer)
        if made is None:
            raise NasbenchSuiteError(
                f"the table of {task} is not here; import it from the official files: nasbench-suite import "
                f"{sheet.importer} FILE (nasbench-suite show {sheet.name} says which)."
            )
        save_table(made.convert(sheet, task), path)
    table = read_any_table(path)
    return OperatorSumBenchmark(table) if isinstance(table, OperatorTable) else TabularBenchmark(table)


def import_tables(
    format_name: str,
    files: Sequence[Path],
    *,
    sheet: Datasheet | None = None,
    name: str = "",
    jobs: int = 1,
    progress: Progress = no_progress,
    options: Mapping[str, str] | None = None,
) -> list[str]:
    """Convert official files to tables in the user's data folder and return their tasks.

    Parameters
    ----------
    format_name
        Name of an importer.
    files
        Files or folders, as the importer asks.
    sheet
        The datasheet; that of the importer without it.
    name
        What the tasks start with; what the datasheet says without it.
    jobs, progress
        Worker processes, and a function of (records done, all records).
    options
        Further options, for importers that take them.

    Raises
    ------
    UnknownNameError
        When there is no such importer.
    DamagedFileError
        When a file is not what the importer reads; no table is left behind.
    NasbenchSuiteError
        When a file cannot be read or a table cannot be written.
    """
    convert = importer(format_name)
    for file in files:
        if not file.exists():
            raise NasbenchSuiteError(f"there is no {file}; give the official file or folder.")
    sheet = sheet or (datasheet_of_curves(files[0]) if format_name == CURVES else datasheet_of(format_name))
    name = checked_name(name or sheet.benchmark or sheet.name)
    target = tables_folder() / name
    with staged(target) as staging:
        convert(ImportJob(tuple(files), sheet, name, staging, jobs, progress, dict(options or {})))
        return [f"{name}/{path.stem}" for path in sorted(staging.glob("*.h5"))]


def datasheet_of(format_name: str) -> Datasheet:
    """Return the datasheet whose official files an importer reads.

    Raises
    ------
    UnknownNameError
        When no datasheet names it.
    """
    by_importer = {sheet.importer: sheet for sheet in datasheets().values()}
    if format_name not in by_importer:
        raise UnknownNameError("importer with a datasheet", format_name, by_importer)
    return by_importer[format_name]
