"""Any number of architectures: together or one by one, and in halves where memory is short."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training import groups
from nasbench_suite.training.data import load_data
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer

RECIPE = replace(get_recipe("short"), epochs=1, batch=50)
SKELETON = Skeleton(inputs=1, dims=1, width=2, depth=1, style="light")
ROWS = np.random.default_rng(1).integers(0, 5, (6, 6)).astype(np.uint8)


@pytest.fixture(scope="module")
def data():
    return load_data("mnist1d", train=100, valid=50, test=50)


@pytest.fixture
def memory_for(monkeypatch):
    """Make groups of more than so many networks fail as they do when a GPU's memory is full."""
    sizes, real = [], groups.train_together

    def limit(most):
        def short_of_memory(space, genes, *rest, **options):
            sizes.append(len(genes))
            if len(genes) > most:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            return real(space, genes, *rest, **options)

        monkeypatch.setattr(groups, "train_together", short_of_memory)
        monkeypatch.setattr(groups, "CPU_GROUP", 1024)
        return sizes

    return limit


def test_a_group_that_memory_does_not_hold_is_halved_and_says_so(data, memory_for):
    expected = train_all("nats_topology", ROWS, SKELETON, data, RECIPE, seed=0)
    said, sizes = [], memory_for(2)
    curves = train_all("nats_topology", ROWS, SKELETON, data, RECIPE, seed=0, notice=said.append)
    assert sizes == [6, 3, 1, 2, 3, 1, 2]
    assert said[0] == "6 networks do not fit into the GPU's memory; going on with 3 at a time."
    np.testing.assert_allclose(curves.train_loss, expected.train_loss, atol=1e-4)


def test_memory_for_not_even_one_is_an_error(data, memory_for):
    memory_for(0)
    with pytest.raises(NasbenchSuiteError, match="does not hold one network"):
        train_all("nats_topology", ROWS[:2], SKELETON, data, RECIPE, seed=0, notice=lambda sentence: None)


def test_what_cannot_be_folded_is_trained_one_by_one(data):
    official = replace(SKELETON, style="official")
    done = []
    curves = train_all(
        "nats_topology",
        ROWS[:3],
        official,
        data,
        RECIPE,
        seed=0,
        progress=lambda *counts: done.append(counts),
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    alone = initial_network("nats_topology", ROWS[1], official, 0)
    expected = Trainer().train(alone, data, RECIPE, seed=0)
    assert curves.valid_loss[1].tobytes() == expected.valid_loss[0].tobytes()


def test_no_architectures_have_no_curves(data):
    curves = train_all("nats_topology", ROWS[:0], SKELETON, data, RECIPE, seed=0)
    assert len(curves) == 0
    assert curves.valid_accuracy.shape == (0, 1)
