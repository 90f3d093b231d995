"""Speed of a supernet's training step on one thread of this machine's processor; `make bench` prints it.

No assertion on time. The limit, written down before measuring: an edge of nats_topology has a convolution of
one tap and one of three, 4 C^2 multiply-adds for every place and input. At width 8 and length 40 a batch of
64 is 27.5 million of them over three stages, 165 MFLOP with the backward pass, 3.3 ms at the 50 GFLOP/s that
small matrix products reach on a core here. What else a step does is to read and write about 20 tensors of up
to 80 KB an edge and stage, which stay in the cache, in about 700 calls of PyTorch at 5 to 40 microseconds
each: these calls are what a mixed cell saves.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from nasbench_suite.spaces import get_space
from nasbench_suite.training import mixed_cell
from nasbench_suite.training.choices import mixed_gates, sampled_gates
from nasbench_suite.training.setting import setting_of
from nasbench_suite.training.supernet import Supernet

BATCH = 64


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def step_of(space, gates):
    """Return a function that takes a training step without the optimiser's part."""
    setting = setting_of(f"{space}/mnist1d")
    torch.manual_seed(0)
    supernet = Supernet(space, setting.skeleton)
    inputs, labels = setting.data.batch(setting.data.train[:BATCH])

    def step():
        F.cross_entropy(supernet(inputs, gates()), labels).backward()

    return step


def mixed(space):
    cardinalities = get_space(space).cardinalities
    weights = torch.full((len(cardinalities), max(cardinalities)), 0.2, requires_grad=True)
    return lambda: mixed_gates(weights, cardinalities)


def sampled(space):
    rows = get_space(space).sample(np.random.default_rng(0), 100)
    places = iter(np.arange(10**9))
    return lambda: sampled_gates(rows[next(places) % len(rows)])


def measure(benchmark, step, what, goal="none"):
    benchmark.extra_info.update(what=what, goal=goal, scale=1e3, unit="ms")
    benchmark.pedantic(step, rounds=30, warmup_rounds=3)


@pytest.mark.parametrize("at_once", [False, True], ids=["edge by edge", "at once"])
def test_a_mixed_step(benchmark, at_once, monkeypatch):
    if not at_once:
        monkeypatch.setattr(mixed_cell, "_mixed_without_scales", lambda choice: False)
    how = "what leaves a node at once" if at_once else "edge by edge"
    what = f"a step of a mixed supernet of `nats_topology`, {BATCH} signals, {how}"
    measure(benchmark, step_of("nats_topology", mixed("nats_topology")), what, "the limit: 3.3 ms")


@pytest.mark.parametrize("space", ["nats_topology", "macro"])
def test_a_sampled_step(benchmark, space):
    what = f"a step of a sampled path of the supernet of `{space}`, {BATCH} signals"
    measure(benchmark, step_of(space, sampled(space)), what)
