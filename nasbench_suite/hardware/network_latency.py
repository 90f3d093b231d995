"""How long the networks of architectures take here, for a batch of random inputs."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.cuda_graph import graph_pass
from nasbench_suite.hardware.onnx_session import onnx_pass, onnxruntime_version
from nasbench_suite.hardware.stopwatch import Stopwatch, Timing
from nasbench_suite.processor import processor
from nasbench_suite.spaces import Genes
from nasbench_suite.training.machine import check_device
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.threads import threads

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
ENGINES = ("pytorch", "onnxruntime", "cuda-graph")
"""What runs a network: PyTorch operation by operation, ONNX Runtime, or PyTorch's launches as one graph."""


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
    engine
        One of `ENGINES`.

    Raises
    ------
    UnknownNameError
        When there is no such engine.
    NasbenchSuiteError
        When the device is not here, or what is asked for does not go together.
    """

    skeleton: Skeleton
    shape: tuple[int, ...] = (3, 32, 32)
    batch: int = 1
    device: str = "cpu"
    threads: int = 1
    precision: str = "float32"
    engine: str = "pytorch"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS or self.batch < 1 or self.threads < 1:
            raise NasbenchSuiteError(
                f"timings need a batch and a thread, and a precision of {', '.join(PRECISIONS)}; not "
                f"batch={self.batch}, threads={self.threads}, precision={self.precision!r}."
            )
        if self.engine not in ENGINES:
            raise UnknownNameError("engine called", self.engine, ENGINES)
        check_device(self.device)
        if self.engine == "cuda-graph" and self.device != "cuda":
            raise NasbenchSuiteError("CUDA graphs are of CUDA devices; add --device cuda.")
        if self.engine == "onnxruntime" and self.precision != "float32":
            raise NasbenchSuiteError(
                f"ONNX Runtime's CPU operators do not compute in {self.precision}, and NumPy has no such "
                "numbers to hand to others; measure with float32, or with --engine pytorch."
            )


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
    inputs = torch.randn(conditions.batch, *conditions.shape)
    if conditions.engine == "onnxruntime":
        return onnx_pass(network.eval(), inputs, conditions.device, conditions.threads)
    kind = PRECISIONS[conditions.precision]
    network, inputs = network.eval().to(conditions.device, kind), inputs.to(conditions.device, kind)
    if conditions.engine == "cuda-graph":
        return graph_pass(network, inputs)
    return waited(lambda: network(inputs), conditions.device)


def waited(run: Callable[[], object], device: str) -> Callable[[], object]:
    """Return what runs and ends when the device is done, which a CPU is as soon as the call returns."""
    if device == "cpu":
        return run

    def run_and_wait() -> None:
        run()
        torch.cuda.synchronize()

    return run_and_wait


def describe_device(device: str, engine: str = "pytorch") -> str:
    """Return what is measured on, in words: the device, and the engine with its version.

    Raises
    ------
    NasbenchSuiteError
        When the engine is not installed.
    """
    software = f"PyTorch {torch.__version__}, Python {platform.python_version()}"
    if engine == "onnxruntime":
        software = f"ONNX Runtime {onnxruntime_version()}, exported by {software}"
    if engine == "cuda-graph":
        software = f"CUDA graphs of {software}"
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, {software}"
    return f"{processor()}, {os.cpu_count()} cores, {software}"
