"""What every estimator of this package is: a scikit-learn regressor with members, whose state is arrays."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import column_or_1d, validate_data

from nasbench_suite.errors import NasbenchSuiteError, shorten

Arrays = Mapping[str, NDArray[Any]]
Values = NDArray[np.float64]


class FitError(NasbenchSuiteError, ValueError):
    """Data that nothing can be learnt from."""


class FeatureError(NasbenchSuiteError, ValueError):
    """Features that a model was not fitted on."""


class UnfittedError(NasbenchSuiteError, NotFittedError):  # type: ignore[misc]  # scikit-learn is untyped
    """A model that was asked before it was fitted."""


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
        features, targets = _checked_samples(self, X, y)
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
            raise UnfittedError(f"this {type(self).__name__} is not fitted; call fit first.")
        try:
            features: NDArray[np.float32] = validate_data(
                self, X, reset=False, dtype=np.float32, ensure_min_samples=0, order="C"
            )
        except ValueError as problem:
            raise FeatureError(
                f"this {type(self).__name__} was fitted on {self.n_features_in_} columns and cannot predict "
                f"an array of shape {np.shape(X)}; encode architectures as they were for its fit. "
                f"({_said(problem)})"
            ) from problem
        return features


def _checked_samples(
    estimator: Surrogate,
    X: ArrayLike,  # noqa: N803
    y: ArrayLike,
) -> tuple[NDArray[np.float32], Values]:
    """Return features float32 `[n, columns]` and targets float64 `[n]`; note the columns in the estimator.

    Raises
    ------
    FitError
        When nothing can be learnt from them.
    """
    if y is None:
        raise FitError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
    try:
        features: NDArray[np.float32] = validate_data(
            estimator, X, dtype=np.float32, ensure_all_finite=False, order="C"
        )
        targets: Values = column_or_1d(y, dtype=np.float64, warn=True)
    except ValueError as problem:
        raise FitError(
            f"features of shape {np.shape(X)} and targets of shape {np.shape(y)} do not fit; give a row of "
            f"features and one target for every architecture. ({_said(problem)})"
        ) from problem
    if len(targets) != len(features):
        raise FitError(
            f"features of shape {features.shape} and targets of shape {targets.shape} do not fit; "
            "give a row of features and one target for every architecture."
        )
    if len(targets) < 2:
        raise FitError(f"{len(targets)} sample(s) are too few to learn from; give at least 2.")
    wrong = np.flatnonzero(~np.isfinite(targets))
    if len(wrong):
        raise FitError(
            f"{len(wrong)} of {len(targets)} targets are not finite, the first in row {wrong[0]} (NaN or "
            "inf); leave out architectures without a result."
        )
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise FitError(
            f"{len(wrong)} of {len(features)} rows have features that are not finite, first row {wrong[0]} "
            "(NaN or inf); leave them out or fill what is missing."
        )
    if np.ptp(targets) == 0:
        raise FitError(
            f"all {len(targets)} targets are {shorten(str(targets[0]))}; there is nothing to learn."
        )
    return features, targets


def _said(problem: ValueError) -> str:
    """Return what scikit-learn says of an array, without the array."""
    return " ".join(line for line in str(problem).splitlines() if not line.startswith(("array=", " ")))
