"""What stands on the edges of a folded cell: forward pass, backward pass and inference, written out.

Operations add to the activation where they end. `prepare` is called once before inference.
"""

from typing import Protocol

import torch
from torch import Tensor

from nasbench_suite.training.folded.activations import Activation, Buffers, Members, Window
from nasbench_suite.training.folded.parameters import Norm, Weight


class Operation(Protocol):
    """An operation of some models from one activation to another.

    Attributes
    ----------
    convolves
        Whether it convolves and normalises, and so takes its target's centred gradient.
    """

    convolves: bool

    def start(self) -> None:
        """Add to the target's bias, in training."""
        ...

    def forward(self) -> None:
        """Add to the target's values."""
        ...

    def backward(self) -> None:
        """Add to the source's gradient, and set those of the weights."""
        ...

    def prepare(self) -> None:
        """Make ready for inference with the present weights, and add to the target's bias."""
        ...

    def infer(self) -> None:
        """Add to the target's values, in inference."""
        ...


class ReluConvNorm:
    """ReLU, convolution of 1 or 3 taps, batch normalisation.

    Attributes
    ----------
    first
        Whether it sets the target to the bias and its result, rather than adding: the first operation
        there, if all models have it.
    """

    convolves = True

    def __init__(
        self,
        source: Activation,
        target: Activation,
        who: Members,
        weight: Weight,
        norm: Norm,
        buffers: Buffers,
        *,
        training: bool,
    ):
        self.weight, self.norm = weight, norm
        self.taps = weight.shape[0]
        self.places, batch = source.places, source.batch
        pad = source.pad or 0
        offsets = [(pad - self.taps // 2 + tap) * batch for tap in range(self.taps)]

        def shifted(padded: Tensor) -> list[Tensor]:
            flat = padded.view(*padded.shape[:2], -1)
            return [flat[:, :, offset : offset + self.places] for offset in offsets]

        self.input = Window(source.rectified, who, buffers, "input")
        self.inputs = shifted(self.input.tensor)
        self.output = Window(target.flat, who, buffers, "output")
        self.bias = Window(target.bias, who, buffers, "bias")
        self.first = False
        self.target_bias = target.bias
        self.scaled = buffers.own(*weight.shape)
        if training:
            norm.count(self.places)
            shape = (len(who), source.channels, self.places)
            self.centred = buffers.own(*shape)
            self.delta = buffers.shared("delta", source.models, *shape[1:])[: len(who)]
            self.inputs_transposed = [tensor.transpose(1, 2) for tensor in self.inputs]
            self.scaled_transposed = [tensor.transpose(1, 2) for tensor in self.scaled]
            self.grad_input = Window(source.grad_rectified, who, buffers, "grad input")
            self.grads_input = shifted(self.grad_input.tensor)
            self.grad_centred = Window(target.grad_centred, who, buffers, "grad output")
            self.grad_sum = Window(target.grad_sum, who, buffers, "grad sum")

    def start(self) -> None:
        """Add the normalisation's shift to the target's bias."""
        self.bias.clear()
        self.bias.tensor.add_(self.norm.shift.value)
        self.bias.flush()

    def forward(self) -> None:
        """Convolve, centre, and add what the gain makes of it."""
        self.input.fetch()
        weight, y = self.weight.value, self.centred
        torch.bmm(weight[0], self.inputs[0], out=y)
        for tap in range(1, self.taps):
            y.baddbmm_(weight[tap], self.inputs[tap])
        self.norm.centre(y)
        if self.first:
            torch.addcmul(self.target_bias, y, self.norm.gain, out=self.output.tensor)
            return
        self.output.clear()
        self.output.tensor.addcmul_(y, self.norm.gain)
        self.output.flush()

    def backward(self) -> None:
        """Go back through normalisation (its gain taken into the weights), convolution and padding."""
        norm = self.norm
        for window in (self.grad_centred, self.grad_sum, self.input):
            window.fetch()
        norm.shift.grad.copy_(self.grad_sum.tensor)
        grad = self.grad_centred.tensor
        torch.addcmul(grad, self.centred, norm.slope(grad, self.centred), out=self.delta)
        torch.mul(self.weight.value, norm.gain, out=self.scaled)
        self.grad_input.clear()
        for tap in range(self.taps):
            torch.bmm(self.delta, self.inputs_transposed[tap], out=self.weight.grad[tap])
            self.grads_input[tap].baddbmm_(self.scaled_transposed[tap], self.delta)
        self.grad_input.flush()
        self.weight.grad.mul_(norm.gain)

    def prepare(self) -> None:
        """Take the gain into the weights and the offset into the bias."""
        torch.mul(self.weight.value, self.norm.gain, out=self.scaled)
        self.bias.clear()
        self.bias.tensor.add_(self.norm.offset)
        self.bias.flush()

    def infer(self) -> None:
        """Convolve with the weights that `prepare` made."""
        self.input.fetch()
        self.output.clear()
        pairs = zip(self.scaled, self.inputs, strict=True)
        if self.first:
            torch.baddbmm(self.target_bias, *next(pairs), out=self.output.tensor)
        for scaled, shifted in pairs:
            self.output.tensor.baddbmm_(scaled, shifted)
        self.output.flush()


class Skip:
    """The identity."""

    convolves = False

    def __init__(
        self, source: Activation, target: Activation, who: Members, buffers: Buffers, *, training: bool
    ):
        self.input = Window(source.value, who, buffers, "skip input")
        self.output = Window(target.value, who, buffers, "skip output")
        if training:
            self.grad_input = Window(source.grad, who, buffers, "skip output")
            self.grad_output = Window(target.grad, who, buffers, "skip input")

    def start(self) -> None:
        """Add nothing to the bias."""

    prepare = start

    def forward(self) -> None:
        """Add the input."""
        _add_window(self.input, self.output)

    infer = forward

    def backward(self) -> None:
        """Add the gradient."""
        _add_window(self.grad_output, self.grad_input)


def _add_window(values: Window, target: Window) -> None:
    values.fetch()
    target.clear()
    target.tensor.add_(values.tensor)
    target.flush()


class AveragePool3:
    """Average over three neighbours, over two at the ends: padding is not counted."""

    convolves = False

    def __init__(
        self, source: Activation, target: Activation, who: Members, buffers: Buffers, *, training: bool
    ):
        self.input = Window(source.value, who, buffers, "skip input")
        self.output = Window(target.value, who, buffers, "skip output")
        self.pairs = [(y, x, share) for x, y, share in _pairs(self.input.tensor, self.output.tensor)]
        if training:
            self.grad_input = Window(source.grad, who, buffers, "skip output")
            self.grad_output = Window(target.grad, who, buffers, "skip input")
            self.grad_pairs = list(_pairs(self.grad_input.tensor, self.grad_output.tensor))

    def start(self) -> None:
        """Add nothing to the bias."""

    prepare = start

    def forward(self) -> None:
        """Add every input's share to its neighbours."""
        self.input.fetch()
        self.output.clear()
        for target, values, share in self.pairs:
            target.add_(values, alpha=share)
        self.output.flush()

    infer = forward

    def backward(self) -> None:
        """Give every gradient's share back to those that it came from."""
        self.grad_output.fetch()
        self.grad_input.clear()
        for target, values, share in self.grad_pairs:
            target.add_(values, alpha=share)
        self.grad_input.flush()


def _pairs(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor, float]]:
    """Return which places of the input `x` go with which of the output `y`, and the share."""
    length = x.shape[2]
    inner = [(x[:, :, tap : length - 2 + tap], y[:, :, 1:-1], 1 / 3) for tap in range(3)]
    ends = ((0, 0), (1, 0), (-1, -1), (-2, -1))
    return inner + [(x[:, :, place], y[:, :, end], 1 / 2) for place, end in ends]
