"""Real training behind the Benchmark protocol: what a batch asks for the first time is trained together.

**Epoch e is a point of one schedule.** A query for `e` epochs is answered by the state after epoch `e` of the
task's whole schedule of `E` epochs, whose learning rate is then still high. A schedule of `e` epochs would
have brought it to zero by then, with another, mostly better result; it is another recipe and another task.

Results follow from the task, its seeds and the device, to rounding; seconds are measured, once, and kept.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric, MissingResultWarning, Repeat, TestMetrics
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.tasks import TRAINING
from nasbench_suite.training.counting import count_many
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.kept import KeptTrainings, Trained
from nasbench_suite.training.task import TrainingTask, training_task

_Values = NDArray[np.float64]
_VALID, _TEST, _COST = "valid_accuracy", "test_accuracy", "train_seconds"
_METRICS = (
    Metric(
        "train_accuracy", "fraction", "max", "info", "mean over the batches of the epoch, as it was learning"
    ),
    Metric("train_loss", "nats", "min", "info", "mean cross entropy over the batches of the epoch"),
    Metric(_VALID, "fraction", "max", "valid", "accuracy on the validation inputs after the epoch"),
    Metric("valid_loss", "nats", "min", "info", "cross entropy on the validation inputs after the epoch"),
    Metric(_TEST, "fraction", "max", "test", "accuracy on the test inputs after the epoch"),
    Metric("test_loss", "nats", "min", "test", "cross entropy on the test inputs after the epoch"),
    Metric(
        _COST,
        "s",
        "min",
        "cost",
        "measured: training up to the epoch, and one pass over the validation inputs",
    ),
    Metric("params_millions", "M", "min", "info", "number of trainable parameters", "once"),
    Metric("flops_millions", "M", "min", "info", "multiply-adds of one input", "once"),
)
_WITHOUT_VALIDATION = "it has no validation inputs apart from those that test"


class TrainingBenchmark:
    """Scores architectures by training them.

    Parameters
    ----------
    task
        What is trained, on what, how, and with which seeds; `repeat` is the position of a seed.
    folder
        Where trainings are stored, and taken from when they are asked for again, by this process or another;
        None: they are kept in memory alone.
    device
        `cpu` or `cuda`.

    Attributes
    ----------
    trains
        Tells that an answer takes a real training, so that nobody asks to see whether asking works.
    """

    trains = True

    def __init__(self, task: TrainingTask, *, folder: Path | None = None, device: str = "cpu"):
        self.task, self.folder, self.device = task, folder, device
        self.id = TRAINING + task.task
        self.space = get_space(task.space)
        self.fidelities: Sequence[int] = range(1, task.training_recipe.epochs + 1)
        self.repeats = len(task.seeds)
        self._trainings = KeptTrainings(task, folder=folder, device=device)

    def __repr__(self) -> str:
        return f"<TrainingBenchmark {self.id}: recipe {self.task.recipe}, seeds {self.task.seeds}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.task, self.folder, self.device)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics by name; none of them validates where the task has no inputs for that."""
        validated = self.task.validated_on(self._trainings.data) != "none"
        hidden = () if validated else (_VALID, "valid_loss")
        return {metric.name: metric for metric in _METRICS if metric.name not in hidden}

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of everything that determines an answer: data, skeleton, recipe, seeds, device."""
        return hashlib.sha256(f"{self._trainings.request}{self.task.seeds}".encode()).hexdigest()

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Return validation results after `epochs` of the task's schedule, training what was not trained yet.

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
            When a training failed: its results are NaN.
        """
        at = self._epoch(epochs)
        self._check(repeat, info)
        which = self._seeds(len(genes), repeat)
        trained = self._train(genes, which)
        valid = self._values(trained, _VALID, at)
        self._warn_missing(valid, _VALID)
        return Evaluations(
            valid=valid,
            seconds=self._values(trained, _COST, at),
            info={name: self._info(genes, trained, name, at) for name in info},
        )

    def reveal(self, genes: Genes) -> TestMetrics:
        """Return test results after the whole schedule, the mean over all seeds; for leaderboards only.

        What was not trained yet is.
        """
        trained = self._train(genes, self._seeds(len(genes), "mean"))
        test = self._values(trained, _TEST, -1)
        self._warn_missing(test, _TEST)
        return TestMetrics(test)

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return a number per architecture, int64 `[n]`, the same for isomorphic ones."""
        return self.space.key(genes).view(np.int64)

    def _check(self, repeat: Repeat, info: Sequence[str]) -> None:
        if _VALID not in self.metrics:
            raise NasbenchSuiteError(f"{self.id} cannot be searched: {_WITHOUT_VALIDATION}.")
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

    def _epoch(self, epochs: int | None) -> int:
        """Return the place of `epochs` on the curves."""
        if epochs is None:
            return -1
        if epochs not in self.fidelities:
            raise NasbenchSuiteError(
                f"{self.id} has no results after {epochs} epochs; its schedule has epochs 1 to "
                f"{self.fidelities[-1]}."
            )
        return epochs - 1

    def _seeds(self, n: int, repeat: Repeat) -> NDArray[np.int64]:
        """Return the positions of each architecture's seeds, int64 `[n, k]`."""
        if isinstance(repeat, np.random.Generator):
            return repeat.integers(np.full(n, self.repeats))[:, None]
        chosen = np.arange(self.repeats) if repeat == "mean" else np.array([repeat])
        return np.tile(chosen, (n, 1))

    def _train(self, genes: Genes, which: NDArray[np.int64]) -> list[list[Trained]]:
        """Return the trainings of each architecture with each of its seeds: a list of `k` for each of `n`."""
        found: list[list[Trained]] = [[] for _ in genes]
        for position, seed in enumerate(self.task.seeds):
            rows = np.flatnonzero((which == position).any(axis=1))
            for row, trained in zip(rows, self._trainings.train(genes[rows], seed), strict=True):
                found[row].append(trained)
        return found

    def _values(self, trained: list[list[Trained]], name: str, at: int) -> _Values:
        """Return a metric of each architecture, the mean over its trainings that have one: `[n]`."""
        if not trained:
            return np.zeros(0)
        values = np.array([[self._value(one, name, at) for one in row] for row in trained])
        present = ~np.isnan(values)
        total, number = np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1)
        mean: _Values = np.divide(total, number, out=np.full(len(values), np.nan), where=number > 0)
        return mean

    def _value(self, trained: Trained, name: str, at: int) -> float:
        if name == _COST:
            return self._cost(trained.curves, at % len(self.fidelities))
        return trained.reported(name, self.task.training_recipe, at)

    def _cost(self, curves: LearningCurves, until: int) -> float:
        """Return the seconds up to an epoch (from 0) and of one validation pass, as tables of curves do."""
        spent = np.nansum(curves.train_seconds[0, : until + 1])  # a training that failed cost what it cost
        data = self._trainings.data
        # Validation and test inputs were timed together; the validation pass has its share of the inputs.
        share = len(data.valid) / max(1, len(data.valid) + len(data.test))
        return float(spent + share * np.nan_to_num(curves.eval_seconds[0, until]))

    def _info(self, genes: Genes, trained: list[list[Trained]], name: str, at: int) -> _Values:
        if self.metrics[name].recorded != "once":
            return self._values(trained, name, at)
        data = self._trainings.data
        counts = count_many(
            self.task.space, self.space.canonical(genes), self.task.network_skeleton(data), data.shape
        )
        counted = counts.parameters if name == "params_millions" else counts.multiply_adds
        return counted / 1e6

    def _warn_missing(self, values: _Values, name: str) -> None:
        missing = int(np.count_nonzero(np.isnan(values)))
        if missing:
            warnings.warn(
                f"{missing} of {len(values)} results of {name} are missing in {self.id}, where the training "
                "failed; they are NaN.",
                MissingResultWarning,
                stacklevel=3,
            )


def _again(task: TrainingTask, folder: Path | None, device: str) -> TrainingBenchmark:
    return TrainingBenchmark(task, folder=folder, device=device)


def open_training(name: str) -> TrainingBenchmark:
    """Return the benchmark that trains the architectures of a task; the data folder keeps its trainings.

    Parameters
    ----------
    name
        The task's name, without `training:`.

    Raises
    ------
    UnknownNameError
        When there is no such task.
    NasbenchSuiteError
        When nothing says how its architectures are trained.
    """
    task = training_task(name)
    return TrainingBenchmark(task, folder=data_root() / "trainings")
