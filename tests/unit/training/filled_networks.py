"""Networks whose weights come from a generator of their own, and layers written out by hand."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def filled(network: nn.Module, seed: int = 0) -> nn.Module:
    """Fill weights and running statistics with random numbers, in double precision, for evaluation."""
    rng = np.random.default_rng(seed)
    network = network.double().eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                is_scale = value.ndim == 1 and name.endswith("weight")
                low, high = (0.5, 2) if name.endswith("running_var") else (0.3, 1) if is_scale else (-1, 1)
                value.copy_(torch.from_numpy(np.asarray(rng.uniform(low, high, size=value.shape))))
    return network


def signals(dims: int, inputs: int, size: int, n: int = 3, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(n, inputs, *[size] * dims)))


def assert_gives(network: nn.Module, x: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare outputs, and see that they depend on the input: ReLUs that are all zero would hide faults."""
    given = x.clone().requires_grad_()
    found = network(given)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    found.sum().backward()
    assert given.grad is not None
    assert (given.grad.flatten(1) != 0).any(dim=1).all()


class Hand:
    """Layers of a network written out, which take their weights from its state by name."""

    def __init__(self, network: nn.Module, dims: int, eps: float = 1e-5):
        self.state = network.state_dict()
        self.dims = dims
        self.eps = eps

    def conv(self, x, name, *, stride=1, groups=1, dilation=1):
        weight = self.state[f"{name}.weight"]
        padding = dilation * (weight.shape[-1] // 2)
        apply = functional.conv1d if self.dims == 1 else functional.conv2d
        return apply(x, weight, None, stride, padding, dilation, groups)

    def norm(self, x, name):
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, var, scale, shift = (
            self.state[f"{name}.{part}"].view(1, -1, *[1] * self.dims) for part in parts
        )
        return (x - mean) / torch.sqrt(var + self.eps) * scale + shift

    def conv_norm(self, x, name, **how):
        return self.norm(self.conv(x, f"{name}.0", **how), f"{name}.1")

    def relu_conv_norm(self, x, name, **how):
        return self.norm(self.conv(x.clamp(min=0), f"{name}.conv", **how), f"{name}.norm")

    def average3(self, x, stride=1):
        """Sums over three places in each direction, over how many of them are there."""
        kernel = torch.ones((x.shape[1], 1, *[3] * self.dims), dtype=x.dtype)
        apply = functional.conv1d if self.dims == 1 else functional.conv2d
        return apply(x, kernel, None, stride, 1, 1, x.shape[1]) / apply(
            torch.ones_like(x), kernel, None, stride, 1, 1, x.shape[1]
        )

    def maximum3(self, x, stride=1):
        padded = functional.pad(x, (1, 1) * self.dims, value=-torch.inf)
        for axis in range(2, 2 + self.dims):
            padded = padded.unfold(axis, 3, stride).amax(-1)
        return padded

    def halved(self, x):
        """Mean of every second place and the one behind it, in each direction."""
        for axis in range(2, 2 + self.dims):
            x = x.unfold(axis, 2, 2).mean(-1)
        return x

    def classified(self, x, name="classifier"):
        means = x.mean(dim=tuple(range(2, 2 + self.dims)))
        return means @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]
