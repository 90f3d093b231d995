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
from nasbench_suite.training.benchmark import TrainingBenchmark
from nasbench_suite.training.data import load_data
from nasbench_suite.training.many import train_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.task import training_task
from nasbench_suite.training.trainer import Trainer
from nasbench_suite.workers import workers

NEIGHBOURS = 16
PLACES = {"nats_topology": (5_000, 10_000), "macro": (3_000,)}
"""Where in the sorted space the architectures begin: the same ones for every size of group."""
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


def groups_of(space, size):
    """Architectures in groups of neighbours, as in a build."""
    starts = (place + first for place in PLACES[space] for first in range(0, NEIGHBOURS, size))
    return [get_space(space).decode(np.arange(start, start + size)) for start in starts]


def describe(benchmark, space, how):
    benchmark.extra_info.update(
        what=f"train `{space}`, {how}: networks through one epoch of MNIST-1D and both evaluations",
        goal="the limit: 20 a second" if space == "nats_topology" else "none",
        scale=-NEIGHBOURS * len(PLACES[space]),
        unit="a second",
    )


@pytest.mark.parametrize("space", SKELETONS)
def test_one_by_one(benchmark, data, space):
    rows = np.concatenate(groups_of(space, NEIGHBOURS))

    def train():
        for row in rows:
            network = initial_network(space, row, SKELETONS[space], 0)
            Trainer().train(network, data, RECIPE, seed=0)

    describe(benchmark, space, "one by one")
    benchmark.pedantic(train, rounds=3, warmup_rounds=0)


@pytest.mark.parametrize("group", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("space", SKELETONS)
def test_together(benchmark, data, space, group):
    groups = groups_of(space, group)

    def train():
        for rows in groups:
            train_together(space, rows, SKELETONS[space], data, RECIPE, seed=0)

    describe(benchmark, space, f"{group} together")
    benchmark.pedantic(train, rounds=3, warmup_rounds=0)


@pytest.mark.parametrize("processes", [1, 2])
def test_answers(benchmark, processes):
    """Eight cells with the task's three seeds, asked for at once, as the proposals of several runs are."""
    task = training_task("nats_topology/mnist1d")
    cells = get_space(task.space).sample(np.random.default_rng(0), 9)

    def ask(rows, executor):
        by_training = TrainingBenchmark(task)
        with by_training.trained_on(executor):
            by_training.query(rows)

    benchmark.extra_info.update(
        what=f"answers of `training:{task.task}`, 8 cells at once, {processes} process(es): trainings",
        goal="a process for every core",
        scale=-8 * len(task.seeds),
        unit="a second",
    )
    with workers(processes) as executor:
        ask(cells[8:], executor)  # workers have loaded what they need
        benchmark.pedantic(ask, (cells[:8], executor), rounds=3, warmup_rounds=0)
