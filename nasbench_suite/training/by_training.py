"""A benchmark that answers by training: what a batch asks for the first time is trained together.

**A point of a curve is a point of one schedule.** A query for fewer epochs is answered by the state after
them in the task's whole schedule, whose learning rate is then still high. A schedule of so few would have
brought it to zero by then, with another, mostly better result; it is another recipe and another task.

Results follow from the task, its seeds and the device, to rounding; seconds are measured, once, and kept.
"""

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric, MissingResultWarning, Repeat, TestMetrics
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes
from nasbench_suite.tasks import TRAINING
from nasbench_suite.training.store import One, TrainingStore

_Values = NDArray[np.float64]
COST = "train_seconds"
"""The metric that says what an evaluation costs."""


class BenchmarkByTraining(ABC, Generic[One]):
    """Scores architectures by training them.

    Parameters
    ----------
    task
        Its name, without `training:`.
    store
        What trains, and keeps what comes of it.
    seeds
        `repeat` is the position of one.
    fidelities
        The points of a curve: epochs, or steps.
    valid, test
        Names of the metrics that validate and test.

    Attributes
    ----------
    trains
        Tells that an answer takes a real training, so that nobody asks to see whether asking works.
    """

    trains = True
    unit = "epochs"
    """What fidelities count."""

    def __init__(
        self,
        task: str,
        store: TrainingStore[One],
        *,
        seeds: Sequence[int],
        fidelities: Sequence[int],
        valid: str,
        test: str,
    ):
        self.id, self.space, self.store, self.seeds = TRAINING + task, store.space, store, tuple(seeds)
        self.fidelities: Sequence[int] = fidelities
        self.repeats = len(self.seeds)
        self._valid, self._test = valid, test

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics by name."""

    @abstractmethod
    def value(self, one: One, name: str, at: int) -> float:
        """Return a metric of a training at a point of its curve, or what it has cost until there."""

    def info(self, genes: Genes, trained: list[list[One]], name: str, at: int) -> _Values:
        """Return a metric of architectures, `[n]`, the mean over the trainings of each."""
        return self._values(trained, name, at)

    def check_searchable(self) -> None:
        """Refuse a task that has nothing to search by.

        Raises
        ------
        NasbenchSuiteError
            When there is nothing.
        """

    @property
    def sha256(self) -> str:
        """The SHA-256 of everything that determines an answer: data, recipe, seeds, device."""
        return hashlib.sha256(f"{self.store.request}{list(self.seeds)}".encode()).hexdigest()

    @contextmanager
    def trained_on(self, executor: Executor | None) -> Iterator[None]:
        """Train in the workers of an executor meanwhile, where that gives the same results.

        It does on a CPU, but for networks on images, whose sums hang on how many threads a process has.

        What is asked for at once is trained at once, in groups as it is here. Any executor will do whose
        workers have the package and the data; with one thread each they do not stand in each other's way.
        """
        before, self.store.executor = self.store.executor, executor
        try:
            yield
        finally:
            self.store.executor = before

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Return validation results at a point of the task's schedule, training what was not trained yet.

        The whole schedule is trained, whatever `epochs` is; the seconds are those up to there.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`; isomorphic rows are trained once.
        epochs
            One of `fidelities`; None for the last.
        repeat
            `"mean"` trains with every seed of the task and averages; a position, or a generator that draws
            one for each architecture, trains with one seed.
        info
            Names of further metrics to bring; test metrics are not to be had here.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        UnknownNameError
            When `info` names a metric that is not there or not visible to a search.
        NasbenchSuiteError
            When `epochs` or `repeat` is out of range, the task has no validation, or the data set is not
            there.

        Warns
        -----
        MissingResultWarning
            When a training failed and has no results: they are NaN.
        """
        at = self._place(epochs)
        self.check_searchable()
        self._check(repeat, info)
        trained = self._train(genes, self._positions(len(genes), repeat))
        valid = self._values(trained, self._valid, at)
        self._warn_missing(valid, self._valid)
        return Evaluations(
            valid=valid,
            seconds=self._values(trained, COST, at),
            info={name: self.info(genes, trained, name, at) for name in info},
            maximise=self.metrics[self._valid].direction == "max",
        )

    def reveal(self, genes: Genes) -> TestMetrics:
        """Return test results after the whole schedule, the mean over all seeds; for leaderboards only.

        What was not trained yet is.
        """
        trained = self._train(genes, self._positions(len(genes), "mean"))
        test = self._values(trained, self._test, -1)
        self._warn_missing(test, self._test)
        return TestMetrics(test)

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return a number per architecture, int64 `[n]`, the same for isomorphic ones."""
        return self.space.key(genes).view(np.int64)

    def _check(self, repeat: Repeat, info: Sequence[str]) -> None:
        visible = [metric.name for metric in self.metrics.values() if metric.role != "test"]
        for name in info:
            if name not in visible:
                raise UnknownNameError(f"metric visible to a search in {self.id} called", name, visible)
        is_position = isinstance(repeat, int) and not isinstance(repeat, bool) and 0 <= repeat < self.repeats
        if not (is_position or isinstance(repeat, np.random.Generator) or repeat == "mean"):
            raise NasbenchSuiteError(
                f"{self.id} has {self.repeats} seed(s); repeat must be 'mean', a number from 0 to "
                f"{self.repeats - 1} or a random generator, not {repeat!r}."
            )

    def _place(self, epochs: int | None) -> int:
        """Return the place of `epochs` on the curves."""
        if epochs is None:
            return -1
        if epochs not in self.fidelities:
            first, last = self.fidelities[0], self.fidelities[-1]
            raise NasbenchSuiteError(
                f"{self.id} has no results after {epochs} {self.unit}; its schedule has {self.unit} {first} "
                f"to {last}."
            )
        return self.fidelities.index(epochs)

    def _positions(self, n: int, repeat: Repeat) -> NDArray[np.int64]:
        """Return the positions of each architecture's seeds, int64 `[n, k]`."""
        if isinstance(repeat, np.random.Generator):
            return repeat.integers(np.full(n, self.repeats))[:, None]
        chosen = np.arange(self.repeats) if repeat == "mean" else np.array([repeat])
        return np.tile(chosen, (n, 1))

    def _train(self, genes: Genes, which: NDArray[np.int64]) -> list[list[One]]:
        """Return the trainings of each architecture with each of its seeds: a list of `k` for each of `n`."""
        found: list[list[One]] = [[] for _ in genes]
        rows_of = [np.flatnonzero((which == position).any(axis=1)) for position in range(self.repeats)]
        asked = [(genes[rows], seed) for rows, seed in zip(rows_of, self.seeds, strict=True)]
        for rows, of_seed in zip(rows_of, self.store.train_all(asked), strict=True):
            for row, one in zip(rows, of_seed, strict=True):
                found[row].append(one)
        return found

    def _values(self, trained: list[list[One]], name: str, at: int) -> _Values:
        """Return a metric of each architecture, the mean over its trainings that have one: `[n]`."""
        if not trained:
            return np.zeros(0)
        values = np.array([[self.value(one, name, at) for one in row] for row in trained])
        present = ~np.isnan(values)
        total, number = np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1)
        mean: _Values = np.divide(total, number, out=np.full(len(values), np.nan), where=number > 0)
        return mean

    def _warn_missing(self, values: _Values, name: str) -> None:
        missing = int(np.count_nonzero(np.isnan(values)))
        if missing:
            warnings.warn(
                f"{missing} of {len(values)} results of {name} are missing in {self.id}, where the training "
                "failed; they are NaN.",
                MissingResultWarning,
                stacklevel=3,
            )
