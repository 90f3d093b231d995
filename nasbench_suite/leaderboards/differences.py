"""Is it a difference? Every strategy of a task beside the best one, run by run.

Runs of the same number are pairs: their random numbers begin alike. Where two strategies have different
numbers of runs they are independent samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.statistics import MOST_RESAMPLED_AT_ONCE, Estimate, estimate_mean

_Values = NDArray[np.float64]

POWER = 0.8
"""Share of repetitions of a whole comparison that would find the difference, for `runs_needed`."""
_WORST_EFFICIENCY = 0.864
"""Of Wilcoxon's tests beside Student's, at worst (Hodges, Lehmann, Annals of Math. Statistics 1956)."""


@dataclass(frozen=True)
class Difference:
    """One strategy beside the one with the least mean test regret.

    Attributes
    ----------
    behind
        Its test regret less the best one's: mean, deviation over pairs (NaN without pairs), interval.
    p
        Of Wilcoxon's signed-rank test, without pairs of Mann and Whitney's, after Holm's correction for all
        strategies of the task; NaN with fewer than two runs.
    lost
        Probability that a run of the best one ends better, ties counting half (Vargha, Delaney, 2000).
    runs_needed
        Runs of each with which the test would find a difference as large as this at the board's level, before
        correction, in `POWER` of all cases; NaN where there is none.
    paired
        Whether runs are pairs.
    """

    behind: Estimate
    p: float
    lost: float
    runs_needed: float
    paired: bool


def differences(
    finals: Mapping[str, Finals], *, confidence: float, resamples: int, seed: int
) -> dict[str, Difference]:
    """Return every strategy of a task beside the best, by label; the best itself is left out."""
    regrets = {label: of.test_regret[~np.isnan(of.test_regret)] for label, of in finals.items()}
    means = {label: values.mean() if len(values) else np.inf for label, values in regrets.items()}
    best = min(means, key=lambda label: means[label])
    found: dict[str, Difference] = {}
    for label, of in finals.items():
        if label != best:
            pair = _Pair(of.test_regret, finals[best].test_regret)
            found[label] = pair.difference(confidence, resamples, seed)
    corrected = holm([one.p for one in found.values()])
    return {
        label: Difference(one.behind, p, one.lost, one.runs_needed, one.paired)
        for (label, one), p in zip(found.items(), corrected, strict=True)
    }


def holm(p: list[float]) -> list[float]:
    """Return p-values after Holm's correction; NaN stay and count as no test."""
    corrected = np.array(p, dtype=np.float64)
    known = ~np.isnan(corrected)
    if known.any():
        from statsmodels.stats.multitest import multipletests  # loads for a second

        corrected[known] = multipletests(corrected[known], method="holm")[1]
    values: list[float] = corrected.tolist()
    return values


class _Pair:
    """Regrets of one strategy and of the best, `[runs]` each."""

    def __init__(self, own: _Values, best: _Values):
        self.paired = len(own) == len(best)
        known = ~(np.isnan(own) | np.isnan(best)) if self.paired else slice(None)
        self.own, self.best = own[known], best[known]
        self.own, self.best = (values[~np.isnan(values)] for values in (self.own, self.best))

    def difference(self, confidence: float, resamples: int, seed: int) -> Difference:
        nothing = Estimate(np.nan, np.nan, np.nan, np.nan)
        if not len(self.own) or not len(self.best):
            return Difference(nothing, np.nan, np.nan, np.nan, self.paired)
        if self.paired:
            behind = estimate_mean(
                self.own - self.best, confidence=confidence, resamples=resamples, seed=seed
            )
        else:
            behind = self._of_samples(confidence, resamples, seed)
        wins = stats.mannwhitneyu(self.own, self.best).statistic / (len(self.own) * len(self.best))
        return Difference(behind, self._p(), float(wins), self._runs_needed(confidence), self.paired)

    def _of_samples(self, confidence: float, resamples: int, seed: int) -> Estimate:
        """Return the difference of two means with its percentile-bootstrap interval."""
        mean = float(self.own.mean() - self.best.mean())
        if min(len(self.own), len(self.best)) < 2:
            return Estimate(mean, np.nan, np.nan, np.nan)
        interval = stats.bootstrap(
            (self.own, self.best),
            lambda own, best, axis: own.mean(axis=axis) - best.mean(axis=axis),
            confidence_level=confidence,
            n_resamples=resamples,
            batch=MOST_RESAMPLED_AT_ONCE,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(seed),
        ).confidence_interval
        return Estimate(mean, np.nan, float(interval.low), float(interval.high))

    def _p(self) -> float:
        if min(len(self.own), len(self.best)) < 2:
            return np.nan
        if not self.paired:
            return float(stats.mannwhitneyu(self.own, self.best).pvalue)
        if np.array_equal(self.own, self.best):
            return 1.0
        return float(stats.wilcoxon(self.own - self.best, zero_method="pratt").pvalue)

    def _runs_needed(self, confidence: float) -> float:
        if min(len(self.own), len(self.best)) < 2:
            return np.nan
        if self.paired:
            variance = float((self.own - self.best).var(ddof=1))
        else:
            variance = float(self.own.var(ddof=1) + self.best.var(ddof=1))
        return runs_needed(float(self.own.mean() - self.best.mean()), variance, 1 - confidence)


def runs_needed(difference: float, variance: float, alpha: float) -> float:
    """Return with how many runs a two-sided test at level `alpha` finds a difference in `POWER` of all cases.

    The normal formula `((z_{1-alpha/2} + z_power) / d)^2 variance`, divided by the least efficiency of
    Wilcoxon's test. NaN where there is no difference, 2 where there is no variance.
    """
    if difference == 0:
        return np.nan
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(POWER))
    return max(2.0, float(np.ceil(z**2 * variance / difference**2 / _WORST_EFFICIENCY)))
