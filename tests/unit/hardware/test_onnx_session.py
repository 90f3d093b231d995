"""Networks run by ONNX Runtime: the same outputs, or a refusal."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.hardware.network_latency import Conditions, describe_device, measure_networks
from nasbench_suite.hardware.onnx_session import OnnxMismatchError, check_agreement, onnx_pass
from nasbench_suite.hardware.stopwatch import Stopwatch
from nasbench_suite.training.networks import Skeleton, build_network

QUICK = Stopwatch(warm_up=0, seconds=0, least=3, rounds=1)


def test_a_run_gives_what_the_network_gives():
    space = get_space("nats_topology")
    with torch.inference_mode():
        network = build_network(
            "nats_topology", space.parse("1462"), Skeleton(inputs=1, depth=1, dims=1)
        ).eval()
        inputs = torch.randn(2, 1, 40)
        (found,) = onnx_pass(network, inputs, "cpu", 1)()
        assert found == pytest.approx(network(inputs).numpy(), rel=1e-4)


@pytest.mark.slow
def test_threads_are_those_asked_for(monkeypatch):
    opened = []
    real = onnxruntime.InferenceSession

    def session(content, options, providers):
        opened.append((options.intra_op_num_threads, options.inter_op_num_threads, providers))
        return real(content, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    conditions = Conditions(Skeleton(depth=1), (3, 8, 8), threads=2, engine="onnxruntime")
    genes = get_space("nats_topology").parse("0")[None]
    (timing,) = measure_networks("nats_topology", genes, conditions, QUICK)
    assert opened == [(2, 1, ["CPUExecutionProvider"])]
    assert timing.repeats == 3


def test_another_network_is_not_timed(monkeypatch):
    monkeypatch.setattr(
        "nasbench_suite.hardware.onnx_session.onnx_bytes",
        lambda network, inputs: exported(nn.Linear(4, 2), inputs),
    )
    with (
        torch.inference_mode(),
        pytest.raises(OnnxMismatchError, match=r"differ from PyTorch's by .* another"),
    ):
        onnx_pass(nn.Linear(4, 2), torch.randn(3, 4), "cpu", 1)


def exported(network, inputs):
    """Return the bytes of an ONNX file without the suite's own export."""
    from onnx import TensorProto, helper, numpy_helper

    weight, bias = network.weight.detach().numpy() + 1, network.bias.detach().numpy()
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(inputs.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


@pytest.mark.parametrize("wrong", [[[1.0, 2.001]], [[1.0, np.nan]], [1.0, 2.0]])
def test_outputs_that_are_not_pytorch_s(wrong):
    expected = np.array([[1.0, 2.0]], dtype=np.float32)
    check_agreement(expected + np.float32(1e-6), expected)
    check_agreement(0 * expected, 0 * expected)
    with pytest.raises(OnnxMismatchError):
        check_agreement(np.array(wrong, dtype=np.float32), expected)


class Undecided(nn.Module):
    """Does what its numbers say, which a graph cannot."""

    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


def test_a_network_that_cannot_be_exported():
    with torch.inference_mode(), pytest.raises(NasbenchSuiteError, match="cannot export"):
        onnx_pass(Undecided().eval(), torch.ones(2, 3), "cpu", 1)


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx", "onnxscript"])
def test_a_missing_package_says_which_extra_to_install(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(NasbenchSuiteError, match=rf"needs the package {missing}; .*nasbench-suite\[onnx\]"):
        describe_device("cpu", "onnxruntime")


def test_a_runtime_without_the_device():
    with pytest.raises(NasbenchSuiteError, match="no CUDAExecutionProvider; install onnxruntime-gpu"):
        onnx_pass(nn.Linear(2, 2), torch.ones(1, 2), "cuda", 1)


def test_a_runtime_that_falls_back_to_the_cpu(monkeypatch):
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    real = onnxruntime.InferenceSession
    on_cpu = lambda content, options, providers: real(content, options, providers=both[1:])  # noqa: E731
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_cpu)
    with torch.inference_mode(), pytest.raises(NasbenchSuiteError, match="could not start its CUDA"):
        onnx_pass(nn.Linear(2, 2), torch.ones(1, 2), "cuda", 1)


def test_the_engine_is_part_of_the_device():
    assert f"ONNX Runtime {onnxruntime.__version__}, exported by PyTorch" in describe_device(
        "cpu", "onnxruntime"
    )
    assert "ONNX" not in describe_device("cpu")
