"""How folded networks begin and end: a 1x1 convolution; normalisation, ReLU, average, linear layer."""

import torch
from torch import Tensor

from nasbench_suite.training.folded.activations import Buffers
from nasbench_suite.training.folded.parameters import Norm, Weight


class Stem:
    """A 1x1 convolution of the input, and normalisation.

    Parameters
    ----------
    weight, norm
        `[M, channels, inputs]`, and the normalisation.
    value, grad
        Where the result goes and its gradient comes from, `[M, channels, length, batch]`.
    """

    def __init__(
        self,
        weight: Weight,
        norm: Norm,
        value: Tensor,
        grad: Tensor,
        buffers: Buffers,
        *,
        training: bool,
    ):
        self.weight, self.norm = weight, norm
        self.value, self.grad = value.flatten(2), grad.flatten(2)
        if training:
            norm.count(self.value.shape[2])
            self.centred = buffers.own(*self.value.shape)
            self.delta = buffers.shared("centred", *self.value.shape)

    def forward(self, x: Tensor) -> None:
        """Take signals `[inputs, length, batch]`."""
        self.input = x.reshape(len(x), -1)
        rows = self.weight.value.view(-1, len(x))
        torch.mm(rows, self.input, out=self.centred.view(len(rows), -1))
        self.norm.centre(self.centred)
        torch.addcmul(self.norm.shift.value, self.centred, self.norm.gain, out=self.value)

    def backward(self) -> None:
        """Set the gradients of weight and normalisation."""
        self.norm.backward(self.grad, self.centred, self.delta)
        rows = self.weight.grad.view(-1, len(self.input))
        torch.mm(self.delta.view(len(rows), -1), self.input.t(), out=rows)

    def prepare(self) -> None:
        """Take the gain into the weight."""
        self.scaled = self.weight.value * self.norm.gain

    def infer(self, x: Tensor) -> None:
        """Take signals `[inputs, length, batch]`, in inference."""
        torch.matmul(self.scaled, x.reshape(len(x), -1), out=self.value)
        self.value.add_(self.norm.offset)


class Head:
    """Normalisation, ReLU, mean over the length, linear layer.

    Parameters
    ----------
    value, grad
        Where the input comes from and its gradient goes, `[M, channels, length, batch]`.
    """

    def __init__(
        self,
        norm: Norm,
        weight: Weight,
        bias: Weight,
        value: Tensor,
        grad: Tensor,
        buffers: Buffers,
        *,
        training: bool,
    ):
        self.norm, self.weight, self.bias = norm, weight, bias
        self.value, self.grad = value.flatten(2), grad.flatten(2)
        self.result = buffers.own(*value.shape)
        self.flat = self.result.flatten(2)
        if training:
            norm.count(self.value.shape[2])
            self.centred, self.spread = buffers.own(*self.flat.shape), buffers.own(*value.shape)

    def forward(self) -> Tensor:
        """Return logits `[M, classes, batch]`."""
        self.centred.copy_(self.value)
        self.norm.centre(self.centred)
        torch.addcmul(self.norm.shift.value, self.centred, self.norm.gain, out=self.flat).relu_()
        self.features = self.result.mean(2)
        return torch.baddbmm(self.bias.value, self.weight.value, self.features)

    def backward(self, grad: Tensor) -> None:
        """Set all gradients, given that of the logits."""
        torch.bmm(grad, self.features.transpose(1, 2), out=self.weight.grad)
        torch.sum(grad, 2, keepdim=True, out=self.bias.grad)
        features = torch.bmm(self.weight.value.transpose(1, 2), grad).div_(self.result.shape[2])
        self.spread.copy_(features[:, :, None].expand_as(self.spread))
        torch.ops.aten.threshold_backward.grad_input(self.spread, self.result, 0, grad_input=self.spread)
        self.norm.backward(self.spread.flatten(2), self.centred, self.grad)

    def infer(self) -> Tensor:
        """Return logits `[M, classes, batch]`, in inference."""
        torch.addcmul(self.norm.offset, self.value, self.norm.gain, out=self.flat).relu_()
        return torch.baddbmm(self.bias.value, self.weight.value, self.result.mean(2))
