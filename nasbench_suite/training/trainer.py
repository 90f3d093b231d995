"""Training one network: learning curves, checkpoints, an end with a reason where the loss is no number."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.captured_step import CapturedStep
from nasbench_suite.training.checkpoint import Checkpoint, read_checkpoint, runs_on, write_checkpoint
from nasbench_suite.training.compiled import check_compiler, compiled
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.environment import Environment
from nasbench_suite.training.kept_memory import kept_memory
from nasbench_suite.training.optimizers import make_optimizer
from nasbench_suite.training.recipes import Recipe
from nasbench_suite.training.seeds import batch_generator
from nasbench_suite.training.threads import one_thread

Precision = Literal["float32", "bfloat16"]
Progress = Callable[[int, int], None]
_EVALUATION_BATCH = 1000
_IMAGES_ON_CPU = 64
"""Images that a CPU evaluates at a time: what layers make of more leaves its cache (CIFAR-10, cell 0 of the
topology space: 5.6 ms an image by 1,024, 1.9 by 64)."""


@dataclass(frozen=True)
class Trainer:
    """How training is carried out; what is trained, and how, is said to `train`.

    Attributes
    ----------
    precision
        `float32`, in which PyTorch may convolve in TF32 on CUDA (`torch.backends.cudnn.allow_tf32`), or
        `bfloat16` for the products of forward passes, weights staying float32.
    checkpoint
        A file that holds the state after an epoch; a training that finds it goes on from there. None: no
        checkpoints.
    checkpoint_seconds
        Least time between two checkpoints.
    progress
        Called with the epochs done and all epochs.
    judged_every
        Epochs from one evaluation to the next; curves are NaN between, and the last epoch is always
        evaluated.
    capture
        Whether steps on CUDA are captured as a graph and replayed; the same numbers, launched at once.
    compiled
        Whether `torch.compile` fuses the operations of a network on images on a CPU, which then differ in
        rounding; it takes a C++ compiler, and half a minute or more before the first step.

    Raises
    ------
    NasbenchSuiteError
        When the precision is none of these, or `judged_every` is less than 1.
    """

    precision: Precision = "float32"
    checkpoint: Path | None = None
    checkpoint_seconds: float = 60.0
    progress: Progress | None = None
    judged_every: int = 1
    capture: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise NasbenchSuiteError(
                f"networks train in {' or '.join(get_args(Precision))}, not in {self.precision!r}."
            )
        if self.judged_every < 1:
            raise NasbenchSuiteError(
                f"networks are evaluated every so many epochs, at least 1, not {self.judged_every}."
            )

    def train(self, network: nn.Module, data: TrainingData, recipe: Recipe, *, seed: int) -> LearningCurves:
        """Train a network in place, on the device of the data, and return its curves, one row.

        The same seed gives the same bytes on one device. A loss that is no number ends the training, and
        the curves say so.

        Raises
        ------
        NasbenchSuiteError
            When the data do not fill a batch, the checkpoint is of another training, or the network cannot
            be compiled here.
        DamagedFileError
            When the checkpoint is damaged.
        """
        if self.compiled:
            check_compiler(data.inputs.device.type, data.dims)
        run = _Run(self, network, data, recipe, seed)
        return run.train()


class _Run:
    def __init__(self, trainer: Trainer, network: nn.Module, data: TrainingData, recipe: Recipe, seed: int):
        self.trainer, self.data, self.recipe, self.seed = trainer, data, recipe, seed
        self.device = data.inputs.device
        self.network = _on_device(network, self.device)
        _set_norms(network, recipe)
        self.optimizer = make_optimizer(network.parameters(), recipe)
        self.curves = LearningCurves.empty(1, recipe.epochs)
        self.steps = recipe.steps(len(data.train))
        self.failure = ""
        self.captured: CapturedStep | None = None
        self.whole_batch = compiled(self.network) if trainer.compiled else self.network
        self.ran_on: Environment = {}

    def train(self) -> LearningCurves:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        first, saved = self._restore(), time.monotonic()
        with _deterministic(), _on_processor(self.data):
            for epoch in range(first, self.recipe.epochs):
                self._epoch(epoch)
                if self.failure:
                    break
                if self.trainer.progress is not None:
                    self.trainer.progress(epoch + 1, self.recipe.epochs)
                if self.trainer.checkpoint and time.monotonic() - saved >= self.trainer.checkpoint_seconds:
                    self._save(self.trainer.checkpoint, epoch + 1)
                    saved = time.monotonic()
        if self.device.type == "cuda":
            self.curves.peak_bytes[0] = torch.cuda.max_memory_allocated(self.device)
        return replace(self.curves, failures=(self.failure,))

    def _epoch(self, epoch: int) -> None:
        curves, started = self.curves, self._clock()
        loss, accuracy = self._learn(epoch)
        trained = self._clock()
        if not np.isfinite(loss):
            self.failure = f"the loss became {loss} in epoch {epoch + 1}"
            return
        curves.train_loss[0, epoch], curves.train_accuracy[0, epoch] = loss, accuracy
        curves.train_seconds[0, epoch] = trained - started
        if (epoch + 1) % self.trainer.judged_every and epoch + 1 < self.recipe.epochs:
            return
        valid, test = self.data.valid, self.data.test
        judged = self._judge(valid)
        curves.valid_loss[0, epoch], curves.valid_accuracy[0, epoch] = judged
        same = torch.equal(valid, test)  # as some authors have it
        curves.test_loss[0, epoch], curves.test_accuracy[0, epoch] = judged if same else self._judge(test)
        curves.eval_seconds[0, epoch] = self._clock() - trained

    def _learn(self, epoch: int) -> tuple[float, float]:
        """Train for an epoch; return the mean loss and accuracy over all inputs that were seen."""
        self.network.train()
        recipe = self.recipe
        generator = batch_generator(self.seed, epoch)
        loss_sum, hits, seen = (torch.zeros((), device=self.device) for _ in range(3))
        for step, batch in enumerate(epoch_batches(self.data, recipe, generator)):
            inputs, labels = self.data.batch(batch, generator, augment=True)
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate(epoch, step, self.steps)
            logits, loss = self._gradients(_laid_out(inputs), labels)
            if recipe.clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
            self.optimizer.step()
            loss_sum += loss * len(batch)
            hits += (logits.argmax(1) == labels).sum()
            seen += len(batch)
        return float(loss_sum / seen), float(hits / seen)

    def _gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradients of the weights; return logits and loss of the batch."""
        if self.device.type == "cuda" and self.trainer.capture and len(labels) == self.recipe.batch:
            if self.captured is None:
                self.captured = CapturedStep(self._passes, self.network, inputs, labels)
            return self.captured(inputs, labels)
        self.optimizer.zero_grad(set_to_none=self.captured is None)  # a graph writes to where they are
        return self._passes(inputs, labels)

    def _passes(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        network = self.whole_batch if len(labels) == self.recipe.batch else self.network
        with self._precision():
            logits = network(inputs)
        loss = F.cross_entropy(_wide(logits), labels, label_smoothing=self.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return logits.detach(), loss.detach()

    def _judge(self, indices: Tensor) -> tuple[float, float]:
        """Return the mean loss and accuracy over a split; NaN if it is empty."""
        if not len(indices):
            return float("nan"), float("nan")
        log_likelihood, labels = predict(self.network, self.data, indices, precision=self.trainer.precision)
        loss = F.nll_loss(log_likelihood, labels)
        return float(loss), float((log_likelihood.argmax(1) == labels).double().mean())

    def _precision(self) -> AbstractContextManager[Any]:
        return _autocast(self.device, self.trainer.precision)

    def _clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    @property
    def _request(self) -> str:
        """What a checkpoint must be of to be taken up, as text."""
        shapes = {name: list(value.shape) for name, value in self.network.state_dict().items()}
        return json.dumps(
            {
                "recipe": asdict(self.recipe),
                "seed": self.seed,
                "data": self.data.provenance,
                "precision": self.trainer.precision,
                "network": shapes,
            },
            sort_keys=True,
        )

    def _save(self, path: Path, epochs: int) -> None:
        state = Checkpoint(
            request=self._request,
            epochs=epochs,
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            curves=self.curves,
            ran_on=self.ran_on,
        )
        write_checkpoint(path, state)

    def _restore(self) -> int:
        """Take up the checkpoint, if there is one; return the number of epochs that are done."""
        path = self.trainer.checkpoint
        if path is None:
            return 0
        self.ran_on = runs_on(self.device.type, path, compiled=self.trainer.compiled)
        state = read_checkpoint(path, self.device, self._request)
        if state is None:
            return 0
        self.network.load_state_dict(state.network)
        self.optimizer.load_state_dict(state.optimizer)
        self.curves = state.curves
        return state.epochs


def epoch_batches(data: TrainingData, recipe: Recipe, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of an epoch's batches: the training inputs in an order that the generator draws."""
    shuffled = torch.randperm(len(data.train), generator=generator)
    order = data.train[shuffled.to(data.train.device)]
    for step in range(recipe.steps(len(data.train))):
        yield order[step * recipe.batch : (step + 1) * recipe.batch]


@torch.no_grad()
def predict(
    network: nn.Module, data: TrainingData, indices: Tensor, *, precision: Precision = "float32"
) -> tuple[Tensor, Tensor]:
    """Return log likelihoods of all classes, float32 `[b, classes]`, and labels, in inference."""
    network.eval()
    device, parts = data.inputs.device, []
    at_once = _IMAGES_ON_CPU if device.type == "cpu" and data.dims == 2 else _EVALUATION_BATCH
    for part in torch.split(indices, at_once):
        inputs, _ = data.batch(part)
        with _autocast(device, precision):
            logits = network(_laid_out(inputs))
        parts.append(F.log_softmax(_wide(logits), 1))
    return torch.cat(parts), data.labels[indices.to(data.labels.device)]


def _wide(logits: Tensor) -> Tensor:
    """Return logits in which likelihoods can be computed: bfloat16 has three digits."""
    return logits.float() if logits.dtype == torch.bfloat16 else logits


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def _on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network with the channels last, where convolutions of images are fastest on all devices."""
    network.to(device)
    if any(weight.ndim == 4 for weight in network.parameters()):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _laid_out(inputs: Tensor) -> Tensor:
    """Return images as the network is laid out."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def _set_norms(network: nn.Module, recipe: Recipe) -> None:
    if recipe.norm_momentum is None:
        return
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = recipe.norm_momentum


def _on_processor(data: TrainingData) -> AbstractContextManager[Any]:
    """Return what makes the most of a CPU, if the data lie there."""
    if data.inputs.device.type != "cpu":
        return nullcontext()
    # Networks on signals are too small to gain from more threads: they take three times as long with two.
    return one_thread() if data.dims == 1 else kept_memory()


def _deterministic() -> AbstractContextManager[Any]:
    tf32 = torch.backends.cudnn.allow_tf32  # what the user has set stays so
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=tf32)
