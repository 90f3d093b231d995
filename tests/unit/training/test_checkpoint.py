"""States of trainings as files: where a training was before it went on somewhere else."""

from dataclasses import replace

import pytest
import torch

from nasbench_suite.spaces import get_space
from nasbench_suite.training import checkpoint
from nasbench_suite.training.checkpoint import runs_on
from nasbench_suite.training.data import load_data
from nasbench_suite.training.environment import environment, in_words
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.task import training_task
from nasbench_suite.training.trainer import Trainer

GPU = {"processor": "a CPU, 8 cores", "torch": "2.1", "device": "a GPU"}
CPU = {"processor": "a CPU, 2 cores", "torch": "2.2", "device": "cpu"}


class CutOffError(Exception):
    pass


@pytest.fixture
def train_on(tmp_path, monkeypatch):
    """Trains up to an epoch on a machine; returns what the training runs on by its file."""
    task = training_task("nats_topology/mnist1d")
    data = load_data("mnist1d", train=100, valid=50, test=50)
    recipe = replace(get_recipe("short"), epochs=9, batch=50)
    row = get_space(task.space).parse("284")

    def train(machine, until):
        def cut(done, total):
            if done == until:
                raise CutOffError

        monkeypatch.setattr(checkpoint, "environment", lambda device, **how: dict(machine))
        path = tmp_path / "state"
        network = initial_network(task.space, row, task.network_skeleton(data), 0)
        trainer = Trainer(checkpoint=path, checkpoint_seconds=0, progress=cut)
        with pytest.raises(CutOffError):
            trainer.train(network, data, recipe, seed=0)
        return runs_on("cpu", path)

    return train


def test_a_training_that_stays_has_one_environment(train_on):
    assert train_on(GPU, 2) == GPU
    assert train_on(GPU, 4) == GPU


def test_a_training_that_moves_says_where_it_was(train_on):
    # The epoch in which it is cut off is lost: its state is written after its progress is told.
    train_on(GPU, 3)
    moved = CPU | {"before": "up to epoch 2 on a GPU, PyTorch 2.1"}
    assert train_on(CPU, 4) == moved
    assert train_on(CPU, 6) == moved
    assert train_on(GPU, 8) == GPU | {
        "before": "up to epoch 2 on a GPU, PyTorch 2.1; up to epoch 5 on a CPU, 2 cores, PyTorch 2.2"
    }
    assert in_words(moved) == "a CPU, 2 cores, PyTorch 2.2 (up to epoch 2 on a GPU, PyTorch 2.1)"


def test_a_state_that_does_not_say_where_it_was_made_is_told_as_unknown(train_on, tmp_path):
    train_on(GPU, 3)
    state = torch.load(tmp_path / "state", weights_only=True)
    del state["ran_on"]
    torch.save(state, tmp_path / "state")
    assert train_on(CPU, 4) == CPU | {"before": "up to epoch 2 on an unknown machine"}


def test_without_a_state_a_training_runs_here(tmp_path):
    assert runs_on("cpu", None) == runs_on("cpu", tmp_path / "none") == environment("cpu")
    assert environment("cpu")["torch"] == torch.__version__
    compiled = environment("cpu", compiled=True)
    assert in_words(compiled) == f"{in_words(environment('cpu'))}, compiled"
    assert runs_on("cpu", None, compiled=True) == compiled
