"""Readers of published formats, one file each, each a function that takes an `ImportJob`."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.importers import built, gan, nas_bench_graph
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
    "curves": "curves:convert",
    "table": "delimited:convert",
}
"""`module:function` of every importer by name; a module is loaded when its format is asked for."""


class PackageImporter(NamedTuple):
    """An importer that needs no file from the user: what it reads comes with the suite, or is made by it.

    Attributes
    ----------
    convert
        Makes the table of a task of a datasheet.
    file
        What it reads, where that is a file of the content folders, which may not be there yet.
    """

    convert: Callable[[Datasheet, str], Table]
    file: Callable[[Datasheet], Path] | None = None

    def is_ready(self, sheet: Datasheet) -> bool:
        """Tell whether what it reads is there."""
        return self.file is None or self.file(sheet).is_file()


PACKAGE_IMPORTERS = {
    "nasbench-graph": PackageImporter(nas_bench_graph.from_package),
    "built": PackageImporter(built.from_curves, built.curves_path),
    "gan": PackageImporter(gan.from_trainings, gan.trainings_path),
}
"""Importers whose data a PyPI dependency ships, or a build of this project has trained."""


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
