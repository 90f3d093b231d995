"""Tasks by name: `load_benchmark("graph/cora")` gives the benchmark that answers for it."""

from functools import lru_cache

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.tabular.catalogue import open_table_task, table_tasks


def task_names() -> list[str]:
    """Return every task `BENCHMARK/DATASET` that a datasheet describes, whether its table is here or not."""
    return table_tasks()


@lru_cache(maxsize=32)
def load_benchmark(task: str) -> Benchmark:
    """Return the benchmark of a task such as `graph/cora`; the same object for every call.

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
    return open_table_task(task)
