"""Comparisons within a task, by brute force, by hand, by simulation and by other libraries."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from nasbench_suite.leaderboards.differences import POWER, differences, holm, runs_needed
from nasbench_suite.leaderboards.finals import Finals, anytime

SETTINGS = {"confidence": 0.95, "resamples": 500, "seed": 0}


def finals(regrets):
    values = np.asarray(regrets, dtype=np.float64)
    return Finals(values, values, values)


@pytest.fixture
def made():
    rng = np.random.default_rng(0)
    common = rng.exponential(size=40)
    return {
        "a": finals(common + 0.3 + 0.1 * rng.normal(size=40)),
        "best": finals(common),
        "c": finals(common.round(1) + 0.01),
        "few": finals(rng.exponential(size=7) + 2),
    }


def test_everybody_stands_beside_the_one_with_the_least_mean(made):
    found = differences(made, **SETTINGS)
    assert set(found) == {"a", "c", "few"}
    for label, one in found.items():
        own, best = made[label].test_regret, made["best"].test_regret
        assert one.behind.mean == pytest.approx(own.mean() - best.mean())
        assert one.behind.low < one.behind.mean < one.behind.high
        assert one.paired == (label != "few")


def test_pairs_are_runs_of_the_same_number(made):
    found = differences(made, **SETTINGS)["a"]
    d = made["a"].test_regret - made["best"].test_regret
    assert found.behind.sd == pytest.approx(d.std(ddof=1))
    # As pairs the two are told apart, as samples they are not.
    assert found.p < 1e-6
    assert stats.mannwhitneyu(made["a"].test_regret, made["best"].test_regret).pvalue > 0.01
    half = float(stats.norm.ppf(0.975)) * d.std(ddof=1) / np.sqrt(40)
    assert found.behind.low == pytest.approx(d.mean() - half, abs=0.01)


def test_the_probability_of_losing_counts_all_pairs(made):
    for label, one in differences(made, **SETTINGS).items():
        own, best = made[label].test_regret, made["best"].test_regret
        pairs = [(x > y) + 0.5 * (x == y) for x in own for y in best]
        assert one.lost == pytest.approx(np.mean(pairs))


def test_p_values_are_corrected_together():
    p = [0.01, 0.04, 0.03, 0.005]
    # Holm 1979: the least times four, the next times three, ..., never falling.
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    corrected = holm([0.01, np.nan, 0.04])
    assert corrected[0] == pytest.approx(0.02)
    assert np.isnan(corrected[1])
    assert corrected[2] == pytest.approx(0.04)


def test_what_ends_alike_is_no_difference(made):
    made["same"] = finals(made["best"].test_regret.copy())
    one = differences(made, **SETTINGS)["same"]
    assert one.behind.mean == 0
    assert one.p == 1
    assert one.lost == pytest.approx(0.5, abs=0.01)
    assert np.isnan(one.runs_needed)


def test_a_run_that_found_nothing_is_no_pair(made):
    own = made["a"].test_regret.copy()
    own[3] = np.nan
    left = np.delete(own - made["best"].test_regret, 3)
    one = differences({**made, "a": finals(own)}, **SETTINGS)["a"]
    assert one.behind.mean == pytest.approx(left.mean())
    assert one.paired


@pytest.mark.parametrize("runs", [0, 1])
def test_a_single_run_or_none_is_not_tested(made, runs):
    regrets = [5.0] * runs or [np.nan]
    one = differences({**made, "lonely": finals(regrets)}, **SETTINGS)["lonely"]
    assert np.isnan(one.p)
    assert np.isnan(one.behind.low)
    assert np.isnan(one.behind.mean) == (runs == 0)


def test_needed_runs_find_the_difference_as_often_as_is_said():
    difference, sd, rng = 0.5, 1.3, np.random.default_rng(1)
    runs = int(runs_needed(difference, sd**2, 0.05))
    by_student = TTestPower().solve_power(difference / sd, alpha=0.05, power=POWER)
    assert by_student < runs < 1.25 * by_student
    draws = rng.normal(difference, sd, size=(600, runs))
    found = np.mean([stats.wilcoxon(row).pvalue < 0.05 for row in draws])
    assert 0.78 < found < 0.93


def test_where_nothing_varies_two_runs_are_enough():
    assert runs_needed(0.1, 0.0, 0.05) == 2
    assert np.isnan(runs_needed(0.0, 1.0, 0.05))


def test_the_anytime_mean_is_that_over_the_logarithm_of_evaluations():
    grid = np.array([1, 2, 4, 8, 64])
    log = np.log(grid)
    falling = 3 - 0.5 * log  # linear on that axis: the mean is that of its ends
    assert anytime(np.array([falling, np.full(5, 0.7)]), grid) == pytest.approx(
        [(falling[0] + falling[-1]) / 2, 0.7]
    )
    assert np.isnan(anytime(np.array([[np.nan, 1, 1, 1, 1]]), grid)).all()
    assert anytime(np.array([[2.0]]), np.array([1])).tolist() == [2.0]
