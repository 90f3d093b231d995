"""Over all tasks of a board: Friedman's test, pairs by Wilcoxon's, and a Bayesian signed-rank test.

Demsar: "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 2006); Benavoli, Corani,
Demsar, Zaffalon: "Time for a Change: a Tutorial for Comparing Multiple Classifiers Through Bayesian Analysis"
(JMLR 2017). What is compared is the mean test regret of a strategy on a task, in units of the task's region
of practical equivalence, so that tasks of different metrics go together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

_SAMPLES = 20_000
_FEWEST_STRATEGIES, _FEWEST_TASKS = 3, 2


@dataclass(frozen=True)
class Pair:
    """One strategy beside the one with the best mean rank.

    Attributes
    ----------
    p
        Of Wilcoxon's signed-rank test over tasks, after Holm's correction for all pairs of the board.
    better, equivalent, worse
        Posterior probabilities that on another such task the first-ranked one is better, that both are
        practically equivalent, that the first-ranked one is worse.
    """

    p: float
    better: float
    equivalent: float
    worse: float


@dataclass(frozen=True, eq=False)
class OverTasks:
    """Comparisons over tasks.

    Attributes
    ----------
    tasks
        How many have a result of every strategy.
    friedman_p
        That all strategies are the same.
    ranks
        Mean rank by label.
    p
        Of all pairs, after Holm's correction; labels as index and columns.
    first
        The label with the best mean rank.
    pairs
        The others beside it.
    least_p
        The least that a pair can reach with so many tasks, after Holm's correction.
    tasks_needed
        With how many tasks a pair could be told apart at the board's level.
    """

    tasks: int
    friedman_p: float
    ranks: dict[str, float]
    p: pd.DataFrame
    first: str
    pairs: dict[str, Pair]
    least_p: float
    tasks_needed: int

    def can_tell(self, alpha: float) -> bool:
        """Tell whether there are tasks enough for any pair to be told apart."""
        return self.least_p < alpha


def over_tasks(
    regrets: Mapping[str, NDArray[np.float64]], ropes: NDArray[np.float64], *, alpha: float, seed: int
) -> OverTasks | None:
    """Compare strategies over tasks; None where there are fewer than three of them or than two tasks.

    Parameters
    ----------
    regrets
        Mean test regret of every strategy, `[tasks]`; tasks that lack one are left out.
    ropes
        Differences on each task within which strategies are as good, `[tasks]`.
    alpha, seed
        The level of tests, and the seed of the posterior's sample.
    """
    labels = list(regrets)
    table = np.array([regrets[label] for label in labels]) / ropes
    table = table[:, ~np.isnan(table).any(axis=0)]
    if len(labels) < _FEWEST_STRATEGIES or table.shape[1] < _FEWEST_TASKS:
        return None
    ranks = stats.rankdata(table, axis=0).mean(axis=1)
    first = int(ranks.argmin())
    p = _pairwise(table, labels)
    pairs = len(labels) * (len(labels) - 1) // 2
    return OverTasks(
        tasks=table.shape[1],
        friedman_p=_friedman(table),
        ranks=dict(zip(labels, ranks.tolist(), strict=True)),
        p=p,
        first=labels[first],
        pairs={
            label: Pair(float(p.to_numpy()[first, place]), *_bayesian(table[first], table[place], seed))
            for place, label in enumerate(labels)
            if place != first
        },
        least_p=min(1.0, pairs * 2.0 ** (1 - table.shape[1])),
        tasks_needed=ceil(1 + log2(pairs / alpha)),
    )


def _friedman(table: NDArray[np.float64]) -> float:
    if (table == table[0]).all():
        return 1.0
    return float(stats.friedmanchisquare(*table).pvalue)


def _pairwise(table: NDArray[np.float64], labels: list[str]) -> pd.DataFrame:
    """Return p-values of all pairs; 1 where two strategies have the same results on all tasks."""
    import scikit_posthocs as posthocs

    with np.errstate(invalid="ignore"):
        found = posthocs.posthoc_wilcoxon(list(table), p_adjust="holm")
    return pd.DataFrame(np.nan_to_num(found.to_numpy(), nan=1.0), index=labels, columns=labels)


def _bayesian(
    first: NDArray[np.float64], other: NDArray[np.float64], seed: int
) -> tuple[float, float, float]:
    """Return the probabilities that the first is better, as good, and worse, of regrets in units of ROPE."""
    import baycomp  # it and scikit-posthocs load for seconds

    better, equivalent, worse = baycomp.SignedRankTest.probs(
        -first, -other, rope=1.0, nsamples=_SAMPLES, random_state=seed
    )
    return float(better), float(equivalent), float(worse)
