"""Stationary kernels, and the marginal likelihood of a Gaussian process with its gradient.

Rasmussen, Williams: "Gaussian Processes for Machine Learning" (2006), equations 4.9, 4.17, 5.8 and 5.9.
scikit-learn keeps the derivative for every column, `[n, n, columns]`; here they are sums that two matrix
products give, so that a length scale for every column costs no more than one for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Values = NDArray[np.float64]
JITTER = 1e-8
"""What is added to the variance of the noise, so that covariances of equal samples can be factorised."""


@dataclass(frozen=True)
class Kernel:
    """A function of the distance of points that were divided by length scales.

    Attributes
    ----------
    values
        From squared distances to covariances, 1 at distance 0.
    slopes
        From squared distances to -2 times the derivative of `values` by them.
    """

    values: Callable[[Values], Values]
    slopes: Callable[[Values], Values]


def _matern(squared: Values) -> Values:
    scaled = np.sqrt(5.0 * squared)
    found: Values = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return found


def _matern_slopes(squared: Values) -> Values:
    scaled = np.sqrt(5.0 * squared)
    found: Values = 5 / 3 * (1 + scaled) * np.exp(-scaled)
    return found


def _rbf(squared: Values) -> Values:
    found: Values = np.exp(-0.5 * squared)
    return found


KERNELS: Mapping[str, Kernel] = {"matern": Kernel(_matern, _matern_slopes), "rbf": Kernel(_rbf, _rbf)}
"""Matérn with nu = 5/2, and the squared exponential."""


def squared_distances(a: Values, b: Values) -> Values:
    """Return squared distances `[n, m]` between the rows of `[n, columns]` and `[m, columns]`."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    found: Values = np.maximum(squared, 0.0)
    return found


def negative_log_likelihood(
    parameters: Values, kernel: Kernel, samples: Values, targets: Values
) -> tuple[float, Values]:
    """Return minus the logarithm of the marginal likelihood, less its constant, and its gradient.

    Parameters
    ----------
    parameters
        Logarithms of the length scales, one for all columns or one for each, of the variance of the function
        and of that of the noise.
    kernel
        The kernel.
    samples, targets
        `[n, columns]` and `[n]`, the latter of mean 0.
    """
    lengths, (variance, noise) = np.exp(parameters[:-2]), np.exp(parameters[-2:])
    scaled = samples / lengths
    squared = squared_distances(scaled, scaled)
    shape = kernel.values(squared)
    covariance = variance * shape
    covariance[np.diag_indices_from(covariance)] += noise + JITTER
    factor = cho_factor(covariance, lower=True, check_finite=False)
    solution = cho_solve(factor, targets, check_finite=False)
    value = 0.5 * targets @ solution + np.log(np.diagonal(factor[0])).sum()

    # Twice the derivative of the likelihood by every entry of the covariance (equation 5.9).
    inner = np.outer(solution, solution) - cho_solve(factor, np.eye(len(targets)), check_finite=False)
    pairs = variance * inner * kernel.slopes(squared)
    # For a column x this is the sum over pairs of pairs[i, j] (x[i] - x[j])^2.
    by_length = 2 * (pairs.sum(axis=1) @ scaled**2 - (scaled * (pairs @ scaled)).sum(axis=0))
    if len(lengths) == 1:
        by_length = by_length.sum(keepdims=True)
    rest = [variance * (inner * shape).sum(), noise * np.trace(inner)]
    return float(value), -0.5 * np.concatenate([by_length, rest])
