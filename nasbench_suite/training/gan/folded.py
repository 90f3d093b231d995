"""The generators of many architectures and their discriminators as one network.

The model axis is in the tensors. All architectures of a space are computed alike: every model has
everything that any of the group has, and masks choose. What is chosen against gets no gradient. How
signals and images lie, and what is done with them, say `signals.py` and `images.py`.
"""

import math

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.gan import NORMALISATIONS, ORDERS, SHORTCUTS, UPSAMPLINGS
from nasbench_suite.training.gan.discriminator import N_CONVS, SLOPE
from nasbench_suite.training.gan.generator import bottom_size, gan_space
from nasbench_suite.training.gan.images import Images
from nasbench_suite.training.gan.layout import Layout, Views, critic_layout, generator_layout
from nasbench_suite.training.gan.norms import rectified
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.gan.signals import Signals
from nasbench_suite.training.gan.taken import Choice, Taken

Fold = Signals | Images
_FIXED = {"linear": (0.25, 0.75, 0.75, 0.25), "nearest": (0.0, 1.0, 1.0, 0.0), "deconv": (0.0,) * 4}
"""Up-samplings as transposed convolutions of a kernel of four and stride 2, along one axis."""


def fold_of(shape: tuple[int, ...]) -> type[Fold]:
    """Return how inputs of a shape lie: signals `(channels, length)`, images `(channels, height, width)`."""
    return Signals if len(shape) == 2 else Images


class _Cell:
    """The choices of one cell, for all models; what none of them has is not computed."""

    def __init__(
        self, genes: Genes, fold: type[Fold], channels: int, device: torch.device, dtype: torch.dtype
    ):
        order, norm, up, shortcut, *skips = (Choice(column, device) for column in genes.T)
        self.pre, self.post = order.where(ORDERS.index("pre")), order.where(ORDERS.index("post"))
        self.deconv, self.linear = (up.where(UPSAMPLINGS.index(kind)) for kind in ("deconv", "linear"))
        self.shortcut = shortcut.where(SHORTCUTS.index("shortcut"))
        self.skips = [bit.where(1) for bit in skips]
        self.pooled = norm.where(NORMALISATIONS.index("batch"))
        some = ~norm.where(NORMALISATIONS.index("none"))
        self.some = {"pre": some & self.pre, "post": some & self.post, "both": some}
        nothing = torch.full((len(genes),), -torch.inf, dtype=dtype, device=device)
        self.floor = {
            one: fold.per_model(nothing.masked_fill(one.mask, 0.0)) for one in (self.pre, self.post)
        }
        fixed = torch.tensor([_FIXED[kind] for kind in UPSAMPLINGS], dtype=dtype, device=device)
        self.fixed = fold.separable(fixed[up.values], channels)
        self.is_linear = self.linear.mask.to(dtype)

    def __call__(
        self, x: Tensor, inner: list[Tensor], own: Views, fold: Fold, *, is_last: bool
    ) -> tuple[Tensor, Tensor]:
        """Return what the cell hands on, unless it is the last, and its result; see `GeneratorCell`.

        Of the first convolution's normalisation, where it comes after, and the second's, where it comes
        before, every model has one, so that both are computed as one.
        """
        norm1, norm2 = ((own[f"{name}.weight"], own[f"{name}.bias"]) for name in ("norm1", "norm2"))
        h = self._rectified(self._normalised(x, *norm1, "pre", fold), self.pre)
        first = fold.conv(self._enlarged(h, own, fold), own["conv1.weight"], own["conv1.bias"])
        skips = self._skips(inner, own, fold)
        h = self._rectified(self._with(first, skips, self.pre, fold), self.post)
        weight, bias = (_choose(self.pre, *pair) for pair in zip(norm2, norm1, strict=True))
        h = self._normalised(h, weight, bias, "both", fold)
        handed_on = h if is_last else _choose(self.pre, first, h, fold)
        h = self._with(self._rectified(h, self.pre), skips, self.post, fold)
        h = self._rectified(fold.conv(h, own["conv2.weight"], own["conv2.bias"]), self.post)
        h = self._normalised(h, *norm2, "post", fold)
        if self.shortcut.by_none:
            return handed_on, h
        return handed_on, h + fold.interpolated(
            _point(x, own, "shortcut", self.shortcut, fold), self.is_linear
        )

    def _normalised(self, x: Tensor, weight: Tensor, bias: Tensor, where: str, fold: Fold) -> Tensor:
        some = self.some[where]
        return x if some.by_none else fold.normalised(x, weight, bias, self.pooled, some)

    def _rectified(self, x: Tensor, taken: Taken) -> Tensor:
        if taken.by_none:
            return x
        return x.relu() if taken.by_all else rectified(x, self.floor[taken])

    def _skips(self, inner: list[Tensor], own: Views, fold: Fold) -> list[Tensor]:
        pairs = zip(self.skips, inner, strict=True)
        return [
            _point(earlier, own, f"skips.{cell}", taken, fold)
            for cell, (taken, earlier) in enumerate(pairs)
            if not taken.by_none
        ]

    def _with(self, x: Tensor, skips: list[Tensor], taken: Taken, fold: Fold) -> Tensor:
        """Add what is smaller, enlarged to the nearest, where it is taken."""
        for skip in [] if taken.by_none else skips:
            own = skip if taken.by_all else skip * fold.per_model(taken.mask)
            x = fold.with_nearest(x, own)
        return x

    def _enlarged(self, x: Tensor, own: Views, fold: Fold) -> Tensor:
        if self.deconv.by_none:
            return fold.interpolated(x, self.is_linear)
        kernel, bias = (_scaled(own[f"deconv.{kind}"], self.deconv) for kind in ("weight", "bias"))
        return fold.enlarged(x, kernel if self.deconv.by_all else kernel + self.fixed, bias, self.is_linear)


