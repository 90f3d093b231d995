"""Readers of published formats, one file each, each a function that takes an `ImportJob`."""

from collections.abc import Callable
from importlib import import_module

from nasbench_suite.cards import Datasheet
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.tabular.importers import nas_bench_graph
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.table import Table

IMPORTERS = {
    "nasbench-graph": "nas_bench_graph_full:convert",
    "nats-topology": "nats_bench:convert_topology",
    "nats-size": "nats_bench:convert_size",
    "nasbench101": "nas_bench_101:convert",
    "nasbench-macro": "nas_bench_macro:convert",
    "ec-nas": "ec_nas:convert",
    "hw-nas-bench": "hw_nas_bench:convert",
    "help": "help:convert",
    "accel-nasbench": "accel_nas_bench:convert",
    "nasbench201": "nas_bench_201:convert",
    "transnas-bench-101": "transnas_bench_101:convert",
    "nasbench301": "nas_bench_301:convert",
    "table": "delimited:convert",
}
"""`module:function` of every importer by name; a module is loaded when its format is asked for."""

PACKAGE_IMPORTERS: dict[str, Callable[[Datasheet, str], Table]] = {
    "nasbench-graph": nas_bench_graph.from_package,
}
"""Importers that need no file from the user because a PyPI dependency ships the data."""


def importer(name: str) -> Callable[[ImportJob], None]:
    """Return the importer of a format.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists the nearest names.
    """
    if name not in IMPORTERS:
        raise UnknownNameError("importer", name, IMPORTERS)
    module, _, function = IMPORTERS[name].partition(":")
    convert: Callable[[ImportJob], None] = getattr(import_module(f"{__name__}.{module}"), function)
    return convert
