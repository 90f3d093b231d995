"""Any number of architectures: together or one by one, and in halves where memory is short."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training import groups
from nasbench_suite.training.counting import count_many
from nasbench_suite.training.data import load_data
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.plan import read_plan
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


@pytest.mark.parametrize(
    ("device", "number", "size"),
    [("cpu", 6466, 4), ("cuda", 6466, 3233), ("cuda", 4096, 4096), ("cuda", 4097, 2049), ("cuda", 0, 1)],
)
def test_groups_on_a_gpu_are_of_equal_size(device, number, size):
    assert groups.group_size(device, number) == size


def test_no_architectures_have_no_curves(data):
    curves = train_all("nats_topology", ROWS[:0], SKELETON, data, RECIPE, seed=0)
    assert len(curves) == 0
    assert curves.valid_accuracy.shape == (0, 1)


def test_a_joint_row_is_its_cell_trained_by_its_own_setting():
    data = load_data("mnist1d", train=400, valid=50, test=50)
    joint = get_space("joint_topology")
    rows = joint.sample(np.random.default_rng(3), 5)
    rows[4, :3] = rows[0, :3]  # two cells of one setting train together
    done = []
    curves = train_all(
        joint.name, rows, SKELETON, data, RECIPE, seed=2, progress=lambda *counts: done.append(counts)
    )
    assert done[-1] == (5, 5)
    assert [count for count, _ in done] == sorted({count for count, _ in done})
    settings = joint.settings(rows)
    for row in range(5):
        recipe = replace(
            RECIPE,
            learning_rate=settings["learning_rate"][row],
            batch=int(settings["batch"][row]),
            weight_decay=settings["weight_decay"][row],
        )
        cell = joint.architectures(rows[row : row + 1])
        alone = train_all("nats_topology", cell, SKELETON, data, recipe, seed=2)
        np.testing.assert_allclose(curves.train_loss[row], alone.train_loss[0], atol=1e-4)
        np.testing.assert_allclose(curves.valid_loss[row], alone.valid_loss[0], atol=1e-4)
    assert len(np.unique(curves.train_loss.round(6))) == 5


def test_a_joint_row_is_built_and_counted_as_its_cell_is():
    joint = get_space("joint_topology")
    rows = joint.sample(np.random.default_rng(3), 40)
    ours = count_many(joint.name, rows, SKELETON, (1, 40))
    theirs = count_many("nats_topology", joint.architectures(rows), SKELETON, (1, 40))
    assert (ours.parameters == theirs.parameters).all()
    assert (ours.multiply_adds == theirs.multiply_adds).all()
    single = sum(p.numel() for p in build_network(joint.name, rows[0], SKELETON).parameters())
    assert single == ours.parameters[0]


def test_blocks_of_a_joint_build_have_one_setting_each():
    plan = read_plan(content_root() / "tabular" / "joint-mnist1d" / "build.toml")
    space, blocks = get_space("joint_topology"), plan.blocks()
    assert {len(np.unique(space.setting_number(block.genes))) for block in blocks} == {1}
    first = np.concatenate([block.rows for block in blocks if block.seed == 0])
    assert sorted(first.tolist()) == list(range(space.distinct))
    uneven = plan.model_copy(update={"data": plan.data.model_copy(update={"train": 4100})})
    with pytest.raises(NasbenchSuiteError, match="batches of 200 leave some of 4,100 training inputs out"):
        uneven.check(replace(load_data("mnist1d", train=4100, valid=50, test=50), classes=10))


@pytest.mark.parametrize("setting", ["epochs=1|2", "optimizer=sgd|adam", "dropout=0.1|0.2", "act=relu|gelu"])
def test_settings_that_no_training_has_are_refused(data, setting):
    joint = get_space(f"nats_topology*grid({setting})")
    rows = joint.sample(np.random.default_rng(0), 2)
    with pytest.raises(NasbenchSuiteError, match=f"cannot be trained with {setting.partition('=')[0]} as a"):
        train_all(joint.name, rows, SKELETON, data, RECIPE, seed=0)
    with pytest.raises(ArchitectureError, match="is not a valid architecture of space"):
        build_network(joint.name, np.full(7, 9, dtype=np.uint8), SKELETON)
