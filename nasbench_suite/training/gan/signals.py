"""How signals of many models lie, and what generators and discriminators do with them.

`[models, channels, length * batch]`: see `shifted.py`.
"""

import torch
from torch import Tensor

from nasbench_suite.training.gan import shifted
from nasbench_suite.training.gan.norms import normalised
from nasbench_suite.training.gan.taken import Taken


class Signals:
    """Operations on signals of many models; every one takes and returns such arrays.

    Parameters
    ----------
    batch
        Signals of each model.
    """

    def __init__(self, batch: int):
        self.batch = batch

    @staticmethod
    def per_model(values: Tensor) -> Tensor:
        """Return one value per model, `[models]`, so that it is broadcast."""
        return values[:, None, None]

    @staticmethod
    def separable(kernel: Tensor, channels: int) -> Tensor:
        """Return kernels `[models, 4]` that do the same to every channel, as `enlarged` takes them."""
        same = torch.eye(channels, dtype=kernel.dtype, device=kernel.device)
        return kernel[:, :, None, None] * same

    @staticmethod
    def matrix(kernel: Tensor) -> Tensor:
        """Return kernels as matrices, `[models, outputs, inputs]`: what their spectral norm is of."""
        return kernel.transpose(1, 2).flatten(2)

    def folded(self, x: Tensor) -> Tensor:
        """Fold `[models, n, channels, length]`."""
        return x.permute(0, 2, 3, 1).flatten(2)

    def unfolded(self, x: Tensor) -> Tensor:
        """Return `[models, n, channels, length]`."""
        return x.view(*x.shape[:2], -1, self.batch).permute(0, 3, 1, 2)

    def reshaped(self, x: Tensor, channels: int, size: tuple[int, ...]) -> Tensor:
        """Fold what a linear layer makes of noise, `[models, channels * length, n]`."""
        return x.view(len(x), channels, -1)

    def flat(self, x: Tensor) -> Tensor:
        """Return what a linear layer takes, `[models, channels * length, n]`."""
        return x.view(len(x), -1, self.batch)

    def conv(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Convolve with a kernel of three, `[models, 3, outputs, inputs]`, padded with zeros."""
        return shifted.conv(x, kernel, bias, self.batch)

    def conv_down(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Convolve with a kernel of four, `[models, 4, outputs, inputs]`, stride 2 and padding 1."""
        return shifted.conv_down(x, kernel, bias, self.batch)

    def point(self, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Convolve with a kernel of one, `[models, outputs, inputs]`."""
        return torch.baddbmm(bias[:, :, None], kernel, x)

    def enlarged(self, x: Tensor, kernel: Tensor, bias: Tensor, repeats: Tensor) -> Tensor:
        """Convolve transposed with a kernel of four, stride 2 and padding 1.

        Where `repeats` is 1, `[models]`, what lies beyond the ends is like the ends, not zero.
        """
        return shifted.conv_up(x, kernel, bias, self.per_model(repeats) / 4, self.batch)

    def interpolated(self, x: Tensor, linear: Tensor) -> Tensor:
        """Double the length: linearly where `linear` is 1, `[models]`, to the nearest where it is 0."""
        before = torch.cat((x[:, :, : self.batch], x[:, :, : -self.batch]), 2)
        after = torch.cat((x[:, :, self.batch :], x[:, :, -self.batch :]), 2)
        share = (self.per_model(linear) / 4).expand_as(x)
        halves = [torch.lerp(x, side, share) for side in (before, after)]
        return torch.stack([half.view(*half.shape[:2], -1, self.batch) for half in halves], 3).flatten(2)

    def with_nearest(self, x: Tensor, shorter: Tensor) -> Tensor:
        """Add what is shorter, enlarged to the nearest."""
        places = shorter.shape[2] // self.batch
        parts = x.view(*shorter.shape[:2], places, -1, self.batch)
        return (parts + shorter.view(*shorter.shape[:2], places, 1, self.batch)).view_as(x)

    def repeated(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        """Enlarge to the nearest, to a size."""
        places = x.view(*x.shape[:2], -1, 1, self.batch)
        return places.expand(-1, -1, -1, size[0] // places.shape[2], -1).flatten(2)

    def beside(self, one: Tensor, other: Tensor) -> Tensor:
        """Return as many signals of both, the batch of `one` first; fold them as twice the batch."""
        parts = [part.view(*part.shape[:2], -1, self.batch) for part in (one, other)]
        return torch.cat(parts, 3).flatten(2)

    def normalised(self, x: Tensor, weight: Tensor, bias: Tensor, pooled: Taken, some: Taken) -> Tensor:
        """Normalise over the batch or over each signal, see `norms.normalised`."""
        places = x.view(*x.shape[:2], -1, self.batch)
        return normalised(places, weight, bias, pooled.mask, some.mask).view_as(x)
