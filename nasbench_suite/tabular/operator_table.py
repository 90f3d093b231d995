"""The format of operator tables: one HDF5 file per task whose results are sums over a network's operators.

    /                 attributes: description (JSON), metrics (JSON), before (JSON), after (JSON)
    /operators/NAME   float64 [layers, operations]  what each operation adds as that layer
    /before/NAME      float64 [parts]               what every network has in front of its layers
    /after/NAME       float64 [parts]               what every network has behind them

The attributes `before` and `after` name these parts. Such a table stands for all networks of a space, which
are too many to be rows. The files lie where tables do and are told from them by their first line; damage is
seen by the seals of the file (`mapped.py`). They are small, so all of a file is verified when it is opened.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from nasbench_suite.benchmark import Metric
from nasbench_suite.mapped import ArrayLayout, MappedFile, create_mapped, open_mapped, sha256_of
from nasbench_suite.sealed import Kind
from nasbench_suite.spaces import get_space
from nasbench_suite.spaces.product import ProductSpace
from nasbench_suite.tabular.table import TableDescription

KIND = Kind("operator-table", 1, "delete it and import it again from its source")
_METRIC_ATTRIBUTES = ("unit", "direction", "role", "recorded", "description")
_METRICS = TypeAdapter(dict[str, Metric])
_PARTS = TypeAdapter(list[str])


class OperatorCosts(NamedTuple):
    """What the parts of a network add to a metric, in the metric's unit.

    Attributes
    ----------
    before, after
        float64 `[parts]`, of the parts in front of the layers and behind them, in the order of addition.
    operators
        float64 `[layers, operations]`.
    """

    before: NDArray[np.float64]
    operators: NDArray[np.float64]
    after: NDArray[np.float64]


class OperatorTable:
    """The costs of all operators of a task's networks.

    Attributes
    ----------
    description
        What the table is and where it comes from; it has neither a validation nor a test metric, and one
        repeat.
    metrics
        Metrics by name, recorded once, all of role `info`.
    before, after
        What the parts in front of the layers and behind them are.
    costs
        `OperatorCosts` of every metric.
    path
        The file that the arrays are mapped from; None for a table in memory.

    Raises
    ------
    ValueError
        When shapes, roles or names disagree, or a cost is not finite.
    """

    def __init__(
        self,
        description: TableDescription,
        metrics: Mapping[str, Metric],
        before: list[str],
        after: list[str],
        costs: Mapping[str, OperatorCosts],
        path: Path | None = None,
    ):
        self.description = description
        self.metrics = metrics
        self.before = before
        self.after = after
        self.costs = costs
        self.path = path
        _check(self)

    def __reduce__(self) -> Any:
        if self.path is not None:
            return read_operator_table, (self.path,)  # another process maps the same file
        return OperatorTable, (self.description, self.metrics, self.before, self.after, self.costs)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 that names the table; the same whatever version of the suite wrote it."""
        named = {
            **_head(self),
            "description": self.description.model_dump(exclude={"created_with"}),
            "sums": {name: sha256_of(array) for name, array in _arrays(self).items()},
        }
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def _head(table: OperatorTable) -> dict[str, Any]:
    return {
        "description": table.description.model_dump(),
        "metrics": {name: asdict(metric) for name, metric in table.metrics.items()},
        "before": table.before,
        "after": table.after,
    }


def _arrays(table: OperatorTable) -> dict[str, NDArray[np.float64]]:
    """Return all arrays by their name in the file."""
    return {
        f"{part}/{name}": array
        for name, costs in table.costs.items()
        for part, array in costs._asdict().items()
    }


def _check(table: OperatorTable) -> None:
    description, space = table.description, get_space(table.description.space)
    if not isinstance(space, ProductSpace) or len(set(space.cardinalities)) != 1:
        raise ValueError(f"networks of space {space.name} are no layers that choose from the same operations")
    if description.valid or description.test or len(description.repeats) != 1:
        raise ValueError("sums over operators are neither validation nor test results, and there is one each")
    if not table.metrics or set(table.metrics) != set(table.costs):
        raise ValueError("the metrics are not those that costs are given of")
    shapes = (len(table.before),), (space.n_genes, space.cardinalities[0]), (len(table.after),)
    for name, metric in table.metrics.items():
        if (metric.name, metric.role, metric.recorded) != (name, "info", "once"):
            raise ValueError(f"metric {name} is {metric}")
        _check_costs(name, table.costs[name], shapes)


def _check_costs(name: str, costs: OperatorCosts, shapes: tuple[tuple[int, ...], ...]) -> None:
    for array, shape in zip(costs, shapes, strict=True):
        if array.dtype != np.float64 or array.shape != shape:
            raise ValueError(f"{name} has costs {array.dtype} {array.shape}, not float64 {shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        largest = sum(float(np.abs(array).sum()) for array in costs)
    if not np.isfinite(largest):  # a bound of every network's sum
        raise ValueError(f"{name} has a cost that is not finite, or too large to be added up")


def save_operator_table(table: OperatorTable, path: Path) -> None:
    """Write the table, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    arrays = _arrays(table)
    layouts = {
        name: ArrayLayout("<f8", array.shape, _attributes(table, name)) for name, array in arrays.items()
    }
    with create_mapped(path, KIND, _head(table), layouts) as places:
        for name, array in arrays.items():
            if array.size:
                places[name].open("r+")[...] = array


def _attributes(table: OperatorTable, name: str) -> dict[str, str]:
    """Return what HDF5 programs see beside an array."""
    metric = table.metrics[name.partition("/")[2]]
    return {key: getattr(metric, key) for key in _METRIC_ATTRIBUTES}


def is_operator_table(path: Path) -> bool:
    """Tell whether the first line of a file says that it is an operator table, of whatever schema.

    Whoever reads the file then finds out whether that is so, and why it cannot be read.
    """
    said = KIND.mark.rpartition(b" ")[0] + b" "
    try:
        if not path.is_file():  # opening a named pipe would wait for a writer
            return False
        with path.open("rb") as file:
            return file.read(len(said)) == said
    except OSError:
        return False


def read_operator_table(path: Path) -> OperatorTable:
    """Open an operator table and verify all of it.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another schema or no operator table at all.
    NasbenchSuiteError
        When there is no such file.
    """
    file = open_mapped(path, KIND)
    try:
        head = file.head
        _METRICS.validate_python(head["metrics"])  # a Metric takes any words
        return OperatorTable(
            TableDescription.model_validate(head["description"]),
            {name: Metric(**entry) for name, entry in head["metrics"].items()},
            _PARTS.validate_python(head["before"]),
            _PARTS.validate_python(head["after"]),
            {name: _costs(file, name) for name in head["metrics"]},
            path,
        )
    except (LookupError, ValueError, TypeError, AttributeError) as problem:  # pydantic's are ValueErrors
        raise KIND.damaged(path) from problem


def _costs(file: MappedFile, name: str) -> OperatorCosts:
    return OperatorCosts(*(file.array(f"{part}/{name}") for part in OperatorCosts._fields))