class FoldedGenerator:
    """Generators of many architectures.

    Parameters
    ----------
    space
        Name of a space of generators.
    genes
        uint8 `[models, n_genes]`.
    recipe
        Says how many channels there are.
    shape
        Channels and size of what they make.
    device, dtype
        Of the weights.
    depth
        Cells that are computed; all if None. What fewer make is smaller, and every number of it is
        repeated so often that it has its size.

    Attributes
    ----------
    layout
        Where the weights lie in a row.
    """

    def __init__(
        self,
        space: str,
        genes: Genes,
        recipe: GanRecipe,
        shape: tuple[int, ...],
        device: torch.device,
        dtype: torch.dtype,
        depth: int | None = None,
    ):
        self._space, self._genes, self._recipe, self._shape = space, genes, recipe, shape
        self._device, self._dtype, self._depth = device, dtype, depth
        known, self._fold = gan_space(space), fold_of(shape)
        self.channels = recipe.channels
        self._bottom = bottom_size(shape, known.n_cells)
        self.layout: Layout = generator_layout(known.n_cells, recipe, shape)
        cells = known.cells(known.canonical(genes))[:depth]
        self._cells = [_Cell(part, self._fold, recipe.channels, device, dtype) for part in cells]
        self._always = Taken(np.ones(len(genes), dtype=bool), device)

    def part(self, models: slice) -> "FoldedGenerator":
        """Return the generators of some of the models."""
        rest = (self._recipe, self._shape, self._device, self._dtype, self._depth)
        return FoldedGenerator(self._space, self._genes[models], *rest)

    def __call__(self, weights: Tensor, noise: Tensor) -> Tensor:
        """Return signals or images, folded, for weights `[models, size]` and noise `[n, latent]`."""
        own, fold = self.layout.views(weights), self._fold(len(noise))
        x = own["bottom.weight"] @ noise.T + own["bottom.bias"][:, :, None]
        x = fold.reshaped(x, self.channels, self._bottom)
        inner: list[Tensor] = []
        for number, cell in enumerate(self._cells):
            prefix = f"cells.{number}."
            parts = {name.removeprefix(prefix): part for name, part in own.items() if name.startswith(prefix)}
            handed_on, x = cell(x, inner, parts, fold, is_last=number + 1 == len(self._cells))
            inner.append(handed_on)
        norm = own["last_norm.weight"], own["last_norm.bias"]
        x = fold.normalised(x, *norm, self._always, self._always).relu()
        x = fold.conv(x, own["last.weight"], own["last.bias"])
        x = x if isinstance(fold, Signals) else x.tanh()
        return x if self._depth is None else fold.repeated(x, self._shape[1:])

    def unfolded(self, made: Tensor, n: int) -> Tensor:
        """Return what `n` rows of noise gave as `[models, n, channels, *size]`."""
        return self._fold(n).unfolded(made)


