"""The kernels for GPUs do what PyTorch's operations do; without a GPU Triton's interpreter runs them."""

import numpy as np
import pytest
import torch

from nasbench_suite.training.folded import activations, parts, topology
from nasbench_suite.training.folded.topology import FoldedTopology, TopologyWeights
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.seeds import initial_states

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

pytest.importorskip("triton", reason="Triton is not installed; it comes with PyTorch for CUDA")

ROWS = np.random.default_rng(0).integers(0, 5, (4, 6)).astype(np.uint8)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def results(skeleton, x, grad):
    """Logits, gradients, statistics and inferred logits of a group, as folded networks give them."""
    rows = ROWS[np.lexsort(ROWS.T[::-1])]
    weights = TopologyWeights(rows, skeleton, DEVICE)
    weights.parameters.read(initial_states("nats_topology", rows, skeleton, 1))
    folded = FoldedTopology(weights, x.shape[1], x.shape[2], training=True)
    for _ in range(2):  # buffers are used again
        logits = folded.forward(x).clone()
        folded.backward(grad)
    weights.parameters.track()
    judged = FoldedTopology(weights, x.shape[1], x.shape[2], training=False)
    judged.prepare()
    statistics = weights.parameters.statistics
    return {
        "logits": logits,
        "gradients": weights.parameters.grad.clone(),
        "means": statistics["running_mean"],
        "variances": statistics["running_var"],
        "inferred": judged.infer(x),
    }


@pytest.mark.parametrize(("width", "depth"), [(3, 2), (4, 1)])
def test_kernels_do_what_operations_do(width, depth, double, monkeypatch):
    def all_at_once(has, device):
        models = np.flatnonzero(has)
        return [activations.Members(models, device)] if len(models) else []

    monkeypatch.setattr(topology, "members", all_at_once)
    skeleton = Skeleton(inputs=1, dims=1, width=width, depth=depth, style="light")
    draw = torch.Generator().manual_seed(0)
    x, grad = torch.randn(1, 13, 3, generator=draw), torch.randn(4, 10, 3, generator=draw)
    x, grad = x.to(DEVICE), grad.to(DEVICE)
    monkeypatch.setattr(topology, "parts_for", lambda device: parts.parts_for("cpu"))
    expected = results(skeleton, x, grad)
    monkeypatch.setattr(topology, "parts_for", lambda device: parts.parts_for("cuda"))
    found = results(skeleton, x, grad)
    for name, values in expected.items():
        torch.testing.assert_close(
            found[name], values, rtol=1e-9, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}"
        )
