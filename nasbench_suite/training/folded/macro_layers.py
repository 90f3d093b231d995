"""The layers of folded macro networks: inverted bottlenecks, projections, identities, on signals.

A depthwise convolution is one small matrix product per channel: along the length it is multiplication by a
banded matrix, made anew from the taps in every step, which reads and writes its tensor once instead of once
per tap.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nasbench_suite.spaces.macro import OPERATIONS
from nasbench_suite.training.folded.activations import Buffers, Members, Window
from nasbench_suite.training.folded.parameters import FoldedParameters, Norm, Weight
from nasbench_suite.training.networks.macro import BOTTLENECKS


class Boundary:
    """Values between two layers, and their gradient."""

    def __init__(self, place: int, shape: tuple[int, ...], buffers: Buffers, training: bool):
        self.value = buffers.own(*shape) if training else buffers.shared(("value", place % 2), *shape)
        self.grad = buffers.shared(("grad", place % 2), *shape) if training else self.value


class LayerWeights:
    """The weights of one operation in one layer: pointwise, depthwise, pointwise; the first; or none."""

    def __init__(self, who: Members, steps: Sequence[tuple[Weight, Norm]], taps: int):
        self.who, self.steps, self.taps = who, steps, taps


def layer_weights(
    folded: FoldedParameters, name: str, gene: int, who: Members, shape: tuple[int, int, int]
) -> LayerWeights:
    """Ask for the weights of an operation of some models in a layer of such inputs, outputs and stride."""
    models, (inputs, outputs, stride) = who.models.tolist(), shape
    if OPERATIONS[gene] not in BOTTLENECKS:
        if inputs == outputs and stride == 1:
            return LayerWeights(who, [], 0)
        step = (
            folded.matrix(f"{name}.0.weight", models, outputs, inputs),
            folded.norm(f"{name}.1", models, outputs),
        )
        return LayerWeights(who, [step], 1)
    expansion, taps = BOTTLENECKS[OPERATIONS[gene]]
    inside = inputs * expansion
    weights = [
        folded.matrix(f"{name}.expand.0.weight", models, inside, inputs),
        folded.kernel(f"{name}.depthwise.0.weight", models, taps, inside, 1),
        folded.matrix(f"{name}.project.0.weight", models, outputs, inside),
    ]
    norms = [
        folded.norm(f"{name}.{part}.1", models, channels)
        for part, channels in (("expand", inside), ("depthwise", inside), ("project", outputs))
    ]
    return LayerWeights(who, list(zip(weights, norms, strict=True)), taps)


class Layer(ABC):
    """One operation of some models in one layer; a model has exactly one, so results are written, not added.

    Attributes
    ----------
    x, y
        Input and output, `[m, channels, length, batch]`; `grad_x`, `grad_y` their gradients.
    """

    def __init__(
        self,
        weights: LayerWeights,
        source: "Boundary",
        target: "Boundary",
        stride: int,
        buffers: Buffers,
        *,
        training: bool,
    ):
        who = weights.who
        self.weights, self.stride, self.models = weights, stride, len(who)
        self.x = Window(source.value, who, buffers, "x")
        self.y = Window(target.value, who, buffers, "y")
        self.grad_x = Window(source.grad, who, buffers, "grad x") if training else self.x
        self.grad_y = Window(target.grad, who, buffers, "grad y") if training else self.y
        self.scaled = [buffers.own(*weight.shape) for weight, _ in weights.steps]
        self._make(buffers, training)

    def _make(self, buffers: Buffers, training: bool) -> None:  # noqa: B027  # the identity needs nothing
        pass

    def prepare(self) -> None:
        """Take every normalisation's gain into the weight before it, for inference."""
        for (weight, norm), scaled in zip(self.weights.steps, self.scaled, strict=True):
            torch.mul(weight.value, norm.gain, out=scaled)

    def forward(self) -> None:
        """Set the output, in training."""
        self.x.fetch()
        self._forward()
        self.y.put()

    def backward(self) -> None:
        """Set the gradients of the input and of the weights."""
        self.x.fetch()
        self.grad_y.fetch()
        self._backward()
        self.grad_x.put()

    def infer(self) -> None:
        """Set the output, in inference."""
        self.x.fetch()
        self._infer()
        self.y.put()

    @abstractmethod
    def _forward(self) -> None: ...

    @abstractmethod
    def _backward(self) -> None: ...

    @abstractmethod
    def _infer(self) -> None: ...


