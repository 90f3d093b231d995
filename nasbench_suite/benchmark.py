"""What answers the question "how good is this architecture?": the protocol that all benchmarks follow.

A benchmark is pure: no clock, no hidden state, no global random numbers. Test results live behind
`reveal`, which only leaderboards call; a strategy sees what `query` brings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteWarning
from nasbench_suite.spaces.base import Genes, SearchSpace

Repeat = Literal["mean"] | int | np.random.Generator
"""Which training of an architecture answers: the mean over all, one by position, or one drawn at random."""
Direction = Literal["max", "min"]
Role = Literal["valid", "test", "cost", "info"]
Recorded = Literal["each epoch", "last epoch", "once"]
"""When a metric is recorded: after each epoch that can be asked for, after the last only, or once for all."""


class MissingResultWarning(NasbenchSuiteWarning):
    """A query touched a result that the table does not hold; its value is NaN."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity.

    Attributes
    ----------
    name
        Carries the unit where there is one: `latency_seconds`, `params_millions`.
    unit
        `fraction`, `s`, `M`, ...
    direction
        Whether larger (`max`) or smaller (`min`) is better.
    role
        `valid` steers the search, `test` is for leaderboards only, `cost` is the seconds an evaluation
        takes, `info` is anything else a strategy may see.
    recorded
        After which epochs it is to be had.
    """

    name: str
    unit: str
    direction: Direction
    role: Role
    description: str = ""
    recorded: Recorded = "each epoch"


@dataclass(frozen=True, slots=True)
class Evaluations:
    """What a query brings, one entry per architecture.

    Attributes
    ----------
    valid
        The validation metric, float64 `[n]`, in the benchmark's own direction; NaN where missing.
    seconds
        Simulated seconds that the evaluations cost, float64 `[n]`; None if the benchmark knows none.
    info
        The other metrics that were asked for, by name, float64 `[n]` each.
    maximise
        Whether a larger `valid` is better.
    """

    valid: NDArray[np.float64]
    seconds: NDArray[np.float64] | None = None
    info: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    maximise: bool = True

    def score(self) -> NDArray[np.float64]:
        """Return `valid` oriented so that larger is better, missing values as minus infinity: `[n]`."""
        oriented = self.valid if self.maximise else -self.valid
        return np.where(np.isnan(oriented), -np.inf, oriented)


@dataclass(frozen=True, slots=True)
class TestMetrics:
    """Test results, one entry per architecture, float64 `[n]`; NaN where missing."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    test: NDArray[np.float64]


@runtime_checkable
class Benchmark(Protocol):
    """Anything that scores architectures: a table, a trained surrogate, or real training."""

    @property
    def id(self) -> str:
        """Task name, `BENCHMARK/DATASET`."""
        ...

    @property
    def space(self) -> SearchSpace:
        """The space whose architectures are scored."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics by name, test metrics included."""
        ...

    @property
    def fidelities(self) -> Sequence[int]:
        """Training epochs that can be asked for, ascending; empty if only full training can."""
        ...

    @property
    def repeats(self) -> int:
        """Number of trainings per architecture."""
        ...

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Return validation results of the architectures after `epochs` (None: fully trained)."""
        ...

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return a number per architecture, int64 `[n]`, equal where the benchmark has the same answers.

        Isomorphic architectures may differ here: a table may have trained them separately.
        """
        ...

    def reveal(self, genes: Genes) -> TestMetrics:
        """Return test results of the architectures; for leaderboards only."""
        ...
