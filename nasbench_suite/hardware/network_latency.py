"""How long the networks of architectures take here, for a batch of random inputs."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.stopwatch import Stopwatch, Timing
from nasbench_suite.spaces import Genes
from nasbench_suite.training.machine import check_device, processor
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.threads import threads

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Conditions:
    """Under what a network is timed.

    Attributes
    ----------
    skeleton, shape
        What surrounds the searched part, and one input.
    batch
        Inputs at once.
    device
        `cpu` or `cuda`.
    threads
        Threads of the CPU.
    precision
        One of `PRECISIONS`: the type of weights and inputs.
    """

    skeleton: Skeleton
    shape: tuple[int, ...] = (3, 32, 32)
    batch: int = 1
    device: str = "cpu"
    threads: int = 1
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS or self.batch < 1 or self.threads < 1:
            raise NasbenchSuiteError(
                f"timings need a batch and a thread, and a precision of {', '.join(PRECISIONS)}; not "
                f"batch={self.batch}, threads={self.threads}, precision={self.precision!r}."
            )
        check_device(self.device)


def measure_networks(
    space: str,
    genes: Genes,
    conditions: Conditions,
    watch: Stopwatch,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Timing]:
    """Time a forward pass of every architecture's network, without gradients.

    Parameters
    ----------
    space, genes
        Architectures, uint8 `[n, n_genes]`.
    conditions, watch
        Under what, and how.
    progress
        See `Stopwatch.measure`.

    Raises
    ------
    NasbenchSuiteError
        When no networks are built of the space, or the device is not here.
    """
    with threads(conditions.threads), torch.inference_mode():
        torch.manual_seed(0)
        passes = [_forward(build_network(space, row, conditions.skeleton), conditions) for row in genes]
        return watch.measure(passes, progress)


def _forward(network: nn.Module, conditions: Conditions) -> Callable[[], object]:
    kind = PRECISIONS[conditions.precision]
    network = network.eval().to(conditions.device, kind)
    inputs = torch.randn(conditions.batch, *conditions.shape).to(conditions.device, kind)
    if conditions.device == "cpu":
        return lambda: network(inputs)

    def waited() -> None:
        network(inputs)
        torch.cuda.synchronize()

    return waited


def describe_device(device: str) -> str:
    """Return what is measured on, in words."""
    software = f"PyTorch {torch.__version__}, Python {platform.python_version()}"
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, {software}"
    return f"{processor()}, {os.cpu_count()} cores, {software}"
