"""Training networks and keeping what they predict: log likelihoods of the classes on both held-out splits."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nasbench_suite.spaces import Genes
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.many import CPU_GROUP, train_together, why_not_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import Recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.threads import one_thread
from nasbench_suite.training.trainer import Trainer, predict

LogLikelihoods = NDArray[np.float32]

_GPU_GROUP = 64
"""Networks that train together on a GPU; small enough to keep them all beside their predictions."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one trained network says of the validation and the test inputs.

    Attributes
    ----------
    valid, test
        Log likelihoods of all classes, float32 `[inputs, classes]`.
    """

    valid: LogLikelihoods
    test: LogLikelihoods


def train_and_predict(
    space: str,
    genes: Genes,
    skeleton: Skeleton,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    checkpoint: Path | None = None,
) -> tuple[LearningCurves, list[Predictions]]:
    """Train every architecture as `train_all` does; return the curves and what the networks predict then.

    Parameters
    ----------
    space, genes, skeleton
        The architectures, uint8 `[n, n_genes]`, and what surrounds them.
    data, recipe, seed
        On what and how to train, and what initial weights and batches depend on.
    checkpoint
        Where the state of a training lies that is not finished. Of no use to networks that train together,
        which take seconds.

    Raises
    ------
    NasbenchSuiteError
        When the data do not fill a batch, or the checkpoint is of another training.
    """
    alone = bool(why_not_together(space, skeleton, data, recipe))
    size = 1 if alone else CPU_GROUP if data.inputs.device.type == "cpu" else _GPU_GROUP
    curves: list[LearningCurves] = []
    predicted: list[Predictions] = []
    for start in range(0, len(genes), size):
        rows = genes[start : start + size]
        networks: list[nn.Module] = [initial_network(space, row, skeleton, seed) for row in rows]
        if alone:
            curves.append(Trainer(checkpoint=checkpoint).train(networks[0], data, recipe, seed=seed))
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
        else:
            curves.append(train_together(space, rows, skeleton, data, recipe, seed=seed, networks=networks))
        with one_thread() if data.dims == 1 else nullcontext():
            predicted += [_predictions(network, data) for network in networks]
    return LearningCurves.concatenate(curves), predicted


def _predictions(network: nn.Module, data: TrainingData) -> Predictions:
    network.to(data.inputs.device)
    parts = (data.valid, data.test)
    return Predictions(
        *(
            predict(network, data, part)[0].numpy(force=True)
            if len(part)
            else np.zeros((0, data.classes), np.float32)
            for part in parts
        )
    )
