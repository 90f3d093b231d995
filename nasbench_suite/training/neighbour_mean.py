"""The mean over three by three neighbouring places of an image: a gradient that is right, and fast training.

PyTorch's gradient of a padded average pool is silently wrong on CUDA with channels last (pytorch/pytorch
issue 188344, in every release before its fix of June 2026): networks with such pools hardly learn. Its other
order is right, but turning to it and back takes as long as the pool. The gradient of a mean of stride 1 is a
sum over the same neighbours, of parts in place of wholes, so that neither is needed.
"""

from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

_LARGEST = 2**31 - 1
"""Numbers that a kernel counts."""


def neighbour_mean(x: Tensor) -> Tensor:
    """Return the mean of every place and its neighbours, those beyond the edges not counted.

    Parameters
    ----------
    x
        Floats `[n, channels, height, width]`, in any order in memory.

    Returns
    -------
    Tensor
        Of the same shape and type, channels last. It can be differentiated any number of times.
    """
    mean: Tensor = _Mean.apply(x)  # type: ignore[no-untyped-call]  # torch is typed in part
    return mean


def convolved_mean(x: Tensor) -> Tensor:
    """Return `neighbour_mean` by a convolution of every channel, which a CPU's compiler calls as it is.

    What PyTorch 2.13 makes of the pool itself in bfloat16 takes ten times as long where channels are less
    than 32, since it adds them one by one; in float32 it is the faster one. The sum is rounded before it is
    divided.
    """
    channels, height, width = x.shape[1:]
    kernel = x.new_ones(channels, 1, 3, 3)
    with torch.autocast(x.device.type, enabled=False):  # in the type that comes in, like the pool
        sums = F.conv2d(x, kernel, padding=1, groups=channels)
    return sums / (_counts_along(height, x)[:, None] * _counts_along(width, x))


def _counts_along(size: int, x: Tensor) -> Tensor:
    """Return how many neighbours places have along one dimension, `[size]`, in the type of `x`."""
    place = torch.arange(size, device=x.device)
    return 3 - (place == 0).to(x.dtype) - (place == size - 1).to(x.dtype)


class _Mean(torch.autograd.Function):
    """Every place gets the mean of its neighbours."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sums(x, shared=False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        spread: Tensor = _Spread.apply(grad)  # type: ignore[no-untyped-call]
        return spread


class _Spread(torch.autograd.Function):
    """Every place is shared out equally among its neighbours: the transpose of the mean."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sums(x, shared=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return neighbour_mean(grad)


def _sums(x: Tensor, *, shared: bool) -> Tensor:
    """Return means over neighbours, or if `shared` sums of what neighbours share out among theirs."""
    x = x.contiguous(memory_format=torch.channels_last)
    if x.is_cuda and _has_kernel() and x.numel() <= _LARGEST:
        from nasbench_suite.training.neighbours_kernel import neighbour_sums

        return neighbour_sums(x, shared=shared)
    if not shared:
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    return F.avg_pool2d(x / _counts(*x.shape[2:], x.dtype, x.device), 3, 1, 1, divisor_override=1)


@cache
def _has_kernel() -> bool:
    """Whether Triton is there, which comes with PyTorch for CUDA on Linux."""
    return find_spec("triton") is not None


@lru_cache(maxsize=64)
def _counts(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return how many neighbours every place has, itself among them, `[1, 1, height, width]`."""
    ones = torch.ones(1, 1, height, width, dtype=dtype, device=device)
    return F.avg_pool2d(ones, 3, 1, 1, divisor_override=1)
