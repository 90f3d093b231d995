"""The order in which a CUDA graph is made and replayed, seen by a stand-in for the device."""

import gc
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware import cuda_graph
from nasbench_suite.hardware.network_latency import Conditions
from nasbench_suite.training.networks import Skeleton


class Device:
    """Notes what is asked of it, and on which stream."""

    def __init__(self):
        self.asked, self.streams = [], ["default"]

    def stand_in(self):
        return SimpleNamespace(cuda=self, nn=nn)

    def Stream(self):  # noqa: N802
        return SimpleNamespace(name="side", wait_stream=lambda other: self.asked.append("side waits"))

    def current_stream(self):
        return SimpleNamespace(name="default", wait_stream=lambda other: self.asked.append("default waits"))

    @contextmanager
    def stream(self, stream):
        self.streams.append(stream.name)
        yield
        self.streams.pop()

    def CUDAGraph(self):  # noqa: N802
        return SimpleNamespace(replay=lambda: self.asked.append("replay"))

    @contextmanager
    def graph(self, graph):
        self.streams.append("capture")
        yield
        self.streams.pop()

    def synchronize(self):
        self.asked.append("synchronize")

    def network(self):
        layer = nn.Linear(2, 2)
        layer.register_forward_hook(lambda *_: self.asked.append(f"pass on {self.streams[-1]}"))
        return layer


def test_a_graph_is_captured_after_a_warm_up_and_waited_for(monkeypatch):
    device = Device()
    monkeypatch.setattr(cuda_graph, "torch", device.stand_in())
    network, inputs = device.network(), torch.ones(1, 2)
    held = weakref.ref(network), weakref.ref(inputs)
    replay = cuda_graph.graph_pass(network, inputs)
    assert device.asked == [
        "side waits",
        *["pass on side"] * 3,
        "default waits",
        "synchronize",
        "pass on capture",
    ]
    device.asked.clear()
    replay()
    assert device.asked == ["replay", "synchronize"]
    del network, inputs
    gc.collect()
    assert all(one() is not None for one in held)  # their memory is what the graph reads


def test_graphs_are_of_cuda_alone():
    with pytest.raises(NasbenchSuiteError, match="add --device cuda"):
        Conditions(Skeleton(), engine="cuda-graph")
    with pytest.raises(UnknownNameError, match="did you mean onnxruntime"):
        Conditions(Skeleton(), engine="onnx")
    with pytest.raises(NasbenchSuiteError, match="do not compute in bfloat16"):
        Conditions(Skeleton(), engine="onnxruntime", precision="bfloat16")
