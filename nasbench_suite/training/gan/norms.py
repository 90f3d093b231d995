"""Normalisation and ReLU of many models, each with its own kind."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

EPSILON = 1e-5
"""PyTorch's default."""


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, floor: Tensor) -> Tensor:
        y = torch.maximum(x, floor)
        ctx.save_for_backward(y, floor)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        y, floor = ctx.saved_tensors
        return torch.where(y > floor, grad, grad.new_zeros(())), None


def rectified(x: Tensor, floor: Tensor) -> Tensor:
    """Return the larger of `x`, `[m, ...]`, and each model's floor: 0 for ReLU, minus infinity for none."""
    y: Tensor = _Rectified.apply(x, floor)  # type: ignore[no-untyped-call]
    return y


class _Normalised(torch.autograd.Function):
    """`x * scale + shift` with one scale and shift per model, channel and input, `[m, channels, 1, batch]`.

    Both follow from the moments of every input; where the batch is normalised as one, these are pooled.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, pooled: Tensor, some: Tensor) -> Tensor:
        var, mean = torch.var_mean(x, 2, correction=0, keepdim=True)
        over_batch = mean.mean(3, keepdim=True)
        spread = var.mean(3, keepdim=True) + mean.var(3, correction=0, keepdim=True)
        mean, var = torch.where(pooled, over_batch, mean), torch.where(pooled, spread, var)
        inverse = (var + EPSILON).rsqrt_()
        scale = torch.where(pooled, inverse * weight, inverse).masked_fill_(~some, 1.0)
        shift = (bias.masked_fill(~pooled, 0.0) - mean * scale).masked_fill_(~some, 0.0)
        ctx.save_for_backward(x, mean, inverse, scale, pooled, some)
        return torch.addcmul(shift, x, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, mean, inverse, scale, pooled, some = ctx.saved_tensors
        ones = grad.mean(2, keepdim=True)
        products = ((grad * x).mean(2, keepdim=True) - mean * ones) * inverse
        all_ones, all_products = ones.mean(3, keepdim=True), products.mean(3, keepdim=True)
        places = x.shape[2] * x.shape[3]
        absent = ~(pooled & some)
        grad_bias = (all_ones * places).masked_fill_(absent, 0.0)
        grad_weight = (all_products * places).masked_fill_(absent, 0.0)
        ones, products = torch.where(pooled, all_ones, ones), torch.where(pooled, all_products, products)
        slope = (-products * inverse * scale).masked_fill_(~some, 0.0)
        offset = (-ones * scale).masked_fill_(~some, 0.0) - slope * mean
        return torch.addcmul(offset, x, slope).addcmul_(grad, scale), grad_weight, grad_bias, None, None


def normalised(x: Tensor, weight: Tensor, bias: Tensor, pooled: Tensor, some: Tensor) -> Tensor:
    """Normalise with the statistics of the batch, or of each signal or image.

    Parameters
    ----------
    x
        `[models, channels, places, batch]`, however it lies in memory.
    weight, bias
        `[models, channels]`; for batch normalisation alone.
    pooled
        Which models normalise over the batch, bool `[models]`; the others over each signal or image.
    some
        Which models normalise at all, bool `[models]`.

    Returns
    -------
    Tensor
        Of the shape of `x`, lying as it does.
    """
    per_channel = (part[:, :, None, None] for part in (weight, bias))
    per_model = (part[:, None, None, None] for part in (pooled, some))
    y: Tensor = _Normalised.apply(x, *per_channel, *per_model)  # type: ignore[no-untyped-call]
    return y
