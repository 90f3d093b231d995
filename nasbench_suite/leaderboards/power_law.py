"""A power law with a floor, error = a C^-b + c: fitted by least squares, with bootstrap intervals.

The form is that of Hestness et al. ("Deep Learning Scaling is Predictable, Empirically", 2017) with the
irreducible error of Rosenfeld et al. ("A Constructive Prediction of the Generalization Error Across Scales",
ICLR 2020); with c = 0 it is that of Kaplan et al. ("Scaling Laws for Neural Language Models", 2020).

Residuals are taken between logarithms of errors. A law is straight there, errors are positive and spread in
proportion to their size, and in plain errors a few networks that learnt next to nothing would decide about
all others. So the curve is the geometric mean of the errors at a cost, which lies below their mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from nasbench_suite.errors import NasbenchSuiteError

Values = NDArray[np.float64]

LEAST_COSTS = 4
"""Different costs without which three constants are not determined."""
STEEPEST = 20.0
"""The largest exponent; what reaches it is a step down from the cheapest, no slope."""
_STARTS = ((0.1, 0.0), (0.5, 0.5), (2.0, 0.9))
"""Exponents from which a fit starts, and floors as shares of the least error."""
_LEAST_GAIN = 1e-9
"""Share of the squares that a law must explain beyond a constant, so that it is one."""
_NO_FLOOR = 1e-6
"""Share of the mean error below which a floor is none; the solver comes near to zero, never there."""


@dataclass(frozen=True)
class PowerLaw:
    """error = a C^-b + c, with a > 0, b >= 0 and c >= 0.

    Attributes
    ----------
    a
        What the reducible error is at a cost of one, in the cost's unit.
    b
        The exponent, at most `STEEPEST`; 0 where errors do not fall with the cost: then c is 0 and a is the
        error.
    c
        The error that no cost removes.
    """

    a: float
    b: float
    c: float

    def errors(self, costs: Values) -> Values:
        """Return errors at costs, float64 of the same shape."""
        found: Values = self.a * costs**-self.b + self.c
        return found


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """A law and what resampling says of it.

    Attributes
    ----------
    law
        Fitted to all points.
    samples
        a, b and c of every resample, float64 `[resamples, 3]`.
    confidence
        Of intervals and bands.
    """

    law: PowerLaw
    samples: Values
    confidence: float

    def interval(self, name: str) -> tuple[float, float]:
        """Return the percentile interval of `a`, `b` or `c`."""
        low, high = np.quantile(self.samples[:, "abc".index(name)], self._ends())
        return float(low), float(high)

    def band(self, costs: Values) -> Values:
        """Return the lower and the upper end of the curve's error at each cost, float64 `[2, n]`.

        Percentiles point by point, not a band for the curve as a whole.
        """
        found, place = np.unique(costs, return_inverse=True)
        a, b, c = (column[:, None] for column in self.samples.T)
        ends = [np.quantile(a * part**-b + c, self._ends(), axis=0) for part in np.array_split(found, 50)]
        band: Values = np.concatenate(ends, axis=1)[:, place.ravel()]
        return band

    def _ends(self) -> tuple[float, float]:
        return (1 - self.confidence) / 2, (1 + self.confidence) / 2


def fit_power_law(costs: Values, errors: Values) -> PowerLaw:
    """Fit a law by least squares between logarithms of errors, from several starts.

    Parameters
    ----------
    costs, errors
        Positive numbers, float64 `[n]`.

    Raises
    ------
    NasbenchSuiteError
        When a number is not positive, or there are fewer than four different costs.
    """
    _check(costs, errors)
    levels, place = np.unique(costs, return_inverse=True)
    return _fit(levels, *_by_level(place.ravel(), np.log(errors), len(levels)))


def bootstrap_power_law(
    costs: Values, errors: Values, *, confidence: float, resamples: int, seed: int
) -> FittedLaw:
    """Fit a law, and again to points that are drawn from them with replacement.

    Parameters
    ----------
    costs, errors
        Positive numbers, float64 `[n]`; a point is one architecture.
    confidence
        Of the percentile intervals.
    resamples, seed
        Number of draws, and the seed of their generator.

    Raises
    ------
    NasbenchSuiteError
        As `fit_power_law`.
    """
    law = fit_power_law(costs, errors)
    levels, place = np.unique(costs, return_inverse=True)
    place, logs = place.ravel(), np.log(errors)
    rng = np.random.default_rng(seed)
    found: list[tuple[float, float, float]] = []
    while len(found) < resamples:
        drawn = rng.integers(len(costs), size=len(costs))
        weights, means = _by_level(place[drawn], logs[drawn], len(levels))
        one = _fit(levels, weights, means, near=law)
        found.append((one.a, one.b, one.c))
    return FittedLaw(law, np.array(found), confidence)


def _check(costs: Values, errors: Values) -> None:
    if not ((costs > 0).all() and (errors > 0).all()):
        raise NasbenchSuiteError("a power law takes costs and errors above zero; leave out what is not.")
    levels = len(np.unique(costs))
    if levels < LEAST_COSTS:
        raise NasbenchSuiteError(
            f"there {'is one cost' if levels == 1 else f'are {levels} different costs'}, and a law with "
            f"three constants needs at least {LEAST_COSTS}; choose a cost that tells architectures apart."
        )


def _by_level(place: NDArray[np.intp], logs: Values, levels: int) -> tuple[Values, Values]:
    """Return how many points each cost has, and the mean of their logarithms; squares need no more."""
    weights = np.bincount(place, minlength=levels).astype(np.float64)
    total = np.bincount(place, weights=logs, minlength=levels)
    return weights, np.divide(total, weights, out=np.zeros(levels), where=weights > 0)


def _fit(levels: Values, weights: Values, means: Values, near: PowerLaw | None = None) -> PowerLaw:
    """Fit to means of logarithms; of a resample the law of all points is a start beside the flattest."""
    drawn = weights > 0
    logs, roots = means[drawn], np.sqrt(weights[drawn])
    centre = float(np.average(np.log(levels[drawn]), weights=weights[drawn]))
    steps = np.log(levels[drawn]) - centre  # the error at the centre is what the data determine best

    def residuals(x: Values) -> Values:
        found: Values = roots * (np.log(np.exp(x[0] - x[1] * steps) + x[2]) - logs)
        return found

    def slopes(x: Values) -> Values:
        power = np.exp(x[0] - x[1] * steps)
        inner = np.stack([power, -power * steps, np.ones_like(power)], axis=1)
        found: Values = inner * (roots / (power + x[2]))[:, None]
        return found

    flat = float(np.average(logs, weights=weights[drawn]))
    most = np.log(np.finfo(float).max) / 4
    best, least = PowerLaw(float(np.exp(flat)), 0.0, 0.0), float((roots**2 * (logs - flat) ** 2).sum())
    least *= 1 - _LEAST_GAIN
    for start in _starts(flat, float(np.exp(logs.min())), centre, near):
        found = least_squares(
            residuals,
            start,
            slopes,
            bounds=([-most, 0.0, 0.0], [most, STEEPEST, np.inf]),
            x_scale=(1.0, 0.3, float(np.exp(flat))),
            ftol=1e-10,
            xtol=1e-10,
        )
        if 2 * found.cost < least:
            least = 2 * float(found.cost)
            offset, b, c = found.x.tolist()
            floor = c if c > _NO_FLOOR * np.exp(flat) else 0.0
            best = PowerLaw(float(np.exp(offset + b * centre)), b, floor)
    return best


def _starts(
    flat: float, least: float, centre: float, near: PowerLaw | None
) -> list[tuple[float, float, float]]:
    if near is not None and near.b > 0:
        return [(float(np.log(near.a)) - near.b * centre, near.b, near.c)]
    return [(flat, exponent, share * least) for exponent, share in _STARTS]
