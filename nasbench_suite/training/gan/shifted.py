"""Convolutions of many models at once, the batch last: one batched matrix product per tap.

With `[models, channels, length * batch]` a neighbour in the signal is `batch` columns away, so that the
operand of a tap is a view, and what lies beyond an end falls away.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Shifted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor, bias: Tensor, batch: int) -> Tensor:
        ctx.save_for_backward(x, taps)
        ctx.batch = batch
        y = torch.baddbmm(bias[:, :, None], taps[:, 1], x)
        y[:, :, batch:].baddbmm_(taps[:, 0], x[:, :, :-batch])
        y[:, :, :-batch].baddbmm_(taps[:, 2], x[:, :, batch:])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, taps = ctx.saved_tensors
        grad, batch = grad.contiguous(), ctx.batch
        grad_x = grad_taps = grad_bias = None
        if ctx.needs_input_grad[0]:
            back = taps.mT
            grad_x = torch.bmm(back[:, 1], grad)
            grad_x[:, :, :-batch].baddbmm_(back[:, 0], grad[:, :, batch:])
            grad_x[:, :, batch:].baddbmm_(back[:, 2], grad[:, :, :-batch])
        if ctx.needs_input_grad[1]:
            along = x.mT
            products = (
                torch.bmm(grad[:, :, batch:], along[:, :-batch]),
                torch.bmm(grad, along),
                torch.bmm(grad[:, :, :-batch], along[:, batch:]),
            )
            grad_taps = torch.stack(products, 1)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum(2)
        return grad_x, grad_taps, grad_bias, None


def conv(x: Tensor, taps: Tensor, bias: Tensor, batch: int) -> Tensor:
    """Convolve with a kernel of three, padded with zeros.

    Parameters
    ----------
    x
        `[m, inputs, length * batch]`.
    taps
        `[m, 3, outputs, inputs]`.
    bias
        `[m, outputs]`.
    batch
        How many columns lie between neighbours.

    Returns
    -------
    Tensor
        `[m, outputs, length * batch]`.
    """
    y: Tensor = _Shifted.apply(x, taps, bias, batch)  # type: ignore[no-untyped-call]
    return y


def conv_down(x: Tensor, kernel: Tensor, bias: Tensor, batch: int) -> Tensor:
    """Convolve with a kernel of four, stride 2 and padding 1: one of three over pairs of neighbours.

    Takes `[m, inputs, 2 * length * batch]` and a kernel `[m, 4, outputs, inputs]`; returns
    `[m, outputs, length * batch]`.
    """
    models, inputs, columns = x.shape
    pairs = x.view(models, inputs, columns // (2 * batch), 2, batch).transpose(2, 3).transpose(1, 2)
    first, second, third, fourth = kernel.unbind(1)
    none = torch.zeros_like(first)
    taps = torch.stack(
        [torch.cat(tap, 2) for tap in ((none, first), (second, third), (fourth, none))],
        1,
    )
    return conv(pairs.reshape(models, 2 * inputs, columns // 2), taps, bias, batch)


class _Interleaved(torch.autograd.Function):
    """Even and odd places side by side; a share of each end of `x` is added at the ends."""

    @staticmethod
    def forward(ctx: Any, halves: Tensor, x: Tensor, share: Tensor, batch: int) -> Tensor:
        models, channels, columns = x.shape
        ctx.save_for_backward(share)
        ctx.batch = batch
        parts = halves.view(models, 2, channels, columns // batch, batch)
        y = parts.permute(0, 2, 3, 1, 4).reshape(models, channels, 2 * columns)
        y[:, :, :batch].addcmul_(share, x[:, :, :batch])
        y[:, :, -batch:].addcmul_(share, x[:, :, -batch:])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (share,) = ctx.saved_tensors
        models, channels, columns = grad.shape
        batch = ctx.batch
        parts = grad.view(models, channels, columns // (2 * batch), 2, batch).permute(0, 3, 1, 2, 4)
        grad_x = grad.new_zeros(models, channels, columns // 2)
        torch.mul(grad[:, :, :batch], share, out=grad_x[:, :, :batch])
        grad_x[:, :, -batch:] += grad[:, :, -batch:] * share
        return parts.reshape(models, 2 * channels, columns // 2), grad_x, None, None


def conv_up(x: Tensor, kernel: Tensor, bias: Tensor, edge: Tensor, batch: int) -> Tensor:
    """Convolve transposed with a kernel of four, stride 2 and padding 1.

    That is a convolution with a kernel of three, to even and to odd places. Interpolation is one, too,
    with the same weights for all channels, but for the ends, where it repeats the outermost number
    instead of zeros.

    Parameters
    ----------
    x
        `[m, inputs, length * batch]`.
    kernel
        `[m, 4, inputs, inputs]`, outputs before inputs.
    bias
        `[m, inputs]`.
    edge
        How much of each end is added at the ends, `[m, 1, 1]`.
    batch
        How many columns lie between neighbours.

    Returns
    -------
    Tensor
        `[m, inputs, 2 * length * batch]`.
    """
    first, second, third, fourth = kernel.unbind(1)
    none = torch.zeros_like(first)
    taps = torch.stack(
        [torch.cat(tap, 1) for tap in ((fourth, none), (second, third), (none, first))],
        1,
    )
    halves = conv(x, taps, torch.cat((bias, bias), 1), batch)
    y: Tensor = _Interleaved.apply(halves, x, edge, batch)  # type: ignore[no-untyped-call]
    return y
