"""Curves that are continued: exact on their own forms, and better than their last value on real trainings."""

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.base import clone

from nasbench_suite import NasbenchSuiteError, load_benchmark
from nasbench_suite.surrogates.encodings import ArchitectureEncoder
from nasbench_suite.surrogates.extrapolation import (
    CurveRegressor,
    curve_statistics,
    extrapolate,
    sum_of_losses,
)
from nasbench_suite.surrogates.nu_svr import NuSupportVectors
from nasbench_suite.surrogates.random_forest import RandomForest


@pytest.mark.parametrize(("form", "shift"), [("pow3", 0.0), ("pow4", 4.0)])
def test_curves_of_the_form_are_continued(form, shift):
    x, rng = np.arange(1, 9), np.random.default_rng(0)
    limit, height, rate = rng.uniform(0.8, 0.95, 30), rng.uniform(0.2, 0.6, 30), rng.uniform(0.3, 1.5, 30)

    def curve(epochs):
        return limit[:, None] - height[:, None] * (np.asarray(epochs) + shift) ** -rate[:, None]

    found = extrapolate(curve(x), x.tolist(), 100, form=form)
    np.testing.assert_allclose(found, curve([100])[:, 0], atol=0.012)
    assert np.abs(found - curve([100])[:, 0]).mean() < 0.3 * np.abs(curve([8]) - curve([100])).mean()


def test_the_fit_is_that_of_least_squares():
    x, rng = np.arange(1.0, 11.0), np.random.default_rng(1)
    values = 0.9 - 0.4 * x**-0.7 + rng.normal(0, 0.01, (5, 10))
    found = extrapolate(values, x.astype(int).tolist(), 50)
    for row, reached in zip(values, found, strict=True):
        constants, _ = optimize.curve_fit(
            lambda t, c, a, b: c - a * t**-b,
            x,
            row,
            p0=(0.9, 0.4, 0.7),
            maxfev=20_000,
            bounds=([0, 0, 0.05], [2, 2, 4]),
        )
        c, a, b = constants
        assert reached == pytest.approx(c - a * 50**-b, abs=0.01)


def test_losses_are_added_up():
    losses = np.array([[3.0, 2.0, 1.0], [3.0, 1.0, 0.5]])
    np.testing.assert_array_equal(sum_of_losses(losses), [-6.0, -4.5])
    np.testing.assert_array_equal(sum_of_losses(losses, last=1), [-1.0, -0.5])


def test_statistics_are_values_and_differences():
    found = curve_statistics([[1.0, 3.0, 6.0, 10.0]])
    np.testing.assert_array_equal(found, [[1, 3, 6, 10, 2, 3, 4, 1, 1]])
    assert curve_statistics(np.zeros((2, 1))).shape == (2, 1)


@pytest.fixture(scope="module")
def trained():
    """Curves of 1,200 cells on MNIST-1D: encodings, validation accuracies and training losses by epoch."""
    task = load_benchmark("nats_topology/mnist1d")
    rows = np.random.default_rng(0).choice(len(task.table), 1200, replace=False)
    features = ArchitectureEncoder("nats_topology").transform(task.table.genes[rows])
    valid = task.table.columns["valid_accuracy"][rows, 0]
    return features, valid, task.table.columns["train_loss"][rows, 0]


def test_on_real_trainings_regression_is_better_than_the_last_value_and_the_encoding_alone(trained):
    features, valid, losses = trained
    final = valid[:, -1]
    both = np.concatenate([valid[:, :4], losses[:, :4], features], axis=1)
    forest = RandomForest(max_features=0.5)
    regressor = CurveRegressor(forest, epochs=4)
    assert clone(regressor).get_params()["epochs"] == 4
    found = regressor.fit(both[:400], final[:400]).predict(both[400:])
    alone = forest.fit(features[:400], final[:400]).predict(features[400:])

    def tau(prediction):
        return stats.kendalltau(prediction, final[400:])[0]

    assert tau(found) > tau(valid[400:, 3]) + 0.1
    assert tau(found) > tau(alone) + 0.05
    mean, deviation = regressor.predict(both[400:], return_std=True)
    assert (mean == found).all()
    assert (deviation > 0).any()


def test_on_real_trainings_losses_rank_the_end_better_than_accuracies_do(trained):
    # The finding of Ru et al., section 4: training losses tell more, and earlier, than validation does.
    _, valid, losses = trained
    final = valid[:, -1]
    for known in (3, 4, 6):
        early = stats.kendalltau(valid[:, known - 1], final)[0]
        assert stats.kendalltau(sum_of_losses(losses[:, :known]), final)[0] > early + 0.05
        assert stats.kendalltau(sum_of_losses(losses[:, :known], last=1), final)[0] > early + 0.05


def test_what_cannot_be_continued_is_refused():
    with pytest.raises(NasbenchSuiteError, match="2 epochs are too few for pow3, which has 3 constants"):
        extrapolate(np.zeros((3, 2)), [1, 2], 10)
    with pytest.raises(NasbenchSuiteError, match="is pow3 or pow4, not 'exp'"):
        extrapolate(np.zeros((3, 4)), [1, 2, 3, 4], 10, form="exp")
    with pytest.raises(NasbenchSuiteError, match=r"curves of shape \(3, 4\) do not have 2 epochs"):
        extrapolate(np.zeros((3, 4)), [1, 2], 10)
    with pytest.raises(NasbenchSuiteError, match=r"rows of shape \(3, 2\) are no curves of 4 epochs"):
        CurveRegressor(NuSupportVectors(), 4).fit(np.zeros((3, 2)), [1, 2, 3])
