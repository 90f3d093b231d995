"""The roofline: every launch takes as long as its arithmetic or its memory traffic, and what a launch costs.

Williams, Waterman, Patterson: "Roofline: An Insightful Visual Performance Model for Multicore Architectures"
(Communications of the ACM 52(4), 2009), applied launch by launch, with an overhead for each. The three
numbers of a device are from its sheet, or fitted to a few measurements: least squares of logarithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.training.counting import ADDITIVE
from nasbench_suite.training.networks import Skeleton, build_network, official_skeleton
from nasbench_suite.training.tensor_work import Work, tensor_work

_STARTS = tuple(
    (flops, memory, launch) for flops in (1e9, 1e12) for memory in (1e9, 1e11) for launch in (1e-6, 1e-4)
)
"""What fits begin with; the best is kept."""
_MILLISECONDS = 1e3


@dataclass(frozen=True)
class DeviceSheet:
    """What a device can do.

    Attributes
    ----------
    flops_per_second, bytes_per_second
        Floating-point operations, and bytes to and from memory.
    launch_seconds
        What every operation costs besides.
    """

    flops_per_second: float
    bytes_per_second: float
    launch_seconds: float

    def seconds(self, work: Work) -> float:
        """Return what launches take, one after the other."""
        bound = np.maximum(work[:, 0] / self.flops_per_second, work[:, 1] / self.bytes_per_second)
        return float(bound.sum() + self.launch_seconds * len(work))


class Roofline(CostModel):
    """Latency in milliseconds of a space's networks on a device.

    Where every gene adds launches of its own, only one network for each value of each gene is built.

    Parameters
    ----------
    space
        Name of a space that networks are built of.
    sheet
        The device; None until it is fitted.
    skeleton, shape, batch
        The networks (those of the space's authors if None), one input, and inputs at once.
    device
        Its name.
    """

    quantity = "latency_ms"

    def __init__(
        self,
        space: str,
        sheet: DeviceSheet | None = None,
        *,
        skeleton: Skeleton | None = None,
        shape: tuple[int, ...] = (3, 32, 32),
        batch: int = 1,
        device: str = "",
    ):
        self.space, self.sheet, self.device = get_space(space), sheet, device
        self._skeleton, self._shape, self._batch = skeleton or official_skeleton(space), shape, batch
        self._known: dict[bytes, Work] = {}

    def fit(self, genes: Genes, costs: Costs) -> "Roofline":
        """Find the device's sheet by measured latencies in milliseconds, and return the model.

        Raises
        ------
        NasbenchSuiteError
            When there are fewer than three, or one is not above 0.
        """
        if len(costs) < len(_STARTS[0]) or not (np.isfinite(costs) & (costs > 0)).all():
            raise NasbenchSuiteError("a device's three numbers need at least three latencies above 0.")
        targets = np.log(costs / _MILLISECONDS)

        def misfit(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
            sheet = DeviceSheet(*np.exp(logarithms).tolist())
            return np.asarray(np.log(self._seconds(genes, sheet)) - targets)

        found = [least_squares(misfit, np.log(start)) for start in _STARTS]
        best = min(found, key=lambda one: float(one.cost))
        self.sheet = DeviceSheet(*np.exp(best.x).tolist())
        return self

    def predict(self, genes: Genes) -> Costs:
        """Return latencies in milliseconds; see `CostModel.predict`.

        Raises
        ------
        NasbenchSuiteError
            When the device has neither a sheet nor been fitted.
        """
        if self.sheet is None:
            raise NasbenchSuiteError("this roofline has no device; give its sheet, or fit it to latencies.")
        return _MILLISECONDS * self._seconds(genes, self.sheet)

    def _seconds(self, genes: Genes, sheet: DeviceSheet) -> Costs:
        self.space.key(genes)  # says which row is none of the space's
        if self.space.name not in ADDITIVE:
            return np.array([sheet.seconds(self._work(row)) for row in genes])
        zeros = np.zeros(self.space.n_genes, dtype=np.uint8)
        base = sheet.seconds(self._work(zeros))
        total = np.full(len(genes), base)
        for gene, limit in enumerate(self.space.cardinalities):
            more = [sheet.seconds(self._work(_changed(zeros, gene, value))) - base for value in range(limit)]
            total += np.array(more)[genes[:, gene]]
        return total

    def _work(self, row: Sequence[int] | Genes) -> Work:
        genes = np.asarray(row, dtype=np.uint8)
        key = genes.tobytes()
        if key not in self._known:
            with torch.device("meta"):
                network = build_network(self.space.name, genes, self._skeleton)
            self._known[key] = tensor_work(network, self._shape, self._batch)
        return self._known[key]


def _changed(row: Genes, gene: int, value: int) -> Genes:
    changed = row.copy()
    changed[gene] = value
    return changed
