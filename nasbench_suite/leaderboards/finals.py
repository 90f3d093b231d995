"""What every run of a strategy ended with, run by run: what comparisons between strategies are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.leaderboards.outcomes import Outcomes

_Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Finals:
    """Regrets of the runs of one strategy on one column, float64 `[runs]`; NaN where a run found nothing.

    Runs of the same number begin with the same random numbers, whatever the strategy.

    Attributes
    ----------
    test_regret, valid_regret
        At the end of the budget.
    anytime
        Mean test regret over the budget, evaluations on a logarithmic axis; see `anytime`.
    """

    test_regret: _Values
    valid_regret: _Values
    anytime: _Values

    @classmethod
    def of(cls, outcomes: Outcomes, evaluations: NDArray[np.int64]) -> "Finals":
        """Return the finals of outcomes whose curves were read off after so many evaluations."""
        return cls(outcomes.test_regret, outcomes.valid_regret, anytime(outcomes.test_regret_at, evaluations))


def anytime(regret_at: _Values, evaluations: NDArray[np.int64]) -> _Values:
    """Return the area under each run's regret, divided by the width: float64 `[runs]`.

    The axis is the logarithm of the number of evaluations, so that the tenfold counts the same early and
    late, as on the figures. NaN for a run that has no result after the first evaluation.

    Parameters
    ----------
    regret_at
        Regrets, `[runs, points]`.
    evaluations
        Where they were read off, `[points]`, ascending from 1.
    """
    if len(evaluations) < 2:
        return regret_at[:, -1].copy()
    axis = np.log(evaluations.astype(np.float64))
    area: _Values = np.trapezoid(regret_at, axis, axis=1) / (axis[-1] - axis[0])
    return area
