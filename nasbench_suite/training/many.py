"""Training many small networks of one space together, as one; see `folded/` for how.

In float32 each follows the network that is trained alone, from the same initial weights and over the same
batches, to rounding.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from numpy.typing import NDArray
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.folded.macro import FoldedMacro, MacroWeights
from nasbench_suite.training.folded.topology import FoldedTopology, TopologyWeights
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import Recipe
from nasbench_suite.training.seeds import batch_generator, initial_states
from nasbench_suite.training.threads import one_thread
from nasbench_suite.training.trainer import epoch_batches

_FOLDED: dict[str, tuple[type[Any], type[Any]]] = {
    "macro": (MacroWeights, FoldedMacro),
    "nats_topology": (TopologyWeights, FoldedTopology),
}
"""Spaces whose networks can be trained together: the weights of a group, and its networks."""
CPU_GROUP = 4
"""Networks that train together on a CPU: as many as keep what a step touches in the cache (README)."""
_EVALUATION_BATCH = 100


def why_not_together(space: str, skeleton: Skeleton, data: TrainingData, recipe: Recipe) -> str:
    """Return why networks cannot be trained together, completing a sentence; empty if they can."""
    if space not in _FOLDED:
        return f"networks of space {space} are not folded (those of {', '.join(_FOLDED)} are)"
    if data.dims != 1 or skeleton.style != "light":
        return "only networks of style light on signals are folded"
    if recipe.optimizer != "sgd" or recipe.clip or recipe.label_smoothing or recipe.norm_momentum is not None:
        return f"recipe {recipe.name} does more than plain stochastic gradient descent"
    if len(data.train) % recipe.batch and not recipe.drop_last:
        return f"{len(data.train)} training inputs leave a smaller last batch of {recipe.batch}"
    return ""


def train_together(
    space: str,
    genes: Genes,
    skeleton: Skeleton,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    networks: Sequence[nn.Module] | None = None,
) -> LearningCurves:
    """Train the architectures in one group and return their curves, in their order.

    Parameters
    ----------
    space, genes, skeleton
        The architectures, uint8 `[n, n_genes]`, and what surrounds them.
    data
        On the device that computes.
    recipe, seed
        How to train, and what initial weights and batches depend on.
    networks
        Networks that give the initial weights and get the trained ones; new ones by `seed` without them.

    Raises
    ------
    NasbenchSuiteError
        When they cannot be trained together; says why.
    """
    reason = why_not_together(space, skeleton, data, recipe)
    if reason:
        raise NasbenchSuiteError(f"these networks cannot be trained together: {reason}.")
    order = np.lexsort(genes.T[::-1])
    ordered = np.ascontiguousarray(genes[order])
    given = [networks[row] for row in order] if networks is not None else None
    group = _Group(ordered, skeleton, data, recipe, seed, space, given)
    # Two threads would save a quarter of the time and double the processor seconds, which are the cost.
    with one_thread() if data.inputs.device.type == "cpu" else nullcontext():
        curves = group.train()
    if given is not None:
        group.weights.parameters.write(given)
    return curves.take(np.argsort(order))


class _Group:
    def __init__(
        self,
        genes: Genes,
        skeleton: Skeleton,
        data: TrainingData,
        recipe: Recipe,
        seed: int,
        space: str,
        networks: Sequence[nn.Module] | None,
    ):
        self.recipe, self.seed, self.data = recipe, seed, data
        self.models, self.device = len(genes), data.inputs.device
        kind, folded = _FOLDED[space]
        self.weights = kind(genes, skeleton, self.device)
        if networks is None:
            self.weights.parameters.read(initial_states(space, genes, skeleton, seed))
        else:
            self.weights.parameters.read([network.state_dict() for network in networks])
        length = data.shape[-1]
        self.trained = folded(self.weights, length, recipe.batch, training=True)
        self.judged = folded(self.weights, length, _EVALUATION_BATCH, training=False)
        # The batch is the last axis of all that follows, so that of the data is, too.
        inputs, _ = data.batch(torch.arange(len(data.inputs)))
        self.signals = inputs.permute(1, 2, 0).contiguous()
        self.minus_one = torch.full((self.models, 1, recipe.batch), -1.0, device=self.device)

    @torch.no_grad()
    def train(self) -> LearningCurves:
        curves = LearningCurves.empty(self.models, self.recipe.epochs)
        failures = [""] * self.models
        for epoch in range(self.recipe.epochs):
            started = self._clock()
            loss, accuracy = self._epoch(epoch)
            trained = self._clock()
            self.judged.prepare()
            valid, test = self._judge(self.data.valid), self._judge(self.data.test)
            ended = self._clock()
            results = (accuracy, loss, valid[1], valid[0], test[1], test[0])
            for target, values in zip(_curve_arrays(curves), results, strict=True):
                target[:, epoch] = values
            curves.train_seconds[:, epoch] = (trained - started) / self.models
            curves.eval_seconds[:, epoch] = (ended - trained) / self.models
            for model in np.flatnonzero(~np.isfinite(loss)).tolist():
                if not failures[model]:
                    failures[model] = f"the loss became {loss[model]} in epoch {epoch + 1}"
                _forget(curves, model, epoch)
        if self.device.type == "cuda":
            curves.peak_bytes[:] = torch.cuda.max_memory_allocated(self.device) // self.models
        return replace(curves, failures=tuple(failures))

    def _clock(self) -> float:
        """Processor seconds on a CPU, where other work may run beside; elsewhere seconds once all is done."""
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def _epoch(self, epoch: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train for an epoch; return the mean loss and accuracy of every model, `[M]`."""
        recipe, total, hits = self.recipe, torch.zeros(self.models), torch.zeros(self.models)
        total, hits = total.to(self.device), hits.to(self.device)
        steps = recipe.steps(len(self.data.train))
        for step, batch in enumerate(epoch_batches(self.data, recipe, batch_generator(self.seed, epoch))):
            labels = self.data.labels[batch].expand(self.models, 1, -1)
            logits = self.trained.forward(self.signals[:, :, batch])
            log_likelihood = F.log_softmax(logits, 1)
            total -= log_likelihood.gather(1, labels).mean((1, 2))
            hits += (logits.argmax(1, keepdim=True) == labels).float().mean((1, 2))
            grad = log_likelihood.exp_().scatter_add_(1, labels, self.minus_one)
            self.trained.backward(grad.div_(recipe.batch))
            parameters = self.weights.parameters
            parameters.track()
            rate = recipe.rate(epoch, step, steps)
            parameters.step(rate, recipe.momentum, recipe.weight_decay, recipe.nesterov)
        return _numpy(total / steps), _numpy(hits / steps)

    def _judge(self, indices: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean loss and accuracy of every model over a split, `[M]`."""
        if not len(indices):
            return np.full(self.models, np.nan), np.full(self.models, np.nan)
        loss, hits = (torch.zeros(self.models, device=self.device) for _ in range(2))
        for part in torch.split(indices, _EVALUATION_BATCH):
            present = len(part)
            filled = part if present == _EVALUATION_BATCH else part.repeat(_EVALUATION_BATCH)
            logits = self.judged.infer(self.signals[:, :, filled[:_EVALUATION_BATCH]])[:, :, :present]
            labels = self.data.labels[part].expand(self.models, 1, -1)
            loss -= F.log_softmax(logits, 1).gather(1, labels).sum((1, 2))
            hits += (logits.argmax(1, keepdim=True) == labels).sum((1, 2))
        return _numpy(loss / len(indices)), _numpy(hits / len(indices))


def _numpy(values: Tensor) -> NDArray[np.float64]:
    result: NDArray[np.float64] = values.double().cpu().numpy()
    return result


def _curve_arrays(curves: LearningCurves) -> tuple[NDArray[np.float64], ...]:
    return (
        curves.train_accuracy,
        curves.train_loss,
        curves.valid_accuracy,
        curves.valid_loss,
        curves.test_accuracy,
        curves.test_loss,
    )


def _forget(curves: LearningCurves, model: int, epoch: int) -> None:
    """Make an epoch without a finite loss NaN: accuracies of such a network are worth nothing."""
    for array in _curve_arrays(curves):
        array[model, epoch] = np.nan
