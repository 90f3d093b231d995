"""The generators of many architectures and their discriminators as one network.

The model axis is in the tensors. All architectures of a space are computed alike: every model has
everything that any architecture may have, and masks choose. What is chosen against gets no gradient. How
signals and images lie, and what is done with them, say `signals.py` and `images.py`.
"""

import math

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

Fold = Signals | Images
_FIXED = {"linear": (0.25, 0.75, 0.75, 0.25), "nearest": (0.0, 1.0, 1.0, 0.0), "deconv": (0.0,) * 4}
"""Up-samplings as transposed convolutions of a kernel of four and stride 2, along one axis."""


def fold_of(shape: tuple[int, ...]) -> type[Fold]:
    """Return how inputs of a shape lie: signals `(channels, length)`, images `(channels, height, width)`."""
    return Signals if len(shape) == 2 else Images


class _Cell:
    """The choices of one cell, for all models."""

    def __init__(
        self, genes: Genes, fold: type[Fold], channels: int, device: torch.device, dtype: torch.dtype
    ):
        columns = [torch.from_numpy(column.astype("int64")).to(device) for column in genes.T]
        order, norm, up, shortcut, *skips = columns
        pre = order == ORDERS.index("pre")
        self.pre, self.pre_rows = fold.per_model(pre), pre[:, None]
        self.pooled = norm == NORMALISATIONS.index("batch")
        some = norm != NORMALISATIONS.index("none")
        self.some = {"pre": some & pre, "post": some & ~pre, "both": some}
        nothing = torch.full_like(self.pre, -torch.inf, dtype=dtype)
        self.floor = {"pre": nothing.masked_fill(self.pre, 0.0), "post": nothing.masked_fill(~self.pre, 0.0)}
        self.deconv = up == UPSAMPLINGS.index("deconv")
        self.linear = (up == UPSAMPLINGS.index("linear")).to(dtype)
        fixed = torch.tensor([_FIXED[kind] for kind in UPSAMPLINGS], dtype=dtype, device=device)[up]
        self.fixed = fold.separable(fixed, channels)
        self.shortcut = (shortcut == SHORTCUTS.index("shortcut")).to(dtype)
        self.skips = [bit.to(dtype) for bit in skips]

    def __call__(
        self, x: Tensor, inner: list[Tensor], own: Views, fold: Fold, *, is_last: bool
    ) -> tuple[Tensor, Tensor]:
        """Return what the cell hands on, unless it is the last, and its result; see `GeneratorCell`.

        Of the first convolution's normalisation, where it comes after, and the second's, where it comes
        before, every model has one, so that both are computed as one.
        """
        norm1, norm2 = ((own[f"{name}.weight"], own[f"{name}.bias"]) for name in ("norm1", "norm2"))
        h = rectified(fold.normalised(x, *norm1, self.pooled, self.some["pre"]), self.floor["pre"])
        first = fold.conv(self._enlarged(h, own, fold), own["conv1.weight"], own["conv1.bias"])
        skips = self._skips(inner, own, fold)
        pre = self.pre.to(x.dtype)
        h = rectified(_sum(first, [skip * pre for skip in skips], fold), self.floor["post"])
        weight, bias = (torch.where(self.pre_rows, *pair) for pair in zip(norm2, norm1, strict=True))
        h = fold.normalised(h, weight, bias, self.pooled, self.some["both"])
        handed_on = h if is_last else torch.where(self.pre, first, h)
        h = _sum(rectified(h, self.floor["pre"]), [skip * (1 - pre) for skip in skips], fold)
        h = rectified(fold.conv(h, own["conv2.weight"], own["conv2.bias"]), self.floor["post"])
        h = fold.normalised(h, *norm2, self.pooled, self.some["post"])
        return handed_on, h + fold.interpolated(_point(x, own, "shortcut", self.shortcut, fold), self.linear)

    def _skips(self, inner: list[Tensor], own: Views, fold: Fold) -> list[Tensor]:
        pairs = zip(self.skips, inner, strict=True)
        return [
            _point(earlier, own, f"skips.{cell}", taken, fold) for cell, (taken, earlier) in enumerate(pairs)
        ]

    def _enlarged(self, x: Tensor, own: Views, fold: Fold) -> Tensor:
        learned = _scaled(own["deconv.weight"], self.deconv)
        bias = _scaled(own["deconv.bias"], self.deconv)
        return fold.enlarged(x, learned + self.fixed, bias, self.linear)


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
        self._always = torch.ones(len(genes), dtype=torch.bool, device=device)

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


def _point(x: Tensor, own: Views, name: str, taken: Tensor, fold: Fold) -> Tensor:
    """Convolve with a kernel of one; zeros for models that do not take it."""
    return fold.point(x, *(_scaled(own[f"{name}.{kind}"], taken) for kind in ("weight", "bias")))


def _scaled(weight: Tensor, factor: Tensor) -> Tensor:
    """Return the weights of every model times its factor, `[models]`."""
    return weight * factor.view(-1, *[1] * (weight.ndim - 1))


def _sum(x: Tensor, smaller: list[Tensor], fold: Fold) -> Tensor:
    """Add what is smaller, enlarged to the nearest."""
    for part in smaller:
        x = fold.with_nearest(x, part)
    return x
