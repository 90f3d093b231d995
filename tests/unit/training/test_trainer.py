"""One network trained alone: against a plain loop, and what happens when it is cut off or goes wrong."""

import copy
import math
from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from nasbench_suite import get_space
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training import trainer
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import load_data
from nasbench_suite.training.networks import Skeleton, network_spaces, official_skeleton
from nasbench_suite.training.optimizers import TensorFlowRmsprop, make_optimizer
from nasbench_suite.training.recipes import RECIPES, Recipe, get_recipe
from nasbench_suite.training.seeds import batch_generator, initial_network
from nasbench_suite.training.trainer import Trainer, epoch_batches, predict

RECIPE = replace(get_recipe("short"), epochs=3, batch=48, drop_last=False)
SKELETON = Skeleton(inputs=1, dims=1, width=4, depth=1, style="light")
GENES = np.array([3, 1, 2, 4, 3, 3], dtype=np.uint8)
CURVES = [field.name for field in fields(LearningCurves) if field.name.split("_")[-1] in ("loss", "accuracy")]


@pytest.fixture(scope="module")
def data():
    return load_data("mnist1d", train=200, valid=130, test=100)


def network(seed=3):
    return initial_network("nats_topology", GENES, SKELETON, seed)


def same(one, other):
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in CURVES)