class FoldedDiscriminator:
    """As many discriminators, with the singular vectors that the power iteration keeps.

    Parameters
    ----------
    recipe
        Says how many channels there are.
    shape
        Channels and size of what they judge.

    Attributes
    ----------
    layout
        Where the weights lie in a row.
    left, right
        Singular vectors of every weight: `[models, outputs]` and `[models, inputs]`.
    """

    _WEIGHTS = (*(f"convs.{number}.weight" for number in range(N_CONVS)), "score.weight")

    def __init__(self, recipe: GanRecipe, shape: tuple[int, ...]):
        self.layout: Layout = critic_layout(recipe, shape)
        self._fold, self._places = fold_of(shape), math.prod(shape)
        self._gain = recipe.critic_gain
        self.left: list[Tensor] = []
        self.right: list[Tensor] = []

    @torch.no_grad()
    def start(self, weights: Tensor, uniform: Tensor, iterations: int = 15) -> None:
        """Find singular vectors from numbers in [0, 1), `[models, most outputs]`."""
        own = self.layout.views(weights)
        matrices = [self._matrix(own[name]) for name in self._WEIGHTS]
        self.left = [uniform[:, : len(matrix[0])].clone() - 0.5 for matrix in matrices]
        self.right = [torch.zeros_like(matrix[:, 0]) for matrix in matrices]
        for left, right, matrix in zip(self.left, self.right, matrices, strict=True):
            left.copy_(torch.nn.functional.normalize(left, dim=1))
            right.copy_(torch.nn.functional.normalize((left[:, None] @ matrix)[:, 0], dim=1))
        for _ in range(iterations):
            self.iterate(weights)

    @torch.no_grad()
    def iterate(self, weights: Tensor) -> None:
        """Take a step of power iteration."""
        own = self.layout.views(weights)
        for name, left, right in zip(self._WEIGHTS, self.left, self.right, strict=True):
            matrix = self._matrix(own[name])
            left.copy_(torch.nn.functional.normalize((matrix @ right[:, :, None])[:, :, 0], dim=1, eps=1e-12))
            right.copy_(torch.nn.functional.normalize((left[:, None] @ matrix)[:, 0], dim=1, eps=1e-12))

    def __call__(self, weights: Tensor, inputs: Tensor) -> Tensor:
        """Return scores `[models, n]` for weights `[models, size]` and signals or images, folded."""
        own = self._normalised(weights)
        x, fold = inputs, self._fold(inputs.numel() // (len(weights) * self._places))
        for number in range(N_CONVS):
            x = fold.conv_down(x, own[f"convs.{number}.weight"], own[f"convs.{number}.bias"])
            x = torch.nn.functional.leaky_relu(x, SLOPE)
        return torch.baddbmm(own["score.bias"][:, :, None], own["score.weight"], fold.flat(x))[:, 0]

    def _normalised(self, weights: Tensor) -> dict[str, Tensor]:
        """Return all parts, the convolutions with the gain: leaky ReLU hands a positive factor on."""
        own = self.layout.views(weights)
        for name, left, right in zip(self._WEIGHTS, self.left, self.right, strict=True):
            norm = ((left[:, None] @ self._matrix(own[name]))[:, 0] * right).sum(1)
            own[name] = own[name] / norm.view(-1, *[1] * (own[name].ndim - 1))
        gained = (f"convs.{number}.{kind}" for number in range(N_CONVS) for kind in ("weight", "bias"))
        return own | {name: own[name] * self._gain for name in gained}

    def _matrix(self, weight: Tensor) -> Tensor:
        """Return weights as matrices, `[models, outputs, inputs]`."""
        return weight if weight.ndim == 3 else self._fold.matrix(weight)


def _point(x: Tensor, own: Views, name: str, taken: Taken, fold: Fold) -> Tensor:
    """Convolve with a kernel of one; zeros for models that do not take it."""
    return fold.point(x, *(_scaled(own[f"{name}.{kind}"], taken) for kind in ("weight", "bias")))


def _scaled(weight: Tensor, taken: Taken) -> Tensor:
    """Return the weights of every model that takes them; zeros of the others."""
    if taken.by_all:
        return weight
    return weight * taken.mask.view(-1, *[1] * (weight.ndim - 1))


def _choose(taken: Taken, one: Tensor, other: Tensor, fold: Fold | None = None) -> Tensor:
    """Return `one` where it is taken, else `other`: rows `[models, ...]`, or arrays that are folded."""
    if taken.by_all or taken.by_none:
        return one if taken.by_all else other
    mask = taken.mask[:, None] if fold is None else fold.per_model(taken.mask)
    return torch.where(mask, one, other)
