"""How long the networks of picks take on this machine: by a cost model, and measured.

The model adds up operators that are measured one by one (ProxylessNAS, Cai, Zhu, Han: ICLR 2019, section
3.3); beside it stands what the whole networks take, so that a reader sees what the model is worth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.hardware.network_latency import Conditions, describe_device, measure_networks
from nasbench_suite.hardware.operator_timing import measure_operators
from nasbench_suite.hardware.stopwatch import Stopwatch
from nasbench_suite.leaderboards.statistics import rank_correlation
from nasbench_suite.spaces import Genes
from nasbench_suite.training.networks import Skeleton

_MILLISECONDS = 1e3
_WATCH = Stopwatch(warm_up=0.02, seconds=0.05, rounds=3, most_spread=float("inf"))
"""Short, and refuses nothing: the page says how much timings vary."""


@dataclass(frozen=True)
class PickLatencies:
    """Milliseconds of a forward pass with one input, by pick.

    Attributes
    ----------
    machine
        The device and the engine with its version, in words.
    predicted, measured
        Sums of operators, and medians of whole networks; float64 `[picks]`.
    variation
        The largest spread or drift of a network's timing, over its median; see `Timing`.
    """

    machine: str
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    variation: float

    @property
    def spearman(self) -> float:
        """Rank correlation of the two; NaN where one of them is the same for all."""
        return rank_correlation(self.predicted, self.measured)

    @property
    def ratio(self) -> float:
        """Geometric mean of predicted over measured."""
        return float(np.exp(np.mean(np.log(self.predicted / self.measured))))


def pick_latencies(
    space: str, genes: Genes, skeleton: Skeleton, shape: tuple[int, ...], device: str = "cpu"
) -> PickLatencies:
    """Measure the operators of a space and the networks of architectures, one thread and one input.

    Parameters
    ----------
    space, genes
        Architectures, uint8 `[picks, n_genes]`.
    skeleton, shape
        What surrounds the searched part, and one input.
    device
        `cpu` or `cuda`.

    Raises
    ------
    NasbenchSuiteError
        When operators of the space are no sum, or the device is not here.
    """
    conditions = Conditions(skeleton, shape, device=device)
    model = measure_operators(space, "here", conditions, _WATCH)
    timings = measure_networks(space, genes, conditions, _WATCH)
    return PickLatencies(
        machine=describe_device(device),
        predicted=model.predict(genes),
        measured=np.array([_MILLISECONDS * timing.median for timing in timings]),
        variation=max(max(timing.spread, timing.drift) for timing in timings),
    )