class _Identity(Layer):
    def _forward(self) -> None:
        self.y.tensor.copy_(self.x.tensor)

    _infer = _forward

    def _backward(self) -> None:
        self.grad_x.tensor.copy_(self.grad_y.tensor)


class _Projection(Layer):
    """The identity where the shape changes: a 1x1 convolution and normalisation."""

    def _make(self, buffers: Buffers, training: bool) -> None:
        self.kept = self.x.tensor[:, :, :: self.stride]
        self.taken = buffers.own(*self.kept.shape)
        ((weight, norm),) = self.weights.steps
        shape = (self.models, weight.shape[1], self.y.tensor[0, 0].numel())
        if training:
            norm.count(shape[2])
            self.centred = buffers.own(*shape)
            self.delta = buffers.shared("delta", *shape)

    def _forward(self) -> None:
        ((weight, norm),) = self.weights.steps
        self.taken.copy_(self.kept)
        torch.bmm(weight.value, self.taken.flatten(2), out=self.centred)
        norm.centre(self.centred)
        torch.addcmul(norm.shift.value, self.centred, norm.gain, out=self.y.tensor.flatten(2))

    def _backward(self) -> None:
        ((weight, norm),) = self.weights.steps
        norm.backward(self.grad_y.tensor.flatten(2), self.centred, self.delta)
        torch.bmm(self.delta, self.taken.flatten(2).transpose(1, 2), out=weight.grad)
        grad = torch.bmm(weight.value.transpose(1, 2), self.delta).view(self.taken.shape)
        self.grad_x.tensor.zero_()
        self.grad_x.tensor[:, :, :: self.stride].copy_(grad)

    def _infer(self) -> None:
        ((_, norm),) = self.weights.steps
        self.taken.copy_(self.kept)
        torch.baddbmm(norm.offset, self.scaled[0], self.taken.flatten(2), out=self.y.tensor.flatten(2))


