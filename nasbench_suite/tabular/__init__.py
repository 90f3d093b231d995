"""Tables: published results, one HDF5 file per task, answering by array look-up."""

from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.table import Column, Table, TableDescription

__all__ = ["Column", "Table", "TableDescription", "TabularBenchmark"]
