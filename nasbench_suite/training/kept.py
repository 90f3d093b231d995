"""Networks that were trained, kept: see `store.py`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.groups import GPU_GROUP, train_all
from nasbench_suite.training.machine import check_device
from nasbench_suite.training.many import CPU_GROUP, why_not_together
from nasbench_suite.training.predictions import Predictions, train_and_predict
from nasbench_suite.training.recipes import Recipe
from nasbench_suite.training.store import TrainingStore
from nasbench_suite.training.task import TrainingTask

_TOGETHER = 16
"""Small networks that a CPU trains before any is stored: what a killed process loses at most."""
_ARRAYS = tuple(field.name for field in fields(LearningCurves) if field.name != "failures")


@dataclass(frozen=True, eq=False)
class Trained:
    """An architecture trained with one seed: its curves, one row, and what it predicts if that is kept."""

    curves: LearningCurves
    predictions: Predictions | None = None

    def reported(self, name: str, recipe: Recipe, at: int = -1) -> float:
        """Return what a recipe reports of a curve after an epoch: the value there, or in the best so far.

        Parameters
        ----------
        name
            Of a curve, such as `valid_accuracy`.
        recipe
            Where it reports the best epoch, that is the best by validation, whatever the curve.
        at
            The epoch, from 0; the last without it.
        """
        until = at % recipe.epochs
        if recipe.report == "best":
            valid = self.curves.valid_accuracy[0, : until + 1]
            if not np.isnan(valid).all():
                until = int(np.nanargmax(valid))
        return float(getattr(self.curves, name)[0, until])


class KeptTrainings(TrainingStore[Trained]):
    """Trains the architectures of a task, isomorphic ones once, and keeps what comes of it.

    Parameters
    ----------
    task
        What is trained, on what, how.
    folder
        Where trainings are stored, and looked for; None: they are kept in memory alone.
    device
        Where networks are trained: `cpu` or `cuda`.
    predictions
        Whether to keep what networks predict, too.
    """

    def __init__(
        self,
        task: TrainingTask,
        *,
        folder: Path | None = None,
        device: str = "cpu",
        predictions: bool = False,
    ):
        super().__init__(task.space, folder)
        self.task, self.device, self.predictions = task, device, predictions

    @cached_property
    def data(self) -> TrainingData:
        """The data set, on the device.

        Raises
        ------
        NasbenchSuiteError
            When its files are not there (says where they were looked for and how to get them), or the
            device is not.
        """
        check_device(self.device)
        return self.task.load_data(self.device)

    @cached_property
    def request(self) -> str:
        """Everything but seed and architecture that determines a result, as text."""
        return self.task.request(self.data)

    @cached_property
    def together(self) -> int:
        """How many are trained before any is stored."""
        if not self._fold:
            return 1
        return _TOGETHER if self.data.inputs.device.type == "cpu" else GPU_GROUP

    @property
    def part(self) -> int:
        """How many a worker trains at once; 0 on a GPU, and for images, whose sums threads share."""
        if self.data.inputs.device.type != "cpu" or self.data.dims != 1:
            return 0
        return CPU_GROUP if self._fold else 1

    @cached_property
    def _fold(self) -> bool:
        """Whether several networks train as one."""
        skeleton = self.task.network_skeleton(self.data)
        return not why_not_together(self.task.space, skeleton, self.data, self.task.training_recipe)

    def trained(self, genes: Genes, seed: int) -> list[Trained]:
        """Train architectures, with what they predict if that is kept."""
        task, data = self.task, self.data
        asked = task.space, genes, task.network_skeleton(data), data, task.training_recipe
        if not self.predictions:
            curves = train_all(*asked, seed=seed, notice=_on_error_stream)
            curves = _exact(curves, data, task.training_recipe)
            return [Trained(curves.take(np.array([row]))) for row in range(len(genes))]
        path = self.path(genes[0], seed)
        curves, predicted = train_and_predict(
            *asked, seed=seed, checkpoint=None if path is None else path.with_suffix(".checkpoint")
        )
        curves = _exact(curves, data, task.training_recipe)
        return [Trained(curves.take(np.array([row])), found) for row, found in enumerate(predicted)]

    def packed(self, one: Trained) -> Mapping[str, NDArray[Any]]:
        """Return curves, failures and predictions by name."""
        kept = one.predictions
        arrays = {name: getattr(one.curves, name) for name in _ARRAYS}
        arrays["failures"] = np.array(one.curves.failures)
        return arrays | ({} if kept is None else {"valid": kept.valid, "test": kept.test})

    def unpacked(self, arrays: Mapping[str, NDArray[Any]]) -> Trained:
        """Return the training of which this is stored."""
        kept = {name: arrays[name] for name in _ARRAYS}
        curves = LearningCurves(**kept, failures=tuple(map(str, arrays["failures"])))
        if not self.predictions:
            return Trained(curves)
        return Trained(curves, Predictions(arrays["valid"], arrays["test"]))


def _on_error_stream(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # what a command prints may be JSON


def _exact(curves: LearningCurves, data: TrainingData, recipe: Recipe) -> LearningCurves:
    """Return the curves with accuracies that are shares of the inputs to the last digit, as in tables."""
    learnt = recipe.steps(len(data.train)) * recipe.batch if recipe.drop_last else len(data.train)
    inputs = {"train_accuracy": learnt, "valid_accuracy": len(data.valid), "test_accuracy": len(data.test)}
    exact = {name: np.rint(getattr(curves, name) * n) / n for name, n in inputs.items() if n}
    return replace(curves, **exact)
