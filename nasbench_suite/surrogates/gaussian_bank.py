"""Many Gaussian processes at once, each on samples of its own, with kernels chosen from a grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Length scales to choose from, in units of the root mean squared distance between samples."""
NOISES = (1e-4, 1e-2, 1e-1)
"""Variances of the noise to choose from, where that of the function is 1."""


@dataclass(frozen=True)
class GaussianBank:
    """Posteriors with a Matérn kernel (nu = 5/2), one per group.

    Attributes
    ----------
    samples
        Features, `[groups, n, columns]`.
    scale
        Length scale of each group, `[groups]`.
    variance
        Of the function, `[groups]`: the value of the largest likelihood, in closed form.
    lower, solution
        Cholesky factors of the covariances over `variance`, `[groups, n, n]`, and their solutions with the
        targets, `[groups, n]`.
    """

    samples: NDArray[np.float32]
    scale: Values
    variance: Values
    lower: Values
    solution: Values

    @classmethod
    def fit(cls, samples: NDArray[np.float32], targets: Values) -> "GaussianBank":
        """Fit to features `[groups, n, columns]` and targets `[groups, n]` of mean 0.

        Of the grid of length scales and noises each group takes that of the largest marginal likelihood,
        with the variance of the function maximised out (Rasmussen, Williams: 2006, equation 5.8).
        """
        groups, n = targets.shape
        distances = _distances(samples, samples)
        typical = np.sqrt((distances**2).mean(axis=(1, 2)))
        typical = np.where(typical > 0, typical, 1.0)
        best = np.full(groups, -np.inf)
        scale, variance = typical.copy(), np.ones(groups)
        lower, solution = np.zeros((groups, n, n)), np.zeros((groups, n))
        eye = np.eye(n)
        for length in LENGTHS:
            kernel = _matern(distances / (length * typical)[:, None, None])
            for noise in NOISES:
                factor = np.linalg.cholesky(kernel + (noise + 1e-8) * eye)
                half = np.linalg.solve(factor, targets[:, :, None])
                level = np.maximum((half**2).sum(axis=(1, 2)) / n, 1e-12)
                logs = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
                likelihood = -0.5 * n * np.log(level) - logs
                better = likelihood > best
                best[better], scale[better] = likelihood[better], (length * typical)[better]
                variance[better], lower[better] = level[better], factor[better]
                full = np.linalg.solve(factor.transpose(0, 2, 1), half)[:, :, 0]
                solution[better] = full[better]
        return cls(samples, scale, variance, lower, solution)

    def predict(self, features: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return mean and deviation of the function, `[groups, m]`, at features `[groups, m, columns]`."""
        kernel = _matern(_distances(features, self.samples) / self.scale[:, None, None])
        mean = (kernel @ self.solution[:, :, None])[:, :, 0]
        half = np.linalg.solve(self.lower, kernel.transpose(0, 2, 1))
        left = np.maximum(1.0 - (half**2).sum(axis=1), 0.0)
        return mean, np.sqrt(self.variance[:, None] * left)


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> Values:
    """Return distances `[groups, n, m]` between `[groups, n, columns]` and `[groups, m, columns]`."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    squared = (x**2).sum(axis=2)[:, :, None] + (y**2).sum(axis=2)[:, None] - 2 * x @ y.transpose(0, 2, 1)
    distances: Values = np.sqrt(np.maximum(squared, 0.0))
    return distances


def _matern(distance: Values) -> Values:
    """Return the Matérn kernel with nu = 5/2 (Rasmussen, Williams: 2006, equation 4.17)."""
    scaled = np.sqrt(5.0) * distance
    kernel: Values = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return kernel
