"""How long something takes: warm-up, repeats in rounds, the median with its interval, or a refusal.

Medians, since what disturbs a measurement only makes it longer (Hoefler, Belli: "Scientific Benchmarking of
Parallel Computing Systems", SC 2015, rules 4 to 6: no means of skewed times, and always an interval). The
interval of a median needs no distribution: its ends are order statistics, whose numbers are quantiles of the
binomial distribution of how many repeats are below the median.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from nasbench_suite.errors import NasbenchSuiteError

_CONFIDENCE = 0.95
_MOST_REPEATS = 10_000


class UnstableTimingError(NasbenchSuiteError):
    """A timing that varies too much to be put into a table."""


@dataclass(frozen=True)
class Timing:
    """What was measured of one thing.

    Attributes
    ----------
    median, low, high
        Seconds of one run, and the 95 % interval of the median.
    spread
        Interquartile range over the median.
    drift
        Range of the medians of the rounds over the median: what changed while others were measured.
    repeats
        Runs that were timed.
    """

    median: float
    low: float
    high: float
    spread: float
    drift: float
    repeats: int


@dataclass(frozen=True)
class Stopwatch:
    """How to measure.

    Attributes
    ----------
    warm_up
        Seconds for which a thing runs before it is timed, in every round.
    seconds, least
        For how long it is timed in a round, and the least number of repeats.
    rounds
        How often all things are measured, one after the other: a machine that changes its speed meanwhile is
        found out.
    most_spread
        The largest `spread` and `drift` of what may be put into a table.
    clock
        Counts seconds.
    """

    warm_up: float = 0.1
    seconds: float = 0.3
    least: int = 10
    rounds: int = 3
    most_spread: float = 0.25
    clock: Callable[[], float] = time.perf_counter

    def measure(
        self,
        things: Sequence[Callable[[], object]],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Timing]:
        """Time things that end when they are done (a GPU has to be waited for).

        Parameters
        ----------
        things
            What runs once when it is called.
        progress
            To be called with measurements done and all of them.
        """
        times: list[list[list[float]]] = [[] for _ in things]
        for round_ in range(self.rounds):
            for place, thing in enumerate(things):
                progress(round_ * len(things) + place, self.rounds * len(things))
                times[place].append(self._round(thing))
        progress(self.rounds * len(things), self.rounds * len(things))
        return [_timing(rounds) for rounds in times]

    def _round(self, thing: Callable[[], object]) -> list[float]:
        begun = self.clock()
        thing()
        while self.clock() - begun < self.warm_up:
            thing()
        times: list[float] = []
        begun = self.clock()
        while len(times) < self.least or (self.clock() - begun < self.seconds and len(times) < _MOST_REPEATS):
            before = self.clock()
            thing()
            times.append(self.clock() - before)
        return times

    def check(self, timings: Sequence[Timing]) -> None:
        """Refuse timings that vary too much.

        Raises
        ------
        UnstableTimingError
            When one does; the message says by how much, and what may help.
        """
        worst = max((max(timing.spread, timing.drift) for timing in timings), default=0.0)
        if worst > self.most_spread:
            count = sum(max(timing.spread, timing.drift) > self.most_spread for timing in timings)
            raise UnstableTimingError(
                f"{count} of {len(timings)} timings vary by more than {100 * self.most_spread:.0f} % (the "
                f"worst by {100 * worst:.0f} %), so they are no entry of a table; stop other programs, fix "
                "the clock rate, or measure longer."
            )


def _timing(rounds: list[list[float]]) -> Timing:
    times = np.sort(np.concatenate(rounds))
    median = float(np.median(times))
    low, high = median_interval(len(times))
    quartiles = np.quantile(times, [0.25, 0.75])
    medians = [float(np.median(one)) for one in rounds]
    return Timing(
        median=median,
        low=float(times[low]),
        high=float(times[high]),
        spread=float(quartiles[1] - quartiles[0]) / median,
        drift=(max(medians) - min(medians)) / median,
        repeats=len(times),
    )


def median_interval(n: int) -> tuple[int, int]:
    """Return between which of `n` sorted values the median of their distribution lies, with 95 % confidence.

    Counted from 0. With fewer than six values there is no such pair, and all of them are between.
    """
    low = int(binom.ppf((1 - _CONFIDENCE) / 2, n, 0.5)) - 1
    return max(low, 0), min(n - 1 - low, n - 1)
