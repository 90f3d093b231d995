"""Training of networks behind the Benchmark protocol: see `by_training.py`."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Metric
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.training.by_training import COST, BenchmarkByTraining
from nasbench_suite.training.counting import count_many
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.kept import KeptTrainings, Trained
from nasbench_suite.training.task import TrainingTask

_VALID, _TEST = "valid_accuracy", "test_accuracy"
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
        COST,
        "s",
        "min",
        "cost",
        "measured: training up to the epoch, and one pass over the validation inputs",
    ),
    Metric("params_millions", "M", "min", "info", "number of trainable parameters", "once"),
    Metric("flops_millions", "M", "min", "info", "multiply-adds of one input", "once"),
)
_WITHOUT_VALIDATION = "it has no validation inputs apart from those that test"


class TrainingBenchmark(BenchmarkByTraining[Trained]):
    """Scores networks by training them.

    Parameters
    ----------
    task
        What is trained, on what, how, and with which seeds; `repeat` is the position of a seed.
    folder
        Where trainings are stored, and taken from when they are asked for again, by this process or another;
        None: they are kept in memory alone.
    device
        `cpu` or `cuda`.
    """

    store: KeptTrainings

    def __init__(self, task: TrainingTask, *, folder: Path | None = None, device: str = "cpu"):
        super().__init__(
            task.task,
            KeptTrainings(task, folder=folder, device=device),
            seeds=task.seeds,
            fidelities=range(1, task.training_recipe.epochs + 1),
            valid=_VALID,
            test=_TEST,
        )
        self.task, self.folder, self.device = task, folder, device

    def __repr__(self) -> str:
        return f"<TrainingBenchmark {self.id}: recipe {self.task.recipe}, seeds {self.task.seeds}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.task, self.folder, self.device)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics by name; none of them validates where the task has no inputs for that."""
        validated = self.task.validated_on(self.store.data) != "none"
        hidden = () if validated else (_VALID, "valid_loss")
        return {metric.name: metric for metric in _METRICS if metric.name not in hidden}

    def check_searchable(self) -> None:
        """Refuse a task without validation inputs.

        Raises
        ------
        NasbenchSuiteError
            When it has none.
        """
        if _VALID not in self.metrics:
            raise NasbenchSuiteError(f"{self.id} cannot be searched: {_WITHOUT_VALIDATION}.")

    def value(self, one: Trained, name: str, at: int) -> float:
        """Return a metric of a training after an epoch, as its recipe reports it, or the cost until there."""
        if name == COST:
            return self._cost(one.curves, at % len(self.fidelities))
        return one.reported(name, self.task.training_recipe, at)

    def info(self, genes: Genes, trained: list[list[Trained]], name: str, at: int) -> NDArray[np.float64]:
        """Return a metric of architectures, `[n]`; sizes are counted."""
        if self.metrics[name].recorded != "once":
            return super().info(genes, trained, name, at)
        data = self.store.data
        counts = count_many(
            self.task.space, self.space.canonical(genes), self.task.network_skeleton(data), data.shape
        )
        counted = counts.parameters if name == "params_millions" else counts.multiply_adds
        return counted / 1e6

    def _cost(self, curves: LearningCurves, until: int) -> float:
        """Return the seconds up to an epoch (from 0) and of one validation pass, as tables of curves do."""
        spent = np.nansum(curves.train_seconds[0, : until + 1])  # a training that failed cost what it cost
        data = self.store.data
        # Validation and test inputs were timed together; the validation pass has its share of the inputs.
        share = len(data.valid) / max(1, len(data.valid) + len(data.test))
        return float(spent + share * np.nan_to_num(curves.eval_seconds[0, until]))


def _again(task: TrainingTask, folder: Path | None, device: str) -> TrainingBenchmark:
    return TrainingBenchmark(task, folder=folder, device=device)
