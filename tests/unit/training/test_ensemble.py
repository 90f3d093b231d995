"""Ensembles: a case by hand, members by validation alone, and predictions that are the networks'."""

from functools import partial

import numpy as np
import pytest
import torch

from nasbench_suite import get_space
from nasbench_suite.training import predictions as predictions_module
from nasbench_suite.training.ensemble import accuracy, ensemble_of_best
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.predictions import train_and_predict
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer, predict

SPACE = get_space("nats_topology")


def log(*rows):
    return np.log(np.array(rows, dtype=np.float32))


# Four inputs of class 0, 0, 1, 1. By hand: A is right on the first three, B on all but the third, C on none.
# The means of A and B are 0.65 / 0.35, 0.75 / 0.25, 0.45 / 0.55 and 0.3 / 0.7: right everywhere.
LABELS = np.array([0, 0, 1, 1])
A = log((0.7, 0.3), (0.9, 0.1), (0.1, 0.9), (0.55, 0.45))
B = log((0.6, 0.4), (0.6, 0.4), (0.8, 0.2), (0.05, 0.95))
C = log((0.4, 0.6), (0.4, 0.6), (0.9, 0.1), (0.8, 0.2))


def test_the_case_by_hand():
    found = ensemble_of_best([C, B, A], [C, B, A], LABELS, LABELS, 2)
    assert found.members == (1, 2)  # B and A are equally good, and B is the first
    for gains in (found.valid, found.test):
        assert (gains.ensemble, gains.best_single, gains.mean_single) == (1.0, 0.75, 0.75)
        assert (gains.over_best, gains.over_mean) == (0.25, 0.25)
    # With C the means are 0.567, 0.633, 0.6 and 0.467 for class 0: the third is wrong.
    three = ensemble_of_best([C, B, A], [C, B, A], LABELS, LABELS, 3)
    assert three.members == (1, 2, 0)
    assert (three.test.ensemble, three.test.best_single, three.test.mean_single) == (0.75, 0.75, 0.5)
    assert three.test.over_mean == 0.25


def test_probabilities_are_averaged_not_their_logarithms():
    sure, doubting = log((1e-6, 1 - 1e-6)), log((0.7, 0.3))
    label = np.array([0])
    networks = [doubting, doubting, sure]
    assert ensemble_of_best(networks, networks, label, label, 3).test.ensemble == 0.0
    mild = log((0.3, 0.7))  # 0.7, 0.7 and 0.3: the mean is 0.567; a mean of logarithms would agree
    assert (
        ensemble_of_best([*networks[:2], mild], [*networks[:2], mild], label, label, 3).test.ensemble == 1.0
    )
    # Means 0.6 / 0.4 of probabilities, but -5.1 / -0.9 of logarithms.
    split = [log((0.9, 0.1)), log((0.9, 0.1)), log((1e-6, 1 - 1e-6))]
    assert ensemble_of_best(split, split, label, label, 3).test.ensemble == 1.0


def test_test_results_choose_neither_members_nor_the_best_single():
    better_in_validation, better_in_test = [A, C], [C, A]
    found = ensemble_of_best(better_in_validation, better_in_test, LABELS, LABELS, 1)
    assert found.members == (0,)
    assert found.valid.best_single == 0.75
    assert (found.test.ensemble, found.test.best_single) == (0.0, 0.0)
    both = ensemble_of_best(better_in_validation, better_in_test, LABELS, LABELS, 2)
    assert (both.members, both.valid.best_single, both.test.best_single) == ((0, 1), 0.75, 0.0)


@pytest.mark.parametrize("size", [0, 3])
def test_an_ensemble_needs_its_members(size):
    with pytest.raises(ValueError, match=f"an ensemble of {size}"):
        ensemble_of_best([A, B], [A, B], LABELS, LABELS, size)


def test_predictions_are_those_of_the_networks_whose_curves_they_come_with(tiny_task):
    task = tiny_task()
    data = task.load_data()
    genes = SPACE.canonical(SPACE.sample(np.random.default_rng(2), 5))
    asked = task.space, genes, task.network_skeleton(data), data, task.training_recipe
    curves, predictions = train_and_predict(*asked, seed=3)
    expected = train_all(*asked, seed=3)
    np.testing.assert_allclose(curves.valid_loss, expected.valid_loss, rtol=1e-5)
    valid, test = (data.labels[part].numpy() for part in (data.valid, data.test))
    for row, of_network in enumerate(predictions):
        assert of_network.valid.shape == (100, 10)
        assert of_network.test.shape == (120, 10)
        np.testing.assert_allclose(np.exp(of_network.test).sum(axis=1), 1, rtol=1e-4)
        assert accuracy(of_network.valid, valid) == pytest.approx(curves.valid_accuracy[row, -1], abs=1e-6)
        assert accuracy(of_network.test, test) == pytest.approx(curves.test_accuracy[row, -1], abs=1e-6)


def test_networks_that_cannot_train_together_train_alone(tiny_task, tmp_path, monkeypatch):
    saving = partial(Trainer, checkpoint_seconds=0.0)  # a state after every epoch
    monkeypatch.setattr(predictions_module, "Trainer", saving)
    task = tiny_task(skeleton=tiny_task().skeleton.model_copy(update={"style": "official", "width": 4}))
    data = task.load_data()
    genes = np.stack([SPACE.parse("1462"), SPACE.parse("11")])
    skeleton = task.network_skeleton(data)
    checkpoint = tmp_path / "state.checkpoint"
    curves, predictions = train_and_predict(
        task.space, genes, skeleton, data, task.training_recipe, seed=3, checkpoint=checkpoint
    )
    assert not checkpoint.exists()
    for row in range(2):
        network = initial_network(task.space, genes[row], skeleton, 3)
        expected = Trainer().train(network, data, task.training_recipe, seed=3)
        np.testing.assert_array_equal(curves.valid_loss[row], expected.valid_loss[0])
        likelihood, _ = predict(network, data, data.test)
        np.testing.assert_array_equal(predictions[row].test, likelihood.numpy())
    assert not torch.equal(*(torch.from_numpy(of.test) for of in predictions))
