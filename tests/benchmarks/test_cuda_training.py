"""Speed of real training on a GPU: `pytest tests/benchmarks/test_cuda_training.py --benchmark-only`.

No assertion on time. Limits, written down before measuring, for an H100 (3 TB/s, 60 TFLOP/s in float32).
An activation of a cell is 8 channels of 40 places for 100 inputs, 128 KB a model in each of the three
stages. With kernels that read and write it as rarely as they can a convolution has it 15 times, forwards
and backwards, a skip or a pool 6 times, a node 10: with 2.2 convolutions and 2 of the others, 4 nodes,
stem and head about 280 passes, 36 MB a model and step. 3,233 models then take 39 ms a step at full
bandwidth; PyTorch's own operations have about 1,000 passes. Measured: 77 ms with the kernels, 140
without. On an H200 (4.3 TB/s: 27 ms) the whole build of 6,466 cells with three seeds took 381 s, of which
202 s were 6 x 480 steps, 70 ms each, 112 s evaluations and 67 s all the rest, initial weights among it.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite.spaces import get_space
from nasbench_suite.training import neighbour_mean, operations
from nasbench_suite.training.captured_step import CapturedStep
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


IMAGES = 256


def image_step(cell, precision="float32"):
    """A captured step of a cell of NAS-Bench-201 on images of 32x32, as `Trainer` takes it."""
    space = get_space("nats_topology")
    row = space.canonical(space.parse(cell)[None])[0]
    network = initial_network("nats_topology", row, Skeleton(), 1)
    network = network.cuda().to(memory_format=torch.channels_last).train()
    inputs = torch.randn(IMAGES, 3, 32, 32, device="cuda").contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (IMAGES,), device="cuda")

    def passes(inputs, labels):
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(inputs)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        return logits.detach(), loss.detach()

    step = CapturedStep(passes, network, inputs, labels)

    def replay():
        step(inputs, labels)
        torch.cuda.synchronize()

    return replay


def describe_step(benchmark, cell, how):
    benchmark.extra_info.update(
        what=f"a step of cell {cell} of `nats_topology` on {IMAGES} images, CUDA, {how}",
        goal="none",
        scale=1e3,
        unit="ms",
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cell", ["0", "11", "284", "1462"])
def test_steps_on_images(benchmark, cell, precision):
    """Measured, ms: 5.6 and 4.4, 11.3 and 7.9, 4.4 and 3.1, 19.2 and 13.6.

    Limit by bytes: a convolution of a cell 1462 goes 19 times over 29 MB in every depth of five, so that six
    take 5.6 ms of its step in float32. Convolutions of 16 channels are far from it.
    """
    describe_step(benchmark, cell, precision)
    benchmark(image_step(cell, precision))


@pytest.mark.parametrize("way", ["channels first and back", "PyTorch's sums", "kernel"])
def test_average_pools(benchmark, way, monkeypatch):
    """Limit: the 30 pools of cell 0's canonical form move 1.2 GB in both passes, 0.4 ms of a step.

    Measured: a step of 9.4 ms with the channels first and back, 5.6 with the kernel; cell 11 15.2, the sum
    of its kernels, and 11.3.
    """
    if way == "channels first and back":
        monkeypatch.setattr(operations, "neighbour_mean", first_and_back)
    elif way == "PyTorch's sums":
        monkeypatch.setattr(neighbour_mean, "_has_kernel", lambda: False)
    describe_step(benchmark, "0", f"average pools by {way}")
    benchmark(image_step("0"))


def first_and_back(x):
    pooled = torch.nn.functional.avg_pool2d(x.contiguous(), 3, 1, 1, count_include_pad=False)
    return pooled.contiguous(memory_format=torch.channels_last)
