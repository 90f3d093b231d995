"""The simulated clock: what a run may spend, what it has spent, and what going on with a training costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.strategies.base import Proposals
from nasbench_suite.whole_numbers import whole_number

Overshoot = Literal["finish", "discard"]
Duplicates = Literal["count", "free"]

_PROPOSALS_PER_EVALUATION = 20
_MOST_IDLE_PROPOSALS = 1000


@dataclass(frozen=True, slots=True)
class Budget:
    """When a run ends: after a number of evaluations, or when its simulated clock has run out.

    Attributes
    ----------
    evaluations
        Number of evaluations, or None.
    seconds
        Simulated seconds, or None. Exactly one of the two is given.
    overshoot
        What happens to the evaluation that would exceed `seconds`: `finish` records it and ends the run
        (NATS-Bench's code), `discard` ends the run without it (NAS-Bench-201's code).
    """

    evaluations: int | None = None
    seconds: float | None = None
    overshoot: Overshoot = "finish"

    def __post_init__(self) -> None:
        if (self.evaluations is None) == (self.seconds is None):
            raise NasbenchSuiteError("a budget has either evaluations or seconds; give exactly one of them.")
        if self.overshoot not in get_args(Overshoot):
            raise NasbenchSuiteError(f"overshoot is 'finish' or 'discard', not {self.overshoot!r}.")
        if self.evaluations is not None:
            evaluations = whole_number(self.evaluations, "the budget in evaluations", 1)
            object.__setattr__(self, "evaluations", evaluations)
        if self.seconds is not None:
            object.__setattr__(self, "seconds", _positive(self.seconds))


def _positive(seconds: object) -> float:
    if not isinstance(seconds, Real) or not 0 < float(seconds) < float("inf"):
        raise NasbenchSuiteError(f"the budget in seconds must be a positive number, not {seconds!r}.")
    return float(seconds)


class Meter:
    """Knows which runs still have budget.

    Parameters
    ----------
    duplicates
        Whether proposing an architecture again is an evaluation.
    rejects
        Whether proposals may be rejected. Where they, or duplicates, are no evaluations, the number of
        proposals is limited, too.
    """

    def __init__(self, runs: int, budget: Budget, duplicates: Duplicates, *, rejects: bool = False):
        self.active = np.ones(runs, dtype=bool)
        self._budget = budget
        self._evaluations = np.zeros(runs, dtype=np.int64)
        self._seconds = np.zeros(runs)
        self._idle = np.zeros(runs, dtype=np.int64)
        self._proposals = 0
        self._most_proposals = np.inf
        self._rejects = rejects
        if (rejects or duplicates == "free") and budget.evaluations is not None:
            self._most_proposals = _PROPOSALS_PER_EVALUATION * budget.evaluations

    def spend(self, evaluations: Evaluations, fresh: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Charge one proposal per active run; return the runs whose proposal belongs in the record."""
        budget = self._budget
        kept = self.active.copy()
        self._proposals += 1
        if budget.seconds is not None:
            assert evaluations.seconds is not None
            cost = np.where(fresh, np.nan_to_num(evaluations.seconds, nan=0.0), 0.0)
            after = self._seconds + cost
            if budget.overshoot == "discard":
                kept &= after <= budget.seconds
            self._seconds = np.where(kept, after, self._seconds)
            self.active = kept & (self._seconds < budget.seconds)
            self._end_idle(cost)
            return kept
        self._evaluations += kept & fresh
        self.active &= self._evaluations < (budget.evaluations or 0)
        if self._proposals >= self._most_proposals:
            self.active[:] = False
        return kept

    def end(self, reasons: Sequence[str] | None) -> None:
        """End the runs that have ended of themselves."""
        if reasons is not None:
            self.active &= np.array([not reason for reason in reasons])

    def _end_idle(self, cost: NDArray[np.float64]) -> None:
        """End the runs that have long spent nothing: a converged strategy would go on for ever."""
        self._idle = np.where(cost > 0, 0, self._idle + 1)
        idle = self.active & (self._idle >= _MOST_IDLE_PROPOSALS)
        if not self._rejects and (idle & (self._seconds == 0)).any():
            raise NasbenchSuiteError(
                "evaluations cost no simulated time, so a budget in seconds never ends; give a number of "
                "evaluations."
            )
        self.active &= ~idle


class Paused:
    """Knows what every run has trained so far, so that going on costs the difference."""

    def __init__(self, runs: int):
        self._spent: list[dict[int, float]] = [{} for _ in range(runs)]

    def resumed(self, proposals: Proposals, evaluations: Evaluations, benchmark: Benchmark) -> Evaluations:
        """Return the evaluations with the seconds that a training of the same architecture has not yet cost.

        One that asks for no more than was trained before costs nothing.
        """
        assert evaluations.seconds is not None
        left = evaluations.seconds.copy()
        keys = benchmark.identity(proposals.genes).tolist()
        for run, (key, whole) in enumerate(zip(keys, evaluations.seconds.tolist(), strict=True)):
            before = self._spent[run].get(key, 0.0)
            left[run] = max(0.0, whole - before) if whole == whole else whole
            if whole == whole:
                self._spent[run][key] = max(before, whole)
        return replace(evaluations, seconds=left)
