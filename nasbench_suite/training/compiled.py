"""Networks compiled for a CPU: what lies between their products becomes fused loops of C++."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError

Forward = Callable[[Tensor], Tensor]


def check_compiler(device: str, dims: int) -> None:
    """Check that networks on inputs of so many dimensions can be compiled for a device here.

    Raises
    ------
    NasbenchSuiteError
        When the device is no CPU, inputs are no images, or there is no C++ compiler.
    """
    from torch._inductor.cpp_builder import get_cpp_compiler  # loads a hundred modules
    from torch._inductor.exc import InvalidCxxCompiler

    if device != "cpu":
        raise NasbenchSuiteError(
            f"networks are compiled for a CPU alone; steps on {device} are captured as graphs instead. "
            "Train without --compile."
        )
    if dims != 2:
        raise NasbenchSuiteError(
            "networks are compiled for images alone; those on signals train in seconds without --compile."
        )
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as problem:
        raise NasbenchSuiteError(
            "there is no C++ compiler here, without which no network is compiled; install one (Debian: g++), "
            "name it by CXX, or train without --compile."
        ) from problem


def compiled(network: nn.Module) -> Forward:
    """Return the network's pass, compiled when it is first called, for inputs of one shape.

    Weights and running statistics stay the network's own. The pass raises NasbenchSuiteError when PyTorch
    cannot compile it.
    """
    from torch._dynamo.exc import TorchDynamoException

    inner = torch.compile(network, dynamic=False)

    def forward(inputs: Tensor) -> Tensor:
        try:
            return cast(Tensor, inner(inputs))
        except TorchDynamoException as problem:
            reason = str(problem).strip().partition("\n")[0]
            raise NasbenchSuiteError(
                f"PyTorch cannot compile this network ({reason}); train it without --compile."
            ) from problem

    return forward
