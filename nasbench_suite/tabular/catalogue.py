"""Finds a task's table: in the user's data folder, converted there on first use if a package ships it."""

from pathlib import Path

from nasbench_suite.cards import datasheets
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.importers import PACKAGE_IMPORTERS
from nasbench_suite.tabular.table import KIND, read_table, save_table


def table_path(task: str) -> Path:
    """Return where the converted table of a task lies, or will lie; apart for every schema."""
    return data_root() / f"tables-{KIND.schema}" / f"{task.replace('/', '-')}.h5"


def table_tasks() -> list[str]:
    """Return every task that a datasheet describes."""
    return sorted(f"{name}/{task}" for name, sheet in datasheets().items() for task in sheet.tasks)


def open_table_task(task: str) -> TabularBenchmark:
    """Open the table of a task, converting it first if a package ships it; see `load_benchmark`."""
    benchmark, _, dataset = task.partition("/")
    sheet = datasheets().get(benchmark)
    if sheet is None or dataset not in sheet.tasks:
        raise UnknownNameError("task", task, table_tasks())
    path = table_path(task)
    if not path.exists():
        convert = PACKAGE_IMPORTERS.get(sheet.importer)
        if convert is None:
            raise NasbenchSuiteError(
                f"the table of {task} is not here; import it from the official files "
                f"(importer {sheet.importer})."
            )
        save_table(convert(sheet, task), path)
    return TabularBenchmark(read_table(path))
