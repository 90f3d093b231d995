"""Trains the generators of many architectures, and judges them along the way."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.captured import CapturedStep
from nasbench_suite.training.gan.classifier import Classifier
from nasbench_suite.training.gan.curves import GanCurves
from nasbench_suite.training.gan.draws import CHUNK, StepDraws, step_draws
from nasbench_suite.training.gan.judge import Judge, Judgement
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.threads import one_thread

Progress = Callable[[int, int], None]
COLLAPSED = "the generator's outputs are all the same"


def train_gans(
    genes: Genes,
    space: str,
    recipe: GanRecipe,
    *,
    data: TrainingData,
    classifier: Classifier,
    seed: int,
    device: str | torch.device = "cpu",
    capture: bool = False,
    group: int | None = None,
    progress: Progress | None = None,
) -> GanCurves:
    """Train a generator of every architecture, with a discriminator of its own each.

    A result does not depend on what else is trained, but for rounding. A training whose weights or
    losses are no numbers is given up with the reason, and from there on has the scores of a generator
    that makes nothing but zeros. One whose generator makes a single signal or image in the end has a reason,
    too; its inception score is 1, and its distance that which this has.

    Parameters
    ----------
    genes
        uint8 `[models, n_genes]`.
    space
        `gan` or `gan_two_cells`.
    recipe
        How to train and judge.
    data
        The signals or images that they learn to make.
    classifier
        What judges; on the device.
    seed
        Of initial weights, noise and batches.
    device
        Where.
    capture
        Whether a step is captured as a CUDA graph.
    group
        Most models at once; all if None.
    progress
        Called every 100 steps with the steps that are done and all steps, over all groups.

    Raises
    ------
    NasbenchSuiteError
        When there are no architectures, the group is none, or a capture is asked for without CUDA.
        Or when the space has too many cells for the size of what is made.
    ArchitectureError
        When the rows are no architectures of the space.
    """
    device = torch.device(device)
    if not len(genes):
        raise NasbenchSuiteError("there are no architectures to train; give at least one.")
    if group is not None and group < 1:
        raise NasbenchSuiteError(f"a group must have at least 1 model, not {group}.")
    if capture and device.type != "cuda":
        raise NasbenchSuiteError(f"a step is captured on cuda only, not on {device.type}; leave capture off.")
    data = data.to(device)
    with _steady(device):
        train, valid, test = (data.batch(part)[0] for part in (data.train, data.valid, data.test))
        judge = Judge(classifier, recipe, valid, test)
        starts = range(0, len(genes), group or len(genes))
        parts = []
        for number, start in enumerate(starts):
            rows = genes[start : start + (group or len(genes))]
            told = _within(progress, number, len(starts))
            adversaries = Adversaries(space, rows, recipe, seed, train)
            parts.append(_Run(adversaries, judge, seed, capture, told).train())
    return GanCurves.concatenate(parts)


def cpu_group(data: TrainingData) -> int:
    """Return how many generators train together on a CPU: of signals more gain nothing, of images two lose.

    What a layer makes of images for several models leaves the cache: `tests/benchmarks/test_gans.py`.
    """
    return 5 if data.dims == 1 else 1


class _Run:
    def __init__(
        self, adversaries: Adversaries, judge: Judge, seed: int, capture: bool, progress: Progress | None
    ):
        self.adversaries, self.judge, self.seed, self.capture = adversaries, judge, seed, capture
        self.recipe, self.progress = adversaries.recipe, progress
        self.models = len(adversaries.weights)
        shape = (self.models, self.recipe.checkpoints)
        names = ("frechet_valid", "frechet_test", "inception")
        self.scores = {name: np.full(shape, np.nan) for name in names}
        self.losses = np.full((2, *shape), np.nan, dtype=np.float32)
        self.failures = [""] * self.models
        self.seconds = 0.0
        self.judgement: Judgement | None = None
        self.worst = judge.silence()

    def train(self) -> GanCurves:
        recipe, device = self.recipe, self.adversaries.weights.device
        apart = recipe.steps // recipe.checkpoints
        draws = self._drawn(0)
        take: Any = self.adversaries.step
        if self.capture:
            take = CapturedStep(self.adversaries, draws.noise[0], draws.real[0])
        started = _clock(device)
        for step in range(recipe.steps):
            if step and step % CHUNK == 0:
                draws = self._drawn(step // CHUNK)
                self._tell(step)
            take(draws.noise[step % CHUNK], draws.real[step % CHUNK])
            if (step + 1) % apart == 0:
                self.seconds += _clock(device) - started
                self._checkpoint(step // apart, step + 1)
                started = _clock(device)
        self._tell(recipe.steps)
        return self._curves(apart)

    def _drawn(self, chunk: int) -> StepDraws:
        inputs = self.adversaries.inputs
        return step_draws(self.recipe, self.seed, chunk, len(inputs)).to(inputs.device, inputs.dtype)

    def _tell(self, step: int) -> None:
        if self.progress is not None:
            self.progress(step, self.recipe.steps)

    def _checkpoint(self, place: int, step: int) -> None:
        adversaries = self.adversaries
        losses = adversaries.losses.cpu() / (self.recipe.steps // self.recipe.checkpoints)
        self._give_up(~adversaries.finite().cpu(), f"weights or losses became no numbers by step {step}")
        adversaries.losses.zero_()
        self.judgement = judged = self.judge(adversaries)  # of zeros where it is given up
        self._give_up(~judged.frechet_valid.isfinite(), f"scores were no numbers at step {step}")
        trained = torch.tensor([not failure for failure in self.failures])
        for name, values in self.scores.items():
            values[:, place] = torch.where(trained, getattr(judged, name), self.worst[name]).numpy()
        self.scores["inception"][(judged.collapsed & trained).numpy(), place] = 1.0
        self.losses[:, :, place] = torch.where(trained, losses.float(), torch.nan).numpy()

    def _give_up(self, dead: Tensor, reason: str) -> None:
        for model in dead.nonzero()[:, 0].tolist():
            self.failures[model] = self.failures[model] or reason
        self.adversaries.drop(dead.to(self.adversaries.alive.device))

    def _curves(self, apart: int) -> GanCurves:
        assert self.judgement is not None
        for model in self.judgement.collapsed.nonzero()[:, 0].tolist():
            self.failures[model] = self.failures[model] or COLLAPSED
        generator_loss, critic_loss = self.losses
        return GanCurves(
            steps=np.array(self.recipe.points),
            **self.scores,
            generator_loss=generator_loss,
            critic_loss=critic_loss,
            train_seconds=np.full(self.models, self.seconds / self.models),
            samples=self.judgement.samples.numpy(),
            failures=tuple(self.failures),
        )


def _within(progress: Progress | None, number: int, groups: int) -> Progress | None:
    """Return what tells a group's progress as that of all groups."""
    if progress is None:
        return None
    return lambda done, steps: progress(number * steps + done, groups * steps)


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def _steady(device: torch.device) -> AbstractContextManager[Any]:
    """Compute in full single precision, in one order of sums."""
    if device.type == "cpu":
        return one_thread()
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