class _Bottleneck(Layer):
    """Widen by 1x1, filter each channel, narrow by 1x1; the input is added where the shape stays."""

    def _make(self, buffers: Buffers, training: bool) -> None:
        _, channels, length, batch = self.x.tensor.shape
        outputs, shorter = self.y.tensor.shape[1:3]
        inside = self.weights.steps[0][0].shape[1]
        self.residual = channels == outputs and self.stride == 1
        wide, narrow = (self.models, inside, length, batch), (self.models, inside, shorter, batch)
        if training:
            self.first, self.second = buffers.own(*wide), buffers.own(*narrow)
        else:
            self.first, self.second = buffers.shared("wide", *wide), buffers.shared("narrow", *narrow)
        self.rows = self.models * inside
        self.shifts = _shifts(self.weights.taps, length, shorter, self.stride).to(buffers.device)
        self.bands = buffers.own(self.rows, shorter, length)
        if training:
            for (_, norm), places in zip(self.weights.steps, (length, shorter, shorter), strict=True):
                norm.count(places * batch)
            self.centred = [
                buffers.own(self.models, inside, length * batch),
                buffers.own(self.models, inside, shorter * batch),
                buffers.own(self.models, outputs, shorter * batch),
            ]
            self.delta = buffers.shared("delta", self.models, outputs, shorter * batch)
            self.grad_first = buffers.shared("grad first", *wide)
            self.grad_second = buffers.shared("grad second", *narrow)

    def _band(self, taps: Tensor) -> None:
        """Make the banded matrices of the taps, `[taps, m, channels, 1]`."""
        torch.mm(taps.view(len(taps), self.rows).t(), self.shifts, out=self.bands.view(self.rows, -1))

    def _by_channel(self, tensor: Tensor) -> Tensor:
        return tensor.view(self.rows, *tensor.shape[2:])

    def _forward(self) -> None:
        (expand, norm_1), (depthwise, norm_2), (project, norm_3) = self.weights.steps
        first, second, third = self.centred
        x, y = self.x.tensor.flatten(2), self.y.tensor.flatten(2)
        torch.bmm(expand.value, x, out=first)
        _normalise_relu(norm_1, first, self.first.flatten(2))
        self._band(depthwise.value)
        torch.bmm(
            self.bands, self._by_channel(self.first), out=second.view(self.rows, *self.second.shape[2:])
        )
        _normalise_relu(norm_2, second, self.second.flatten(2))
        torch.bmm(project.value, self.second.flatten(2), out=third)
        norm_3.centre(third)
        torch.addcmul(norm_3.shift.value, third, norm_3.gain, out=y)
        if self.residual:
            y.add_(x)

    def _backward(self) -> None:
        (expand, norm_1), (depthwise, norm_2), (project, norm_3) = self.weights.steps
        first, second, third = self.centred
        grad_y, grad_x = self.grad_y.tensor.flatten(2), self.grad_x.tensor.flatten(2)
        norm_3.backward(grad_y, third, self.delta)
        torch.bmm(self.delta, self.second.flatten(2).transpose(1, 2), out=project.grad)
        torch.bmm(project.value.transpose(1, 2), self.delta, out=self.grad_second.flatten(2))
        _normalise_relu_backward(norm_2, self.grad_second, self.second, second)
        grad, values = self._by_channel(self.grad_second), self._by_channel(self.first)
        taps = torch.bmm(grad, values.transpose(1, 2)).view(self.rows, -1) @ self.shifts.t()
        depthwise.grad.copy_(taps.t().view(depthwise.shape))
        torch.bmm(self.bands.transpose(1, 2), grad, out=self._by_channel(self.grad_first))
        _normalise_relu_backward(norm_1, self.grad_first, self.first, first)
        grad_first = self.grad_first.flatten(2)
        torch.bmm(grad_first, self.x.tensor.flatten(2).transpose(1, 2), out=expand.grad)
        torch.bmm(expand.value.transpose(1, 2), grad_first, out=grad_x)
        if self.residual:
            grad_x.add_(grad_y)

    def _infer(self) -> None:
        (_, norm_1), (_, norm_2), (_, norm_3) = self.weights.steps
        x, y = self.x.tensor.flatten(2), self.y.tensor.flatten(2)
        torch.baddbmm(norm_1.offset, self.scaled[0], x, out=self.first.flatten(2)).relu_()
        self._band(self.scaled[1])
        offset = norm_2.offset.view(self.rows, 1, 1)
        out = self._by_channel(self.second)
        torch.baddbmm(offset, self.bands, self._by_channel(self.first), out=out).relu_()
        torch.baddbmm(norm_3.offset, self.scaled[2], self.second.flatten(2), out=y)
        if self.residual:
            y.add_(x)


def _shifts(taps: int, length: int, shorter: int, stride: int) -> Tensor:
    """Return ones where a tap stands in the banded matrix: `[taps, shorter * length]`."""
    out, at = torch.arange(shorter)[:, None], torch.arange(length)[None]
    tap = torch.arange(taps)[:, None, None]
    return (at == stride * out + tap - taps // 2).to(torch.get_default_dtype()).view(taps, -1)


def _normalise_relu(norm: Norm, centred: Tensor, out: Tensor) -> None:
    norm.centre(centred)
    torch.addcmul(norm.shift.value, centred, norm.gain, out=out).relu_()


def _normalise_relu_backward(norm: Norm, grad: Tensor, result: Tensor, centred: Tensor) -> None:
    """Make `grad`, that of the result, the gradient before normalisation."""
    torch.ops.aten.threshold_backward.grad_input(grad, result, 0, grad_input=grad)
    flat = grad.flatten(2)
    norm.backward(flat, centred, flat)


def make_layer(
    weights: LayerWeights,
    source: Boundary,
    target: Boundary,
    stride: int,
    buffers: Buffers,
    *,
    training: bool,
) -> Layer:
    """Return what has such weights: none is the identity, one a projection, three a bottleneck."""
    kinds: dict[int, Callable[..., Layer]] = {0: _Identity, 1: _Projection, 3: _Bottleneck}
    kind = kinds[len(weights.steps)]
    return kind(weights, source, target, stride, buffers, training=training)
