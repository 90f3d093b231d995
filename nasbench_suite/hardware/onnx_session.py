"""A network exported to ONNX and run by ONNX Runtime, once its outputs are seen to be PyTorch's.

ONNX Runtime fuses operations and lays memory out anew before the first run, as programs on devices do; what
is timed is a run of the graph that comes out of this.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError

_OPSET = 18
"""The set of operators that PyTorch's exporter is written for; others are converted from it."""
_AGREEMENT = 1e-4
"""Largest difference from PyTorch's outputs over the largest output: rounding stays below 1e-6, while an
operation with another meaning does not."""
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_LOUD = "torch.onnx"


class OnnxMismatchError(NasbenchSuiteError):
    """An exported network whose outputs are not those of the network."""


def onnx_pass(network: nn.Module, inputs: Tensor, device: str, threads: int) -> Callable[[], object]:
    """Return a forward pass by ONNX Runtime, which ends when its outputs are there.

    Parameters
    ----------
    network
        In evaluation, float32, on the CPU.
    inputs
        What it is given, float32 `[batch, ...]`, on the CPU.
    device
        `cpu` or `cuda`, where ONNX Runtime computes; on `cuda` inputs and outputs stay there.
    threads
        Threads of an operation; operations run one after the other.

    Raises
    ------
    OnnxMismatchError
        When the outputs differ from PyTorch's.
    NasbenchSuiteError
        When a package is missing, this ONNX Runtime has no such device, or the network cannot be exported.
    """
    runtime = _package()
    if _PROVIDERS[device] not in runtime.get_available_providers():
        raise NasbenchSuiteError(
            f"this ONNX Runtime has no {_PROVIDERS[device]}; install onnxruntime-gpu instead, "
            "or measure with --engine pytorch."
        )
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = runtime.InferenceSession(onnx_bytes(network, inputs), options, providers=[_PROVIDERS[device]])
    if (
        session.get_providers()[0] != _PROVIDERS[device]
    ):  # it falls back to the CPU when CUDA cannot be loaded
        raise NasbenchSuiteError(f"ONNX Runtime could not start its {_PROVIDERS[device]}; see its messages.")
    feed = {session.get_inputs()[0].name: inputs.numpy()}
    check_agreement(session.run(None, feed)[0], network(inputs).numpy())
    if device == "cuda":
        return _on_device(session, runtime, feed)
    return lambda: session.run(None, feed)


def _on_device(session: Any, runtime: Any, feed: dict[str, NDArray[Any]]) -> Callable[[], object]:
    """Return a run whose input is on the device already, and whose outputs stay there."""
    ((name, array),) = feed.items()
    binding = session.io_binding()
    binding.bind_ortvalue_input(name, runtime.OrtValue.ortvalue_from_numpy(array, "cuda", 0))
    binding.bind_output(session.get_outputs()[0].name, "cuda")

    def run() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def check_agreement(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Check that outputs are those of PyTorch but for rounding.

    Raises
    ------
    OnnxMismatchError
        When they are not, or one is no number.
    """
    if found.shape != expected.shape:
        raise OnnxMismatchError(f"ONNX Runtime gives {found.shape}, PyTorch {expected.shape}; not measured.")
    scale, difference = float(np.abs(expected).max()), float(np.abs(found - expected).max())
    if not difference <= _AGREEMENT * scale:
        raise OnnxMismatchError(
            f"ONNX Runtime's outputs differ from PyTorch's by {difference:.3g} where the largest is "
            f"{scale:.3g}, so another network would be timed; measure this one with --engine pytorch."
        )


def onnxruntime_version() -> str:
    """Return the version of ONNX Runtime that is installed.

    Raises
    ------
    NasbenchSuiteError
        When it is not.
    """
    return str(_package().__version__)


def _package() -> Any:
    try:
        import onnx  # noqa: F401  # of the exporter
        import onnxruntime  # type: ignore[import-untyped]
        import onnxscript  # noqa: F401  # of the exporter
    except ModuleNotFoundError as problem:
        raise NasbenchSuiteError(
            f"ONNX needs the package {problem.name}; run: pip install 'nasbench-suite[onnx]'."
        ) from problem
    return onnxruntime


def checked_onnx(network: nn.Module, inputs: Tensor) -> bytes:
    """Return a network as the bytes of an ONNX file, once ONNX Runtime gives PyTorch's outputs.

    Parameters
    ----------
    network
        In evaluation, float32, on the CPU.
    inputs
        Of the shape that the file will take, float32 `[batch, ...]`.

    Raises
    ------
    OnnxMismatchError
        When the outputs differ from PyTorch's.
    NasbenchSuiteError
        When a package is missing, or the network cannot be exported.
    """
    runtime, content = _package(), onnx_bytes(network, inputs)
    session = runtime.InferenceSession(content, providers=[_PROVIDERS["cpu"]])
    with torch.no_grad():
        expected = network(inputs).numpy()
    check_agreement(session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0], expected)
    return content


def onnx_bytes(network: nn.Module, inputs: Tensor) -> bytes:
    """Return a network as the bytes of an ONNX file, for inputs of this shape.

    Raises
    ------
    NasbenchSuiteError
        When PyTorch's exporter cannot.
    """
    try:
        with _quiet(), torch.inference_mode(mode=False), torch.no_grad():
            program = torch.onnx.export(
                network, (inputs.clone(),), dynamo=True, opset_version=_OPSET, verbose=False
            )
    except torch.onnx.errors.OnnxExporterError as problem:
        raise NasbenchSuiteError(
            "PyTorch cannot export this network to ONNX; measure it with --engine pytorch."
        ) from problem
    assert program is not None
    exported: bytes = program.model_proto.SerializeToString()
    return exported


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks to itself: on torchvision that is not there, on its own old calls."""
    logger = logging.getLogger(_LOUD)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
