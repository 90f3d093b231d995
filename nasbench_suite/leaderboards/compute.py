"""What the architectures of a table cost: a column of its own, a cost of a device, or a count."""

from dataclasses import dataclass
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.costed_benchmark import cost_of
from nasbench_suite.tabular.benchmark import TabularBenchmark

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Compute:
    """Costs of the architectures of a table.

    Attributes
    ----------
    name, unit
        What is counted or was measured, and its unit.
    values
        One per row of the table, float64 `[rows]`; NaN where not known.
    origin
        Where they are from, as the end of a sentence: "a column of the table".
    """

    name: str
    unit: str
    values: Values
    origin: str


def compute_of(benchmark: TabularBenchmark, name: str) -> Compute:
    """Return a cost of every architecture of a table.

    Parameters
    ----------
    benchmark
        The table.
    name
        A metric of the table that a search may see; a cost of a device (`latency_ms@raspi4`) or of another
        table (`TASK:METRIC`); or `params_millions` or `flops_millions`, which are counted where the table
        does not have them: of the networks of the space's authors, for inputs of the task's data set.

    Raises
    ------
    UnknownNameError
        When none of these is called so; the message lists the nearest names.
    NasbenchSuiteError
        When larger values are the better ones, so that it is no cost, or networks cannot be counted.
    """
    metric = benchmark.metrics.get(name)
    if metric is not None and metric.role != "test":
        if metric.direction == "max":
            raise NasbenchSuiteError(
                f"{name} of {benchmark.id} is better when larger, so it is no cost; choose one of "
                f"{', '.join(_costs_in(benchmark)) or 'another table'}."
            )
        return Compute(name, metric.unit, _column(benchmark, name), "a column of the table")
    if metric is not None:
        raise UnknownNameError(f"cost of {benchmark.id} called", name, _costs_in(benchmark))
    model = cost_of(benchmark, name)
    if model.direction == "max":
        raise NasbenchSuiteError(f"{name} is better when larger, so it is no cost; choose a latency.")
    with catch_warnings():
        simplefilter("ignore", MissingResultWarning)
        values = model.predict(benchmark.table.genes)
    return Compute(name, model.unit, values, model.origin)


def _column(benchmark: TabularBenchmark, name: str) -> Values:
    with catch_warnings():  # what is missing is counted by those who ask
        simplefilter("ignore", MissingResultWarning)
        return benchmark.query(benchmark.table.genes, info=[name]).info[name]


def _costs_in(benchmark: TabularBenchmark) -> list[str]:
    metrics = benchmark.metrics.values()
    return sorted(m.name for m in metrics if m.role in ("info", "cost") and m.direction == "min")
