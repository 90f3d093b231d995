"""Speed of real training on one thread of this machine's processor; `make bench` prints it.

No assertion on time. Limits, written down before measuring. An average cell of nats_topology in the `light`
skeleton at width 8 needs about 95,000 multiply-adds for a signal of 40 values: 0.19 MFLOP forwards, 0.57
MFLOP for a training step. An epoch of 4,000 signals and two evaluations of 5,000 are then 4.2 GFLOP; small
matrix products reach 50 to 85 GFLOP/s on a core here, so no version can take less than 0.05 s. What else a
step does is additions and normalisation over about thirty tensors of 128 KB (batch 100), which at 40 GB/s
from the cache take as long again. PyTorch's own operators, 150 a step and none of them fused, cost 5 to 40
microseconds each.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite.spaces import get_space
from nasbench_suite.training.data import load_data
from nasbench_suite.training.many import train_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer

CELLS = 16
RECIPE = replace(get_recipe("short"), epochs=1)
SKELETONS = {
    "nats_topology": Skeleton(inputs=1, dims=1, width=8, depth=1, style="light"),
    "macro": Skeleton(inputs=1, dims=1, width=2, style="light"),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data():
    return load_data("mnist1d")


def runs_of_neighbours(space, group):
    """Architectures in groups of neighbours, as in a build: every n-th of the sorted space."""
    genes = get_space(space).decode(np.arange(get_space(space).n_codes))
    starts = np.linspace(0, len(genes) - group, CELLS // group).astype(int)
    return [genes[start : start + group] for start in starts]


def describe(benchmark, what):
    benchmark.extra_info.update(
        what=f"{what}: trainings of one epoch of MNIST-1D and both evaluations",
        goal="1 / 0.1 s",
        scale=-CELLS,
        unit="a second",
    )


@pytest.mark.parametrize("space", SKELETONS)
def test_one_by_one(benchmark, data, space):
    rows = np.concatenate(runs_of_neighbours(space, 4))

    def train():
        for row in rows:
            network = initial_network(space, row, SKELETONS[space], 0)
            Trainer().train(network, data, RECIPE, seed=0)

    describe(benchmark, f"`{space}`, one by one")
    benchmark.pedantic(train, rounds=3, warmup_rounds=0)


@pytest.mark.parametrize("group", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("space", SKELETONS)
def test_together(benchmark, data, space, group):
    groups = runs_of_neighbours(space, group)

    def train():
        for rows in groups:
            train_together(space, rows, SKELETONS[space], data, RECIPE, seed=0)

    describe(benchmark, f"`{space}`, {group} together")
    benchmark.pedantic(train, rounds=3, warmup_rounds=0)
