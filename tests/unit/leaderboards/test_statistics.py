"""Statistics against closed forms, hand computations and brute force."""

import math

import numpy as np
import pytest
from scipy import stats

from nasbench_suite.leaderboards.outcomes import Outcomes
from nasbench_suite.leaderboards.statistics import (
    curve,
    estimate_mean,
    mean_ranks,
    rank_correlation,
    reached,
    summarise,
)

SETTINGS = {"confidence": 0.95, "resamples": 3000, "seed": 0}
INF = math.inf


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_bootstrap_interval_is_the_normal_one_for_a_large_sample(draw, confidence):
    values = getattr(np.random.default_rng(1), draw)(size=2000)
    found = estimate_mean(values, confidence=confidence, resamples=3000, seed=0)
    half = stats.norm.ppf(0.5 + confidence / 2) * values.std(ddof=1) / math.sqrt(2000)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.sd == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_bootstrap_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        found = estimate_mean(rng.normal(5, 2, size=60), confidence=0.8, resamples=300, seed=3)
        hits += found.low <= 5 <= found.high
    assert abs(hits / 300 - 0.8) < 3 * math.sqrt(0.16 / 300) + 0.02


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(3).random(50)
    assert estimate_mean(values, **SETTINGS) == estimate_mean(values, **SETTINGS)
    assert estimate_mean(values, **SETTINGS) != estimate_mean(values, **{**SETTINGS, "seed": 1})


def test_missing_values_are_left_out():
    values = np.random.default_rng(4).random(50)
    with_missing = np.insert(values, [0, 20, 50], np.nan)
    assert estimate_mean(with_missing, **SETTINGS) == estimate_mean(values, **SETTINGS)


def test_one_value_has_no_interval_and_none_has_no_mean():
    one = estimate_mean(np.array([0.5]), **SETTINGS)
    assert one.mean == 0.5
    assert np.isnan([one.sd, one.low, one.high]).all()
    assert np.isnan(estimate_mean(np.array([np.nan]), **SETTINGS).mean)


def test_equal_values_have_an_interval_without_width():
    found = estimate_mean(np.full(20, 0.25), **SETTINGS)
    assert (found.mean, found.sd, found.low, found.high) == (0.25, 0.0, 0.25, 0.25)


@pytest.mark.parametrize(
    ("evaluations", "share", "median"),
    [
        ([3, 1, 2], 1.0, 2),
        ([3, INF, 1], 2 / 3, 3),
        ([INF, INF, 1], 1 / 3, INF),
        ([INF, INF], 0.0, INF),
        ([4, 2, INF, INF], 0.5, INF),
        ([4, 2, 8, INF], 0.75, 8),
        ([7], 1.0, 7),
    ],
)
def test_runs_that_never_reach_a_goal_count_as_infinite(evaluations, share, median):
    found = reached(np.array(evaluations, dtype=float))
    assert found.share == pytest.approx(share)
    assert found.median == median


def test_curves_are_means_with_normal_intervals_over_the_runs_present():
    rng = np.random.default_rng(5)
    values = rng.random((30, 8))
    values[rng.random(values.shape) < 0.4] = np.nan
    values[:, 6] = np.nan
    values[1:, 7] = np.nan
    values[0, 7] = 0.5
    found = curve(values, 0.9)
    for point in range(6):
        present = values[:, point][~np.isnan(values[:, point])]
        half = stats.norm.ppf(0.95) * present.std(ddof=1) / math.sqrt(len(present))
        assert found.mean[point] == pytest.approx(present.mean())
        assert found.low[point] == pytest.approx(present.mean() - half)
        assert found.high[point] == pytest.approx(present.mean() + half)
    assert np.isnan(found.mean[6])
    assert (found.mean[7], found.low[7], found.high[7]) == (0.5, 0.5, 0.5)


def test_mean_ranks_by_hand():
    regrets = np.array(
        [
            [0.1, 0.3, 0.2],  # ranks 1, 3, 2
            [0.2, 0.1, 0.2],  # ranks 2.5, 1, 2
            [0.2, 0.2, 0.2],  # ranks 2.5, 2, 2
        ]
    )
    assert mean_ranks(regrets).tolist() == pytest.approx([6 / 3, 5.5 / 3, 6.5 / 3])


def test_a_single_task_and_a_single_strategy_have_ranks():
    assert mean_ranks(np.array([[0.3], [0.1], [0.2]])).tolist() == [3, 1, 2]
    assert mean_ranks(np.array([[0.3, 0.1]])).tolist() == [1]


def test_a_task_without_a_result_is_left_out_of_the_mean_rank():
    assert mean_ranks(np.array([[0.1, 0.2], [0.2, np.nan], [0.3, 0.1]])).tolist() == [1.5, 2, 2]


def test_rank_correlation_by_the_closed_form():
    a, b = np.array([0.1, 0.5, 0.2, 0.9, 0.3]), np.array([3.0, 1.0, 4.0, 2.0, 5.0])
    ranks_a, ranks_b = a.argsort().argsort(), b.argsort().argsort()
    expected = 1 - 6 * ((ranks_a - ranks_b) ** 2).sum() / (5 * 24)
    assert rank_correlation(a, b) == pytest.approx(expected)
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    assert math.isnan(rank_correlation(a, np.ones(5)))


@pytest.mark.parametrize("best_test", [0.95, 0.05], ids=["maximised", "minimised"])
def test_a_summary_puts_the_parts_together(best_test):
    rng = np.random.default_rng(6)
    test = rng.uniform(0.2, 0.8, 40)
    valid, best_test_seen = rng.random(40), rng.random(40)
    outcomes = Outcomes(
        valid=valid,
        test=test,
        best_test_seen=best_test_seen,
        test_regret=abs(best_test - test),
        valid_regret=rng.random(40),
        evaluations=np.full(40, 9.0),
        to_top=np.where(rng.random(40) < 0.7, 5.0, INF),
        to_optimum=np.full(40, INF),
        test_regret_at=rng.random((40, 3)),
        valid_regret_at=rng.random((40, 3)),
        test_regret_at_seconds=np.zeros((40, 0)),
    )
    found = summarise(outcomes, best_test=best_test, **SETTINGS)
    assert found.runs == 40
    assert found.valid == estimate_mean(valid, **SETTINGS)
    assert found.best_test_seen == estimate_mean(best_test_seen, **SETTINGS)
    assert found.test == estimate_mean(test, **SETTINGS)
    regret = estimate_mean(outcomes.test_regret, **SETTINGS)
    for name in ("mean", "sd", "low", "high"):
        assert getattr(found.test_regret, name) == pytest.approx(getattr(regret, name), rel=1e-9)
    assert found.valid_regret == estimate_mean(outcomes.valid_regret, **SETTINGS)
    assert found.top == reached(outcomes.to_top)
    assert found.optimum.share == 0
    assert found.seconds_curve.mean.shape == (0,)
    np.testing.assert_allclose(found.valid_regret_curve.mean, outcomes.valid_regret_at.mean(axis=0))
