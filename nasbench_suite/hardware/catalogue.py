"""Costs by name: which quantities of which devices the tables know, and the model that answers for one."""

from dataclasses import dataclass

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.cost_model import CostModel, stem_of, unit_of
from nasbench_suite.hardware.measured_costs import MeasuredCosts
from nasbench_suite.tabular.catalogue import is_ready
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tasks import load_benchmark


@dataclass(frozen=True)
class KnownCost:
    """A cost that a datasheet describes.

    Attributes
    ----------
    name
        `QUANTITY@DEVICE`.
    task, metric
        The table and its column.
    space
        Of its architectures.
    description
        What the datasheet says of it.
    """

    name: str
    task: str
    metric: str
    space: str
    description: str

    @property
    def device(self) -> str:
        """The device."""
        return self.name.partition("@")[2]


def known_costs(space: str = "") -> list[KnownCost]:
    """Return all costs that datasheets describe, of a space or of all; their tables need not be here.

    A datasheet may have tables that lack some of its metrics; those that are here are looked at.
    """
    found = [
        KnownCost(entry.cost, sheet.task(dataset), metric, task.space, entry.description)
        for sheet in datasheets().values()
        for dataset, task in sheet.tasks.items()
        for metric, entry in sheet.metrics.items()
        if entry.cost and space in ("", task.space)
    ]
    return [one for one in found if not is_ready(one.task) or one.metric in load_benchmark(one.task).metrics]


def open_costs(name: str, space: str = "", dataset: str = "") -> CostModel:
    """Return the cost model of a name.

    Parameters
    ----------
    name
        `QUANTITY@DEVICE`, such as `latency_ms@raspi4`, or `TASK:METRIC` for any column of any table.
    space
        The space whose architectures are asked; needed where several spaces know the device.
    dataset
        Preferred where several tables do: the one named after this data set, else the first that is here.

    Raises
    ------
    UnknownNameError
        When no table knows it; the message lists the nearest names.
    NasbenchSuiteError
        When no such table is here, or spaces have to be told apart.
    """
    task, colon, metric = name.partition(":")
    if colon:
        quantity, _, device = _cost_of(task, metric).partition("@")
        return MeasuredCosts(task, metric, quantity, device)
    named = [cost for cost in known_costs(space) if cost.name == name]
    if not named:
        _check_unit(name, known_costs(space))
        raise UnknownNameError(
            f"cost of space {space!r} called" if space else "cost called",
            name,
            {cost.name for cost in known_costs(space)},
        )
    here = [cost for cost in named if is_ready(cost.task)]
    if not here:
        raise NasbenchSuiteError(
            f"{name} is in {' and '.join(cost.task for cost in named)}, which is not here; nasbench-suite "
            f"show {named[0].task.partition('/')[0]} says how to get it."
        )
    spaces = sorted({cost.space for cost in here})
    if len(spaces) > 1:
        raise NasbenchSuiteError(f"{name} is known of spaces {' and '.join(spaces)}; say which is meant.")
    fitting = [cost for cost in here if dataset and cost.task.partition("/")[2] == dataset]
    found = (fitting or here)[0]
    quantity, _, device = found.name.partition("@")
    return MeasuredCosts(found.task, found.metric, quantity, device)


def _check_unit(name: str, known: list[KnownCost]) -> None:
    """Refuse a name that is right but for its unit."""
    quantity, _, device = name.partition("@")
    for cost in known:
        other = cost.name.partition("@")[0]
        if cost.device == device and stem_of(other) == stem_of(quantity):
            raise NasbenchSuiteError(
                f"the {stem_of(other)} of {device} is in {unit_of(other)}, not in what {quantity!r} says; "
                f"ask for {cost.name} and convert."
            )


def _cost_of(task: str, metric: str) -> str:
    """Return what a datasheet calls the cost in a column, or the column's own name."""
    named = [cost.name for cost in known_costs() if (cost.task, cost.metric) == (task, metric)]
    return named[0] if named else metric
