"""What a training will end with, by the epochs that are known: sums, curves with a limit, and regression.

A partial curve is a row of values after the first epochs, `[n, k]`; the epochs that they belong to are given
with it, `[k]`, ascending.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.surrogates.regressor import Surrogate

Values = NDArray[np.float64]

_EXPONENTS = np.geomspace(0.05, 4.0, 40)
_SHIFTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_LEAST_EPOCHS = {"pow3": 3, "pow4": 4}


def sum_of_losses(train_loss: ArrayLike, last: int = 0) -> Values:
    """Return minus the sum of the training losses, so that larger is better, `[n]`.

    Ru, Lyle, Schut, Fil, van der Wilk, Gal: "Speedy Performance Estimation for Neural Architecture Search"
    (NeurIPS 2021), equation 2 (TSE, which White et al. call SoTL), and with `last` epochs alone TSE-E
    (SoTL-E).

    Parameters
    ----------
    train_loss
        Mean over the batches of every epoch, `[n, k]`.
    last
        Epochs that count, from the end; 0 for all.
    """
    losses = np.asarray(train_loss, dtype=np.float64)
    kept = losses[:, -last:] if last else losses
    found: Values = -kept.sum(axis=1)
    return found


def extrapolate(curves: ArrayLike, epochs: Sequence[int], at: int, *, form: str = "pow3") -> Values:
    """Return where curves will be after `at` epochs, `[n]`.

    Of the forms of Domhan, Springenberg, Hutter: "Speeding Up Automatic Hyperparameter Optimization" (IJCAI
    2015), table 1, `pow3` is `c - a x^(-b)` and `pow4` is `c - a (x + d)^(-b)` up to the names of the
    constants. For given exponents and shifts the rest is linear least squares in closed form; these are taken
    from a grid, all curves at once, by the sum of squares.

    Raises
    ------
    NasbenchSuiteError
        When there are fewer epochs than the form has constants, or the form is not known.
    """
    values, x = np.asarray(curves, dtype=np.float64), np.asarray(epochs, dtype=np.float64)
    if form not in _LEAST_EPOCHS:
        raise NasbenchSuiteError(f"the form of a curve is pow3 or pow4, not {form!r}.")
    if values.ndim != 2 or values.shape[1] != len(x):
        raise NasbenchSuiteError(f"curves of shape {values.shape} do not have {len(x)} epochs.")
    if len(x) < _LEAST_EPOCHS[form]:
        raise NasbenchSuiteError(
            f"{len(x)} epochs are too few for {form}, which has {_LEAST_EPOCHS[form]} constants; take a "
            "simpler form or longer curves."
        )
    best = np.full(len(values), np.inf)
    found = values[:, -1].copy()
    for shift in _SHIFTS if form == "pow4" else (0.0,):
        for exponent in _EXPONENTS:
            basis = (x + shift) ** -exponent
            centred = basis - basis.mean()
            mean = values.mean(axis=1)
            slope = (values - mean[:, None]) @ centred / (centred @ centred)
            residual = ((values - mean[:, None] - slope[:, None] * centred) ** 2).sum(axis=1)
            reached = mean + slope * ((at + shift) ** -exponent - basis.mean())
            better = residual < best
            best[better], found[better] = residual[better], reached[better]
    return found


def curve_statistics(curves: ArrayLike) -> NDArray[np.float32]:
    """Return values, first and second differences of curves `[n, k]`: `[n, 3 k - 3]`, at least the values.

    The features of Baker, Gupta, Raskar, Naik: "Accelerating Neural Architecture Search using Performance
    Prediction" (ICLR workshop 2018), section 3.
    """
    values = np.asarray(curves, dtype=np.float32)
    first = np.diff(values, axis=1)
    return np.concatenate([values, first, np.diff(first, axis=1)], axis=1)


class CurveRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Predicts final values by a regressor on the statistics of partial curves, and other features if given.

    Parameters
    ----------
    surrogate
        What regresses; it is cloned before it is fitted.
    epochs
        Values of a row that are a curve, the first ones; any others are features as they are.

    Attributes
    ----------
    surrogate_
        The fitted one.
    """

    def __init__(self, surrogate: Surrogate, epochs: int):
        self.surrogate = surrogate
        self.epochs = epochs

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  # scikit-learn's names
        """Fit on rows of a partial curve and other features, `[n, epochs + others]`, and final values `[n]`.

        Raises
        ------
        FitError
            As `Surrogate.fit` does.
        """
        features = self._features(X)
        self.n_features_in_ = np.shape(X)[1]
        self.surrogate_ = clone(self.surrogate).fit(features, y)
        return self

    def predict(self, X: ArrayLike, return_std: bool = False) -> Any:  # noqa: N803
        """Return predictions `[n]`, and their deviations `[n]` if these are asked for."""
        return self.surrogate_.predict(self._features(X), return_std=return_std)

    def _features(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        rows = np.asarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] < self.epochs:
            raise NasbenchSuiteError(
                f"rows of shape {rows.shape} are no curves of {self.epochs} epochs with features behind them."
            )
        return np.concatenate([curve_statistics(rows[:, : self.epochs]), rows[:, self.epochs :]], axis=1)
