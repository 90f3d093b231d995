"""The weights of a group of networks in one flat array, with gradients and running statistics beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

EPSILON = 1e-5
"""PyTorch's default, which all networks here use."""
MOMENTUM = 0.1
"""Share of the new batch in running statistics: PyTorch's default."""


@dataclass(eq=False)
class Weight:
    """One parameter of several models.

    Attributes
    ----------
    name
        Its name in the state of the one-by-one network.
    models
        Which models of the group have it.
    shape
        Its shape, the model axis included.
    axis
        Which axis is that of models.
    value, grad
        Views into the flat arrays, once these are there.
    """

    name: str
    models: Sequence[int]
    shape: tuple[int, ...]
    axis: int
    value: Tensor = field(init=False)
    grad: Tensor = field(init=False)

    def read(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Take over the values of the one-by-one networks' states."""
        shape = self.value.select(self.axis, 0).shape
        parts = [self._folded(states[model][self.name], shape) for model in self.models]
        self.value.copy_(torch.stack(parts, self.axis))  # one copy to the device, not one per model

    def write(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Write the values into the one-by-one networks' states."""
        for place, model in enumerate(self.models):
            target = states[model][self.name]
            self._folded(target, self.value.select(self.axis, place).shape).copy_(
                self.value.select(self.axis, place)
            )

    def _folded(self, tensor: Tensor, shape: torch.Size) -> Tensor:
        """View a parameter as it lies here: a kernel of several taps has the taps first."""
        return tensor.permute(2, 0, 1) if self.axis == 1 else tensor.view(shape)


@dataclass(eq=False)
class Norm:
    """A batch normalisation of several models, `[m, channels, 1]` each.

    Attributes
    ----------
    scale, shift
        The affine parameters.
    batch_mean, batch_var
        Of the last batch; `batch_var` is the biased one until the running statistics take it up.
    running_mean, running_var
        What inference uses.
    inverse
        `1 / sqrt(var + EPSILON)`.
    gain, offset
        `scale * inverse`, and, in inference, `shift - gain * mean`.
    """

    name: str
    models: Sequence[int]
    channels: int
    scale: Weight
    shift: Weight
    batch_mean: Tensor = field(init=False)
    batch_var: Tensor = field(init=False)
    running_mean: Tensor = field(init=False)
    running_var: Tensor = field(init=False)
    correction: Tensor = field(init=False)
    inverse: Tensor = field(init=False)
    gain: Tensor = field(init=False)
    offset: Tensor = field(init=False)

    def count(self, n: int) -> None:
        """Say over how many values it normalises in training: running variances are unbiased."""
        self.correction.fill_(n / (n - 1))

    def centre(self, y: Tensor) -> None:
        """Subtract from `y`, `[m, channels, n]`, its mean over `n`, and set statistics and gain."""
        n = y.shape[2]
        torch.mean(y, 2, keepdim=True, out=self.batch_mean)
        y.sub_(self.batch_mean)
        torch.linalg.vector_norm(y, dim=2, keepdim=True, out=self.batch_var)
        self.batch_var.square_().div_(n)
        torch.add(self.batch_var, EPSILON, out=self.inverse).rsqrt_()
        torch.mul(self.scale.value, self.inverse, out=self.gain)

    def backward(self, grad: Tensor, centred: Tensor, out: Tensor) -> None:
        """Set the parameters' gradients and `out`, that of what was normalised; `[m, channels, n]`."""
        n = grad.shape[2]
        torch.sum(grad, 2, keepdim=True, out=self.shift.grad)
        slope = self.slope(grad, centred)
        torch.addcmul(grad, centred, slope, out=out)
        out.sub_(self.shift.grad / n).mul_(self.gain)

    def slope(self, grad: Tensor, centred: Tensor) -> Tensor:
        """Set the gradient of `scale`; return by how much of `centred` the gradient is to be corrected."""
        product: Tensor = torch.linalg.vecdot(grad, centred).unsqueeze_(2)
        torch.mul(product, self.inverse, out=self.scale.grad)
        return product.mul_(self.inverse).mul_(self.inverse).div_(-grad.shape[2])


class FoldedParameters:
    """All weights of a group; one flat array, so that a step of the optimiser is a few array operations.

    Weights are asked for with `kernel`, `matrix`, `column` and `norm`, then `allocate` makes the arrays.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._weights: list[Weight] = []
        self._norms: list[Norm] = []

    def kernel(self, name: str, models: Sequence[int], taps: int, outputs: int, inputs: int) -> Weight:
        """Return the weight of a convolution, `[taps, m, outputs, inputs]`."""
        return self._add(Weight(name, models, (taps, len(models), outputs, inputs), 1))

    def matrix(self, name: str, models: Sequence[int], outputs: int, inputs: int) -> Weight:
        """Return the weight of a 1x1 convolution or linear layer, `[m, outputs, inputs]`."""
        return self._add(Weight(name, models, (len(models), outputs, inputs), 0))

    def column(self, name: str, models: Sequence[int], channels: int) -> Weight:
        """Return a weight per channel, `[m, channels, 1]`."""
        return self._add(Weight(name, models, (len(models), channels, 1), 0))

    def norm(self, name: str, models: Sequence[int], channels: int) -> Norm:
        """Return a batch normalisation."""
        scale = self.column(f"{name}.weight", models, channels)
        norm = Norm(name, models, channels, scale, self.column(f"{name}.bias", models, channels))
        self._norms.append(norm)
        return norm

    def _add(self, weight: Weight) -> Weight:
        self._weights.append(weight)
        return weight

    def allocate(self) -> None:
        """Make the arrays; every weight and normalisation gets its views."""
        total = sum(prod(weight.shape) for weight in self._weights)
        self.value, self.grad, self.velocity = (torch.zeros(total, device=self.device) for _ in range(3))
        start = 0
        for weight in self._weights:
            stop = start + prod(weight.shape)
            weight.value, weight.grad = (a[start:stop].view(weight.shape) for a in (self.value, self.grad))
            start = stop
        self._allocate_norms()

    def _allocate_norms(self) -> None:
        names = ("batch_mean", "batch_var", "running_mean", "running_var", "correction")
        total = sum(len(norm.models) * norm.channels for norm in self._norms)
        self.statistics = {name: torch.ones(total, device=self.device) for name in names}
        start = 0
        for norm in self._norms:
            stop, shape = start + len(norm.models) * norm.channels, (len(norm.models), norm.channels, 1)
            for name in names:
                setattr(norm, name, self.statistics[name][start:stop].view(shape))
            norm.inverse, norm.gain, norm.offset = (torch.empty(shape, device=self.device) for _ in range(3))
            start = stop

    def read(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Take over weights and running statistics of one-by-one networks' states, one per model."""
        for weight in self._weights:
            weight.read(states)
        for norm in self._norms:
            for own, name in ((norm.running_mean, "running_mean"), (norm.running_var, "running_var")):
                parts = [states[model][f"{norm.name}.{name}"] for model in norm.models]
                own.copy_(torch.stack(parts)[:, :, None])

    @torch.no_grad()
    def write(self, networks: Sequence[nn.Module]) -> None:
        """Write weights and running statistics into one-by-one networks; dead parts keep what they have."""
        states = [network.state_dict() for network in networks]
        for weight in self._weights:
            weight.write(states)
        for norm in self._norms:
            for place, model in enumerate(norm.models):
                states[model][f"{norm.name}.running_mean"].copy_(norm.running_mean[place, :, 0])
                states[model][f"{norm.name}.running_var"].copy_(norm.running_var[place, :, 0])

    def track(self) -> None:
        """Let the running statistics take up those of the last batch."""
        statistics = self.statistics
        statistics["running_mean"].lerp_(statistics["batch_mean"], MOMENTUM)
        statistics["batch_var"].mul_(statistics["correction"])
        statistics["running_var"].lerp_(statistics["batch_var"], MOMENTUM)

    def step(self, learning_rate: float, momentum: float, weight_decay: float, nesterov: bool) -> None:
        """Take one step of stochastic gradient descent, as `torch.optim.SGD` does."""
        self.grad.add_(self.value, alpha=weight_decay)
        self.velocity.mul_(momentum).add_(self.grad)
        if nesterov:
            self.grad.add_(self.velocity, alpha=momentum)
            self.value.add_(self.grad, alpha=-learning_rate)
        else:
            self.value.add_(self.velocity, alpha=-learning_rate)

    def freeze(self) -> None:
        """Set gain and offset of every normalisation for inference."""
        for norm in self._norms:
            torch.mul(norm.scale.value, (norm.running_var + EPSILON).rsqrt_(), out=norm.gain)
            torch.addcmul(norm.shift.value, norm.gain, norm.running_mean, value=-1, out=norm.offset)