def test_curves_are_those_of_a_plain_loop(data):
    trained, plain = network(), network()
    curves = Trainer().train(trained, data, RECIPE, seed=5)
    optimizer = torch.optim.SGD(plain.parameters(), 0.05, 0.9, weight_decay=5e-4, nesterov=True)
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = 0.05 * 0.5 * (1 + math.cos(math.pi * epoch / 3))
        order = torch.randperm(200, generator=batch_generator(5, epoch))
        plain.train()
        losses, hits = [], 0
        for start in range(0, 200, 48):
            batch = order[start : start + 48]
            logits = plain(data.inputs[batch])
            loss = F.cross_entropy(logits, data.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += [loss.item()] * len(batch)
            hits += (logits.argmax(1) == data.labels[batch]).sum().item()
        plain.eval()
        with torch.no_grad():
            valid = plain(data.inputs[200:330])
        assert curves.train_loss[0, epoch] == pytest.approx(np.mean(losses), abs=1e-5)
        assert curves.train_accuracy[0, epoch] == pytest.approx(hits / 200)
        loss = F.cross_entropy(valid, data.labels[200:330]).item()
        assert curves.valid_loss[0, epoch] == pytest.approx(loss)
        hits = (valid.argmax(1) == data.labels[200:330]).double().mean().item()
        assert curves.valid_accuracy[0, epoch] == pytest.approx(hits)
    assert (curves.train_seconds > 0).all()
    assert (curves.eval_seconds > 0).all()
    assert curves.failures == ("",)


def test_every_input_is_seen_once_an_epoch_in_another_order(data):
    first, second = (
        torch.cat(list(epoch_batches(data, RECIPE, batch_generator(0, epoch)))) for epoch in (0, 1)
    )
    assert sorted(first.tolist()) == sorted(data.train.tolist())
    assert first.tolist() != second.tolist()
    dropped = replace(RECIPE, drop_last=True)
    assert [len(batch) for batch in epoch_batches(data, dropped, batch_generator(0, 0))] == [48] * 4


def test_the_same_seed_gives_the_same_bytes(data):
    first, again, other = (Trainer().train(network(), data, RECIPE, seed=seed) for seed in (5, 5, 6))
    assert same(first, again)
    assert not same(first, other)


def test_initial_weights_depend_on_seed_and_architecture_and_on_no_global_generator():
    torch.manual_seed(1)
    first = network(3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = network(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.stem[0].weight, again.stem[0].weight)
    assert not torch.equal(first.stem[0].weight, network(4).stem[0].weight)
    neighbour = initial_network("nats_topology", GENES[::-1].copy(), SKELETON, 3)
    assert not torch.equal(first.stem[0].weight, neighbour.stem[0].weight)


class CutError(Exception):
    """Stands for a killed process."""


def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(data, tmp_path):
    whole_network, cut_network, resumed_network = network(), network(), network(9)
    whole = Trainer().train(whole_network, data, RECIPE, seed=5)
    path = tmp_path / "state.pt"

    def cut(done, total):
        if done == 2:
            raise CutError

    trainer = Trainer(checkpoint=path, checkpoint_seconds=0, progress=cut)
    with pytest.raises(CutError):
        trainer.train(cut_network, data, RECIPE, seed=5)
    seen = []
    trainer = replace(trainer, progress=lambda done, total: seen.append(done))
    resumed = trainer.train(resumed_network, data, RECIPE, seed=5)
    assert seen == [2, 3]
    assert same(resumed, whole)
    for one, other in zip(whole_network.parameters(), resumed_network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "other",
    [{"seed": 6}, {"recipe": replace(RECIPE, learning_rate=0.07)}, {"width": 5}],
    ids=["seed", "recipe", "network"],
)
def test_the_checkpoint_of_another_training_is_refused(data, tmp_path, other):
    trainer = Trainer(checkpoint=tmp_path / "state.pt", checkpoint_seconds=0)
    trainer.train(network(), data, RECIPE, seed=5)
    skeleton = replace(SKELETON, width=other.get("width", 4))
    asked = initial_network("nats_topology", GENES, skeleton, 3)
    with pytest.raises(NasbenchSuiteError, match="checkpoint of another training"):
        trainer.train(asked, data, other.get("recipe", RECIPE), seed=other.get("seed", 5))


@pytest.mark.parametrize("damage", [b"", b"nothing of the kind", None], ids=["empty", "text", "truncated"])
def test_a_damaged_checkpoint_is_refused(data, tmp_path, damage):
    trainer = Trainer(checkpoint=tmp_path / "state.pt", checkpoint_seconds=0)
    trainer.train(network(), data, RECIPE, seed=5)
    content = trainer.checkpoint.read_bytes()
    trainer.checkpoint.write_bytes(content[: len(content) // 2] if damage is None else damage)
    with pytest.raises(DamagedFileError, match="remove it"):
        trainer.train(network(), data, RECIPE, seed=5)


def test_a_loss_that_is_no_number_ends_the_run_with_its_reason(data):
    broken = network()
    with torch.no_grad():
        broken.classifier.weight[0, 0] = float("inf")
    curves = Trainer().train(broken, data, RECIPE, seed=5)
    assert curves.failures == ("the loss became nan in epoch 1",)
    assert np.isnan(curves.valid_accuracy).all()


def test_an_empty_split_has_no_results(data):
    curves = Trainer().train(network(), replace(data, test=data.test[:0]), RECIPE, seed=5)
    assert np.isnan(curves.test_accuracy).all()
    assert not np.isnan(curves.valid_accuracy).any()


def test_bfloat16_learns_the_same_within_its_precision(data):
    wide = Trainer().train(network(), data, RECIPE, seed=5)
    narrow = Trainer(precision="bfloat16").train(network(), data, RECIPE, seed=5)
    assert not same(wide, narrow)
    assert np.abs(wide.train_loss - narrow.train_loss).max() < 0.1


def test_likelihoods_are_those_of_the_network(data):
    trained = network()
    found, labels = predict(trained, data, data.test)
    with torch.no_grad():
        expected = trained.eval()(data.inputs[data.test]).log_softmax(1)
    torch.testing.assert_close(found, expected)
    assert torch.equal(labels, data.labels[data.test])


def test_rmsprop_is_that_of_tensorflow():
    """Against the update written down for ApplyRMSProp: https://www.tensorflow.org/api_docs."""
    rng = np.random.default_rng(0)
    value, grads = rng.normal(size=4), rng.normal(size=(5, 4))
    parameter = torch.nn.Parameter(torch.tensor(value))
    optimizer = TensorFlowRmsprop([parameter], 0.2, momentum=0.9, decay=0.9, epsilon=1.0, weight_decay=1e-2)
    square, velocity = np.ones(4), np.zeros(4)
    for grad in grads:
        parameter.grad = torch.tensor(grad)
        optimizer.step()
        whole = grad + 1e-2 * value
        square = square + (whole**2 - square) * (1 - 0.9)
        velocity = 0.9 * velocity + 0.2 * whole / np.sqrt(square + 1.0)
        value = value - velocity
        np.testing.assert_allclose(parameter.detach().numpy(), value, rtol=1e-12)


def test_recipes_make_their_optimisers():
    weights = [torch.nn.Parameter(torch.zeros(1))]
    assert isinstance(make_optimizer(weights, get_recipe("nasbench101-108")), TensorFlowRmsprop)
    plain = make_optimizer(weights, get_recipe("nasbench-macro"))
    assert isinstance(plain, torch.optim.SGD)
    assert not plain.param_groups[0]["nesterov"]
    assert make_optimizer(weights, get_recipe("nasbench201-200")).param_groups[0]["nesterov"]


def test_learning_rates_follow_the_published_schedules():
    recipe = get_recipe("nasbench201-12")
    published = [0.05 * (1 + math.cos(math.pi * epoch / 12)) for epoch in range(12)]
    assert [recipe.rate(epoch, 7, 98) for epoch in range(12)] == pytest.approx(published)
    by_step = get_recipe("nasbench101-4")
    assert by_step.rate(0, 0, 156) == pytest.approx(0.2)
    assert by_step.rate(2, 0, 156) == pytest.approx(0.1)
    assert by_step.rate(3, 155, 156) < 1e-5
    floor = replace(recipe, last_learning_rate=0.01)
    assert floor.rate(12, 0, 98) == pytest.approx(0.01)
    assert replace(recipe, schedule="constant").rate(5, 0, 98) == 0.1


def test_steps_of_an_epoch():
    recipe = replace(RECIPE, batch=256)
    assert recipe.steps(25_000) == 98
    assert replace(recipe, drop_last=True).steps(40_000) == 156
    with pytest.raises(NasbenchSuiteError, match="do not fill one batch"):
        replace(recipe, drop_last=True).steps(255)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_are_complete(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    assert len(recipe.source) > 20
    assert recipe.rate(0, 0, 100) == recipe.learning_rate
    assert recipe.rate(recipe.epochs - 1, 99, 100) < recipe.learning_rate / 4 or recipe.epochs < 3


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"learning_rate": float("nan")}])
def test_impossible_recipes_are_refused(wrong):
    settings = {"epochs": 1, "batch": 1, "learning_rate": 0.1} | wrong
    with pytest.raises(NasbenchSuiteError, match=f"recipe's {next(iter(wrong))}"):
        Recipe("mine", "nobody", weight_decay=0.0, **settings)


def test_networks_are_left_alone_by_the_trainer_of_another(data):
    one, other = network(), network()
    untouched = copy.deepcopy(other)
    Trainer().train(one, data, RECIPE, seed=5)
    for before, after in zip(untouched.parameters(), other.parameters(), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("space", network_spaces())
def test_gradients_are_the_same_with_channels_last(space):
    """As networks of images are trained; on CUDA PyTorch has had a pool whose gradients were not."""
    architecture = get_space(space).canonical(get_space(space).sample(np.random.default_rng(4), 1))[0]
    skeleton = replace(official_skeleton(space), width=8, depth=1, classes=10, drop_path=0.0)
    network = initial_network(space, architecture, skeleton, 3).double()
    inputs = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def gradients(network, inputs):
        loss = torch.nn.functional.cross_entropy(network(inputs), torch.arange(4))
        return torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)

    expected = gradients(network, inputs)
    network.to(memory_format=torch.channels_last)
    found = gradients(network, inputs.contiguous(memory_format=torch.channels_last))
    assert any(weight.is_contiguous(memory_format=torch.channels_last) for weight in network.parameters())
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_epochs_between_evaluations_are_left_out_and_change_nothing(data):
    recipe = replace(RECIPE, epochs=5)
    every = Trainer().train(network(), data, recipe, seed=2)
    few = Trainer(judged_every=2).train(network(), data, recipe, seed=2)
    judged = [1, 3, 4]
    for name in ("valid_accuracy", "valid_loss", "test_accuracy", "test_loss"):
        of_few, of_every = getattr(few, name)[0], getattr(every, name)[0]
        assert np.flatnonzero(np.isfinite(of_few)).tolist() == judged
        assert of_few[judged].tolist() == of_every[judged].tolist()
    assert few.train_loss.tolist() == every.train_loss.tolist()


@pytest.mark.parametrize(
    ("wrong", "words"), [({"precision": "half"}, "not in 'half'"), ({"judged_every": 0}, "at least 1, not 0")]
)
def test_a_trainer_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(NasbenchSuiteError, match=words):
        Trainer(**wrong)


def test_a_split_that_validates_and_tests_is_evaluated_once(data, monkeypatch):
    calls = []
    monkeypatch.setattr(trainer, "predict", lambda *args, **how: calls.append(1) or predict(*args, **how))
    same = replace(data, test=data.valid)
    curves = Trainer().train(network(), same, replace(RECIPE, epochs=2), seed=2)
    assert len(calls) == 2
    assert curves.test_accuracy.tolist() == curves.valid_accuracy.tolist()
    assert curves.test_loss.tolist() == curves.valid_loss.tolist()


def test_memory_is_kept_for_the_steps_on_images_alone(data, monkeypatch):
    kept = []

    @contextmanager
    def recorded():
        kept.append("begins")
        yield
        kept.append("ends")

    monkeypatch.setattr(trainer, "kept_memory", recorded)
    Trainer().train(network(), data, RECIPE, seed=5)
    assert kept == []
    images = load_data("digits", train=60, valid=20, test=20)
    shape = replace(SKELETON, dims=2)
    done = Trainer(progress=lambda done, total: kept.append(done))
    done.train(initial_network("nats_topology", GENES, shape, 3), images, RECIPE, seed=5)
    assert kept == ["begins", 1, 2, 3, "ends"]
