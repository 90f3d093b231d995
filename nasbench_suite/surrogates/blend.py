"""A blend of different estimators, weighted by what they predicted for samples they had not seen.

Wolpert: "Stacked Generalization" (Neural Networks 5, 1992), with weights that are not negative, as Breiman:
"Stacked Regressions" (Machine Learning 24, 1996) advises.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.surrogates.regressor import Arrays, FitError, Surrogate, Values
from nasbench_suite.surrogates.scores import unexplained
from nasbench_suite.surrogates.warp import Warp

DEFAULT_PARTS: Mapping[str, Mapping[str, Any]] = {
    "gaussian_process": {"members": 2, "lengths": "each", "restarts": 0},
    "nu_svr": {"members": 1, "share": 1.0},
    "random_forest": {"max_features": 0.6},
    "xgboost": {
        "members": 2,
        "rounds": 800,
        "learning_rate": 0.03,
        "max_depth": 5,
        "columns": 0.3,
        "min_child_weight": 3,
    },
}
"""Families that err in different ways: smooth in all columns, or in steps along a few."""


class Blend(Surrogate):
    """A weighted mean of estimators of warped targets.

    Parameters
    ----------
    parts
        Hyperparameters by name of the estimator.
    warp
        One of `WARPS`: what is done to targets before they are learnt. Predictions are then medians.
    folds
        Parts of the samples; each is predicted by estimators that learn from the others.
    seed
        Of the folds, and of every part that has one.

    Attributes
    ----------
    weights_
        Of the parts, in the order of their names; they add up to 1.
    noise_
        Deviation of warped results that the parts' disagreement does not account for.
    fitted_
        The parts, fitted on all samples.
    warp_
        What was done to the targets.
    """

    name = "blend"

    def __init__(
        self,
        parts: Mapping[str, Mapping[str, Any]] = DEFAULT_PARTS,
        warp: str = "power",
        folds: int = 5,
        seed: int = 0,
    ):
        self.parts = parts
        self.warp = warp
        self.folds = folds
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Weigh the parts by what they have not seen, then fit them on all; see `Surrogate`."""
        if self.folds < 2 or not self.parts:
            raise NasbenchSuiteError(
                f"a blend needs a part and at least 2 folds; not {len(self.parts)} part(s) and {self.folds}."
            )
        if len(targets) < 2 * self.folds:
            raise FitError(
                f"{len(targets)} samples are too few for {self.folds} folds; give at least "
                f"{2 * self.folds}, or set folds lower."
            )
        self.warp_ = Warp.fit(self.warp, targets)
        warped = self.warp_.forward(targets)
        unseen = self._unseen(features, warped)
        self.weights_ = _weights(unseen, warped)
        mean, spread = self._weighed(unseen)
        self.noise_ = float(unexplained(warped - mean, spread))
        self.fitted_ = [part.fit(features, warped) for part in self._parts()]

    def _parts(self) -> list[Surrogate]:
        from nasbench_suite.surrogates.catalogue import make_surrogate  # which lists this class

        return [
            make_surrogate(name, **{"seed": self.seed, **self.parts[name]}) for name in sorted(self.parts)
        ]

    def _unseen(self, features: NDArray[np.float32], warped: Values) -> Values:
        """Return what every part predicts of samples in the fold left out, `[parts, n]`."""
        fold = np.random.default_rng(self.seed).permutation(len(warped)) % self.folds
        found = np.empty((len(self.parts), len(warped)))
        for left_out in range(self.folds):
            judged = fold == left_out
            if np.ptp(warped[~judged]) == 0:
                raise FitError(f"without one of {self.folds} folds all targets are equal; give more samples.")
            for place, part in enumerate(self._parts()):
                found[place, judged] = part.fit(features[~judged], warped[~judged]).predict(features[judged])
        return found

    def _weighed(self, predictions: Values) -> tuple[Values, Values]:
        """Return weighted mean and deviation of predictions `[parts, n]`, `[n]` each."""
        mean = self.weights_ @ predictions
        return mean, np.sqrt(self.weights_ @ (predictions - mean) ** 2)

    def _predictions(self, features: NDArray[np.float32]) -> Values:
        return np.array([part.predict(features) for part in self.fitted_])

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return the blend as the only member, `[1, n]`."""
        return self.warp_.backward(self._weighed(self._predictions(features))[0])[None]

    def distribution(self, features: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return median and deviation, `[n]` each: half of what one deviation before warping spans."""
        middle, spread = self._weighed(self._predictions(features))
        deviation = np.sqrt(spread**2 + self.noise_**2)
        low, high = self.warp_.backward(middle - deviation), self.warp_.backward(middle + deviation)
        return self.warp_.backward(middle), (high - low) / 2

    def state(self) -> Arrays:
        """Return the state of every part under its name, the weights and the warp."""
        own = {"weights": self.weights_, "noise": np.array(self.noise_)}
        own |= {"inner": self.warp_.inner, "outer": self.warp_.outer}
        for part in self.fitted_:
            own[f"{part.name}.scale"] = np.array([part.center_, part.scale_])
            own |= {f"{part.name}.{key}": values for key, values in part.state().items()}
        return own

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.weights_ = np.asarray(arrays["weights"], dtype=np.float64)
        self.noise_ = float(arrays["noise"])
        self.warp_ = Warp(np.asarray(arrays["inner"]), np.asarray(arrays["outer"]))
        self.fitted_ = self._parts()
        for part in self.fitted_:
            part.n_features_in_ = self.n_features_in_
            part.center_, part.scale_ = map(float, arrays[f"{part.name}.scale"])
            prefix = f"{part.name}."
            part.restore({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})


def _weights(predictions: Values, results: Values) -> Values:
    """Return weights of predictions `[parts, n]` that add up to 1, none negative, of the least squares."""
    found, _ = nnls(predictions.T, results)
    if found.sum() == 0:  # no part tells anything
        found = np.ones(len(predictions))
    weights: Values = found / found.sum()
    return weights
