"""The buffers of a folded network: activations, their gradients, and the model ranges that operations see."""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Buffers:
    """Arrays by role, shared by all that ask for the same role and size.

    What a backward pass does not need is asked for by the same role in every stage, which keeps the memory
    that a step touches small enough for the cache.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._arrays: dict[tuple[object, int], Tensor] = {}

    def own(self, *shape: int) -> Tensor:
        """Return zeros of their own."""
        return torch.zeros(shape, device=self.device)

    def shared(self, role: object, *shape: int) -> Tensor:
        """Return the array of a role, zeros when it is new."""
        key = (role, prod(shape))
        if key not in self._arrays:
            self._arrays[key] = self.own(prod(shape))
        return self._arrays[key].view(shape)


class Members:
    """Some models of a group: a range of the model axis, or, where they are scattered, their numbers.

    A range is a view. Scattered ones are gathered and scattered by copies, which pays where launching an
    operation costs more than moving its data: on a GPU.
    """

    def __init__(self, models: NDArray[np.intp], device: torch.device):
        self.models = models
        contiguous = bool(models[-1] - models[0] + 1 == len(models))
        self.range = slice(int(models[0]), int(models[-1]) + 1) if contiguous else None
        self.index = torch.from_numpy(models.astype(np.int64)).to(device)

    def __len__(self) -> int:
        return len(self.models)


def members(has: NDArray[np.bool_], device: torch.device) -> list[Members]:
    """Return the models that have something, bool `[models]`: as ranges on a CPU, all at once elsewhere."""
    models = np.flatnonzero(has)
    if not len(models):
        return []
    if device.type != "cpu":
        return [Members(models, device)]
    breaks = np.flatnonzero(np.diff(models) > 1) + 1
    return [Members(part, device) for part in np.split(models, breaks)]


class Window:
    """What an operation sees of a buffer `[M, ...]`: the rows of its models.

    `tensor` is the same array in every step, so views of it can be made once. It is a view of the buffer,
    or, for scattered models, a copy that `fetch` fills and `flush` adds back.
    """

    def __init__(self, buffer: Tensor, who: Members, buffers: Buffers, role: object):
        self._buffer, self._who = buffer, who
        self._scattered = who.range is None
        self.covers_all = not self._scattered and len(who) == len(buffer)
        if who.range is None:
            self.tensor = buffers.shared((role, len(who)), len(who), *buffer.shape[1:])
        else:
            self.tensor = buffer[who.range]

    def fetch(self) -> None:
        """Bring `tensor` up to date."""
        if self._scattered:
            torch.index_select(self._buffer, 0, self._who.index, out=self.tensor)

    def clear(self) -> None:
        """Make `tensor` ready to be added to."""
        if self._scattered:
            self.tensor.zero_()

    def flush(self) -> None:
        """Add what was added to `tensor` to the buffer."""
        if self._scattered:
            self._buffer.index_add_(0, self._who.index, self.tensor)

    def put(self) -> None:
        """Write `tensor` into the buffer."""
        if self._scattered:
            self._buffer.index_copy_(0, self._who.index, self.tensor)


class Activation:
    """The values at one node of all models of a group, `[M, channels, length, batch]`, and their gradient.

    Attributes
    ----------
    value, flat
        The values, and the same as `[M, channels, length * batch]`.
    bias
        `[M, channels, 1]`: what the operations that end here add to every place.
    convolved
        Whether a convolution starts here, so that `rectified` is of use.
    passes_grad_on
        Whether an operation other than through ReLU starts here, so that it adds to the gradient directly.
    rectified
        After ReLU, with `pad` zero places before and after the length, if anything convolves here.
    grad, grad_flat
        The gradient, in training.
    grad_sum, grad_centred
        The gradient's sum over length and batch, and the gradient less its mean.
    """

    def __init__(
        self,
        shape: Sequence[int],
        role: object,
        buffers: Buffers,
        *,
        training: bool,
        pad: int | None = None,
    ):
        models, channels, length, batch = shape
        self.models, self.channels, self.length, self.batch = models, channels, length, batch
        self.places = length * batch
        self.value = buffers.shared((role, "value"), *shape)
        self.flat = self.value.view(models, channels, self.places)
        self.bias = buffers.own(models, channels, 1)
        self.pad = pad
        self.convolved = pad is not None
        self.passes_grad_on = True
        if pad is not None:
            padded = (models, channels, length + 2 * pad, batch)
            self.rectified = (
                buffers.own(*padded) if training else buffers.shared((role, "rectified"), *padded)
            )
            self._inside = self.rectified[:, :, pad : pad + length]
        if training:
            self.grad = buffers.shared((role, "grad"), *shape)
            self.grad_flat = self.grad.view(models, channels, self.places)
            self.grad_sum = buffers.own(models, channels, 1)
            self.grad_centred = buffers.shared("centred", models, channels, self.places)
            if pad is not None:
                self.grad_rectified = buffers.shared((role, "grad rectified"), *padded)
                self._grad_inside = self.grad_rectified[:, :, pad : pad + length]
                self._masked = buffers.shared("centred", *shape)

    def start(self) -> None:
        """Set every place to the bias; operations add to it."""
        self.flat.copy_(self.bias.expand_as(self.flat))

    def rectify(self) -> None:
        """Bring `rectified` up to date."""
        if self.convolved:
            torch.clamp_min(self.value, 0, out=self._inside)

    def clear_grad(self) -> None:
        """Make the gradients ready to be added to."""
        if self.passes_grad_on or not self.convolved:
            self.grad.zero_()
        if self.convolved:
            self.grad_rectified.zero_()

    def finish_grad(self) -> None:
        """Add what came through ReLU."""
        if not self.convolved:
            return
        target = self._masked if self.passes_grad_on else self.grad
        torch.ops.aten.threshold_backward.grad_input(self._grad_inside, self._inside, 0, grad_input=target)
        if self.passes_grad_on:
            self.grad.add_(self._masked)

    def centre_grad(self) -> None:
        """Set `grad_sum` and `grad_centred`, which all normalised operations that end here use."""
        torch.sum(self.grad_flat, 2, keepdim=True, out=self.grad_sum)
        torch.sub(self.grad_flat, self.grad_sum / self.places, out=self.grad_centred)
