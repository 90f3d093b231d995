"""What every estimator of this package is: a scikit-learn regressor with members, whose state is arrays."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from nasbench_suite.errors import NasbenchSuiteError, shorten

Arrays = Mapping[str, NDArray[Any]]
Values = NDArray[np.float64]


class FitError(NasbenchSuiteError):
    """Data that nothing can be learnt from."""


class Surrogate(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """An ensemble of regressors: their mean predicts, their deviation says how sure they are.

    Subclasses fit on targets that have mean 0 and deviation 1, and know how to write their state as arrays
    and read it back, so that no model file is a pickle.

    Attributes
    ----------
    name
        What model files and the command line call it.
    n_features_in_
        Columns that it was fitted on.
    center_, scale_
        Mean and deviation of the targets.
    """

    name: str
    n_features_in_: int
    center_: float
    scale_: float

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's names
        """Fit on features `[n, columns]` and targets `[n]`.

        Raises
        ------
        FitError
            When lengths differ, a value is not finite, all targets are equal or there are too few samples.
        """
        features, targets = checked_samples(X, y)
        self.n_features_in_ = features.shape[1]
        self.center_, self.scale_ = float(targets.mean()), float(targets.std())
        self.fit_standardised(features, (targets - self.center_) / self.scale_)
        return self

    def predict_members(self, X: ArrayLike) -> Values:  # noqa: N803
        """Return the prediction of every member, `[members, n]`.

        Raises
        ------
        NasbenchSuiteError
            When it is not fitted, or was fitted on another number of columns.
        """
        features = self._checked_features(X)
        return self.members_standardised(features) * self.scale_ + self.center_

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:  # noqa: N803
        """Return predictions `[n]`, and their deviations `[n]` if these are asked for.

        Raises
        ------
        NasbenchSuiteError
            As `predict_members` does.
        """
        features = self._checked_features(X)
        mean = deviation = np.empty(0)
        if len(features):
            mean, deviation = self.distribution(features)
        mean = mean * self.scale_ + self.center_
        return (mean, deviation * self.scale_) if return_std else mean

    def distribution(self, features: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return mean and deviation of standardised predictions, `[n]` each: those of the members."""
        found = self.members_standardised(features)
        return found.mean(axis=0), found.std(axis=0)

    @abstractmethod
    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Fit on checked features `[n, columns]` and standardised targets `[n]`."""

    @abstractmethod
    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return what the members predict of standardised targets, `[members, n]`."""

    @abstractmethod
    def state(self) -> Arrays:
        """Return what fitting found, as arrays by name."""

    @abstractmethod
    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""

    def _checked_features(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        if not hasattr(self, "n_features_in_"):
            raise NasbenchSuiteError(f"this {type(self).__name__} is not fitted; call fit first.")
        features = np.asarray(X, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != self.n_features_in_:
            raise NasbenchSuiteError(
                f"this {type(self).__name__} was fitted on {self.n_features_in_} columns and cannot predict "
                f"an array of shape {features.shape}; encode architectures as they were for its fit."
            )
        return features


def checked_samples(X: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float32], Values]:  # noqa: N803
    """Return features float32 `[n, columns]` and targets float64 `[n]`.

    Raises
    ------
    FitError
        When nothing can be learnt from them.
    """
    features, targets = np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.float64)
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        raise FitError(
            f"features of shape {features.shape} and targets of shape {targets.shape} do not fit; "
            "give a row of features and one target for every architecture."
        )
    if len(targets) < 2:
        raise FitError(f"{len(targets)} sample(s) are too few to learn from; give at least 2.")
    wrong = np.flatnonzero(~np.isfinite(targets))
    if len(wrong):
        raise FitError(
            f"{len(wrong)} of {len(targets)} targets are not finite, the first in row {wrong[0]}; leave out "
            "architectures without a result."
        )
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise FitError(
            f"{len(wrong)} of {len(features)} rows have features that are not finite, first row {wrong[0]}; "
            "leave them out or fill what is missing."
        )
    if np.ptp(targets) == 0:
        raise FitError(
            f"all {len(targets)} targets are {shorten(str(targets[0]))}; there is nothing to learn."
        )
    return features, targets
