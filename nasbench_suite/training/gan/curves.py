"""What the training of generators leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 8
"""What of every generator is kept: so many signals or images."""
_SHARED = ("steps", "failures")


@dataclass(frozen=True, eq=False)
class GanCurves:
    """Scores of many generators along their training; those of silence from where one failed.

    Attributes
    ----------
    steps
        Of the generators at every checkpoint, int64 `[checkpoints]`.
    frechet_valid, frechet_test
        Frechet distance to the inputs to validate and to test, float64 `[models, checkpoints]`; less is
        better.
    inception
        Inception score, float64 `[models, checkpoints]`; more is better, 1 to the number of
        classes.
    generator_loss, critic_loss
        Hinge losses, means since the last checkpoint, float32 `[models, checkpoints]`; NaN from the
        checkpoint on at which one failed.
    train_seconds
        Each model's share of the training, judgement apart, float64 `[models]`: processor seconds on the
        CPU, the device's time on CUDA.
    samples
        What the generator makes at the end, float32 `[models, 8, channels, *size]`; of the same noise for
        all.
    failures
        Why a training is worth nothing, "" where it is not so, one per model.
    """

    steps: NDArray[np.int64]
    frechet_valid: NDArray[np.float64]
    frechet_test: NDArray[np.float64]
    inception: NDArray[np.float64]
    generator_loss: NDArray[np.float32]
    critic_loss: NDArray[np.float32]
    train_seconds: NDArray[np.float64]
    samples: NDArray[np.float32]
    failures: tuple[str, ...]

    @classmethod
    def concatenate(cls, groups: Sequence["GanCurves"]) -> "GanCurves":
        """Return the curves of all groups, which have the same checkpoints, one after the other."""
        joined: dict[str, Any] = {
            entry.name: np.concatenate([getattr(group, entry.name) for group in groups])
            for entry in fields(cls)
            if entry.name not in _SHARED
        }
        failures = tuple(failure for group in groups for failure in group.failures)
        return cls(steps=groups[0].steps, failures=failures, **joined)

    def take(self, model: int) -> "GanCurves":
        """Return the curves of one model."""
        own: dict[str, Any] = {
            entry.name: getattr(self, entry.name)[model : model + 1]
            for entry in fields(self)
            if entry.name != "steps"
        }
        return replace(self, **own)
