"""The data that networks are trained on: whole, on one device, normalised batch by batch."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.training.data.augmentation import Augmentation


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Inputs and labels of a whole data set on one device, and which of them train, validate and test.

    Attributes
    ----------
    name
        What `load_data` knows it by.
    inputs
        Images, uint8 0..255, or signals, float32; `[n, channels, *size]`.
    labels
        int64 `[n]`, 0..classes-1.
    train, valid, test
        Which inputs are for what, int64 indices; disjoint unless the protocol says otherwise.
    classes
        How many classes there are.
    mean, std
        Per channel, in the units of `inputs`; (0,) and (1,) where the inputs are normalised already.
    augmentation
        What is done to the training batches alone.
    provenance
        What it is, where it comes from, what was lost on the way, how it is split, and its SHA-256.
    """

    name: str
    inputs: Tensor
    labels: Tensor
    train: Tensor
    valid: Tensor
    test: Tensor
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation | None
    provenance: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and size of one input."""
        return tuple(self.inputs.shape[1:])

    @property
    def dims(self) -> int:
        """1 for signals, 2 for images."""
        return self.inputs.ndim - 2

    def to(self, device: str | torch.device) -> "TrainingData":
        """Return the same data on another device."""
        parts = ("inputs", "labels", "train", "valid", "test")
        return replace(self, **{part: getattr(self, part).to(device) for part in parts})

    def batch(
        self, indices: Tensor, generator: torch.Generator | None = None, augment: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return normalised inputs, float32 `[b, channels, *size]`, and labels, int64 `[b]`.

        Parameters
        ----------
        indices
            Which, int64 `[b]`.
        generator
            Draws the changes of augmentation; of the data's device or of the CPU.
        augment
            Whether to apply the data's augmentation, if it has one; for training batches.

        Raises
        ------
        ValueError
            When augmentation has no generator to draw from.
        """
        indices = indices.to(self.inputs.device)
        inputs = self.inputs[indices]
        if augment and self.augmentation is not None:
            if generator is None:
                raise ValueError("augmentation needs a generator")
            inputs = self.augmentation(inputs, generator)
        return self._normalised(inputs), self.labels[indices]

    def _normalised(self, inputs: Tensor) -> Tensor:
        if self._affine is None:
            return inputs.to(torch.float32)
        mean, std = self._affine
        return (inputs.to(torch.float32) - mean).div_(std)

    @cached_property
    def _affine(self) -> tuple[Tensor, Tensor] | None:
        """Mean and standard deviation, `[channels, 1...]`, or `None` where they would do nothing."""
        if set(self.mean) == {0.0} and set(self.std) == {1.0}:
            return None
        shape = (-1,) + (1,) * self.dims
        mean, std = (torch.tensor(values, dtype=torch.float32) for values in (self.mean, self.std))
        device = self.inputs.device
        return mean.reshape(shape).to(device), std.reshape(shape).to(device)


def content_sha256(inputs: NDArray[np.uint8] | NDArray[np.float32], labels: NDArray[np.int64]) -> str:
    """Return the SHA-256 of inputs and labels, in hexadecimal.

    Images count byte by byte. Signals are computed, and the last bits of what is computed differ from one
    processor or SciPy to the next; they count in units of 1e-4, which is far above that and far below the
    noise that is in them.
    """
    digest = hashlib.sha256()
    is_exact = inputs.dtype == np.uint8
    exact = inputs if is_exact else np.rint(inputs.astype(np.float64) * 1e4).astype("<i4")
    for array in (exact, labels.astype("<i8")):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
