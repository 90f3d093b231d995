"""Speed of real training on a GPU: `pytest tests/benchmarks/test_cuda_training.py --benchmark-only`.

No assertion on time. Limits, written down before measuring, for an H100 (3 TB/s, 60 TFLOP/s in float32).
An activation of a cell is 8 channels of 40 places for 100 inputs, 128 KB a model in each of the three
stages. With kernels that read and write it as rarely as they can a convolution has it 15 times, forwards
and backwards, a skip or a pool 6 times, a node 10: with 2.2 convolutions and 2 of the others, 4 nodes,
stem and head about 280 passes, 36 MB a model and step. 3,233 models then take 39 ms a step at full
bandwidth; PyTorch's own operations have about 1,000 passes. Measured: 77 ms with the kernels, 140
without.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite.spaces import get_space
from nasbench_suite.training.data import load_data
from nasbench_suite.training.folded import parts, topology
from nasbench_suite.training.many import train_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

SKELETON = Skeleton(inputs=1, dims=1, width=8, depth=1, style="light")
RECIPE = replace(get_recipe("short"), epochs=2)


@pytest.fixture(scope="module")
def data():
    return load_data("mnist1d", train=4000, valid=5000, test=5000, device="cuda")


def cells(number):
    space = get_space("nats_topology")
    codes = np.unique(space.encode(space.canonical(space.decode(np.arange(space.n_codes)))))
    return space.decode(np.random.default_rng(0).permutation(codes)[:number])


def describe(benchmark, how, number):
    benchmark.extra_info.update(
        what=f"train `nats_topology` on CUDA, {how}: networks through two epochs of MNIST-1D and evaluations",
        goal="none",
        scale=-number,
        unit="a second",
    )


@pytest.mark.parametrize("capture", [False, True])
def test_one_by_one(benchmark, data, capture):
    def train():
        for row in cells(3):
            network = initial_network("nats_topology", row, SKELETON, 0)
            Trainer(capture=capture).train(network, data, RECIPE, seed=0)

    describe(benchmark, "one by one, replayed" if capture else "one by one", 3)
    benchmark.pedantic(train, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("device", ["cpu", "cuda"], ids=["operations", "kernels"])
def test_together(benchmark, data, device, monkeypatch):
    monkeypatch.setattr(topology, "parts_for", lambda _: parts.parts_for(device))

    def train():
        train_together("nats_topology", cells(1024), SKELETON, data, RECIPE, seed=0)

    describe(
        benchmark, "1,024 together, " + ("kernels" if device == "cuda" else "PyTorch's operations"), 1024
    )
    benchmark.pedantic(train, rounds=3, warmup_rounds=1)
