"""How well a table agrees with trainings from scratch: ranks, gaps, and whether noise explains them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.leaderboards.statistics import Estimate, estimate_mean

_Values = NDArray[np.float64]
_FEWEST_FOR_RANKS = 3
_STANDARD_ERRORS = 2.0
_MOST_PAIRS_AT_ONCE = 1 << 23
"""Pairs of architectures that a bootstrap looks at together; bounds its memory."""


@dataclass(frozen=True)
class Correlation:
    """A rank correlation and its percentile-bootstrap interval over architectures; NaN if there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """A table beside trainings from scratch, over the architectures that both have a result of.

    Attributes
    ----------
    architectures
        How many these are.
    kendall, spearman
        Rank correlations of the table's means with those of the trainings: tau-b and rho.
    gap
        Training less table: mean and deviation over architectures, in fractions, with a bootstrap interval.
    standard_error
        Of the mean gap, from the noise of seeds alone; see `noise_of_gap`.
    verdict
        Whether noise explains the mean gap: a clause.
    """

    architectures: int
    kendall: Correlation
    spearman: Correlation
    gap: Estimate
    standard_error: float
    verdict: str


def compare(table: _Values, trained: _Values, *, confidence: float, resamples: int, seed: int) -> Agreement:
    """Hold a table against trainings from scratch.

    Parameters
    ----------
    table
        Results of the table's trainings, float64 `[architectures, trainings]`; NaN where there is none.
    trained
        Results of the new trainings, `[architectures, seeds]`.
    confidence, resamples, seed
        Of the bootstrap intervals.
    """
    both = ~np.isnan(table).all(axis=1) & ~np.isnan(trained).all(axis=1)
    table, trained = table[both], trained[both]
    stated, found = mean_of_present(table), mean_of_present(trained)
    gap = estimate_mean(found - stated, confidence=confidence, resamples=resamples, seed=seed)
    error = noise_of_gap(table, trained)

    def correlation(name: str) -> Correlation:
        return rank_correlation(stated, found, name, confidence=confidence, resamples=resamples, seed=seed)

    return Agreement(
        int(both.sum()), correlation("kendall"), correlation("spearman"), gap, error, verdict(gap.mean, error)
    )


def mean_of_present(values: _Values) -> _Values:
    """Return the mean over axis 1 of what is no NaN; NaN where nothing is."""
    present = ~np.isnan(values)
    total, number = np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1)
    mean: _Values = np.divide(total, number, out=np.full(len(values), np.nan), where=number > 0)
    return mean


def deviation_of_present(values: _Values) -> _Values:
    """Return the sample standard deviation over axis 1 of what is no NaN; NaN where there are not two."""
    squares, degrees = _scatter(values)
    variance = np.divide(squares, degrees, out=np.full(len(values), np.nan), where=degrees > 0)
    deviation: _Values = np.sqrt(variance)
    return deviation


def _scatter(values: _Values) -> tuple[_Values, NDArray[np.int64]]:
    """Return the sum of squared deviations from each row's mean, and its degrees of freedom."""
    present = ~np.isnan(values)
    from_mean = np.where(present, values - mean_of_present(values)[:, None], 0.0)
    return (from_mean**2).sum(axis=1), present.sum(axis=1) - 1


def noise_of_gap(table: _Values, trained: _Values) -> float:
    """Return the standard error of the mean gap that the noise of seeds alone would give.

    Trainings of one architecture differ by a variance that is taken to be the same for all of them, and is
    estimated from all that were trained more than once: apart for the table and for the new trainings, or
    from the one of the two that has such. NaN where neither has. Noise that architectures share, such as the
    order of batches of a common seed, is not in it.
    """
    variances = [_pooled_variance(values) for values in (table, trained)]
    known = [variance for variance in variances if not np.isnan(variance)]
    if not known or not len(table):
        return float("nan")
    filled = [known[0] if np.isnan(variance) else variance for variance in variances]
    total = 0.0
    for values, variance in zip((table, trained), filled, strict=True):
        total += float((variance / (~np.isnan(values)).sum(axis=1)).sum())
    return float(np.sqrt(total) / len(table))


def _pooled_variance(values: _Values) -> float:
    squares, degrees = _scatter(values)
    total = int(np.maximum(degrees, 0).sum())
    return float(squares.sum() / total) if total else float("nan")


def verdict(gap: float, error: float) -> str:
    """Return in words whether the noise of seeds explains the mean gap, both in fractions."""
    points = f"{100 * abs(gap):.2f} points"
    if np.isnan(gap):
        return "there is nothing to compare: the table or the trainings have no result"
    if np.isnan(error):
        return (
            f"not to be judged: the mean gap is {100 * gap:+.2f} points, and with one training on either "
            "side the noise of seeds is not known"
        )
    if abs(gap) <= _STANDARD_ERRORS * error:
        return (
            f"within seed noise: the mean gap of {100 * gap:+.2f} points is at most two standard errors of "
            f"{100 * error:.2f}"
        )
    which = "optimistic" if gap < 0 else "pessimistic"
    times = f"{abs(gap) / error:.1f} standard errors" if error else "beyond any noise of seeds"
    return f"the table is {which} by {points} ({times})"


def rank_correlation(
    a: _Values, b: _Values, name: str, *, confidence: float, resamples: int, seed: int
) -> Correlation:
    """Return a rank correlation with its percentile-bootstrap interval, pairs drawn with replacement.

    Parameters
    ----------
    a, b
        float64 `[n]`.
    name
        `kendall` (tau-b) or `spearman`.
    """
    if len(a) < _FEWEST_FOR_RANKS:
        return Correlation(float("nan"), float("nan"), float("nan"))
    correlate = _kendall if name == "kendall" else _spearman
    drawn = np.random.default_rng(seed).integers(len(a), size=(resamples, len(a)))
    parts = np.array_split(drawn, max(1, resamples * len(a) ** 2 // _MOST_PAIRS_AT_ONCE))
    found = np.concatenate([correlate(a[part], b[part]) for part in parts])
    found = found[~np.isnan(found)]  # a resample of equal values has no ranks
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail]) if len(found) else (np.nan, np.nan)
    return Correlation(float(correlate(a[None], b[None])[0]), float(low), float(high))


def _spearman(a: _Values, b: _Values) -> _Values:
    """Return Spearman's rho of each pair of rows, `[m]`; NaN where one of the two is constant."""
    return _pearson(*(stats.rankdata(values, axis=1) for values in (a, b)))


def _pearson(a: _Values, b: _Values) -> _Values:
    a, b = (values - values.mean(axis=1, keepdims=True) for values in (a, b))
    return _normalised((a * b).sum(axis=1), (a**2).sum(axis=1), (b**2).sum(axis=1))


def _kendall(a: _Values, b: _Values) -> _Values:
    """Return Kendall's tau-b of each pair of rows, `[m]`; NaN where one of the two is constant."""
    upper = np.triu_indices(a.shape[1], k=1)
    signs = [np.sign(values[:, upper[0]] - values[:, upper[1]]) for values in (a, b)]
    first, second = signs
    return _normalised((first * second).sum(axis=1), (first**2).sum(axis=1), (second**2).sum(axis=1))


def _normalised(product: _Values, first: _Values, second: _Values) -> _Values:
    size = np.sqrt(first * second)
    result: _Values = np.divide(product, size, out=np.full(len(product), np.nan), where=size > 0)
    return result
