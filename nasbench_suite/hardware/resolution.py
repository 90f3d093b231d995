"""Latencies that are too short to rank architectures by."""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.hardware.cost_model import Costs

LEAST_LATENCY_MS = 0.01
"""Below this a latency says that a compiler left the network out, not how fast it is. HW-NAS-Bench's Pixel 3
has 128, 67 and 128 cells of CIFAR-10, CIFAR-100 and ImageNet16-120 below it, all of them cells in which no
path leads from input to output, and the shortest of any connected cell is more than forty times as long."""


def below_resolution(quantity: str, costs: Costs) -> NDArray[np.bool_]:
    """Tell which costs are real and yet of no use for ranking, bool `[n]`.

    Parameters
    ----------
    quantity
        What the costs are; only `latency_ms` has such a limit.
    costs
        In the unit of the quantity, `[n]`; NaN is not below anything.
    """
    return np.asarray(costs < LEAST_LATENCY_MS) & (quantity == "latency_ms")
