"""Figures of predictions, against SciPy, scikit-learn and closed forms."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from nasbench_suite.surrogates.scores import scores


def test_figures_are_scikit_learns_and_scipys():
    rng = np.random.default_rng(0)
    results = rng.normal(0.9, 0.02, 500)
    predictions = results + rng.normal(0, 0.01, 500)
    found = scores(results, predictions)
    assert found.samples == 500
    assert found.r2 == pytest.approx(metrics.r2_score(results, predictions))
    assert found.mae == pytest.approx(metrics.mean_absolute_error(results, predictions))
    assert found.rmse == pytest.approx(metrics.root_mean_squared_error(results, predictions))
    assert found.kendall == pytest.approx(stats.kendalltau(results, predictions)[0])
    assert found.spearman == pytest.approx(
        stats.pearsonr(stats.rankdata(results), stats.rankdata(predictions))[0]
    )
    assert np.isnan(found.within_1_sd)
    assert "within_1_sd" not in found.rounded()


def test_orders_within_a_tenth_of_a_point_do_not_count_as_wrong_in_the_sparse_correlation():
    results = np.array([0.9000, 0.9001, 0.9002, 0.9403])
    predictions = np.array([0.9002, 0.9001, 0.9000, 0.9400])
    found = scores(results, predictions)
    assert found.kendall == pytest.approx(0.0)  # three pairs are right, three wrong
    # The first three are tied: three pairs of six are left, all right. tau-b = 3 / sqrt(6 * 3).
    assert found.sparse_kendall == pytest.approx(3 / np.sqrt(18))


def test_right_deviations_are_calibrated_and_halved_ones_are_not():
    rng = np.random.default_rng(1)
    deviations = rng.uniform(0.5, 2.0, 200_000)
    results = rng.normal(0.0, deviations)
    right = scores(results[:20_000], np.zeros(20_000), deviations[:20_000])
    assert right.within_1_sd == pytest.approx(0.6827, abs=0.01)
    assert right.within_2_sd == pytest.approx(0.9545, abs=0.01)
    assert right.calibration_error < 0.01
    halved = scores(results[:20_000], np.zeros(20_000), deviations[:20_000] / 2)
    levels = np.arange(0.1, 1.0, 0.1)
    expected = levels - (2 * stats.norm.cdf(stats.norm.ppf(0.5 + levels / 2) / 2) - 1)
    assert halved.calibration_error == pytest.approx(expected.mean(), abs=0.01)


def test_too_little_is_not_a_number():
    found = scores(np.array([0.5, 0.5, 0.5]), np.array([0.1, 0.2, 0.3]))
    assert np.isnan(found.kendall)
    assert np.isnan(found.r2)
    empty = scores(np.empty(0), np.empty(0), np.empty(0))
    assert empty.samples == 0
    assert np.isnan([empty.mae, empty.rmse, empty.spearman, empty.calibration_error]).all()
