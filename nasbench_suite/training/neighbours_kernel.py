"""Triton kernel: sums over three by three neighbouring places, channels last, in one pass over memory.

An array is read and one is written; the nine reads of a place come from the cache.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr

_TILE = 1024


def neighbour_sums(x: Tensor, *, shared: bool) -> Tensor:
    """Return `neighbour_mean._sums` of `[n, channels, height, width]`, channels last, on a GPU.

    Every place is summed in the same order, so that the same input gives the same bytes.
    """
    out = torch.empty_like(x, memory_format=torch.channels_last)
    size, (_, channels, height, width) = x.numel(), x.shape
    _neighbour_sums[triton.cdiv(size, _TILE),](
        x, out, size, channels, height, width, shared, x.dtype == torch.float64, _TILE
    )
    return out


@triton.jit
def _neighbour_sums(
    x,
    out,
    size,
    CHANNELS: constexpr,
    HEIGHT: constexpr,
    WIDTH: constexpr,
    SHARED: constexpr,
    DOUBLE: constexpr,
    TILE: constexpr,
):
    """Sum what is around every place; `SHARED`: each in its parts, else the mean. Grid: tiles of numbers."""
    place = tl.program_id(0) * TILE + tl.arange(0, TILE)
    column = place // CHANNELS % WIDTH
    line = place // (CHANNELS * WIDTH) % HEIGHT
    total = tl.zeros((TILE,), dtype=tl.float64 if DOUBLE else tl.float32)
    for down in tl.static_range(-1, 2):
        for right in tl.static_range(-1, 2):
            there = (line + down >= 0) & (line + down < HEIGHT)
            there &= (column + right >= 0) & (column + right < WIDTH) & (place < size)
            step = (down * WIDTH + right) * CHANNELS
            values = tl.load(x + place + step, mask=there, other=0.0).to(total.dtype)
            if SHARED:
                values /= _neighbours(line + down, column + right, HEIGHT, WIDTH)
            total += values
    if not SHARED:
        total /= _neighbours(line, column, HEIGHT, WIDTH)
    tl.store(out + place, total.to(out.dtype.element_ty), mask=place < size)


@triton.jit
def _neighbours(line, column, HEIGHT: constexpr, WIDTH: constexpr):
    """Return how many of the nine places around a place there are, itself among them."""
    lines = 3 - (line == 0).to(tl.int32) - (line == HEIGHT - 1).to(tl.int32)
    columns = 3 - (column == 0).to(tl.int32) - (column == WIDTH - 1).to(tl.int32)
    return lines * columns
