"""The generators of many architectures and their discriminators as one network.

The model axis is in the tensors. All architectures of a space are computed alike: every model has
everything that any architecture may have, and masks choose. What is chosen against gets no gradient.
Arrays are `[models, channels, length * batch]`.
"""

import torch
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.gan import NORMALISATIONS, ORDERS, SHORTCUTS, UPSAMPLINGS
from nasbench_suite.training.gan.discriminator import N_CONVS, SLOPE
from nasbench_suite.training.gan.generator import gan_space
from nasbench_suite.training.gan.layout import Layout, Views, critic_layout, generator_layout
from nasbench_suite.training.gan.norms import normalised, rectified
from nasbench_suite.training.gan.recipe import LENGTH, GanRecipe
from nasbench_suite.training.gan.shifted import conv, conv_down, conv_up

_FIXED = {"linear": (0.25, 0.75, 0.75, 0.25), "nearest": (0.0, 1.0, 1.0, 0.0), "deconv": (0.0,) * 4}
"""Up-samplings as transposed convolutions of a kernel of four and stride 2."""


class _Cell:
    """The choices of one cell, for all models."""

    def __init__(self, genes: Genes, device: torch.device, dtype: torch.dtype):
        columns = [torch.from_numpy(column.astype("int64")).to(device) for column in genes.T]
        order, norm, up, shortcut, *skips = columns
        self.pre = (order == ORDERS.index("pre"))[:, None, None]
        self.pooled = (norm == NORMALISATIONS.index("batch"))[:, None, None, None]
        some = (norm != NORMALISATIONS.index("none"))[:, None, None, None]
        self.some = {"pre": some & self.pre[..., None], "post": some & ~self.pre[..., None], "both": some}
        nothing = torch.full_like(self.pre, -torch.inf, dtype=dtype)
        self.floor = {"pre": nothing.masked_fill(self.pre, 0.0), "post": nothing.masked_fill(~self.pre, 0.0)}
        self.deconv = (up == UPSAMPLINGS.index("deconv"))[:, None, None, None]
        linear = (up == UPSAMPLINGS.index("linear")).to(dtype)[:, None, None]
        self.edge = linear / 4
        fixed = torch.tensor([_FIXED[kind] for kind in UPSAMPLINGS], dtype=dtype, device=device)[up]
        self.fixed = fixed[:, :, None, None]
        self.shortcut = (shortcut == SHORTCUTS.index("shortcut")).to(dtype)[:, None]
        self.skips = [bit.to(dtype)[:, None] for bit in skips]

    def __call__(
        self, x: Tensor, inner: list[Tensor], own: Views, batch: int, *, is_last: bool
    ) -> tuple[Tensor, Tensor]:
        """Return what the cell hands on, unless it is the last, and its result; see `GeneratorCell`.

        Of the first convolution's normalisation, where it comes after, and the second's, where it comes
        before, every model has one, so that both are computed as one.
        """
        norm1, norm2 = ((own[f"{name}.weight"], own[f"{name}.bias"]) for name in ("norm1", "norm2"))
        h = rectified(normalised(x, *norm1, self.pooled, self.some["pre"], batch), self.floor["pre"])
        first = conv(self._enlarged(h, own, batch), own["conv1.weight"], own["conv1.bias"], batch)
        skips = self._skips(inner, own)
        pre = self.pre.to(x.dtype)
        h = rectified(_add_nearest(first, [skip * pre for skip in skips], batch), self.floor["post"])
        weight, bias = (torch.where(self.pre[:, :, 0], *pair) for pair in zip(norm2, norm1, strict=True))
        h = normalised(h, weight, bias, self.pooled, self.some["both"], batch)
        handed_on = h if is_last else torch.where(self.pre, first, h)
        h = _add_nearest(rectified(h, self.floor["pre"]), [skip * (1 - pre) for skip in skips], batch)
        h = rectified(conv(h, own["conv2.weight"], own["conv2.bias"], batch), self.floor["post"])
        h = normalised(h, *norm2, self.pooled, self.some["post"], batch)
        return handed_on, h + self._interpolated(_point(x, own, "shortcut", self.shortcut), batch)

    def _skips(self, inner: list[Tensor], own: Views) -> list[Tensor]:
        pairs = zip(self.skips, inner, strict=True)
        return [_point(earlier, own, f"skips.{cell}", taken) for cell, (taken, earlier) in enumerate(pairs)]

    def _enlarged(self, x: Tensor, own: Views, batch: int) -> Tensor:
        same = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        kernel = torch.where(self.deconv, own["deconv.weight"], self.fixed * same)
        bias = own["deconv.bias"] * self.deconv[:, :, 0, 0]
        return conv_up(x, kernel, bias, self.edge, batch)

    def _interpolated(self, x: Tensor, batch: int) -> Tensor:
        """Enlarge linearly where the cell does, to the nearest elsewhere."""
        before = torch.cat((x[:, :, :batch], x[:, :, :-batch]), 2)
        after = torch.cat((x[:, :, batch:], x[:, :, -batch:]), 2)
        halves = [torch.lerp(x, side, self.edge.expand_as(x)) for side in (before, after)]
        return torch.stack([half.view(*half.shape[:2], -1, batch) for half in halves], 3).flatten(2)


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
    device, dtype
        Of the weights.
    depth
        Cells that are computed; all if None. What fewer make is shorter, and every number of it is
        repeated so often that signals have their length.

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
        device: torch.device,
        dtype: torch.dtype,
        depth: int | None = None,
    ):
        self._space, self._genes, self._recipe = space, genes, recipe
        self._device, self._dtype, self._depth = device, dtype, depth
        known = gan_space(space)
        self.channels = recipe.channels
        self.layout: Layout = generator_layout(known.n_cells, recipe)
        cells = known.cells(known.canonical(genes))[:depth]
        self._cells = [_Cell(part, device, dtype) for part in cells]
        always = torch.ones(len(genes), 1, 1, 1, dtype=torch.bool, device=device)
        self._always = always

    def part(self, models: slice) -> "FoldedGenerator":
        """Return the generators of some of the models."""
        own = self._genes[models]
        return FoldedGenerator(self._space, own, self._recipe, self._device, self._dtype, self._depth)

    def __call__(self, weights: Tensor, noise: Tensor) -> Tensor:
        """Return signals `[models, 1, 40 * n]` for weights `[models, size]` and noise `[n, latent]`."""
        own, batch = self.layout.views(weights), len(noise)
        x = own["bottom.weight"] @ noise.T + own["bottom.bias"][:, :, None]
        x = x.view(len(weights), self.channels, -1)
        inner: list[Tensor] = []
        for number, cell in enumerate(self._cells):
            prefix = f"cells.{number}."
            parts = {name.removeprefix(prefix): part for name, part in own.items() if name.startswith(prefix)}
            handed_on, x = cell(x, inner, parts, batch, is_last=number + 1 == len(self._cells))
            inner.append(handed_on)
        norm = own["last_norm.weight"], own["last_norm.bias"]
        x = normalised(x, *norm, self._always, self._always, batch).relu()
        x = conv(x, own["last.weight"], own["last.bias"], batch)
        if self._depth is None:
            return x
        places = x.view(len(weights), 1, -1, 1, batch)
        return places.expand(-1, -1, -1, LENGTH // places.shape[2], -1).reshape(len(weights), 1, -1)


class FoldedDiscriminator:
    """As many discriminators, with the singular vectors that the power iteration keeps.

    Attributes
    ----------
    layout
        Where the weights lie in a row.
    left, right
        Singular vectors of every weight: `[models, outputs]` and `[models, inputs]`.
    """

    _WEIGHTS = (*(f"convs.{number}.weight" for number in range(N_CONVS)), "score.weight")

    def __init__(self, recipe: GanRecipe):
        self.layout: Layout = critic_layout(recipe)
        self._gain = recipe.critic_gain
        self.left: list[Tensor] = []
        self.right: list[Tensor] = []

    @torch.no_grad()
    def start(self, weights: Tensor, uniform: Tensor, iterations: int = 15) -> None:
        """Find singular vectors from numbers in [0, 1), `[models, most outputs]`."""
        own = self.layout.views(weights)
        matrices = [_matrix(own[name]) for name in self._WEIGHTS]
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
            matrix = _matrix(own[name])
            left.copy_(torch.nn.functional.normalize((matrix @ right[:, :, None])[:, :, 0], dim=1, eps=1e-12))
            right.copy_(torch.nn.functional.normalize((left[:, None] @ matrix)[:, 0], dim=1, eps=1e-12))

    def __call__(self, weights: Tensor, signals: Tensor) -> Tensor:
        """Return scores `[models, n]` for weights `[models, size]` and signals `[models, 1, 40 * n]`."""
        own = self._normalised(weights)
        x, batch = signals, signals.shape[2] // LENGTH
        for number in range(N_CONVS):
            x = conv_down(x, own[f"convs.{number}.weight"], own[f"convs.{number}.bias"], batch)
            x = torch.nn.functional.leaky_relu(x, SLOPE)
        flat = x.view(len(weights), -1, batch)
        return torch.baddbmm(own["score.bias"][:, :, None], own["score.weight"], flat)[:, 0]

    def _normalised(self, weights: Tensor) -> dict[str, Tensor]:
        """Return all parts, the convolutions with the gain: leaky ReLU hands a positive factor on."""
        own = self.layout.views(weights)
        for name, left, right in zip(self._WEIGHTS, self.left, self.right, strict=True):
            norm = ((left[:, None] @ _matrix(own[name]))[:, 0] * right).sum(1)
            own[name] = own[name] / norm.view(-1, *[1] * (own[name].ndim - 1))
        gained = (f"convs.{number}.{kind}" for number in range(N_CONVS) for kind in ("weight", "bias"))
        return own | {name: own[name] * self._gain for name in gained}


def _matrix(weight: Tensor) -> Tensor:
    """Return kernels `[m, taps, outputs, inputs]` as matrices `[m, outputs, taps * inputs]`."""
    return weight if weight.ndim == 3 else weight.transpose(1, 2).flatten(2)


def _point(x: Tensor, own: Views, name: str, taken: Tensor) -> Tensor:
    """Convolve with a kernel of one; zeros for models that do not take it."""
    weight, bias = own[f"{name}.weight"] * taken[:, :, None], own[f"{name}.bias"] * taken
    return torch.baddbmm(bias[:, :, None], weight, x)


def _add_nearest(x: Tensor, shorter: list[Tensor], batch: int) -> Tensor:
    """Add what is shorter, enlarged to the nearest."""
    for short in shorter:
        places = short.shape[2] // batch
        parts = x.view(*short.shape[:2], places, -1, batch)
        x = (parts + short.view(*short.shape[:2], places, 1, batch)).view_as(x)
    return x
