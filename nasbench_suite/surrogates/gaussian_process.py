"""Gaussian processes (Rasmussen, Williams: 2006, Algorithm 2.1), kept as arrays."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.surrogates.kernels import JITTER, KERNELS, negative_log_likelihood, squared_distances
from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values

LENGTHS = ("one", "each")
"""One length scale for all columns, or one for each: columns that tell nothing then get long ones."""
_LENGTHS, _AMPLITUDES, _NOISES = (1e-1, 1e3), (1e-2, 1e3), (1e-6, 1e1)
_STEPS = 100


class GaussianProcess(Surrogate):
    """A Gaussian process with noise; the kernel's parameters are those of the largest marginal likelihood.

    Parameters
    ----------
    kernel
        One of `KERNELS`.
    lengths
        One of `LENGTHS`.
    restarts
        Further starts of the search for the kernel's parameters.
    chosen
        Samples by which the kernel's parameters are found, drawn at random; all learn the function. Every
        step of that search costs as many operations as three times their third power.
    largest
        Samples that it may be fitted on; memory grows with their square, time with their third power.
    seed
        Of the samples that are chosen, and of the restarts.

    Attributes
    ----------
    samples_
        Features it was fitted on, `[n, columns]`.
    lower_, weights_
        Cholesky factor of their covariance with noise, `[n, n]`, and its solution with the targets, `[n]`.
    centre_, lengths_
        What is taken from every column before it is divided by its length scale, `[columns]` each.
    amplitude_, noise_
        Variance of the function and of the noise, on standardised targets.
    """

    name = "gaussian_process"

    def __init__(
        self,
        kernel: str = "matern",
        lengths: str = "one",
        restarts: int = 1,
        chosen: int = 800,
        largest: int = 10_000,
        seed: int = 0,
    ):
        self.kernel = kernel
        self.lengths = lengths
        self.restarts = restarts
        self.chosen = chosen
        self.largest = largest
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Find the kernel's parameters and solve; see `Surrogate.fit_standardised`."""
        self._check(len(targets))
        self.samples_ = features.copy()
        self.centre_ = features.mean(axis=0, dtype=np.float64)
        self._find_parameters(features - self.centre_, targets)
        self._factorise()
        half = solve_triangular(self.lower_, targets, lower=True, check_finite=False)
        self.weights_ = solve_triangular(self.lower_, half, lower=True, trans="T", check_finite=False)

    def _check(self, samples: int) -> None:
        if self.kernel not in KERNELS:
            raise UnknownNameError("kernel", self.kernel, KERNELS)
        if self.lengths not in LENGTHS:
            raise UnknownNameError("choice of length scales", self.lengths, LENGTHS)
        if self.chosen < 2 or self.restarts < 0:
            raise NasbenchSuiteError(
                "a Gaussian process needs at least 2 chosen samples and no negative number of restarts; not "
                f"chosen={self.chosen}, restarts={self.restarts}."
            )
        if samples > self.largest:
            raise NasbenchSuiteError(
                f"a Gaussian process on {samples} samples takes minutes and gigabytes; fit another "
                f"surrogate, or set largest={samples} (it is {self.largest})."
            )

    def _find_parameters(self, centred: Values, targets: Values) -> None:
        """Set length scales and variances: the best end of L-BFGS-B over all starts."""
        rng = np.random.default_rng(self.seed)
        rows = np.sort(rng.permutation(len(targets))[: self.chosen])
        columns = centred.shape[1]
        unit = centred.std(axis=0) if self.lengths == "each" else np.ones(1)
        unit = np.where(unit > 0, unit, 1.0)  # a constant column has any length
        bounds = np.log(np.vstack([unit[:, None] * np.array(_LENGTHS), _AMPLITUDES, _NOISES]))
        starts: list[Values] = [np.log([*(np.sqrt(columns) * unit), 1.0, 1e-2])]
        starts += list(rng.uniform(bounds[:, 0], bounds[:, 1], size=(self.restarts, len(bounds))))
        ends = [
            minimize(
                negative_log_likelihood,
                start,
                args=(KERNELS[self.kernel], centred[rows], targets[rows]),
                jac=True,
                method="L-BFGS-B",
                bounds=list(map(tuple, bounds.tolist())),
                options={"maxiter": _STEPS},
            )
            for start in starts
        ]
        best = min(ends, key=lambda end: float(end.fun))
        self.lengths_ = np.broadcast_to(np.exp(best.x[:-2]), columns).copy()
        self.amplitude_, self.noise_ = map(float, np.exp(best.x[-2:]))

    def _factorise(self) -> None:
        covariance = self._covariance(self.samples_)
        covariance[np.diag_indices_from(covariance)] += self.noise_ + JITTER
        self.lower_ = np.linalg.cholesky(covariance)

    def _covariance(self, features: NDArray[np.float32]) -> Values:
        """Return the covariance of the function at some features and at the samples, `[n, samples]`."""
        a, b = ((rows - self.centre_) / self.lengths_ for rows in (features, self.samples_))
        covariance: Values = self.amplitude_ * KERNELS[self.kernel].values(squared_distances(a, b))
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
        return {
            "samples": self.samples_,
            "weights": self.weights_,
            "centre": self.centre_,
            "lengths": self.lengths_,
            "variances": np.array([self.amplitude_, self.noise_]),
        }

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.samples_ = np.asarray(arrays["samples"], dtype=np.float32)
        self.centre_ = np.asarray(arrays["centre"], dtype=np.float64)
        self.lengths_ = np.asarray(arrays["lengths"], dtype=np.float64)
        self.amplitude_, self.noise_ = map(float, arrays["variances"])
        self.weights_ = np.asarray(arrays["weights"], dtype=np.float64)
        self._factorise()
