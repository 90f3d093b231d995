"""A new device from few measurements, against closed forms and SciPy."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.hardware import few_shot
from nasbench_suite.hardware.few_shot import FewShotCosts, choose_samples, parts_of, predict_costs, solve

SPACE = get_space("nats_topology")
GENES = SPACE.decode(np.arange(SPACE.n_codes))[::10]
WORK = np.array([0.0, 0.1, 1.0, 3.0, 0.7])


@pytest.fixture(scope="module")
def known():
    """Three devices: one that counts operations, one that counts others, one with an edge of its own."""
    rng = np.random.default_rng(0)
    counts = 2 + WORK[GENES].sum(1)
    other = 3 + np.array([0, 0.5, 1, 1, 2.0])[GENES].sum(1)
    edge = counts + 4 * (GENES[:, 5] == 3)
    return np.stack([counts, other, edge], axis=1) * rng.lognormal(0, 0.01, (len(GENES), 3))


def new_device(known, noise=0.02):
    rng = np.random.default_rng(1)
    costs = 0.7 * known[:, 1] + 0.2 * known[:, 2] + np.array([0, 0, 2.0, 0, 0])[GENES].sum(1)
    return costs * rng.lognormal(0, noise, len(costs))


def test_ten_measurements_rank_a_new_device_and_are_near_its_costs(known):
    parts, costs = parts_of(SPACE, GENES, known), new_device(known)
    measured = choose_samples(parts, known, 10)
    predicted = predict_costs(parts, measured, costs[measured])
    assert len(set(measured.tolist())) == 10
    assert stats.spearmanr(predicted, costs).statistic > 0.97
    assert (np.abs(predicted / costs - 1) < 0.1).mean() > 0.95
    by_chance = []
    for seed in range(20):
        random = np.random.default_rng(seed).choice(len(costs), 10, replace=False)
        by_chance.append(stats.spearmanr(predict_costs(parts, random, costs[random]), costs).statistic)
    assert stats.spearmanr(predicted, costs).statistic > np.mean(by_chance)


def test_with_one_choice_of_weights_it_is_bayesian_linear_regression(known, monkeypatch):
    for name, value in (("_DEVICES", 0.4), ("_COUNTS", 0.7), ("_CHOICES", 0.2), ("_NOISES", 0.1)):
        monkeypatch.setattr(few_shot, name, (value,))
    parts, costs = parts_of(SPACE, GENES, known), new_device(known)
    measured = np.arange(0, len(GENES), 100)
    features = np.concatenate(
        [0.4 * parts.devices, 0.7 * parts.counts, 0.2 * parts.choices, np.ones((len(GENES), 1))], axis=1
    )
    here, mean = features[measured], costs[measured].mean()
    inner = here.T @ here + 0.1**2 * np.eye(here.shape[1])
    expected = mean * (1 + features @ np.linalg.solve(inner, here.T @ (costs[measured] / mean - 1)))
    assert predict_costs(parts, measured, costs[measured]) == pytest.approx(expected, rel=1e-8)


def test_evidence_is_the_density_of_student_s_t():
    rng = np.random.default_rng(3)
    targets, found, expected = rng.normal(size=7), [], []
    for _ in range(5):
        root = rng.normal(size=(7, 7))
        covariance = root @ root.T + np.eye(7)
        found.append(solve(covariance, targets)[1])
        scale = covariance * few_shot._SCALE / few_shot._SHAPE
        expected.append(stats.multivariate_t.logpdf(targets, shape=scale, df=2 * few_shot._SHAPE))
    assert np.diff(found) == pytest.approx(np.diff(expected))


def test_each_sample_is_that_of_which_least_is_known(known):
    parts = parts_of(SPACE, GENES, known)
    features, chosen = parts.weighted(few_shot._FOR_CHOOSING), choose_samples(parts, known, 5)
    rank = np.mean([stats.rankdata(column) / len(known) for column in known.T], axis=0)
    inner = np.flatnonzero((rank > few_shot._OUTER) & (rank < 1 - few_shot._OUTER))
    for place in range(1, 5):
        before = features[chosen[:place]]
        gram = before @ before.T + few_shot._NOISE_FOR_CHOOSING**2 * np.eye(place)
        cross = features[inner] @ before.T
        variance = (features[inner] ** 2).sum(1) - (cross * np.linalg.solve(gram, cross.T).T).sum(1)
        assert chosen[place] == inner[variance.argmax()]


def test_a_model_answers_for_the_architectures_that_others_know(known):
    costs = new_device(known)
    parts = parts_of(SPACE, GENES, known)
    measured = choose_samples(parts, known, 10)
    model = FewShotCosts(SPACE, GENES, known, measured, costs[measured], "latency_ms", "mine")
    expected = predict_costs(parts, measured, costs[measured])
    order = np.random.default_rng(4).permutation(len(GENES))
    assert np.array_equal(model.predict(GENES[order]), expected[order])
    absent = SPACE.decode(np.array([1]))
    assert np.isnan(model.predict(absent)).all()
    assert (model.name, model.unit) == ("latency_ms@mine", "ms")


def test_costs_that_nothing_can_be_learnt_from_are_refused(known):
    parts = parts_of(SPACE, GENES, known)
    for costs in (np.array([1.0]), np.array([1.0, 0.0]), np.array([1.0, np.nan])):
        with pytest.raises(NasbenchSuiteError, match="above zero"):
            predict_costs(parts, np.arange(len(costs)), costs)
    with pytest.raises(NasbenchSuiteError, match="cannot be chosen"):
        choose_samples(parts, known, len(GENES))
    missing = known.copy()
    missing[3, 1] = np.nan
    with pytest.raises(NasbenchSuiteError, match="1 architectures have no cost"):
        parts_of(SPACE, GENES, missing)
