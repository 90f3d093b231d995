"""How much a table's results tell: what differs between architectures, and what between their trainings."""

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.benchmark import TabularBenchmark

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """Figures of fully trained results; NaN where a table has too little for one.

    Let `v[a, s]` and `t[a, s]` be the validation and test result of architecture `a` trained with seed `s`.

    Attributes
    ----------
    architectures, architectures_with_several_seeds
        How many have a validation result, and how many have two or more.
    best_valid, mean_valid
        The best and the mean over architectures of the mean over seeds of `v`.
    between_architectures_sd
        Standard deviation over architectures of `v[a, 0]`, the first seed alone (n - 1 below the root).
    between_seeds_sd
        `sqrt(mean over a of the variance over s of v[a, s])` (n - 1), over architectures with several seeds.
    seeds_spearman
        Rank correlation over architectures of `v[., s]` with `v[., s']`, mean over all pairs of seeds; an
        architecture counts in a pair if it has both.
    seeds_spearman_better_half
        The same over those architectures of the pair whose mean of both is at least the median of these
        means.
    valid_test_spearman
        Rank correlation over architectures of `v[., s]` with `t[., s]`, mean over seeds.
    valid_test_spearman_better_half
        The same over those whose `v` is at least its median.
    """

    architectures: int
    architectures_with_several_seeds: int
    best_valid: float
    mean_valid: float
    between_architectures_sd: float
    between_seeds_sd: float
    seeds_spearman: float
    seeds_spearman_better_half: float
    valid_test_spearman: float
    valid_test_spearman_better_half: float


def rounded_figures(benchmark: Benchmark) -> dict[str, float]:
    """Return the figures of a table as datasheets state them, rounded to four decimals, by name.

    Those for which the table has too little are left out.

    Raises
    ------
    NasbenchSuiteError
        When it is no table of rows, or has no validation results.
    """
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(
            f"{benchmark.id} has no rows, so there is nothing to say of differences between them."
        )
    figures = asdict(quality(benchmark)).items()
    return {name: round(value, 4) for name, value in figures if not np.isnan(value)}


def quality(benchmark: TabularBenchmark) -> Quality:
    """Return the figures of a table.

    Raises
    ------
    NasbenchSuiteError
        When it has no validation results.
    """
    if not benchmark.valid_metric:
        raise NasbenchSuiteError(
            f"{benchmark.id} has no validation results, so there is nothing to say of them."
        )
    columns = benchmark.table.columns
    valid = columns[benchmark.valid_metric][:, :, -1]
    test = columns[benchmark.test_metric][:, :, -1] if benchmark.test_metric else np.full_like(valid, np.nan)
    maximise = benchmark.metrics[benchmark.valid_metric].direction == "max"
    return quality_of(valid, np.broadcast_to(test, valid.shape), maximise=maximise)


def quality_of(valid: Values, test: Values, *, maximise: bool = True) -> Quality:
    """Return the figures of results, float64 `[architectures, seeds]`, NaN where one is missing."""
    present = ~np.isnan(valid)
    several = valid[present.sum(axis=1) > 1]
    means = np.array([row[~np.isnan(row)].mean() for row in valid if not np.isnan(row).all()])
    pairs = [(valid[:, a], valid[:, b]) for a, b in combinations(range(valid.shape[1]), 2)]
    trainings = [(valid[:, s], test[:, s]) for s in range(valid.shape[1])]
    return Quality(
        architectures=len(means),
        architectures_with_several_seeds=len(several),
        best_valid=_best(means, maximise),
        mean_valid=_mean(means),
        between_architectures_sd=_sd(valid[present[:, 0], 0]),
        between_seeds_sd=float(np.sqrt(_mean([_sd(row[~np.isnan(row)]) ** 2 for row in several]))),
        seeds_spearman=_mean([spearman(a, b) for a, b in pairs]),
        seeds_spearman_better_half=_mean([_of_better(a, b, (a + b) / 2, maximise) for a, b in pairs]),
        valid_test_spearman=_mean([spearman(v, t) for v, t in trainings]),
        valid_test_spearman_better_half=_mean([_of_better(v, t, v, maximise) for v, t in trainings]),
    )


def spearman(a: Values, b: Values) -> float:
    """Return Spearman's rank correlation of `a` with `b`, `[n]` each, over the entries that both have.

    Pearson's correlation of the ranks, ties having their mean rank; NaN where one of them does not vary.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    first, second = (stats.rankdata(values[both]) for values in (a, b))
    if any(len(ranks) < 2 or ranks.min() == ranks.max() for ranks in (first, second)):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _of_better(a: Values, b: Values, by: Values, maximise: bool) -> float:
    """Return the rank correlation over those entries whose `by` is in the better half."""
    both = ~(np.isnan(a) | np.isnan(b))
    a, b, by = a[both], b[both], by[both] if maximise else -by[both]
    if not len(by):
        return float("nan")
    better = by >= np.median(by)
    return spearman(a[better], b[better])


def _best(values: Values, maximise: bool) -> float:
    if not len(values):
        return float("nan")
    return float(values.max() if maximise else values.min())


def _sd(values: Values) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _mean(values: Values | list[float]) -> float:
    """Return the mean of what is a number."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")
