"""Statistics of a validation: against SciPy, closed forms, and made-up tables whose fault is known."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite.leaderboards.agreement import (
    compare,
    deviation_of_present,
    mean_of_present,
    noise_of_gap,
    rank_correlation,
    verdict,
)

BOOTSTRAP = {"confidence": 0.9, "resamples": 400, "seed": 0}
SCIPY = {
    "kendall": lambda a, b: stats.kendalltau(a, b).statistic,
    "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
}
each_correlation = pytest.mark.parametrize("name", sorted(SCIPY))


@each_correlation
@pytest.mark.parametrize("seed", range(4))
def test_rank_correlations_are_scipys_with_and_without_ties(name, seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=17) if seed % 2 else rng.integers(0, 5, size=17).astype(float)
    b = a + rng.normal(size=17).round(seed)
    found = rank_correlation(a, b, name, **BOOTSTRAP)
    assert found.value == pytest.approx(SCIPY[name](a, b), abs=1e-12)
    assert found.low < found.value < found.high


@each_correlation
def test_intervals_are_those_of_scipys_bootstrap(name):
    rng = np.random.default_rng(7)
    a = rng.normal(size=20)
    b = a + rng.normal(size=20)
    found = rank_correlation(a, b, name, confidence=0.9, resamples=3000, seed=1)
    expected = stats.bootstrap(
        (a, b),
        SCIPY[name],
        paired=True,
        vectorized=False,
        confidence_level=0.9,
        n_resamples=600,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.06)


@each_correlation
def test_ranks_of_a_monotone_relation_and_of_none(name):
    a = np.arange(8.0)
    same, opposite = (rank_correlation(a, b, name, **BOOTSTRAP) for b in (a**3, -a))
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    assert (opposite.value, opposite.low, opposite.high) == pytest.approx((-1, -1, -1))
    nothing = rank_correlation(a, np.ones(8), name, **BOOTSTRAP)
    few = rank_correlation(a[:2], a[:2], name, **BOOTSTRAP)
    for found in (nothing, few):
        assert np.isnan([found.value, found.low, found.high]).all()


def test_means_and_deviations_leave_out_what_is_missing():
    values = np.array([[1.0, 2.0, 6.0], [4.0, np.nan, 2.0], [5.0, np.nan, np.nan], [np.nan] * 3])
    np.testing.assert_allclose(mean_of_present(values), [3, 3, 5, np.nan])
    np.testing.assert_allclose(deviation_of_present(values), [np.sqrt(7), np.sqrt(2), np.nan, np.nan])


def test_noise_of_the_gap_by_its_formula():
    # Variances pooled within architectures: the table's 0.5 + 2 over 2 degrees of freedom, the other's 2 + 8.
    table = np.array([[0.0, 1.0], [2.0, 4.0]])
    trained = np.array([[0.0, 2.0], [5.0, 1.0]]) + 0.0
    expected = np.sqrt((1.25 / 2 + 5.0 / 2) * 2) / 2
    assert noise_of_gap(table, trained) == pytest.approx(expected)


def test_noise_of_one_side_stands_for_that_of_the_other():
    trained = np.array([[0.0, 2.0, np.nan], [4.0, 4.0, 4.0]])
    one = np.array([[9.0], [9.0]])
    variance = (2.0 + 0.0) / (1 + 2)
    expected = np.sqrt(2 * variance / 1 + variance / 2 + variance / 3) / 2
    assert noise_of_gap(one, trained) == pytest.approx(expected)
    assert noise_of_gap(trained, one) == pytest.approx(expected)
    assert np.isnan(noise_of_gap(one, one))
    assert np.isnan(noise_of_gap(np.zeros((0, 2)), np.zeros((0, 2))))


def test_the_standard_error_covers_what_noise_does():
    """Without any gap the mean lies within two standard errors in about 95 of 100 validations."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        truth = rng.normal(0.9, 0.02, size=(8, 1))
        table, trained = (truth + rng.normal(0, 0.003, size=(8, n)) for n in (1, 3))
        gap = float((trained.mean(axis=1) - table.mean(axis=1)).mean())
        inside += abs(gap) <= 2 * noise_of_gap(table, trained)
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0.0, "within seed noise: the mean gap of"),
        (-0.02, "the table is optimistic by"),
        (0.03, "the table is pessimistic by"),
    ],
)
def test_a_made_up_table_is_judged_as_it_was_made(shift, words):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.80, 0.95, size=(12, 1))
    table, trained = (truth + rng.normal(0, 0.002, size=(12, 3)) for _ in range(2))
    found = compare(table, trained + shift, **BOOTSTRAP)
    assert found.verdict.startswith(words)
    assert found.architectures == 12
    assert found.gap.mean == pytest.approx(shift, abs=0.002)
    assert found.gap.low < found.gap.mean < found.gap.high
    assert found.standard_error == pytest.approx(0.002 * np.sqrt(2 / 3 / 12), rel=0.3)
    assert found.kendall.value > 0.9
    assert found.spearman.value > 0.95


def test_only_architectures_that_both_have_are_compared():
    nan = np.nan
    table = np.array([[0.5], [nan], [0.7], [0.9]])
    trained = np.array([[0.4, 0.6], [0.4, 0.6], [nan, nan], [0.8, nan]])
    found = compare(table, trained, **BOOTSTRAP)
    assert found.architectures == 2
    assert found.gap.mean == pytest.approx(((0.5 - 0.5) + (0.8 - 0.9)) / 2)
    empty = compare(table * nan, trained, **BOOTSTRAP)
    assert empty.architectures == 0
    assert empty.verdict.startswith("there is nothing to compare")
    assert np.isnan(empty.gap.mean)


@pytest.mark.parametrize(
    ("gap", "error", "words"),
    [
        (
            0.002,
            0.001,
            "within seed noise: the mean gap of +0.20 points is at most two standard errors of 0.10",
        ),
        (0.00201, 0.001, "the table is pessimistic by 0.20 points (2.0 standard errors)"),
        (-0.01, 0.001, "the table is optimistic by 1.00 points (10.0 standard errors)"),
        (-0.01, 0.0, "the table is optimistic by 1.00 points (beyond any noise of seeds)"),
        (0.01, np.nan, "not to be judged: the mean gap is +1.00 points"),
        (np.nan, np.nan, "there is nothing to compare"),
    ],
)
def test_verdicts(gap, error, words):
    assert verdict(gap, error).startswith(words)
