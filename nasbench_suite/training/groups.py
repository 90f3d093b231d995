"""Training any number of architectures: in groups where they can be trained together, else one by one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes, JointSpace, get_space
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.many import CPU_GROUP, train_together, why_not_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import Recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Precision, Trainer

REVISION = 1
"""Raised when a training of the same request may give other numbers, so that no build mixes the two."""
GPU_GROUP = 4096
"""Networks that train together on a GPU, if its memory holds them; else half as many, and so on."""

Notice = Callable[[str], None]
Rows = NDArray[np.intp]


def train_all(
    space: str,
    genes: Genes,
    skeleton: Skeleton,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    precision: Precision = "float32",
    notice: Notice = print,
    progress: Callable[[int, int], None] | None = None,
) -> LearningCurves:
    """Train every architecture and return the curves in their order.

    Groups are made of neighbours in the order of the gene rows, so that models with an operation in common
    stand together; a network does not depend on the others of its group, but for rounding.

    Parameters
    ----------
    space, genes, skeleton
        The architectures, uint8 `[n, n_genes]`, and what surrounds them.
    data
        On the device that computes.
    recipe, seed
        How to train, and what initial weights and batches depend on.
    precision
        See `Trainer`; networks that train together are trained in float32.
    notice
        Gets a sentence when a GPU's memory does not hold a group and it is halved.
    progress
        Called with the networks done and all networks.

    Raises
    ------
    NasbenchSuiteError
        When the memory of the GPU does not hold a single network.
    """
    if isinstance(get_space(space), JointSpace):
        return _train_by_setting(
            space,
            genes,
            skeleton,
            data,
            recipe,
            seed=seed,
            precision=precision,
            notice=notice,
            progress=progress,
        )
    order = np.lexsort(genes.T[::-1])
    together = not why_not_together(space, skeleton, data, recipe) and precision == "float32"
    done: list[LearningCurves] = []
    size = group_size(data.inputs.device.type, len(genes)) if together else 1
    for rows in _groups(order, size):
        if together:
            done += _halving(space, genes, rows, skeleton, data, recipe, seed, notice)
        else:
            network = initial_network(space, genes[rows[0]], skeleton, seed)
            done.append(Trainer(precision=precision).train(network, data, recipe, seed=seed))
        if progress is not None:
            progress(sum(map(len, done)), len(genes))
    if not done:
        return LearningCurves.empty(0, recipe.epochs)
    return LearningCurves.concatenate(done).take(np.argsort(order))


def group_size(device: str, number: int) -> int:
    """Return how many of so many networks, which can be folded, train together on `cpu` or a GPU."""
    if device == "cpu":
        return CPU_GROUP
    groups = -(-number // GPU_GROUP)
    return -(-number // max(groups, 1)) or 1  # of equal size, so that the last is no small one


def _train_by_setting(
    space: str,
    genes: Genes,
    skeleton: Skeleton,
    data: TrainingData,
    recipe: Recipe,
    *,
    progress: Callable[[int, int], None] | None,
    **how: Any,
) -> LearningCurves:
    """Train the cells of every setting by its own recipe, as if they were alone."""
    joint, finished = get_space(space), 0
    done: list[LearningCurves] = []
    order: list[Rows] = []
    assert isinstance(joint, JointSpace)
    for rows, own_recipe in recipes_by_setting(joint, genes, recipe):
        cells = joint.architectures(genes[rows])
        told = None if progress is None else _after(progress, finished, len(genes))
        done.append(
            train_all(joint.architecture_space.name, cells, skeleton, data, own_recipe, progress=told, **how)
        )
        order.append(rows)
        finished += len(rows)
    if not done:
        return LearningCurves.empty(0, recipe.epochs)
    return LearningCurves.concatenate(done).take(np.argsort(np.concatenate(order)))


def recipes_by_setting(space: JointSpace, genes: Genes, recipe: Recipe) -> Iterator[tuple[Rows, Recipe]]:
    """Yield the rows of every setting, and the recipe with its values.

    Raises
    ------
    NasbenchSuiteError
        When a hyperparameter is none of a recipe's numbers, or the epochs: curves are of one length.
    """
    for name in space.grid.values:
        usable = name in space.grid.numbers and name != "epochs"
        if not usable or not isinstance(getattr(recipe, name, ""), int | float):
            raise NasbenchSuiteError(
                f"networks of space {space.name} cannot be trained with {name} as a hyperparameter; numbers "
                "of a training recipe but its epochs can be one."
            )
    numbers, settings = space.setting_number(genes), space.settings(genes)
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        own = {name: type(getattr(recipe, name))(values[rows[0]]) for name, values in settings.items()}
        yield rows, replace(recipe, **own)


def _after(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    return lambda done, _: progress(before + done, total)


def _groups(order: Rows, size: int) -> Iterator[Rows]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _halving(
    space: str,
    genes: Genes,
    rows: Rows,
    skeleton: Skeleton,
    data: TrainingData,
    recipe: Recipe,
    seed: int,
    notice: Notice,
) -> list[LearningCurves]:
    """Train a group, or, if the memory does not hold it, its halves."""
    try:
        return [train_together(space, genes[rows], skeleton, data, recipe, seed=seed)]
    except torch.cuda.OutOfMemoryError as problem:
        if len(rows) == 1:
            raise NasbenchSuiteError(
                "the GPU's memory does not hold one network; take a smaller batch, or free memory."
            ) from problem
    torch.cuda.empty_cache()
    half = len(rows) // 2
    notice(f"{len(rows)} networks do not fit into the GPU's memory; going on with {half} at a time.")
    parts = []
    for part in (rows[:half], rows[half:]):
        parts += _halving(space, genes, part, skeleton, data, recipe, seed, notice)
    return parts
