"""Gradient-boosted trees by XGBoost (Chen, Guestrin: KDD 2016), bagged.

The ensemble is that of NAS-Bench-301 (Siems et al., arXiv 2008.09777, section 4): members are fitted on
different parts of the data, their mean predicts, their deviation is the noise.
"""

from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values

OBJECTIVES = {
    "squared": "reg:squarederror",
    "absolute": "reg:absoluteerror",
    "rank": "rank:pairwise",
    "quantile": "reg:quantileerror",
}
"""What trees may minimise, by the names of the parameter `objective`."""
_QUANTILES = (0.15865525, 0.5, 0.84134475)
"""Those a normal distribution has one deviation below its mean, at its mean and one above."""


class BoostedTrees(Surrogate):
    """Boosted trees.

    Parameters
    ----------
    objective
        `squared` or `absolute` error; `rank`, which orders pairs and is brought to the scale of the targets
        by the straight line of least squares; or `quantile`, where the members predict quantiles, and the
        deviation is half the distance between those at one deviation below and above the median.
    members
        Number of models, each on its own share of the samples.
    share
        Part of the samples that every member sees, drawn without replacement.
    rounds, learning_rate, max_depth, min_child_weight, subsample, columns, l1, l2
        XGBoost's `num_boost_round`, `learning_rate`, `max_depth`, `min_child_weight`, `subsample`,
        `colsample_bynode`, `reg_alpha`, `reg_lambda`.
    seed
        Of all draws.
    threads
        Threads of XGBoost, which do not change the result.

    Attributes
    ----------
    boosters_
        The members.
    lines_
        Slope and intercept that bring each member's output to the standardised targets, `[members, 2]`.
    """

    name = "xgboost"

    def __init__(
        self,
        objective: str = "squared",
        members: int = 5,
        share: float = 0.9,
        rounds: int = 500,
        learning_rate: float = 0.05,
        max_depth: int = 6,
        min_child_weight: float = 1.0,
        subsample: float = 0.8,
        columns: float = 0.8,
        l1: float = 0.0,
        l2: float = 1.0,
        seed: int = 0,
        threads: int = 1,
    ):
        self.objective = objective
        self.members = members
        self.share = share
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.columns = columns
        self.l1 = l1
        self.l2 = l2
        self.seed = seed
        self.threads = threads

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Fit every member on its share; see `Surrogate.fit_standardised`."""
        self._check()
        rng = np.random.default_rng(self.seed)
        kept = max(2, round(self.share * len(targets)))
        self.boosters_: list[xgb.Booster] = []
        self.lines_ = np.tile([1.0, 0.0], (self.members, 1))
        for member in range(self.members):
            rows = np.sort(rng.permutation(len(targets))[:kept])
            data = xgb.DMatrix(features[rows], targets[rows], nthread=self.threads)
            if self.objective == "rank":
                data.set_group([len(rows)])
            settings = self._settings(int(rng.integers(2**31)))
            booster = xgb.train(settings, data, num_boost_round=self.rounds)
            self.boosters_.append(booster)
            if self.objective == "rank":
                self.lines_[member] = np.polyfit(booster.predict(data), targets[rows], 1)

    def _check(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UnknownNameError("objective", self.objective, OBJECTIVES)
        if self.members < 1 or not 0 < self.share <= 1 or self.rounds < 1:
            raise NasbenchSuiteError(
                "boosted trees need a member, a round, and a share above 0 and at most 1; not "
                f"members={self.members}, rounds={self.rounds}, share={self.share}."
            )

    def _settings(self, seed: int) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "objective": OBJECTIVES[self.objective],
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bynode": self.columns,
            "reg_alpha": self.l1,
            "reg_lambda": self.l2,
            "tree_method": "hist",
            "nthread": self.threads,
            "seed": seed,
        }
        if self.objective == "quantile":
            settings["quantile_alpha"] = list(_QUANTILES)
        return settings

    def _outputs(self, features: NDArray[np.float32]) -> Values:
        """Return what the members say: `[members, n]`, or `[members, n, quantiles]`."""
        found = []
        for booster, (slope, intercept) in zip(self.boosters_, self.lines_, strict=True):
            booster.set_param({"nthread": self.threads})
            found.append(booster.inplace_predict(features).astype(np.float64) * slope + intercept)
        return np.array(found)

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return predictions, or medians, of all members; see `Surrogate.members_standardised`."""
        found = self._outputs(features)
        return found[:, :, 1] if self.objective == "quantile" else found

    def distribution(self, features: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return mean and deviation `[n]`; see `Surrogate.distribution`."""
        if self.objective != "quantile":
            return super().distribution(features)
        low, median, high = self._outputs(features).mean(axis=0).T
        return median, np.maximum(high - low, 0.0) / 2

    def state(self) -> Arrays:
        """Return every member in XGBoost's UBJSON, as bytes, and the lines."""
        raw = {f"member_{i}": booster.save_raw("ubj") for i, booster in enumerate(self.boosters_)}
        return {"lines": self.lines_, **{key: np.frombuffer(value, np.uint8) for key, value in raw.items()}}

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.lines_ = np.asarray(arrays["lines"], dtype=np.float64)
        self.boosters_ = [
            xgb.Booster(model_file=bytearray(arrays[f"member_{member}"].tobytes()))
            for member in range(len(self.lines_))
        ]
