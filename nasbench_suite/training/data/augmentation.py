"""Random changes to training images, a batch at a time on the device where the images are."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Augmentation(Protocol):
    """Changes a batch of training inputs at random, before they are normalised."""

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed inputs, of the same type and shape as `inputs`, `[b, channels, *size]`."""
        ...


@dataclass(frozen=True)
class FlipCrop:
    """Flips half of the images left to right, then cuts a window of their size out of a black frame.

    Every image has its own flip and its own window. The frame is black, 0 in the units of the images, since
    NAS-Bench-201, NAS-Bench-101 and NAS-Bench-Macro pad before they normalise.
    Source: the training recipe of NAS-Bench-201 (ICLR 2020, section 2.3), after He et al. (CVPR 2016, section
    4.2).

    Parameters
    ----------
    padding
        Width of the frame in pixels.
    """

    padding: int

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images flipped and shifted, `[b, channels, height, width]` like `inputs`.

        A generator of the CPU makes the same changes to images on any device.
        """
        count, height, width = len(inputs), inputs.shape[2], inputs.shape[3]
        flips = _drawn(2, (count, 1, 1, 1), inputs.device, generator).bool()
        down, right = _drawn(2 * self.padding + 1, (2, count), inputs.device, generator)
        flipped = torch.where(flips, inputs.flip(3), inputs)
        framed = functional.pad(flipped, (self.padding,) * 4)
        windows = framed.unfold(2, height, 1).unfold(3, width, 1)  # a view, [b, channels, down, right, h, w]
        return windows[torch.arange(count, device=inputs.device), :, down, right]


def _drawn(high: int, shape: tuple[int, ...], device: torch.device, generator: torch.Generator) -> Tensor:
    """Draw integers from 0 up to `high`, exclusive, where the generator is, and bring them to the device."""
    drawn = torch.randint(high, shape, generator=generator, device=generator.device)
    if drawn.device.type == "cpu" and device.type == "cuda":
        drawn = drawn.pin_memory()  # or the copy would wait for all that the device still has to do
    return drawn.to(device, non_blocking=True)
