"""Trainings that are kept, in memory and on disk: no architecture is trained twice with the same seed.

On disk every training is a file of its own, whole or absent, in a folder that is named after everything that
determines its result; so a process that was killed goes on with what is there, and processes share a folder.
"""

import hashlib
import io
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.groups import GPU_GROUP, train_all
from nasbench_suite.training.machine import check_device
from nasbench_suite.training.many import why_not_together
from nasbench_suite.training.predictions import Predictions, train_and_predict
from nasbench_suite.training.recipes import Recipe
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


class KeptTrainings:
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
        self.task, self.folder, self.device, self.predictions = task, folder, device, predictions
        self.space = get_space(task.space)
        self._kept: dict[tuple[int, bytes], Trained] = {}

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

    def train(
        self, genes: Genes, seed: int, *, progress: Callable[[int], None] | None = None
    ) -> list[Trained]:
        """Return the trainings of architectures, in their order, after training those that are not kept.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`; isomorphic rows get the same training.
        seed
            What initial weights and batches depend on.
        progress
            Called with how many of the distinct architectures are done, whenever it grows.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        NasbenchSuiteError
            When the data set is not there or a file cannot be written.
        """
        canonical = self.space.canonical(genes)
        distinct = np.unique(canonical, axis=0)
        missing = np.array([row for row in distinct if not self._is_kept(row, seed)], dtype=np.uint8)
        done = len(distinct) - len(missing)
        for start in range(0, len(missing), self._together):
            part = missing[start : start + self._together]
            for row, trained in zip(part, self._trained(part, seed), strict=True):
                self._store(row, seed, trained)
            done += len(part)
            if progress is not None:
                progress(done)
        return [self._kept[seed, row.tobytes()] for row in canonical]

    @cached_property
    def _together(self) -> int:
        skeleton = self.task.network_skeleton(self.data)
        reason = why_not_together(self.task.space, skeleton, self.data, self.task.training_recipe)
        if reason:
            return 1
        return _TOGETHER if self.data.inputs.device.type == "cpu" else GPU_GROUP

    def _trained(self, genes: Genes, seed: int) -> list[Trained]:
        task, data = self.task, self.data
        asked = task.space, genes, task.network_skeleton(data), data, task.training_recipe
        if not self.predictions:
            curves = train_all(*asked, seed=seed, notice=_on_error_stream)
            curves = _exact(curves, data, task.training_recipe)
            return [Trained(curves.take(np.array([row]))) for row in range(len(genes))]
        path = self._path(genes[0], seed)
        curves, predicted = train_and_predict(
            *asked, seed=seed, checkpoint=None if path is None else path.with_suffix(".checkpoint")
        )
        curves = _exact(curves, data, task.training_recipe)
        return [Trained(curves.take(np.array([row])), found) for row, found in enumerate(predicted)]

    def _path(self, row: Genes, seed: int) -> Path | None:
        if self.folder is None:
            return None
        name = hashlib.sha256(self.request.encode()).hexdigest()[:16]
        return self.folder / name / f"seed-{seed}-{self.space.key(row[None])[0]:016x}.npz"

    def _is_kept(self, row: Genes, seed: int) -> bool:
        """Tell whether an architecture's training is in memory, where this puts it if it is on disk."""
        name = (seed, row.tobytes())
        if name not in self._kept:
            stored = self._stored(row, seed)
            if stored is None:
                return False
            self._kept[name] = stored
        return True

    def _store(self, row: Genes, seed: int, trained: Trained) -> None:
        path = self._path(row, seed)
        if path is not None:
            content = io.BytesIO()
            kept = trained.predictions
            arrays = {name: getattr(trained.curves, name) for name in _ARRAYS}
            arrays |= {} if kept is None else {"valid": kept.valid, "test": kept.test}
            request = np.array(self.request)
            failures = np.array(trained.curves.failures)
            np.savez_compressed(content, request=request, genes=row, failures=failures, **arrays)
            write_whole(path, content.getvalue())
        self._kept[seed, row.tobytes()] = trained

    def _stored(self, row: Genes, seed: int) -> Trained | None:
        """Return an architecture's training if a file holds it; what is damaged is trained again."""
        path = self._path(row, seed)
        if path is None or not path.exists():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                if str(file["request"]) != self.request or not np.array_equal(file["genes"], row):
                    return None
                arrays = {name: file[name] for name in _ARRAYS}
                curves = LearningCurves(**arrays, failures=tuple(map(str, file["failures"])))
                if not self.predictions:
                    return Trained(curves)
                return Trained(curves, Predictions(file["valid"], file["test"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None


def _on_error_stream(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # what a command prints may be JSON


def _exact(curves: LearningCurves, data: TrainingData, recipe: Recipe) -> LearningCurves:
    """Return the curves with accuracies that are shares of the inputs to the last digit, as in tables."""
    learnt = recipe.steps(len(data.train)) * recipe.batch if recipe.drop_last else len(data.train)
    inputs = {"train_accuracy": learnt, "valid_accuracy": len(data.valid), "test_accuracy": len(data.test)}
    exact = {name: np.rint(getattr(curves, name) * n) / n for name, n in inputs.items() if n}
    return replace(curves, **exact)
