"""Tasks by name: `load_benchmark("graph/cora")` gives the benchmark that answers for it."""

from functools import lru_cache
from pathlib import Path

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.tabular.catalogue import open_table_task, table_path, table_tasks


def task_names() -> list[str]:
    """Return every task `BENCHMARK/DATASET` that a datasheet describes or the user has imported."""
    return table_tasks()


def load_benchmark(task: str) -> Benchmark:
    """Return the benchmark of a task such as `graph/cora`; the same object until its table is replaced.

    The first call for a table that a package ships converts it to HDF5 under the user's data folder.

    Raises
    ------
    UnknownNameError
        When no datasheet describes the task; the message lists the nearest names.
    DamagedFileError
        When the table's checksum does not hold.
    NasbenchSuiteError
        When the data folder cannot be written, or the table has to be imported first.
    """
    path = table_path(task)
    if _stamp(path) is None:
        open_table_task(task)  # converts it, or says that it has to be imported
    return _open(task, path, _stamp(path))


@lru_cache(maxsize=32)
def _open(task: str, path: Path, stamp: tuple[int, int] | None) -> Benchmark:
    return open_table_task(task)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells one file of this name from another that replaces it; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
