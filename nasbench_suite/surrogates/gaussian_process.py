"""Gaussian processes (Rasmussen, Williams: 2006, Algorithm 2.1), kept as arrays."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.surrogates.blas_threads import one_blas_thread
from nasbench_suite.surrogates.kernels import JITTER, KERNELS, negative_log_likelihood, squared_distances
from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values

LENGTHS = ("one", "each")
"""One length scale for all columns, or one for each: columns that tell nothing then get long ones."""
_LENGTHS, _AMPLITUDES, _NOISES = (1e-1, 1e3), (1e-2, 1e3), (1e-6, 1e1)
_STEPS = 100
_FIRST_NOISE = 0.1
"""With less, the first step of the search may leap to lengths so short that every sample stands alone."""


class GaussianProcess(Surrogate):
    """Gaussian processes with noise; a kernel's parameters are those of the largest marginal likelihood.

    Parameters
    ----------
    members
        Processes on all samples, each with a kernel found by other chosen samples. More than one help where
        there are more samples than can be chosen.
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
        Features they were fitted on, `[n, columns]`.
    centre_
        What is taken from every column before it is divided by its length scale, `[columns]`.
    lengths_
        Length scales, `[members, columns]`.
    variances_
        Of the function and of the noise, on standardised targets, `[members, 2]`.
    lower_, weights_
        Cholesky factors of the samples' covariances with noise, `[members, n, n]`, and their solutions with
        the targets, `[members, n]`.
    """

    name = "gaussian_process"

    def __init__(
        self,
        members: int = 1,
        kernel: str = "matern",
        lengths: str = "one",
        restarts: int = 1,
        chosen: int = 800,
        largest: int = 10_000,
        seed: int = 0,
    ):
        self.members = members
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
        rng = np.random.default_rng(self.seed)
        with one_blas_thread():
            found = [self._parameters(features - self.centre_, targets, rng) for _ in range(self.members)]
            self.lengths_ = np.array([lengths for lengths, _ in found])
            self.variances_ = np.array([variances for _, variances in found])
            self._factorise()
            self.weights_ = np.array([_solved(lower, targets) for lower in self.lower_])

    def _check(self, samples: int) -> None:
        if self.kernel not in KERNELS:
            raise UnknownNameError("kernel", self.kernel, KERNELS)
        if self.lengths not in LENGTHS:
            raise UnknownNameError("choice of length scales", self.lengths, LENGTHS)
        if self.members < 1 or self.chosen < 2 or self.restarts < 0:
            raise NasbenchSuiteError(
                "Gaussian processes need a member, at least 2 chosen samples and no negative number of "
                f"restarts; not members={self.members}, chosen={self.chosen}, restarts={self.restarts}."
            )
        if samples > self.largest:
            raise NasbenchSuiteError(
                f"a Gaussian process on {samples} samples takes minutes and gigabytes; fit another "
                f"surrogate, or set largest={samples} (it is {self.largest})."
            )

    def _parameters(
        self, centred: Values, targets: Values, rng: np.random.Generator
    ) -> tuple[Values, Values]:
        """Return length scales `[columns]` and variances `[2]`: the best end of L-BFGS-B over all starts."""
        rows = np.sort(rng.permutation(len(targets))[: self.chosen])
        columns = centred.shape[1]
        unit = centred.std(axis=0) if self.lengths == "each" else np.ones(1)
        unit = np.where(unit > 0, unit, 1.0)  # a constant column has any length
        bounds = np.log(np.vstack([unit[:, None] * np.array(_LENGTHS), _AMPLITUDES, _NOISES]))
        starts: list[Values] = [np.log([*(np.sqrt(columns) * unit), 1.0, _FIRST_NOISE])]
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
        return np.broadcast_to(np.exp(best.x[:-2]), columns).copy(), np.exp(best.x[-2:])

    def _factorise(self) -> None:
        factors = []
        for member, (_, noise) in enumerate(self.variances_):
            covariance = self._covariance(self.samples_, member)
            covariance[np.diag_indices_from(covariance)] += noise + JITTER
            factors.append(np.linalg.cholesky(covariance))
        self.lower_ = np.array(factors)

    def _covariance(self, features: NDArray[np.float32], member: int) -> Values:
        """Return the covariance of the function at some features and at the samples, `[n, samples]`."""
        a, b = ((rows - self.centre_) / self.lengths_[member] for rows in (features, self.samples_))
        shape = KERNELS[self.kernel].values(squared_distances(a, b))
        covariance: Values = self.variances_[member, 0] * shape
        return covariance

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return the posterior means; see `Surrogate.members_standardised`."""
        with one_blas_thread():
            means = [self._covariance(features, m) @ self.weights_[m] for m in range(len(self.variances_))]
        return np.array(means)

    def distribution(self, features: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return mean and deviation of the mixture of the posteriors, with an observation's noise: `[n]`."""
        means, variances = [], []
        with one_blas_thread():
            for member, (variance, noise) in enumerate(self.variances_):
                covariance = self._covariance(features, member)
                explained = solve_triangular(
                    self.lower_[member], covariance.T, lower=True, check_finite=False
                )
                variances.append(np.maximum(variance + noise - (explained**2).sum(axis=0), 0.0))
                means.append(covariance @ self.weights_[member])
        return np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0) + np.var(means, axis=0))

    def state(self) -> Arrays:
        """Return samples, solution and the kernel's parameters; the factor is computed again from them."""
        return {
            "samples": self.samples_,
            "weights": self.weights_,
            "centre": self.centre_,
            "lengths": self.lengths_,
            "variances": self.variances_,
        }

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.samples_ = np.asarray(arrays["samples"], dtype=np.float32)
        self.centre_ = np.asarray(arrays["centre"], dtype=np.float64)
        self.lengths_ = np.asarray(arrays["lengths"], dtype=np.float64)
        self.variances_ = np.asarray(arrays["variances"], dtype=np.float64)
        self.weights_ = np.asarray(arrays["weights"], dtype=np.float64)
        with one_blas_thread():
            self._factorise()


def _solved(lower: Values, targets: Values) -> Values:
    """Return what the matrix with the Cholesky factor `lower` has to be multiplied by to give the targets."""
    half = solve_triangular(lower, targets, lower=True, check_finite=False)
    solved: Values = solve_triangular(lower, half, lower=True, trans="T", check_finite=False)
    return solved
