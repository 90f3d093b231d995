"""Statistics of a board: means with intervals, ranks, how often and how fast the top was reached."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.leaderboards.outcomes import Outcomes

_Values = NDArray[np.float64]

MOST_RESAMPLED_AT_ONCE = 250
"""Resamples drawn at a time; bounds the memory of a bootstrap over many runs."""


@dataclass(frozen=True)
class Estimate:
    """Mean and sample standard deviation over runs, with a bootstrap interval of the mean."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Reached:
    """How many runs reached a goal and after how many evaluations.

    Attributes
    ----------
    share
        Share of the runs that reached it within the budget.
    median
        Median number of evaluations over all runs, those that did not reach it counting as infinite.
    """

    share: float
    median: float


@dataclass(frozen=True)
class Curve:
    """Mean over runs at each grid point and the band of its normal confidence interval."""

    mean: _Values
    low: _Values
    high: _Values


@dataclass(frozen=True)
class Summary:
    """What a board shows of one strategy on one task."""

    runs: int
    valid: Estimate
    test: Estimate
    best_test_seen: Estimate
    test_regret: Estimate
    valid_regret: Estimate
    top: Reached
    optimum: Reached
    test_regret_curve: Curve
    valid_regret_curve: Curve
    seconds_curve: Curve


def summarise(
    outcomes: Outcomes, *, best_test: float, confidence: float, resamples: int, seed: int
) -> Summary:
    """Return the summary of one strategy on one task, regrets measured against `best_test`."""

    def estimate(values: _Values) -> Estimate:
        return estimate_mean(values, confidence=confidence, resamples=resamples, seed=seed)

    test = estimate(outcomes.test)
    return Summary(
        runs=len(outcomes.test),
        valid=estimate(outcomes.valid),
        test=test,
        best_test_seen=estimate(outcomes.best_test_seen),
        test_regret=_as_regret(test, best_test),
        valid_regret=estimate(outcomes.valid_regret),
        top=reached(outcomes.to_top),
        optimum=reached(outcomes.to_optimum),
        test_regret_curve=curve(outcomes.test_regret_at, confidence),
        valid_regret_curve=curve(outcomes.valid_regret_at, confidence),
        seconds_curve=curve(outcomes.test_regret_at_seconds, confidence),
    )


def _as_regret(test: Estimate, best: float) -> Estimate:
    """Return the estimate of the distance to `best`, a shift (and mirror) of the estimate of the value."""
    ends = sorted((abs(best - test.low), abs(best - test.high)))
    return Estimate(abs(best - test.mean), test.sd, *ends)


def estimate_mean(values: _Values, *, confidence: float, resamples: int, seed: int) -> Estimate:
    """Return the mean of `values` with its percentile-bootstrap interval (`scipy.stats.bootstrap`).

    A single value has no deviation and no interval: these are NaN. Runs without a result (NaN) are left
    out.
    """
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, np.nan, np.nan, np.nan)
    interval = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        batch=MOST_RESAMPLED_AT_ONCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, float(values.std(ddof=1)), float(interval.low), float(interval.high))


def reached(evaluations: _Values) -> Reached:
    """Return share and median of `evaluations`, in which infinity means not reached."""
    return Reached(
        share=float(np.isfinite(evaluations).mean()),
        median=float(np.quantile(evaluations, 0.5, method="higher")),
    )


def curve(values: _Values, confidence: float) -> Curve:
    """Return the mean over the runs that have a value at each point, and its normal interval."""
    count = (~np.isnan(values)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(np.isnan(values), 0.0, values).sum(axis=0) / count
        variance = np.where(np.isnan(values), 0.0, (values - mean) ** 2).sum(axis=0) / (count - 1)
        half = float(stats.norm.ppf(0.5 + confidence / 2)) * np.sqrt(variance / count)
    half = np.where(count > 1, half, 0.0)
    return Curve(mean, mean - half, mean + half)


def mean_ranks(regrets: _Values) -> _Values:
    """Return each strategy's mean rank over tasks; 1 is best, ties share their mean rank.

    Parameters
    ----------
    regrets
        Mean regrets, float64 `[strategies, tasks]`; smaller is better.
    """
    ranks: _Values = stats.rankdata(regrets, axis=0, nan_policy="omit")
    known = ~np.isnan(ranks)
    total, count = np.where(known, ranks, 0.0).sum(axis=1), known.sum(axis=1)
    mean = np.full(len(ranks), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def rank_correlation(a: _Values, b: _Values) -> float:
    """Return Spearman's rank correlation; NaN where one of the two is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)
