"""Where the weights of a network lie in a row, so that many networks are a matrix `[models, size]`."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from nasbench_suite.training.gan.discriminator import critic_features, critic_widths
from nasbench_suite.training.gan.generator import bottom_size
from nasbench_suite.training.gan.recipe import GanRecipe

Form = Literal["as it is", "conv", "deconv", "point"]
_ORIGINAL = ".parametrizations.weight.original"


@dataclass(frozen=True)
class Part:
    """One parameter.

    Attributes
    ----------
    name
        Its name in the one-by-one network.
    shape
        Here: of signals the taps of a kernel come first, then outputs, then inputs; of images all is as the
        one-by-one network has it.
    form
        How that has it.
    bound
        Initial values are uniform in +-bound (Glorot's, by fan in and fan out); 0: they are `value`.
    value
        What it starts from where nothing is drawn.
    """

    name: str
    shape: tuple[int, ...]
    form: Form = "as it is"
    bound: float = 0.0
    value: float = 0.0

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def as_module(self, own: Tensor) -> Tensor:
        """Return values of this shape as the one-by-one network has them."""
        if self.form == "conv":
            return own.permute(1, 2, 0)
        if self.form == "deconv":
            return own.permute(2, 1, 0)
        return own[..., None] if self.form == "point" else own


class Layout:
    """The parts of a network in the order in which they lie in a row.

    Attributes
    ----------
    parts
        Them.
    size
        Values of a row.
    """

    def __init__(self, parts: Iterator[Part]):
        self.parts = tuple(parts)
        self.size = sum(part.size for part in self.parts)

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the parts of many networks, `[models, *shape]` by name, views of `[models, size]`."""
        pieces = torch.split(
            rows, [part.size for part in self.parts], 1
        )  # one node in the graph of gradients
        return {
            part.name: piece.view(-1, *part.shape) for part, piece in zip(self.parts, pieces, strict=True)
        }

    def initial(self, uniform: Tensor) -> Tensor:
        """Return initial weights for numbers in [0, 1), `[models, size]` both."""
        bounds = torch.cat([torch.full((part.size,), part.bound) for part in self.parts])
        values = torch.cat([torch.full((part.size,), part.value) for part in self.parts])
        return (2 * uniform - 1) * bounds.to(uniform) + values.to(uniform)

    @torch.no_grad()
    def write(self, row: Tensor, network: nn.Module) -> None:
        """Give a one-by-one network the weights of a row, `[size]`; what it has not is left out."""
        own = {name: views[0] for name, views in self.views(row[None]).items()}
        by_name = {part.name: part for part in self.parts}
        for name, target in network.named_parameters():
            name = name.replace(_ORIGINAL, ".weight")
            target.copy_(by_name[name].as_module(own[name]))


def generator_layout(n_cells: int, recipe: GanRecipe, shape: tuple[int, ...]) -> Layout:
    """Return the layout of a generator with everything that any architecture of its space may have."""
    return Layout(_generator_parts(n_cells, recipe, shape))


def critic_layout(recipe: GanRecipe, shape: tuple[int, ...]) -> Layout:
    """Return the layout of a discriminator."""
    return Layout(_critic_parts(recipe, shape))


def _generator_parts(n_cells: int, recipe: GanRecipe, shape: tuple[int, ...]) -> Iterator[Part]:
    channels, dims = recipe.channels, len(shape) - 1
    yield from _linear("bottom", recipe.latent, channels * math.prod(bottom_size(shape, n_cells)))
    for cell in range(n_cells):
        yield from _cell_parts(f"cells.{cell}", cell, channels, dims)
    yield from _norm_parts("last_norm", channels)
    yield from _conv("last", dims, 3, channels, shape[0])


def _cell_parts(name: str, earlier: int, channels: int, dims: int) -> Iterator[Part]:
    square = (channels, channels)
    for norm in ("norm1", "norm2"):
        yield from _norm_parts(f"{name}.{norm}", channels)
    yield from _conv(f"{name}.deconv", dims, 4, *square, form="deconv")
    for conv in ("conv1", "conv2"):
        yield from _conv(f"{name}.{conv}", dims, 3, *square)
    for point in ("shortcut", *(f"skips.{cell}" for cell in range(earlier))):
        yield from _conv(f"{name}.{point}", dims, 1, *square, form="point")


def _critic_parts(recipe: GanRecipe, shape: tuple[int, ...]) -> Iterator[Part]:
    for number, (inputs, outputs) in enumerate(pairwise(critic_widths(recipe, shape))):
        yield from _conv(f"convs.{number}", len(shape) - 1, 4, inputs, outputs)
    yield from _linear("score", critic_features(recipe, shape), 1)


def _norm_parts(name: str, channels: int) -> Iterator[Part]:
    yield Part(f"{name}.weight", (channels,), value=1.0)
    yield Part(f"{name}.bias", (channels,))


def _linear(name: str, inputs: int, outputs: int) -> Iterator[Part]:
    yield from _affine(name, (outputs, inputs), "as it is", inputs + outputs, outputs)


def _conv(name: str, dims: int, taps: int, inputs: int, outputs: int, form: Form = "conv") -> Iterator[Part]:
    fans = taps**dims * (inputs + outputs)
    if dims == 1:
        shape = (outputs, inputs) if form == "point" else (taps, outputs, inputs)
        yield from _affine(name, shape, form, fans, outputs)
        return
    ends = (inputs, outputs) if form == "deconv" else (outputs, inputs)
    yield from _affine(name, (*ends, *[taps] * dims), "as it is", fans, outputs)


def _affine(name: str, shape: tuple[int, ...], form: Form, fans: int, outputs: int) -> Iterator[Part]:
    """Yield weight and bias; `fans` is fan in and fan out together."""
    yield Part(f"{name}.weight", shape, form, bound=math.sqrt(6 / fans))
    yield Part(f"{name}.bias", (outputs,))


Views = Mapping[str, Tensor]
"""Parts of many networks by name, `[models, *shape]`."""
