"""How results are written on pages: fractions in percent, everything else in its own unit."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nasbench_suite.leaderboards.statistics import Estimate

_DIGITS = 4
"""Significant digits of a result that is no fraction."""
_LEFT_OUT = "–"


@dataclass(frozen=True)
class Scale:
    """How results of one metric are written.

    Attributes
    ----------
    factor
        What a result is multiplied by.
    decimals
        Digits after the point.
    unit
        What results are in, as after "in": `percent`, `nats`, `units of the metric`.
    difference
        What differences of results are in: `percentage points`, `nats`, `units of the metric`.
    """

    factor: float
    decimals: int
    unit: str
    difference: str

    @classmethod
    def of(cls, unit: str, typical: float) -> "Scale":
        """Return the scale of a metric.

        Parameters
        ----------
        unit
            `Metric.unit`.
        typical
            A result, which sets the decimals where the metric is no fraction.
        """
        if unit == "fraction":
            return cls(100.0, 2, "percent", "percentage points")
        written = "units of the metric" if unit == "1" else unit
        size = math.floor(math.log10(abs(typical))) if typical and math.isfinite(typical) else 0
        return cls(1.0, max(0, _DIGITS - 1 - size), written, written)

    @property
    def smallest(self) -> float:
        """A tenth of the last decimal that is written, before multiplication."""
        return float(10 ** -(self.decimals + 1)) / self.factor

    def text(self, value: float) -> str:
        """Write a result or a difference; a dash for NaN."""
        return _LEFT_OUT if math.isnan(value) else f"{self.factor * value:.{self.decimals}f}"

    def spread(self, estimate: Estimate) -> str:
        """Write mean and standard deviation."""
        return f"{self.text(estimate.mean)} ± {self.text(estimate.sd)}"

    def span(self, estimate: Estimate) -> str:
        """Write the interval."""
        return f"[{self.text(estimate.low)}, {self.text(estimate.high)}]"


def common_unit(units: Iterable[str]) -> str:
    """Return what results or differences are in; words for a mixture where the units differ."""
    different = dict.fromkeys(units)
    return next(iter(different)) if len(different) == 1 else f"the unit of the task ({', '.join(different)})"


PERCENT = Scale.of("fraction", math.nan)


def percent(value: float) -> str:
    """Write a fraction as percent (or a regret as percentage points) with two decimals; a dash for NaN."""
    return PERCENT.text(value)
