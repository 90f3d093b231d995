"""What folded cells are made of on a device: PyTorch's operations, or on a GPU kernels of our own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from nasbench_suite.training.folded.activations import Activation
from nasbench_suite.training.folded.operations import AveragePool3, Operation, ReluConvNorm, Skip


@dataclass(frozen=True)
class Parts:
    """The classes of nodes and operations; all take the same arguments."""

    activation: type[Activation]
    convolution: Callable[..., Operation]
    skip: Callable[..., Operation]
    pool: Callable[..., Operation]


@cache
def parts_for(device: str) -> Parts:
    """Return what cells are made of on a kind of device.

    Kernels need Triton, which comes with PyTorch for CUDA on Linux; without it PyTorch's operations give the
    same to rounding and take three times as long.
    """
    if device != "cuda" or find_spec("triton") is None:
        return Parts(Activation, ReluConvNorm, Skip, AveragePool3)
    from nasbench_suite.training.folded import fused

    return Parts(
        fused.FusedActivation, fused.FusedReluConvNorm, fused.FusedNeighbours, fused.FusedAveragePool3
    )
