"""What a strategy maximises: validation quality, perhaps less a price for complexity."""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.formula import Formula


class Reward:
    """A formula over metrics, such as `valid - 0.02 * log(params_millions)`.

    Parameters
    ----------
    formula
        Numbers, metric names (`valid` for the metric that steers the search, also `latency_ms@raspi4`),
        `+ - * / **`, parentheses, `log`, `sqrt` and `exp`. Empty: the validation metric in its own direction.

    Attributes
    ----------
    metrics
        The names in the formula other than `valid`: what a query has to bring.

    Raises
    ------
    NasbenchSuiteError
        When the formula holds anything else. It is never executed as Python.
    """

    def __init__(self, formula: str = ""):
        self.formula = formula
        self.metrics: tuple[str, ...] = ()
        self._formula: Formula | None = None
        if not formula:
            return
        self._formula = Formula(formula, "reward", "metric names")
        if "valid" not in self._formula.names:
            raise NasbenchSuiteError(
                f"reward {formula!r} does not use valid, the metric that is searched for."
            )
        self.metrics = tuple(sorted(self._formula.names - {"valid"}))

    def __call__(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return the reward of every evaluation, float64 `[n]`; minus infinity where that is not finite."""
        if self._formula is None:
            return evaluations.score()
        value = self._formula(self._values(evaluations))
        return np.where(np.isfinite(value), value, -np.inf)

    def undefined(self, evaluations: Evaluations) -> NDArray[np.bool_]:
        """Return where it is no finite number, bool `[n]`, although no result that it is of is missing."""
        if self._formula is None:
            return np.zeros(len(evaluations.valid), dtype=bool)
        values = self._values(evaluations)
        missing = np.any([np.isnan(values[name]) for name in ("valid", *self.metrics)], axis=0)
        undefined: NDArray[np.bool_] = ~missing & ~np.isfinite(self._formula(values))
        return undefined

    def _values(self, evaluations: Evaluations) -> dict[str, NDArray[np.float64]]:
        return {**evaluations.info, "valid": evaluations.valid}
