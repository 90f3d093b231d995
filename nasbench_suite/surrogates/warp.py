"""Targets of odd shapes made easier to learn, and predictions brought back.

Accuracies crowd below a limit and trail off downwards. An estimator that takes its errors to be the same
everywhere learns them better where the crowd has been pulled apart (Snelson, Rasmussen, Ghahramani: "Warped
Gaussian Processes", NIPS 2003).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.errors import UnknownNameError

Values = NDArray[np.float64]
WARPS = ("none", "power", "normal")
"""Nothing; the power of Yeo and Johnson (2000) of the largest likelihood; the normal score of the rank."""
_POWERS = (-4.0, 8.0)
_KNOTS = 1000
_BEYOND = 3.0
"""How far beyond the targets the function reaches, in deviations of the targets."""
_TAIL = 0.05
"""Share of the targets whose mean slope continues normal scores beyond them."""


class Warp:
    """A monotonic function, and its inverse: straight lines between knots.

    Attributes
    ----------
    inner, outer
        Corresponding values before and after, ascending, `[knots]` each.
    """

    def __init__(self, inner: Values, outer: Values):
        self.inner, self.outer = inner, outer

    @classmethod
    def fit(cls, kind: str, targets: Values) -> "Warp":
        """Return the function of a kind for targets `[n]` of mean 0 and deviation 1, which it keeps so.

        Raises
        ------
        UnknownNameError
            When `kind` is none of `WARPS`.
        """
        if kind not in WARPS:
            raise UnknownNameError("warp", kind, WARPS)
        if kind == "none":
            return cls(np.array([-1e6, 1e6]), np.array([-1e6, 1e6]))
        inner, outer = _powers(targets) if kind == "power" else _normal_scores(targets)
        warped = np.interp(targets, inner, outer)
        return cls(inner, (outer - warped.mean()) / warped.std())

    def forward(self, targets: Values) -> Values:
        """Return warped targets."""
        found: Values = np.interp(targets, self.inner, self.outer)
        return found

    def backward(self, warped: Values) -> Values:
        """Return targets."""
        found: Values = np.interp(warped, self.outer, self.inner)
        return found


def _powers(targets: Values) -> tuple[Values, Values]:
    power = float(np.clip(stats.yeojohnson_normmax(targets), *_POWERS))
    inner = np.linspace(targets.min() - _BEYOND, targets.max() + _BEYOND, _KNOTS)
    return inner, stats.yeojohnson(inner, power)


def _normal_scores(targets: Values) -> tuple[Values, Values]:
    """Return targets and their scores, and ends that continue the slope of the tails."""
    ordered = np.sort(targets)
    inner, first, count = np.unique(ordered, return_index=True, return_counts=True)
    outer = stats.norm.ppf((first + (count + 1) / 2) / (len(targets) + 1))  # mean rank of equal ones
    tail = min(len(inner) - 1, max(1, int(_TAIL * len(inner))))
    low, high = ((outer[i] - outer[j]) / (inner[i] - inner[j]) for i, j in ((tail, 0), (-1, -1 - tail)))
    ends = inner[0] - _BEYOND, inner[-1] + _BEYOND
    return (
        np.concatenate([ends[:1], inner, ends[1:]]),
        np.concatenate([[outer[0] - _BEYOND * low], outer, [outer[-1] + _BEYOND * high]]),
    )
