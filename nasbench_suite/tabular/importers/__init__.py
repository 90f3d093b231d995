"""Readers of published formats, one file each."""

from collections.abc import Callable

from nasbench_suite.cards import Datasheet
from nasbench_suite.tabular.importers import nas_bench_graph
from nasbench_suite.tabular.table import Table

PACKAGE_IMPORTERS: dict[str, Callable[[Datasheet, str], Table]] = {
    "nasbench-graph": nas_bench_graph.from_package,
}
"""Importers that need no file from the user because a PyPI dependency ships the data."""
