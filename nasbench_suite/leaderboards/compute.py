"""What the architectures of a table cost: a column of its own, a cost of a device, or a count."""

from dataclasses import dataclass, replace
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.catalogue import known_costs, open_costs
from nasbench_suite.hardware.cost_model import unit_of
from nasbench_suite.tabular.benchmark import TabularBenchmark

Values = NDArray[np.float64]

_COUNTED = {"params_millions": "parameters", "flops_millions": "multiply_adds"}
_INPUTS = {
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "ImageNet16-120": ((3, 16, 16), 120),
}
"""Shape of one input and number of classes of data sets whose tables may lack counts."""


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
    if "@" in name or ":" in name:
        return _of_device(benchmark, name)
    if name in _COUNTED:
        return _counted(benchmark, name)
    raise UnknownNameError(f"cost of {benchmark.id} called", name, _known(benchmark))


def _column(benchmark: TabularBenchmark, name: str) -> Values:
    with catch_warnings():  # what is missing is counted by those who ask
        simplefilter("ignore", MissingResultWarning)
        return benchmark.query(benchmark.table.genes, info=[name]).info[name]


def _costs_in(benchmark: TabularBenchmark) -> list[str]:
    metrics = benchmark.metrics.values()
    return sorted(m.name for m in metrics if m.role in ("info", "cost") and m.direction == "min")


def _known(benchmark: TabularBenchmark) -> set[str]:
    devices = {cost.name for cost in known_costs(benchmark.space.name)}
    return {*_costs_in(benchmark), *devices, *_COUNTED}


def _of_device(benchmark: TabularBenchmark, name: str) -> Compute:
    model = open_costs(name, benchmark.space.name, _dataset(benchmark))
    if name.partition("@")[0].startswith("throughput"):
        raise NasbenchSuiteError(f"{name} is better when larger, so it is no cost; choose a latency.")
    if model.space.name != benchmark.space.name:
        raise NasbenchSuiteError(
            f"{name} is a cost of space {model.space.name}, and {benchmark.id} has {benchmark.space.name}."
        )
    with catch_warnings():
        simplefilter("ignore", MissingResultWarning)
        values = model.predict(benchmark.table.genes)
    return Compute(name, model.unit, values, f"measured, as {getattr(model, 'task', 'a model')} has it")


def _dataset(benchmark: TabularBenchmark) -> str:
    """Return the data set of a task: without the length of the schedule, or which part validates."""
    return benchmark.id.partition("/")[2].partition("@")[0].removesuffix("-valid")


def _counted(benchmark: TabularBenchmark, name: str) -> Compute:
    from nasbench_suite.training.counting import count_many  # loads torch
    from nasbench_suite.training.networks import network_spaces, official_skeleton

    space, dataset = benchmark.space.name, _dataset(benchmark)
    if space not in network_spaces() or dataset not in _INPUTS:
        lacks = f"inputs of {dataset}" if space in network_spaces() else f"networks of space {space}"
        raise NasbenchSuiteError(
            f"{benchmark.id} has no {name}, and it cannot be counted, as {lacks} are not known; its costs "
            f"are {', '.join(_costs_in(benchmark)) or 'none'}."
        )
    shape, classes = _INPUTS[dataset]
    skeleton = replace(official_skeleton(space, classes=classes), inputs=shape[0])
    counts = count_many(space, benchmark.table.genes, skeleton, shape)
    values = getattr(counts, _COUNTED[name]) * 1e-6
    size = " x ".join(map(str, shape))
    return Compute(name, unit_of(name), values, f"counted here, for inputs of {size} and {classes} classes")
