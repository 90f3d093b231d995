"""One cost of all architectures of a table on several of its devices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.catalogue import known_costs
from nasbench_suite.hardware.cost_model import Costs
from nasbench_suite.spaces import Genes, SearchSpace
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tasks import load_benchmark


@dataclass(frozen=True)
class DeviceTable:
    """What architectures cost on devices.

    Attributes
    ----------
    space, genes
        The architectures, uint8 `[n, n_genes]`.
    devices
        Names of the devices.
    costs
        Float64 `[n, devices]`.
    sha256
        Of the table that they are from.
    """

    space: SearchSpace
    genes: Genes
    devices: tuple[str, ...]
    costs: Costs
    sha256: str

    def of(self, device: str) -> Costs:
        """Return the costs on one device, `[n]`."""
        column: Costs = self.costs[:, self.devices.index(device)]
        return column


def device_table(task: str, quantity: str, devices: Sequence[str] = ()) -> DeviceTable:
    """Return the costs of a table.

    Parameters
    ----------
    task
        Whose table.
    quantity
        Such as `latency_ms`.
    devices
        Which; all that the table has of this quantity for all its architectures if none is named.

    Raises
    ------
    UnknownNameError
        When the table does not know a device.
    NasbenchSuiteError
        When the table is not here, is no table of rows, knows no device or lacks costs of one that is named.
    """
    benchmark = load_benchmark(task)
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(f"{task} is no table of architectures; name one that is.")
    table = benchmark.table
    metric_of = {
        cost.device: cost.metric
        for cost in known_costs(benchmark.space.name)
        if cost.task == task and cost.name == f"{quantity}@{cost.device}"
    }
    if not metric_of:
        raise NasbenchSuiteError(f"{task} has no {quantity} of any device; nasbench-suite list devices.")
    columns = {}
    for device in devices or metric_of:
        if device not in metric_of:
            raise UnknownNameError(f"device in {task} called", device, metric_of)
        values = np.asarray(table.columns[metric_of[device]][:, 0, 0], dtype=np.float64)
        if np.isfinite(values).all():
            columns[device] = values
        elif devices:
            raise NasbenchSuiteError(f"{quantity} of {device} is missing of some architectures of {task}.")
    costs = np.stack(list(columns.values()), axis=1)
    return DeviceTable(benchmark.space, np.asarray(table.genes), tuple(columns), costs, table.sha256)
