"""Macro against micro: how much of an architecture's error its compute explains, and how much its wiring.

A power law of error by compute is fitted to all architectures of a table (`power_law.py`), and one to the
frontier, the best architecture of each range of compute. What the law takes off between cheap and dear
architectures is what size is worth (macro); what lies between law and frontier is what the choice among
architectures of one size is worth (micro).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.compute import Compute, compute_of
from nasbench_suite.leaderboards.power_law import FittedLaw, PowerLaw, Values, bootstrap_power_law
from nasbench_suite.leaderboards.statistics import rank_correlation
from nasbench_suite.tabular.benchmark import TabularBenchmark

Role = Literal["valid", "test"]

LEAST_ARCHITECTURES = 20
"""Architectures below which nothing is fitted."""
_BINS = 20
_LEAST_IN_BIN = 10
_LEAST_ON_FRONTIER = 6
_OUTER = 0.05
"""Share of architectures that is cheaper, and dearer, than the two whose law is compared."""


@dataclass(frozen=True)
class Asked:
    """How a law is fitted and how sure it is: see `bootstrap_power_law`."""

    confidence: float = 0.95
    resamples: int = 500
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Points:
    """Architectures with a result and a cost.

    Attributes
    ----------
    rows
        Of the table, int64 `[n]`.
    costs, errors
        Of each, `[n]`; both positive, an error at most 1.
    missing
        Architectures that were left out because a result or a cost is missing.
    faultless
        Those that were left out because they make no error, which has no logarithm.
    """

    rows: NDArray[np.intp]
    costs: Values
    errors: Values
    missing: int
    faultless: int


@dataclass(frozen=True)
class Explained:
    """Share of variance that compute alone explains (R²), of accuracy and of the logarithm of the error.

    Attributes
    ----------
    law, isotonic
        Of accuracy, by the fitted law and by the best curve that never falls: no monotone curve explains
        more.
    log_law, log_isotonic
        The same of the logarithm of the error, in which the law is fitted.
    spearman
        Rank correlation of compute and accuracy.
    """

    law: float
    isotonic: float
    log_law: float
    log_isotonic: float
    spearman: float


@dataclass(frozen=True, eq=False)
class Frontier:
    """The best architecture of each range of compute, chosen by validation, and a law through them.

    Its intervals resample these architectures, not all: the best of a resample can only be worse.

    Attributes
    ----------
    costs, errors
        Of the architectures on it, cheapest first, `[bins]`.
    fitted
        The law.
    """

    costs: Values
    errors: Values
    fitted: FittedLaw


@dataclass(frozen=True)
class Worth:
    """What size and wiring are worth, in accuracy as a fraction.

    Attributes
    ----------
    size
        By how much the law's accuracy at the 95th percentile of compute exceeds that at the 5th.
    wiring
        By how much the frontier's exceeds the law's at the median of compute; NaN without a frontier.
    spread
        Standard deviation of accuracy about the law, over all architectures.
    above
        Share of all architectures that lie above the law.
    """

    size: float
    wiring: float
    spread: float
    above: float


@dataclass(frozen=True, eq=False)
class Judgement:
    """What compute says of one metric of a table.

    Attributes
    ----------
    role, metric
        `valid` or `test`, and its name.
    points
        The architectures.
    fitted, frontier
        The law of all and that of the best; no frontier where too few ranges of compute are filled.
    explained, worth
        See there.
    """

    role: Role
    metric: str
    points: Points
    fitted: FittedLaw
    frontier: Frontier | None
    explained: Explained
    worth: Worth


@dataclass(frozen=True, eq=False)
class Scaling:
    """Error against compute on one task.

    Attributes
    ----------
    task, space, sha256
        Of the table.
    compute
        Cost of every row.
    judgements
        Validation first, then test, where the table has them and they are not the same metric.
    """

    task: str
    space: str
    sha256: str
    compute: Compute
    judgements: list[Judgement]


def scaling_of(benchmark: TabularBenchmark, cost: str, asked: Asked) -> Scaling:
    """Fit error against compute on a task, by validation and, for reporting, by test results.

    Parameters
    ----------
    benchmark
        The table.
    cost
        See `compute_of`.
    asked
        Intervals.

    Raises
    ------
    UnknownNameError
        When there is no such cost.
    NasbenchSuiteError
        When a metric is no fraction, or architectures or costs are too few or not positive.
    """
    compute = compute_of(benchmark, cost)
    roles: list[Role] = ["valid"] if benchmark.valid_metric else []
    if benchmark.test_metric and benchmark.test_metric != benchmark.valid_metric:
        roles.append("test")
    if not roles:
        raise NasbenchSuiteError(f"{benchmark.id} has neither validation nor test results to fit.")
    judgements = [_judgement(benchmark, role, compute, asked) for role in roles]
    return Scaling(benchmark.id, benchmark.space.name, benchmark.table.sha256, compute, judgements)


def errors_of(benchmark: TabularBenchmark, role: Role) -> Values:
    """Return 1 - accuracy of every row, or the metric itself where smaller is better; NaN where missing.

    Raises
    ------
    NasbenchSuiteError
        When the metric is no fraction.
    """
    name = benchmark.valid_metric if role == "valid" else benchmark.test_metric
    metric = benchmark.metrics[name]
    column = benchmark.valid_column() if role == "valid" else benchmark.test_column()
    errors: Values = 1 - column if metric.direction == "max" else column
    known = errors[~np.isnan(errors)]
    if metric.unit != "fraction" or (known < 0).any() or (known > 1).any():
        raise NasbenchSuiteError(
            f"{name} of {benchmark.id} ({metric.unit}) is no fraction between 0 and 1, so it has no error to "
            "fit; choose a task that is judged by an accuracy."
        )
    return errors


def _judgement(benchmark: TabularBenchmark, role: Role, compute: Compute, asked: Asked) -> Judgement:
    points = _points(benchmark.id, compute, errors_of(benchmark, role))
    fitted = bootstrap_power_law(points.costs, points.errors, **vars(asked))
    chosen_by = errors_of(benchmark, "valid")[points.rows] if benchmark.valid_metric else points.errors
    frontier = _frontier(points, chosen_by, asked)
    return Judgement(
        role=role,
        metric=benchmark.valid_metric if role == "valid" else benchmark.test_metric,
        points=points,
        fitted=fitted,
        frontier=frontier,
        explained=_explained(points, fitted.law),
        worth=_worth(points, fitted.law, frontier),
    )


def _points(task: str, compute: Compute, errors: Values) -> Points:
    known = ~np.isnan(errors) & ~np.isnan(compute.values)
    kept = known & (errors > 0)
    rows = np.flatnonzero(kept)
    if len(rows) < LEAST_ARCHITECTURES:
        raise NasbenchSuiteError(
            f"{len(rows)} architectures of {task} have both a result and {compute.name}; a law takes at "
            f"least {LEAST_ARCHITECTURES}."
        )
    costs = compute.values[rows]
    if (costs <= 0).any():
        raise NasbenchSuiteError(
            f"{compute.name} of {int((costs <= 0).sum())} architectures of {task} is not above zero, so it "
            "has no power; choose another cost."
        )
    return Points(rows, costs, errors[rows], int((~known).sum()), int((known & ~kept).sum()))


def _frontier(points: Points, chosen_by: Values, asked: Asked) -> Frontier | None:
    """Take the best of every range of equal ratio in which there are enough to choose among."""
    logs = np.log(points.costs)
    edges = np.linspace(logs.min(), logs.max(), _BINS + 1)[1:-1]
    place = np.searchsorted(edges, logs, side="right")
    order = np.lexsort((np.where(np.isnan(chosen_by), np.inf, chosen_by), place))
    first = order[np.flatnonzero(np.diff(place[order], prepend=-1))]
    best = first[np.bincount(place, minlength=_BINS)[place[first]] >= _LEAST_IN_BIN]
    if len(best) < _LEAST_ON_FRONTIER:
        return None
    costs, errors = points.costs[best], points.errors[best]
    return Frontier(costs, errors, bootstrap_power_law(costs, errors, **vars(asked)))


def _explained(points: Points, law: PowerLaw) -> Explained:
    predicted, accuracies, logs = law.errors(points.costs), 1 - points.errors, np.log(points.errors)
    return Explained(
        law=_r_squared(accuracies, 1 - predicted),
        isotonic=_r_squared(accuracies, _isotonic(points.costs, accuracies)),
        log_law=_r_squared(logs, np.log(predicted)),
        log_isotonic=_r_squared(logs, -_isotonic(points.costs, -logs)),
        spearman=rank_correlation(points.costs, accuracies),
    )


def _isotonic(costs: Values, values: Values) -> Values:
    found: Values = IsotonicRegression(increasing=True).fit_transform(costs, values)
    return found


def _r_squared(values: Values, predicted: Values) -> float:
    total = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def _worth(points: Points, law: PowerLaw, frontier: Frontier | None) -> Worth:
    cheap, middle, dear = law.errors(np.quantile(points.costs, [_OUTER, 0.5, 1 - _OUTER]))
    best = np.nan if frontier is None else frontier.fitted.law.errors(np.array(np.median(points.costs)))
    residuals = law.errors(points.costs) - points.errors
    return Worth(
        size=float(cheap - dear),
        wiring=float(middle - best),
        spread=float(np.std(residuals, ddof=1)),
        above=float((residuals > 0).mean()),
    )
