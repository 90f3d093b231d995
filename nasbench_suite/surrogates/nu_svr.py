"""Support vector regression with nu (Schölkopf et al., 2000) by scikit-learn, bagged and kept as arrays."""

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import NuSVR

from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values


class NuSupportVectors(Surrogate):
    """Support vectors with a radial kernel on standardised columns, one member per share of the samples.

    Parameters
    ----------
    nu, cost
        scikit-learn's `nu` and `C`.
    gamma
        Times the inverse of the number of columns that vary: the kernel is exp(-gamma / columns * distance²).
    members, share
        Number of members, and the part of the samples that each sees, drawn without replacement.
    seed
        Of these draws.

    Attributes
    ----------
    shift_, width_
        Mean and deviation of the columns, by which they are standardised; the deviation is 1 where it was 0.
    rate_
        The kernel's factor.
    vectors_, weights_, intercepts_, starts_
        Support vectors of all members `[v, columns]`, their weights `[v]`, the members' intercepts
        `[members]`, and where each member's vectors begin `[members + 1]`.
    """

    name = "nu_svr"

    def __init__(
        self,
        nu: float = 0.5,
        cost: float = 1.0,
        gamma: float = 1.0,
        members: int = 5,
        share: float = 0.9,
        seed: int = 0,
    ):
        self.nu = nu
        self.cost = cost
        self.gamma = gamma
        self.members = members
        self.share = share
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Fit every member on its share; see `Surrogate.fit_standardised`."""
        spread = features.std(axis=0)
        self.shift_ = features.mean(axis=0)
        self.width_ = np.where(spread > 0, spread, 1.0).astype(np.float32)
        self.rate_ = self.gamma / max(1, int((spread > 0).sum()))
        scaled = ((features - self.shift_) / self.width_).astype(np.float64)
        rng = np.random.default_rng(self.seed)
        kept = max(2, round(self.share * len(targets)))
        vectors, weights, intercepts = [], [], []
        for _ in range(self.members):
            rows = np.sort(rng.permutation(len(targets))[:kept])
            found = NuSVR(nu=self.nu, C=self.cost, gamma=self.rate_).fit(scaled[rows], targets[rows])
            vectors.append(found.support_vectors_)
            weights.append(found.dual_coef_[0])
            intercepts.append(found.intercept_[0])
        self.vectors_, self.weights_ = np.concatenate(vectors), np.concatenate(weights)
        self.intercepts_ = np.array(intercepts)
        self.starts_ = np.cumsum([0, *map(len, vectors)])

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return predictions of all members; see `Surrogate.members_standardised`."""
        scaled = ((features - self.shift_) / self.width_).astype(np.float64)
        found = np.empty((len(self.intercepts_), len(features)))
        for member, intercept in enumerate(self.intercepts_):
            own = slice(self.starts_[member], self.starts_[member + 1])
            vectors = self.vectors_[own]
            squared = (scaled**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * scaled @ vectors.T
            kernel = np.exp(-self.rate_ * np.maximum(squared, 0.0))
            found[member] = kernel @ self.weights_[own] + intercept
        return found

    def state(self) -> Arrays:
        """Return scaling, support vectors, weights and intercepts."""
        names = ("shift", "width", "vectors", "weights", "intercepts", "starts")
        return {"rate": np.array(self.rate_), **{name: getattr(self, f"{name}_") for name in names}}

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.rate_ = float(arrays["rate"])
        for name in ("shift", "width", "vectors", "weights", "intercepts", "starts"):
            setattr(self, f"{name}_", np.asarray(arrays[name]))
