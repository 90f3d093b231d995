"""A step of training images on a CPU, two threads, with its network compiled and not: `make bench` prints it.

No assertion on time. The limit: cell 284 takes 11.7 M multiply-adds an image, three times that with its
gradients, 18 GFLOP a step of 256; two cores reach about 0.2 TFLOP/s in float32 and 2 in bfloat16, so that
products take 90 ms and 9 ms. All else passes over memory: activations of 16 MB and less, which operators one
by one read and write several times each, forwards and backwards.
"""

import shutil

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from nasbench_suite.spaces import get_space
from nasbench_suite.training.compiled import compiled
from nasbench_suite.training.networks import official_skeleton
from nasbench_suite.training.seeds import initial_network

pytestmark = [
    pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler here"),
    # PyTorch's compiler imports a module of PyTorch that PyTorch itself calls deprecated.
    pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is:DeprecationWarning"),
]
IMAGES = 256


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("how", ["one operator after the other", "compiled"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cell", ["284", "0", "1462"])
def test_a_step(benchmark, cell, precision, how):
    space = get_space("nats_topology")
    row = space.canonical(space.parse(cell)[None])[0]
    network = initial_network("nats_topology", row, official_skeleton("nats_topology", classes=10), 0)
    network.to(memory_format=torch.channels_last)
    forward = compiled(network) if how == "compiled" else network
    images = torch.randn(IMAGES, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (IMAGES,))

    def step():
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = forward(images)
        F.cross_entropy(logits.float(), labels).backward()

    benchmark.extra_info.update(
        what=f"train cell {cell} of `nats_topology`, {precision}, {how}: a step of {IMAGES} images",
        goal="none",
        scale=1000,
        unit="ms",
    )
    benchmark.pedantic(step, rounds=5, warmup_rounds=1)
