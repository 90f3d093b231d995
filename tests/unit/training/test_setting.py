"""What `train` puts together from names: for tasks and for every space, on signals and on images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite import get_space
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.training import setting as settings
from nasbench_suite.training.counting import count
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import load_data
from nasbench_suite.training.networks import network_spaces, official_skeleton
from nasbench_suite.training.plan import read_plan
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.setting import setting_of, space_of
from nasbench_suite.training.task import TrainingTask


@pytest.fixture
def some():
    """A function from the name of a space to one architecture of it."""
    return lambda space: get_space(space).sample(np.random.default_rng(0), 1)[0]


@pytest.fixture(scope="module")
def few_signals():
    return load_data("mnist1d", train=20, valid=10, test=10)


def test_a_task_of_ours_is_trained_as_its_plan_says(pytestconfig, few_signals, monkeypatch):
    asked = []
    monkeypatch.setattr(TrainingTask, "load_data", lambda task, device: asked.append(task) or few_signals)
    plan = read_plan(pytestconfig.rootpath / "tabular" / "nats_topology-mnist1d" / "build.toml")
    setting = setting_of("nats_topology/mnist1d")
    assert (setting.space, setting.recipe) == (plan.space, get_recipe(plan.recipe))
    assert setting.skeleton == plan.skeleton.skeleton()
    assert setting.data is few_signals
    assert asked[0].data.model_dump() == plan.data.model_dump()


def test_names_replace_what_a_task_has():
    setting = setting_of("nats_topology/mnist1d", recipe="nats-size-12", data="digits", epochs=3)
    assert setting.recipe == replace(get_recipe("nats-size-12"), epochs=3)
    assert setting.data.name == "digits"
    assert (setting.skeleton.dims, setting.skeleton.inputs) == (2, 1)


@pytest.mark.parametrize("space", network_spaces())
def test_every_space_takes_signals(space, some, few_signals, monkeypatch):
    monkeypatch.setattr(settings, "load_data", lambda name, device: few_signals)
    setting = setting_of(space, data="mnist1d")
    assert setting.recipe == get_recipe("short")
    assert (setting.skeleton.dims, setting.skeleton.style, setting.skeleton.width) == (1, "light", 8)
    network = setting.network(some(space), 0).eval()
    inputs, _ = setting.data.batch(torch.arange(2))
    with torch.no_grad():
        found = network(inputs)
    assert (found[0] if isinstance(found, tuple) else found).shape == (2, 10)
    counts = setting.counts(some(space))
    assert counts == count(network, setting.data.shape)
    assert counts.parameters == sum(weights.numel() for weights in network.parameters())


def test_a_space_takes_images_with_the_skeleton_of_its_authors():
    setting = setting_of("nats_topology", data="digits", recipe="nasbench201-12")
    official = official_skeleton("nats_topology")
    assert setting.skeleton == replace(official, inputs=1, classes=10)


def test_states_have_a_name_for_every_architecture_and_seed(some):
    setting = setting_of("nats_topology", data="digits")
    rows = get_space("nats_topology").canonical(np.array([[0] * 6, [1] * 6, [2] * 6], dtype=np.uint8))
    names = {setting.file(row, seed) for row in rows for seed in (0, 1)}
    assert len(names) == 6


def test_the_epoch_that_counts_is_the_last_or_the_best_as_the_recipe_reports():
    setting = setting_of("nats_topology", data="digits")
    curves = LearningCurves.empty(1, 4)
    assert setting.reported_epoch(curves) == 0
    curves.train_loss[0, :3] = 1
    curves.test_accuracy[0, :3] = [0.1, 0.4, 0.3]
    assert setting.reported_epoch(curves) == 2  # the fourth failed
    best = replace(setting, recipe=get_recipe("nasbench-macro"))
    assert best.reported_epoch(curves) == 1


def test_what_cannot_be_trained_is_said():
    with pytest.raises(NasbenchSuiteError, match="give one with --data: "):
        setting_of("macro")
    with pytest.raises(UnknownNameError, match="did you mean macro"):
        space_of("macra")
    with pytest.raises(UnknownNameError, match="there is no network of space 'graph'"):
        space_of("graph")
    with pytest.raises(NasbenchSuiteError, match="graph/cora cannot be trained here"):
        space_of("graph/cora")
    assert space_of("nats_topology/mnist1d") == "nats_topology"
