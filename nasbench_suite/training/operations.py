"""Building blocks that networks of several spaces share, for signals (1-D) and for images (2-D) alike."""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from nasbench_suite.training.neighbour_mean import convolved_mean, neighbour_mean

Dims = Literal[1, 2]
"""Number of dimensions along which a network convolves: 1 for signals, 2 for images."""
Conv = nn.Conv1d | nn.Conv2d
Norm = nn.BatchNorm1d | nn.BatchNorm2d
Activation = type[nn.ReLU] | type[nn.ReLU6]


def conv(
    dims: Dims,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> Conv:
    """Return a convolution without bias that keeps the size, but for `stride`; kernels are odd."""
    kind = nn.Conv1d if dims == 1 else nn.Conv2d
    padding = dilation * (kernel // 2)
    return kind(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)


def norm(dims: Dims, channels: int, *, momentum: float = 0.1, eps: float = 1e-5, affine: bool = True) -> Norm:
    """Return a batch normalisation; `momentum` is the share of the new batch, as in PyTorch."""
    kind = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    return kind(channels, eps, momentum, affine)


def average_pool(dims: Dims, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False) -> nn.Module:
    """Return an average pool that divides by the number of values that are there, padding not counted."""
    kind = nn.AvgPool1d if dims == 1 else _AveragePool2d
    return kind(kernel, stride, padding, ceil_mode=ceil, count_include_pad=False)


class _AveragePool2d(nn.AvgPool2d):
    """Goes around PyTorch where its gradient on CUDA is wrong or its compiler slow, see `neighbour_mean`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, channels, ...]`."""
        of_neighbours = (self.kernel_size, self.stride, self.padding) == (3, 1, 1)
        slow = x.device.type == "cpu" and x.dtype == torch.bfloat16 and torch.compiler.is_dynamo_compiling()
        if of_neighbours and slow:
            return convolved_mean(x)
        if not (x.is_cuda and self.padding):
            return super().forward(x)
        if of_neighbours:
            return neighbour_mean(x)
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last)


def max_pool(dims: Dims, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False) -> nn.Module:
    """Return a max pool."""
    kind = nn.MaxPool1d if dims == 1 else nn.MaxPool2d
    return kind(kernel, stride, padding, ceil_mode=ceil)


def global_average(x: Tensor) -> Tensor:
    """Return the mean over all places: `[n, channels, ...]` gives `[n, channels]`."""
    return x.flatten(2).mean(2)


def conv_norm_relu(
    dims: Dims,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: Activation = nn.ReLU,
) -> nn.Sequential:
    """Return convolution, normalisation and activation, in this order."""
    return nn.Sequential(
        conv(dims, inputs, outputs, kernel, stride=stride),
        norm(dims, outputs, momentum=momentum, eps=eps),
        activation(),
    )


class Zero(nn.Module):
    """Gives zeros of its input's shape, through which gradients are zero rather than absent."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` times zero."""
        return x * 0.0


class ReluConvNorm(nn.Module):
    """ReLU, convolution without bias, batch normalisation."""

    def __init__(self, dims: Dims, inputs: int, outputs: int, kernel: int, *, stride: int = 1):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = conv(dims, inputs, outputs, kernel, stride=stride)
        self.norm = norm(dims, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` for `[n, inputs, ...]`."""
        return cast(Tensor, self.norm(self.conv(self.relu(x))))


class SeparableConv(nn.Module):
    """ReLU, depthwise convolution, 1x1 convolution, batch normalisation."""

    def __init__(
        self, dims: Dims, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1
    ):
        super().__init__()
        self.relu = nn.ReLU()
        self.depthwise = conv(dims, inputs, inputs, kernel, stride=stride, groups=inputs, dilation=dilation)
        self.pointwise = conv(dims, inputs, outputs)
        self.norm = norm(dims, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` for `[n, inputs, ...]`."""
        return cast(Tensor, self.norm(self.pointwise(self.depthwise(self.relu(x)))))


class FactorizedReduction(nn.Module):
    """Halves the resolution without losing places: two 1x1 convolutions, one a step beside the other.

    Half of the output's channels, rounded down, come from places 0, 2, 4, ... after ReLU, the others from
    places 1, 3, 5, ...; a zero is put behind an odd size. Batch normalisation follows (Liu et al.: "DARTS",
    ICLR 2019).
    """

    def __init__(self, dims: Dims, inputs: int, outputs: int):
        super().__init__()
        self.dims = dims
        self.relu = nn.ReLU()
        self.even = conv(dims, inputs, outputs // 2, stride=2)
        self.odd = conv(dims, inputs, outputs - outputs // 2, stride=2)
        self.norm = norm(dims, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` of half the size for `[n, inputs, ...]`."""
        x = self.relu(x)
        beside = nn.functional.pad(x, (0, 1) * self.dims)[:, :, 1:]
        if self.dims == 2:
            beside = beside[:, :, :, 1:]
        return cast(Tensor, self.norm(torch.cat([self.even(x), self.odd(beside)], dim=1)))


class SqueezeExcitation(nn.Module):
    """Hu, Shen, Sun: "Squeeze-and-Excitation Networks" (CVPR 2018): weighs channels by their means.

    Parameters
    ----------
    channels
        Of input and output.
    inside
        Of the hidden layer.
    """

    def __init__(self, channels: int, inside: int):
        super().__init__()
        self.reduce = nn.Linear(channels, inside)
        self.restore = nn.Linear(inside, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, every channel times a number between 0 and 1."""
        weights = torch.sigmoid(self.restore(torch.relu(self.reduce(global_average(x)))))
        return x * weights.view(*weights.shape, *[1] * (x.ndim - 2))


class InvertedBottleneck(nn.Module):
    """Sandler et al.: "MobileNetV2" (CVPR 2018): widen by 1x1, filter each channel, narrow by 1x1.

    Parameters
    ----------
    expansion
        How many times wider than the input the inside is; at 1 there is no `expand`.
    activation
        After the first and the second convolution: ReLU, or ReLU6 as in MobileNetV2.
    eps
        Of the batch normalisations.
    squeeze
        Channels inside a squeeze-and-excitation behind the depthwise convolution; 0 for none.

    Attributes
    ----------
    expand, depthwise, project
        Convolution and normalisation each; `expand` is None for an expansion of 1.
    excite
        The squeeze-and-excitation, or None.
    residual
        Whether the input is added: where the block keeps the shape.
    """

    def __init__(
        self,
        dims: Dims,
        inputs: int,
        outputs: int,
        expansion: int,
        kernel: int,
        *,
        stride: int = 1,
        activation: Activation = nn.ReLU,
        eps: float = 1e-5,
        squeeze: int = 0,
    ):
        super().__init__()
        inside = inputs * expansion
        self.expand = None
        if expansion != 1:
            self.expand = nn.Sequential(conv(dims, inputs, inside), norm(dims, inside, eps=eps))
        self.depthwise = nn.Sequential(
            conv(dims, inside, inside, kernel, stride=stride, groups=inside), norm(dims, inside, eps=eps)
        )
        self.excite = SqueezeExcitation(inside, squeeze) if squeeze else None
        self.project = nn.Sequential(conv(dims, inside, outputs), norm(dims, outputs, eps=eps))
        self.activation = activation()
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` for `[n, inputs, ...]`."""
        wide = x if self.expand is None else self.activation(self.expand(x))
        filtered = self.activation(self.depthwise(wide))
        if self.excite is not None:
            filtered = self.excite(filtered)
        narrow = self.project(filtered)
        return cast(Tensor, x + narrow if self.residual else narrow)
