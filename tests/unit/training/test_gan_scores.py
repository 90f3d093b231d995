"""Scores of generated signals against closed forms, SciPy's matrix root and plain sums."""

import numpy as np
import pytest
import torch
from scipy import linalg

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.sealed import open_sealed, write_sealed
from nasbench_suite.training.data import load_data
from nasbench_suite.training.gan.classifier import KIND, classifier_path, load_classifier, train_classifier
from nasbench_suite.training.gan.data import get_gan_data
from nasbench_suite.training.gan.scores import (
    Gaussian,
    Moments,
    fit_gaussian,
    frechet_distance,
    inception_score,
)

SHIPPED = classifier_path("mnist1d")


def gaussian(mean, covariance):
    return Gaussian(torch.as_tensor(mean).double(), torch.as_tensor(covariance).double())


def spread_out(rng, n, d):
    """Covariances of full rank that do not commute."""
    factors = rng.normal(size=(n, d, d + 2))
    return factors @ factors.transpose(0, 2, 1)


def test_commuting_gaussians_have_the_closed_form():
    one, other = np.array([4.0, 9.0, 0.0]), np.array([1.0, 16.0, 2.25])
    turn = linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    made = gaussian([[1.0, 2.0, 3.0]], (turn @ np.diag(one) @ turn.T)[None])
    real = gaussian([0.0, 2.0, 1.0], turn @ np.diag(other) @ turn.T)
    expected = 1 + 4 + np.sum((np.sqrt(one) - np.sqrt(other)) ** 2)
    assert frechet_distance(made, real).item() == pytest.approx(expected, rel=1e-9)


def test_other_gaussians_agree_with_the_root_of_scipy():
    rng = np.random.default_rng(1)
    means, covariances = rng.normal(size=(150, 5)), spread_out(rng, 150, 5)
    mean, covariance = rng.normal(size=5), spread_out(rng, 1, 5)[0]
    found = frechet_distance(gaussian(means, covariances), gaussian(mean, covariance))
    for own, m, c in zip(found.tolist(), means, covariances, strict=True):
        root = linalg.sqrtm(c @ covariance).real
        assert own == pytest.approx(np.sum((m - mean) ** 2) + np.trace(c + covariance - 2 * root), rel=1e-8)


def test_the_distance_to_oneself_is_zero_and_that_of_a_point_is_the_spread():
    rng = np.random.default_rng(2)
    mean, covariance = rng.normal(size=6), spread_out(rng, 1, 6)[0]
    made = gaussian(np.stack([mean, mean + 1]), np.stack([covariance, np.zeros((6, 6))]))
    found = frechet_distance(made, gaussian(mean, covariance)).tolist()
    assert found == pytest.approx([0, 6 + np.trace(covariance)], abs=1e-6)


def test_what_is_no_number_is_at_no_distance_and_disturbs_no_other():
    covariances = np.stack([np.eye(3), np.full((3, 3), np.nan), np.eye(3), 4 * np.eye(3)])
    means = np.zeros((4, 3))
    means[2, 1] = np.inf
    found = frechet_distance(gaussian(means, covariances), gaussian(np.zeros(3), np.eye(3)))
    assert found.isnan().tolist() == [False, True, True, False]
    assert found[3].item() == pytest.approx(3)


def test_the_inception_score_of_certain_and_even_predictions_is_the_number_of_classes():
    certain = torch.eye(7).repeat(3, 1).log()
    even_but_unsure = torch.full((21, 7), 1 / 7).log()
    one_class = torch.eye(7)[2].expand(21, 7).log()
    found = inception_score(torch.stack([certain, even_but_unsure, one_class]))
    assert found.tolist() == pytest.approx([7, 1, 1], rel=1e-6)


def test_the_inception_score_is_that_of_the_formula():
    likelihood = np.random.default_rng(3).dirichlet(np.full(4, 0.4), size=(2, 30))
    found = inception_score(torch.from_numpy(likelihood).log())
    for own, p in zip(found.tolist(), likelihood, strict=True):
        divergence = [np.sum(row * np.log(row / p.mean(0))) for row in p]
        assert own == pytest.approx(np.exp(np.mean(divergence)), rel=1e-9)


