"""How images of many models lie, and what generators and discriminators do with them.

`[batch, models, channels, height, width]`: the models of a convolution are groups of channels, and grouped
convolutions of the library are as fast as those of one model each, given this order alone (on a CPU, 16
channels of 28x28: 3.9 ms for both passes; 12 ms from the order of signals, most of it spent on turning it).
Whatever adds up in an order that is not fixed on CUDA (interpolation and padding by repetition, when
gradients go through them) is written as sums of views.
"""

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.training.gan.norms import normalised
from nasbench_suite.training.gan.taken import Taken


class Images:
    """Operations on images of many models; every one takes and returns such arrays.

    Parameters
    ----------
    batch
        Images of each model.
    """

    def __init__(self, batch: int):
        self.batch = batch

    @staticmethod
    def per_model(values: Tensor) -> Tensor:
        """Return one value per model, `[models]`, so that it is broadcast."""
        return values[:, None, None, None]

    @staticmethod
    def separable(kernel: Tensor, channels: int) -> Tensor:
        """Return kernels `[models, 4]` that do the same to every channel, as `enlarged` takes them."""
        same = torch.eye(channels, dtype=kernel.dtype, device=kernel.device)
        square = kernel[:, :, None] * kernel[:, None]
        return square[:, None, None] * same[:, :, None, None]

    @staticmethod
    def matrix(kernel: Tensor) -> Tensor:
        """Return kernels as matrices, `[models, outputs, inputs]`: what their spectral norm is of."""
        return kernel.flatten(2)

    def folded(self, x: Tensor) -> Tensor:
        """Fold `[models, n, channels, height, width]`."""
        return x.transpose(0, 1)

    def unfolded(self, x: Tensor) -> Tensor:
        """Return `[models, n, channels, height, width]`."""
        return x.transpose(0, 1)

    def reshaped(self, x: Tensor, channels: int, size: tuple[int, ...]) -> Tensor:
        """Fold what a linear layer makes of noise, `[models, channels * height * width, n]`."""
        return x.permute(2, 0, 1).reshape(-1, len(x), channels, *size)

    def flat(self, x: Tensor) -> Tensor:
        """Return what a linear layer takes, `[models, channels * height * width, n]`."""
        return x.flatten(2).permute(1, 2, 0)

    def conv(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Convolve with a kernel of three, `[models, outputs, inputs, 3, 3]`, padded with zeros."""
        return _conv(x, kernel, bias, padding=1)

    def conv_down(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Convolve with a kernel of four, `[models, outputs, inputs, 4, 4]`, stride 2 and padding 1."""
        return _conv(x, kernel, bias, padding=1, stride=2)

    def point(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Convolve with a kernel of one, `[models, outputs, inputs, 1, 1]`."""
        return _conv(x, kernel, bias)

    def enlarged(self, x: Tensor, kernel: Tensor, bias: Tensor, repeats: Tensor) -> Tensor:
        """Convolve transposed with a kernel of four, `[models, inputs, outputs, 4, 4]`, stride 2, padding 1.

        Where `repeats` is 1, `[models]`, what lies beyond the edges is like the edges, not zero.
        """
        share = self.per_model(repeats)
        rows = torch.cat((x[..., :1, :] * share, x, x[..., -1:, :] * share), 3)
        padded = torch.cat((rows[..., :1] * share, rows, rows[..., -1:] * share), 4)
        y = F.conv_transpose2d(
            *(padded.flatten(1, 2), kernel.flatten(0, 1), bias.flatten()),
            stride=2,
            padding=3,
            groups=len(kernel),
        )
        return _by_model(y, len(kernel))

    def interpolated(self, x: Tensor, linear: Tensor) -> Tensor:
        """Double height and width: linearly where `linear` is 1, `[models]`, to the nearest where it is 0."""
        share = self.per_model(linear) / 4
        return _doubled(_doubled(x, 3, share), 4, share)

    def with_nearest(self, x: Tensor, shorter: Tensor) -> Tensor:
        """Add what is smaller, enlarged to the nearest."""
        height, width = shorter.shape[3:]
        times = x.shape[3] // height
        parts = x.reshape(*x.shape[:3], height, times, width, times)
        return (parts + shorter[:, :, :, :, None, :, None]).view_as(x)

    def repeated(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        """Enlarge to the nearest, to a size."""
        times = size[0] // x.shape[3]
        parts = x[:, :, :, :, None, :, None].expand(-1, -1, -1, -1, times, -1, times)
        return parts.flatten(5).flatten(3, 4)

    def beside(self, one: Tensor, other: Tensor) -> Tensor:
        """Return as many images of both, the batch of `one` first; fold them as twice the batch."""
        return torch.cat((one, other))

    def normalised(self, x: Tensor, weight: Tensor, bias: Tensor, pooled: Taken, some: Taken) -> Tensor:
        """Normalise over the batch or over each image, see `norms.normalised`."""
        if some.by_all and pooled.by_all:
            y = F.batch_norm(x.flatten(1, 2), None, None, weight.flatten(), bias.flatten(), training=True)
            return y.view_as(x)
        if some.by_all and pooled.by_none:
            return F.instance_norm(x.flatten(1, 2)).view_as(x)
        places = x.flatten(3).permute(1, 2, 3, 0)
        y = normalised(places, weight, bias, pooled.mask, some.mask)
        return y.permute(3, 0, 1, 2).reshape(x.shape)


def _conv(x: Tensor, kernel: Tensor, bias: Tensor, *, padding: int = 0, stride: int = 1) -> Tensor:
    models = len(kernel)
    y = F.conv2d(
        *(x.flatten(1, 2), kernel.flatten(0, 1), bias.flatten()),
        padding=padding,
        stride=stride,
        groups=models,
    )
    return _by_model(y, models)


def _by_model(y: Tensor, models: int) -> Tensor:
    return y.reshape(len(y), models, -1, *y.shape[2:])


def _doubled(x: Tensor, axis: int, share: Tensor) -> Tensor:
    """Put every value twice along an axis, moved by a share towards its neighbour on either side."""
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, x.shape[axis] - 1, 1)
    before = torch.cat((first, x.narrow(axis, 0, x.shape[axis] - 1)), axis)
    after = torch.cat((x.narrow(axis, 1, x.shape[axis] - 1), last), axis)
    sides = [torch.lerp(x, side, share.expand_as(x)) for side in (before, after)]
    return torch.stack(sides, axis + 1).flatten(axis, axis + 1)
