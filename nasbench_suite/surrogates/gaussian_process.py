"""Gaussian processes: fitted by scikit-learn (Rasmussen, Williams: 2006, Algorithm 2.1), kept as arrays."""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values

KERNELS = ("matern", "rbf")
"""Matérn with nu = 5/2, and the squared exponential."""
_LENGTHS, _AMPLITUDES, _NOISES = (1e-1, 1e3), (1e-2, 1e2), (1e-6, 1e1)


class GaussianProcess(Surrogate):
    """A Gaussian process with one length scale and noise, by the largest marginal likelihood.

    Parameters
    ----------
    kernel
        One of `KERNELS`.
    restarts
        Further starts of the search for the kernel's parameters.
    largest
        Samples that it may be fitted on; the cost grows with their third power.
    seed
        Of the restarts.

    Attributes
    ----------
    samples_
        Features it was fitted on, `[n, columns]`.
    lower_, weights_
        Cholesky factor of their covariance with noise, `[n, n]`, and its solution with the targets, `[n]`.
    length_, amplitude_, noise_
        Length scale, variance of the function and of the noise, on standardised targets.
    """

    name = "gaussian_process"

    def __init__(self, kernel: str = "matern", restarts: int = 1, largest: int = 4000, seed: int = 0):
        self.kernel = kernel
        self.restarts = restarts
        self.largest = largest
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Find the kernel's parameters and solve; see `Surrogate.fit_standardised`."""
        if self.kernel not in KERNELS:
            raise UnknownNameError("kernel", self.kernel, KERNELS)
        if len(targets) > self.largest:
            raise NasbenchSuiteError(
                f"a Gaussian process on {len(targets)} samples takes minutes and gigabytes; fit another "
                f"surrogate, or set largest={len(targets)} (it is {self.largest})."
            )
        start = float(np.sqrt(features.shape[1]))
        shape = Matern(start, _LENGTHS, nu=2.5) if self.kernel == "matern" else RBF(start, _LENGTHS)
        process = GaussianProcessRegressor(
            ConstantKernel(1.0, _AMPLITUDES) * shape + WhiteKernel(1e-2, _NOISES),
            alpha=1e-8,
            n_restarts_optimizer=self.restarts,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a parameter at its bound is an answer too
            process.fit(features.astype(np.float64), targets)
        found = process.kernel_
        self.samples_ = features.copy()
        self.lower_, self.weights_ = process.L_, process.alpha_
        self.amplitude_ = float(found.k1.k1.constant_value)
        self.length_ = float(found.k1.k2.length_scale)
        self.noise_ = float(found.k2.noise_level)

    def _covariance(self, features: NDArray[np.float32]) -> Values:
        """Return the covariance of the function at some features and at the samples, `[n, samples]`."""
        a, b = features.astype(np.float64), self.samples_.astype(np.float64)
        squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
        distance = np.sqrt(np.maximum(squared, 0.0)) / self.length_
        if self.kernel == "rbf":
            shape = np.exp(-0.5 * distance**2)
        else:
            scaled = np.sqrt(5.0) * distance
            shape = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
        covariance: Values = self.amplitude_ * shape
        return covariance

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return the posterior mean as the only member, `[1, n]`."""
        mean: Values = self._covariance(features) @ self.weights_
        return mean[None]

    def distribution(self, features: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return the posterior's mean and deviation, with the noise of an observation, `[n]` each."""
        covariance = self._covariance(features)
        explained = solve_triangular(self.lower_, covariance.T, lower=True, check_finite=False)
        variance = self.amplitude_ + self.noise_ - (explained**2).sum(axis=0)
        return covariance @ self.weights_, np.sqrt(np.maximum(variance, 0.0))

    def state(self) -> Arrays:
        """Return samples, solution and the kernel's parameters; the factor is computed again from them."""
        kernel = np.array([self.length_, self.amplitude_, self.noise_])
        return {"samples": self.samples_, "weights": self.weights_, "parameters": kernel}

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.samples_ = np.asarray(arrays["samples"], dtype=np.float32)
        self.length_, self.amplitude_, self.noise_ = map(float, arrays["parameters"])
        covariance = self._covariance(self.samples_)
        covariance[np.diag_indices_from(covariance)] += self.noise_ + 1e-8
        self.lower_ = np.linalg.cholesky(covariance)
        self.weights_ = np.asarray(arrays["weights"], dtype=np.float64)