def test_moments_of_batches_are_those_of_all():
    rng = np.random.default_rng(4)
    features = 100 + rng.normal(size=(3, 40, 5)) * np.arange(1, 6)
    likelihood = torch.from_numpy(rng.dirichlet(np.ones(4), size=(3, 40))).log()
    moments = Moments(3, torch.full((5,), 99.0), 4)
    for start in (0, 10, 20, 30):
        part = slice(start, start + 10)
        moments.add(torch.from_numpy(features[:, part]), likelihood[:, part])
    found = moments.gaussian()
    assert np.allclose(found.mean, features.mean(1), rtol=1e-12)
    assert np.allclose(found.covariance, [np.cov(own.T) for own in features], rtol=1e-10)
    assert torch.allclose(moments.inception_score(), inception_score(likelihood), rtol=1e-12)
    alone = fit_gaussian(torch.from_numpy(features[1]))
    assert np.allclose(alone.mean, found.mean[1])
    assert np.allclose(alone.covariance, found.covariance[1])


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(SHIPPED)


def test_the_shipped_classifier_is_as_good_as_it_says(classifier):
    data = get_gan_data("mnist1d").load()
    for split in ("valid", "test"):
        inputs, labels = data.batch(getattr(data, split))
        features, likelihood = classifier(inputs)
        assert (features.shape, likelihood.shape) == ((5000, 64), (5000, 10))
        assert likelihood.exp().sum(1).numpy() == pytest.approx(1, abs=1e-5)
        right = (likelihood.argmax(1) == labels).double().mean().item()
        assert right == pytest.approx(classifier.accuracy[split], abs=5e-4)
        assert right > 0.97
    said = SHIPPED.with_suffix(".toml").read_text()
    assert f"test_accuracy = {classifier.accuracy['test']:.4f}" in said


def test_the_classifier_of_images_is_as_good_as_it_says():
    path = classifier_path("fashion_mnist")
    known = load_classifier(path)
    try:
        data = get_gan_data("fashion_mnist").load()
    except NasbenchSuiteError as problem:
        pytest.skip(str(problem))
    hits = [
        (known(data.batch(part)[0])[1].argmax(1) == data.batch(part)[1]).sum().item()
        for part in data.test.split(1000)
    ]
    assert sum(hits) / len(data.test) == pytest.approx(known.accuracy["test"], abs=5e-4)
    assert f"test_accuracy = {known.accuracy['test']:.4f}" in path.with_suffix(".toml").read_text()
    assert known.accuracy["test"] > 0.93


def test_its_features_decide_and_real_signals_score_well(classifier):
    data = get_gan_data("mnist1d").load()
    (valid, likelihood), (test, _) = (classifier(data.batch(part)[0]) for part in (data.valid, data.test))
    again = torch.log_softmax(classifier.network.classifier(valid), 1)
    assert torch.allclose(again, likelihood)
    made = fit_gaussian(test)
    distance = frechet_distance(Gaussian(made.mean[None], made.covariance[None]), fit_gaussian(valid))
    assert distance.item() < 0.05
    assert inception_score(likelihood[None]).item() > 8


def test_a_classifier_is_read_as_it_was_written(tmp_path):
    data, path = load_data("mnist1d", train=200, valid=130, test=100), tmp_path / "classifier.h5"
    said = train_classifier(data, path, epochs=2)
    made = load_classifier(path)
    assert made.accuracy == said
    inputs, labels = data.batch(data.test)
    _, likelihood = made(inputs)
    assert (likelihood.argmax(1) == labels).double().mean().item() == pytest.approx(said["test"], abs=0.011)
    assert not torch.allclose(likelihood, load_classifier(SHIPPED)(inputs)[1], atol=0.1)


@pytest.mark.parametrize("wrong", [np.zeros((16, 1, 3), np.float32), np.full((16, 1, 1), np.nan, np.float32)])
def test_a_classifier_of_another_network_is_refused(tmp_path, wrong):
    path = tmp_path / "classifier.h5"

    def fill(file):
        with open_sealed(SHIPPED, KIND) as shipped:
            for name, value in shipped.items():
                shipped.copy(value, file, name)
            file.attrs.update(shipped.attrs)
        del file["stem.0.weight"]
        file["stem.0.weight"] = wrong

    write_sealed(path, KIND, fill)
    with pytest.raises(DamagedFileError, match=f"no {KIND.name}"):
        load_classifier(path)


def test_a_damaged_classifier_is_refused(tmp_path):
    content = bytearray(SHIPPED.read_bytes())
    content[5000] ^= 1
    (tmp_path / "classifier.h5").write_bytes(content)
    with pytest.raises(DamagedFileError, match=f"no {KIND.name}"):
        load_classifier(tmp_path / "classifier.h5")
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        load_classifier(tmp_path / "absent.h5")
