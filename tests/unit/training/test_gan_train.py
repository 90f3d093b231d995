"""Training of generators: curves that are reproducible, better than nothing, and end with a reason."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from nasbench_suite import get_space
from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.training.data import load_data
from nasbench_suite.training.gan import train
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.classifier import Classifier, classifier_path, load_classifier
from nasbench_suite.training.gan.curves import GanCurves
from nasbench_suite.training.gan.draws import judged_noise
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.gan.scores import Gaussian, fit_gaussian, frechet_distance, inception_score
from nasbench_suite.training.gan.train import COLLAPSED, train_gans

RECIPE = GanRecipe(
    *("small", "made up"),
    steps=6,
    batch=8,
    channels=4,
    latent=3,
    critic_channels=4,
    checkpoints=2,
    judged=60,
    judged_batch=30,
)
ROWS = get_space("gan_two_cells").sample(np.random.default_rng(0), 5)
SCORES = ("frechet_valid", "frechet_test", "inception", "generator_loss", "critic_loss", "samples")


@pytest.fixture(scope="module")
def data():
    return load_data("mnist1d", train=200, valid=130, test=100)


def shipped():
    return load_classifier(classifier_path("mnist1d"))


@pytest.fixture(scope="module")
def trained(data):
    """Trains the same as the others, but for what is said."""

    def trained(rows=ROWS, seed=0, recipe=RECIPE, **settings):
        settings = {"data": data, "classifier": shipped(), **settings}
        return train_gans(rows, "gan_two_cells", recipe, seed=seed, **settings)

    return trained


@pytest.fixture(scope="module")
def curves(trained):
    return trained()


def test_curves_have_their_shapes_and_nothing_is_missing(curves):
    assert curves.steps.tolist() == [3, 6]
    assert curves.samples.shape == (5, 8, 1, 40)
    assert curves.train_seconds.shape == (5,)
    assert (curves.train_seconds > 0).all()
    assert curves.failures == ("",) * 5
    for name in SCORES[:-1]:
        values = getattr(curves, name)
        assert values.shape == (5, 2)
        assert np.isfinite(values).all()
    assert (curves.inception >= 1).all()
    assert (curves.inception <= 10).all()


def test_the_same_seed_gives_the_same_curves_and_another_others(trained, curves):
    again, other = trained(), trained(seed=1)
    for name in SCORES:
        assert np.array_equal(getattr(curves, name), getattr(again, name))
        assert not np.array_equal(getattr(curves, name), getattr(other, name))


def test_groups_give_what_all_at_once_give(trained, curves):
    told = []
    parts = trained(group=2, progress=lambda *done: told.append(done))
    assert told == [(6, 18), (12, 18), (18, 18)]
    assert len(parts.failures) == 5
    for name in SCORES:
        assert np.allclose(getattr(parts, name), getattr(curves, name), rtol=1e-3, atol=1e-4)


def test_scores_are_those_of_the_signals(data, trained):
    recipe = replace(RECIPE, steps=1, checkpoints=1)
    curves, classifier = trained(recipe=recipe), shipped()
    group = Adversaries("gan_two_cells", ROWS, recipe, 0, data.batch(data.train)[0])
    draws = train.step_draws(recipe, 0, 0, 200)
    group.step(draws.noise[0].float(), draws.real[0])
    parts = [group.generator(group.weights, noise) for noise in judged_noise(recipe).float().split(30)]
    signals = torch.cat([part.view(5, 40, 30).mT for part in parts], 1)
    assert np.allclose(curves.samples[:, :, 0], signals[:, :8], atol=1e-5)
    real = {
        split: fit_gaussian(classifier(data.batch(getattr(data, split))[0])[0]) for split in ("valid", "test")
    }
    for model in range(5):
        features, likelihood = classifier(signals[model][:, None])
        own = fit_gaussian(features)
        for split, there in real.items():
            expected = frechet_distance(Gaussian(own.mean[None], own.covariance[None]), there).item()
            assert getattr(curves, f"frechet_{split}")[model, 0] == pytest.approx(expected, rel=1e-3)
        expected = inception_score(likelihood[None]).item()
        assert curves.inception[model, 0] == pytest.approx(expected, rel=1e-3)


def test_training_brings_generators_closer_to_the_signals(trained):
    recipe = replace(
        *(RECIPE,),
        steps=60,
        batch=32,
        channels=8,
        latent=8,
        critic_channels=8,
        judged=500,
        judged_batch=250,
        generator_rate=4e-3,
        critic_rate=4e-3,
        checkpoints=30,
    )
    rows = get_space("gan_two_cells").parse("pre-batch-nearest-shortcut|pre-batch-nearest-shortcut-1")[None]
    curve = trained(rows, recipe=recipe).frechet_valid[0]
    assert curve[-3:].mean() < 0.8 * curve[:1].mean()


def broken(how):
    """Adversaries whose second model is broken from the start, and stays so: its weights are kept."""

    class Broken(Adversaries):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            how(self)
            self.alive[1] = False

    return Broken


def silent_scores(data, classifier=None):
    """Return distances to validation and test signals of what lies in one point, by numpy."""
    known, found = classifier or shipped(), []
    own = known(torch.zeros(1, 1, 40))[0][0].double().numpy()
    for part in (data.valid, data.test):
        features = known(data.batch(part)[0])[0].double().numpy()
        found.append(((own - features.mean(0)) ** 2).sum() + features.var(0, ddof=1).sum())
    return found


def test_a_training_without_numbers_has_a_reason_and_the_scores_of_silence(
    trained, curves, data, monkeypatch
):
    monkeypatch.setattr(train, "Adversaries", broken(lambda group: group.weights[1].fill_(torch.nan)))
    found = trained()
    assert found.failures == ("", "weights or losses became no numbers by step 3", "", "", "")
    valid, test = silent_scores(data)
    assert found.frechet_valid[1] == pytest.approx(valid, rel=1e-4)
    assert found.frechet_test[1] == pytest.approx(test, rel=1e-4)
    assert (found.inception[1] == 1).all()
    assert np.isnan(found.generator_loss[1]).all()
    others = [0, 2, 3, 4]
    for name in SCORES:
        assert np.allclose(getattr(found, name)[others], getattr(curves, name)[others], rtol=1e-3, atol=1e-4)


def test_signals_that_cannot_be_judged_have_a_reason(trained, monkeypatch):
    def enlarge(group):
        group.generator.layout.views(group.weights)["last.weight"][1] = 1e8

    class Overwhelmed(Classifier):
        def __call__(self, inputs):
            features, likelihood = super().__call__(inputs)
            return torch.where(inputs.abs().amax(2) > 1e6, torch.inf, features), likelihood

    known = shipped()
    monkeypatch.setattr(train, "Adversaries", broken(enlarge))
    found = trained(classifier=Overwhelmed(known.network, known.accuracy, known.shape, known.classes))
    assert found.failures == ("", "scores were no numbers at step 3", "", "", "")
    assert (found.inception[1] == 1).all()
    assert (found.frechet_valid[1] > found.frechet_valid[[0, 2, 3, 4]].min()).all()
    assert np.isfinite(found.frechet_valid[[0, 2, 3, 4]]).all()


def test_a_collapsed_generator_has_the_worst_score_and_a_reason(trained, monkeypatch):
    def empty(group):
        group.generator.layout.views(group.weights)["last.weight"][1] = 0

    monkeypatch.setattr(train, "Adversaries", broken(empty))
    found = trained()
    assert found.failures == ("", COLLAPSED, "", "", "")
    assert (found.inception[1] == 1).all()
    assert np.isfinite(found.frechet_valid[1]).all()
    assert (found.frechet_valid[1] > found.frechet_valid[[0, 2, 3, 4]].min(0)).all()


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        (ROWS[:0], {}, "no architectures to train"),
        (ROWS, {"group": 0}, "at least 1 model, not 0"),
        (ROWS, {"capture": True}, "captured on cuda only, not on cpu"),
        (ROWS + 3, {}, "gene 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(trained, rows, settings, says):
    with pytest.raises(NasbenchSuiteError, match=says):
        trained(rows, **settings)


def test_other_spaces_are_refused(data):
    with pytest.raises(ArchitectureError, match="no generators"):
        train_gans(np.zeros((1, 8), np.uint8), "macro", RECIPE, seed=0, data=data, classifier=shipped())


def test_concatenated_curves_have_all_models(curves):
    joined = GanCurves.concatenate([curves, curves])
    for entry in fields(GanCurves):
        if entry.name != "steps":
            assert len(getattr(joined, entry.name)) == 10
    assert joined.steps.tolist() == [3, 6]
