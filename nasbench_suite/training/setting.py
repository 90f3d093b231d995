"""What it takes to train architectures of a task or a space, put together from names."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space, space_names
from nasbench_suite.training.counting import Counts, count
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData, data_names, load_data
from nasbench_suite.training.machine import check_device
from nasbench_suite.training.networks import Skeleton, build_network, network_spaces, official_skeleton
from nasbench_suite.training.recipes import Recipe, get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.task import training_task, training_tasks

_RECIPE_OF_SPACES = "short"
_LIGHT_WIDTH, _LIGHT_DEPTH = 8, 1
"""Of networks for signals: those of the tables that this project trained."""


@dataclass(frozen=True)
class Setting:
    """A space, the data, what surrounds the searched part of a network, and how networks are trained."""

    space: str
    data: TrainingData
    skeleton: Skeleton
    recipe: Recipe

    def network(self, row: Genes, seed: int) -> nn.Module:
        """Return the network of one architecture, `[n_genes]`, with the initial weights of a seed."""
        return initial_network(self.space, row, self.skeleton, seed)

    def counts(self, row: Genes) -> Counts:
        """Return the parameters and multiply-adds of one architecture's network."""
        return count(build_network(self.space, row, self.skeleton), self.data.shape)

    def request(self) -> dict[str, Any]:
        """Return what determines the result of a search that trains networks, as JSON values."""
        return {"data": self.data.provenance, "skeleton": asdict(self.skeleton)}

    def file(self, row: Genes, seed: int) -> str:
        """Return the name of the file for the states of a training."""
        return f"{self.space}-{int(get_space(self.space).key(row[None])[0]):016x}-seed-{seed}.pt"

    def reported_epoch(self, curves: LearningCurves) -> int:
        """Return the epoch, from 0, whose results the recipe reports: the last, or the best by test accuracy.

        Of a training that failed it is the last that it reached; the first if it reached none.
        """
        test = curves.test_accuracy[0]
        if self.recipe.report == "best" and not np.isnan(test).all():
            return int(np.nanargmax(test))
        reached = np.flatnonzero(~np.isnan(curves.train_loss[0]))
        return int(reached[-1]) if len(reached) else 0


def space_of(name: str) -> str:
    """Return the space of a task that can be trained, or of a space that networks can be built of.

    Raises
    ------
    UnknownNameError
        When there is neither of this name; the message lists the nearest.
    NasbenchSuiteError
        When it is a task, but nothing says how its architectures are trained.
    """
    if name in network_spaces():
        return name
    if "/" not in name:
        known = [*training_tasks(), *network_spaces()]
        what = "network of space" if name in space_names() else "task or space to train for called"
        raise UnknownNameError(what, name, known)
    return training_task(name).space


def setting_of(
    name: str, *, recipe: str = "", data: str = "", epochs: int = 0, device: str = "cpu"
) -> Setting:
    """Return how the architectures of a task or space are trained.

    Parameters
    ----------
    name
        A task (`nats_topology/mnist1d`), or a space, which needs `data`.
    recipe, data
        Names that replace the task's own; a space has the recipe `short` by default.
    epochs
        Length of the schedule; the recipe's own if 0.
    device
        Where to compute.

    Raises
    ------
    UnknownNameError
        When a name is unknown.
    NasbenchSuiteError
        When the device or the data are not there, or something is missing.
    """
    check_device(device)
    chosen = _of_space(name, recipe, data, device) if name in network_spaces() else None
    setting = chosen or _of_task(name, recipe, data, device)
    if epochs:
        setting = replace(setting, recipe=replace(setting.recipe, epochs=epochs))
    return setting


def _of_task(name: str, recipe: str, data: str, device: str) -> Setting:
    task = training_task(name).changed(recipe=recipe, data=data)
    loaded = task.load_data(device)
    return Setting(task.space, loaded, task.network_skeleton(loaded), task.training_recipe)


def _of_space(space: str, recipe: str, data: str, device: str) -> Setting:
    if not data:
        raise NasbenchSuiteError(
            f"{space} is a space, which has no data set of its own; give one with --data: "
            f"{', '.join(data_names())} or folder:PATH."
        )
    chosen = get_recipe(recipe or _RECIPE_OF_SPACES)
    loaded = load_data(data, device=device)
    return Setting(space, loaded, _skeleton(space, loaded), chosen)


def _skeleton(space: str, data: TrainingData) -> Skeleton:
    """Return the authors' skeleton for images, and a small one for signals."""
    skeleton = replace(official_skeleton(space, classes=data.classes), inputs=data.shape[0])
    if data.dims == 1:
        return replace(
            skeleton,
            dims=1,
            style="light",
            width=_LIGHT_WIDTH,
            depth=_LIGHT_DEPTH,
            auxiliary=False,
            drop_path=0.0,
        )
    return skeleton
