"""One of several things that a search optimises at once, by name and direction."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError

VALID = "valid"
"""What every benchmark's steering metric may be called."""


@dataclass(frozen=True)
class Objective:
    """`valid`, `min latency_ms@raspi4` or `max throughput`.

    Attributes
    ----------
    name
        `valid` for the metric that steers the search, or another visible one.
    maximise
        Whether larger is better; the metric's own direction where the name stands alone, known of `valid`.
    """

    name: str
    maximise: bool | None = None

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read an objective.

        Raises
        ------
        NasbenchSuiteError
            When it is neither a name nor `min` or `max` and a name.
        """
        words = text.split()
        if len(words) == 1 and words[0] not in ("min", "max"):
            return cls(words[0])
        if len(words) == 2 and words[0] in ("min", "max"):
            return cls(words[1], words[0] == "max")
        raise NasbenchSuiteError(
            f"objective {text!r} is not understood; write a metric's name, perhaps with min or max before it."
        )

    def resolved(self, metrics: Mapping[str, Metric]) -> "Objective":
        """Return it with its direction, and with the steering metric called `valid`.

        Raises
        ------
        UnknownNameError
            When there is no such metric, or none that a search may see.
        """
        if self.name == VALID:
            return self
        visible = {name: metric for name, metric in metrics.items() if metric.role != "test"}
        if self.name not in visible:
            raise UnknownNameError("objective", self.name, [*visible, VALID])
        metric = visible[self.name]
        if metric.role == "valid" and sum(m.role == "valid" for m in metrics.values()) == 1:
            return Objective(VALID, self.maximise)
        return Objective(self.name, metric.direction == "max" if self.maximise is None else self.maximise)

    @property
    def text(self) -> str:
        """What `parse` reads."""
        return self.name if self.maximise is None else f"{'max' if self.maximise else 'min'} {self.name}"

    def values(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return it oriented so that larger is better, `[n]`; minus infinity where missing.

        Raises
        ------
        NasbenchSuiteError
            When the direction of anything but `valid` was not said.
        """
        if self.name == VALID and self.maximise is None:
            return evaluations.score()
        if self.maximise is None:
            raise NasbenchSuiteError(
                f"objective {self.name!r} needs a direction: write min or max before it."
            )
        found = evaluations.valid if self.name == VALID else evaluations.info[self.name]
        oriented = found if self.maximise else -found
        return np.where(np.isnan(oriented), -np.inf, oriented)
