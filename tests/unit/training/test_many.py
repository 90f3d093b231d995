"""Networks trained together follow those trained alone, which are plain modules with automatic gradients."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData, load_data
from nasbench_suite.training.folded import activations, macro, topology
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.many import train_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network, initial_states
from nasbench_suite.training.trainer import Trainer

RECIPE = replace(get_recipe("short"), epochs=2, batch=50)
CURVES = [field.name for field in fields(LearningCurves) if field.name.split("_")[-1] in ("loss", "accuracy")]
GROUPS = {
    "topology": ("nats_topology", 5, 6, Skeleton(inputs=1, dims=1, width=4, depth=1, style="light")),
    "two cells a stage": ("nats_topology", 5, 6, Skeleton(inputs=1, dims=1, width=3, depth=2, style="light")),
    "macro": ("macro", 3, 8, Skeleton(inputs=1, dims=1, width=2, style="light")),
}
FOLDED = {
    "nats_topology": (topology.TopologyWeights, topology.FoldedTopology),
    "macro": (macro.MacroWeights, macro.FoldedMacro),
}


class DoubleData(TrainingData):
    """The same data in double precision, in which rounding cannot hide a mistake."""

    def _normalised(self, inputs):
        return inputs.double()


@pytest.fixture
def data():
    return load_data("mnist1d", train=200, valid=130, test=100)


@pytest.fixture
def double(data):
    torch.set_default_dtype(torch.float64)
    try:
        parts = {field.name: getattr(data, field.name) for field in fields(data)}
        yield DoubleData(**parts)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture
def scattered(monkeypatch):
    """Make folded networks gather the models of an operation, as on a GPU."""

    def all_at_once(has, device):
        models = np.flatnonzero(has)
        return [activations.Members(models, device)] if len(models) else []

    monkeypatch.setattr(topology, "members", all_at_once)
    monkeypatch.setattr(macro, "members", all_at_once)


def drawn(group, n=7, seed=0):
    space, values, genes, skeleton = GROUPS[group]
    rows = np.random.default_rng(seed).integers(0, values, (n, genes)).astype(np.uint8)
    if space == "nats_topology":
        rows[0] = 0  # nothing reaches the end
        rows[1] = [0, 3, 3, 1, 4, 2]  # the second node has no input, and is convolved
    return space, rows, skeleton


def alone(space, rows, skeleton, data, recipe, networks):
    return LearningCurves.concatenate(
        [Trainer().train(network, data, recipe, seed=3) for network in networks]
    )


def check_follow(group, data, tolerance, recipe=RECIPE, flips=0.0):
    space, rows, skeleton = drawn(group)
    networks = [initial_network(space, row, skeleton, 3) for row in rows]
    twins = copy.deepcopy(networks)
    together = train_together(space, rows, skeleton, data, recipe, seed=3, networks=networks)
    apart = alone(space, rows, skeleton, data, recipe, twins)
    for name in CURVES:
        np.testing.assert_allclose(
            getattr(together, name),
            getattr(apart, name),
            rtol=0,
            atol=tolerance + flips * name.endswith("accuracy"),
            err_msg=name,
        )
    inputs, _ = data.batch(data.test)
    for network, twin in zip(networks, twins, strict=True):
        network.eval()
        twin.eval()
        with torch.no_grad():
            torch.testing.assert_close(network(inputs), twin(inputs), rtol=0, atol=50 * tolerance)


@pytest.mark.parametrize("group", GROUPS)
def test_in_double_precision_each_follows_its_twin(group, double):
    check_follow(group, double, 1e-7)


@pytest.mark.parametrize("group", GROUPS)
def test_scattered_models_follow_their_twins(group, double, scattered):
    check_follow(group, double, 1e-7)


@pytest.mark.parametrize(
    ("group", "rounding"), [("topology", 1e-5), ("two cells a stage", 1e-5), ("macro", 1e-3)]
)
def test_in_single_precision_each_follows_its_twin_to_rounding(group, rounding, data):
    """Over two steps, since training is chaotic: a difference grows tenfold every few steps.

    In the narrow networks of `macro` up to 24 normalisations follow each other, each of which multiplies
    what is almost constant, rounding included, by up to 1 / sqrt(1e-5) = 316.
    """
    check_follow(group, data, rounding, replace(RECIPE, epochs=1, batch=100), flips=0.01)


@pytest.mark.parametrize("group", GROUPS)
def test_gradients_are_those_of_automatic_differentiation(group, double):
    space, rows, skeleton = drawn(group)
    rows = rows[np.lexsort(rows.T[::-1])]
    networks = [initial_network(space, row, skeleton, 1) for row in rows]
    weights_of, folded_of = FOLDED[space]
    weights = weights_of(rows, skeleton, torch.device("cpu"))
    weights.parameters.read([network.state_dict() for network in networks])
    folded = folded_of(weights, 40, 20, training=True)
    inputs, labels = double.batch(double.train[:20])
    for _ in range(2):  # buffers are used again
        logits = folded.forward(inputs.permute(1, 2, 0))
        folded.backward((logits.softmax(1) - F.one_hot(labels, 10).t()) / 20)
    compared = 0
    for model, network in enumerate(networks):
        network.train()
        F.cross_entropy(network(inputs), labels).backward()
        exact = dict(network.named_parameters())
        for weight in weights.parameters._weights:
            if model in weight.models:
                own = weight.grad.select(weight.axis, list(weight.models).index(model))
                torch.testing.assert_close(
                    own, weight._folded(exact[weight.name].grad, own.shape), rtol=1e-8, atol=1e-10
                )
                compared += 1
    assert compared > 50


def test_no_result_depends_on_the_order_or_on_the_other_models(double):
    space, rows, skeleton = drawn("topology")
    whole = train_together(space, rows, skeleton, double, RECIPE, seed=3)
    turned = train_together(space, rows[::-1].copy(), skeleton, double, RECIPE, seed=3)
    some = train_together(space, rows[2:4], skeleton, double, RECIPE, seed=3)
    np.testing.assert_allclose(turned.valid_loss[::-1], whole.valid_loss, rtol=0, atol=1e-9)
    np.testing.assert_allclose(some.valid_loss, whole.valid_loss[2:4], rtol=0, atol=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(data):
    space, rows, skeleton = drawn("topology", n=3)
    first, again, other = (
        train_together(space, rows, skeleton, data, RECIPE, seed=seed) for seed in (3, 3, 4)
    )
    for name in CURVES:
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert not np.array_equal(first.train_loss, other.train_loss)


@pytest.mark.parametrize("group", ["topology", "macro"])
def test_a_loss_that_is_no_number_ends_one_run_only(group, data):
    space, rows, skeleton = drawn(group)
    networks = [initial_network(space, row, skeleton, 3) for row in rows]
    twins = copy.deepcopy(networks)
    with torch.no_grad():
        twins[4].classifier.bias[0] = float("nan")
    well = train_together(space, rows, skeleton, data, RECIPE, seed=3, networks=networks)
    ill = train_together(space, rows, skeleton, data, RECIPE, seed=3, networks=twins)
    assert ill.failures == ("", "", "", "", "the loss became nan in epoch 1", "", "")
    others = np.arange(7) != 4
    for name in CURVES:
        assert np.isnan(getattr(ill, name)[4]).all()
        assert np.array_equal(getattr(ill, name)[others], getattr(well, name)[others])
    assert not any(well.failures)


def test_what_cannot_be_trained_together_is_refused_with_the_reason(data):
    space, rows, skeleton = drawn("topology", n=2)
    for wrong, reason in (
        ({"skeleton": replace(skeleton, style="official")}, "style light"),
        ({"recipe": replace(RECIPE, batch=33, drop_last=False)}, "smaller last batch of 33"),
        ({"recipe": get_recipe("nasbench101-4")}, "more than plain stochastic gradient descent"),
        ({"space": "nats_size"}, "nats_size are not folded"),
    ):
        asked = {"space": space, "skeleton": skeleton, "recipe": RECIPE} | wrong
        with pytest.raises(NasbenchSuiteError, match=reason):
            train_together(asked["space"], rows, asked["skeleton"], data, asked["recipe"], seed=0)


def test_signals_too_short_for_three_stages_are_refused(data):
    _, rows, skeleton = drawn("topology", n=2)
    weights = topology.TopologyWeights(rows, skeleton, torch.device("cpu"))
    with pytest.raises(NasbenchSuiteError, match="at least 12"):
        topology.FoldedTopology(weights, 11, 10, training=True)


@pytest.mark.parametrize("group", GROUPS)
def test_initial_states_are_those_of_networks_that_are_built(group):
    """Also where a network is drawn anew in place of being built; the global generator is left as it was."""
    space, rows, skeleton = drawn(group, n=60)
    rows = np.concatenate([rows, rows[:3]])
    if space == "nats_topology":
        rows[5:8] = [[3, 0, 2, 1, 0, 3], [3, 4, 2, 0, 1, 3], [3, 1, 2, 4, 4, 3]]  # the same convolutions
    before = torch.random.get_rng_state()
    states = initial_states(space, rows, skeleton, 5)
    assert torch.equal(torch.random.get_rng_state(), before)
    for row, state in zip(rows, states, strict=True):
        built = initial_network(space, row, skeleton, 5).state_dict()
        assert list(built) == list(state)
        for name, value in built.items():
            assert torch.equal(value, state[name]), name


def test_all_are_trained_in_groups_and_come_back_in_their_order(data):
    space, rows, skeleton = drawn("topology")
    curves = train_all(space, rows, skeleton, data, RECIPE, seed=3)
    for row in (0, 5):
        own = train_together(space, rows[row : row + 1], skeleton, data, RECIPE, seed=3)
        np.testing.assert_allclose(curves.train_loss[row], own.train_loss[0], rtol=0, atol=1e-3)
