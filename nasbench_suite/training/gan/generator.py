"""The generator of one architecture, as an ordinary module: noise to signals or images.

Gong et al.: "AutoGAN" (ICCV 2019), section 3.1 and figure 2, for images and for signals. Ours: what a cell
hands on to later ones is what its first convolution gives, after ReLU and normalisation where these come
after it, and before skip-ins are added; it is enlarged to the nearest. A shortcut is enlarged linearly where
the cell up-samples linearly, and to the nearest elsewhere. Instance normalisation has no weights. Where they
come after the convolution, ReLU comes before the normalisation; in the authors' code after it. There a
skip-in or shortcut of a cell that deconvolves is deconvolved too, with kernels of two (ours: four). A tanh
ends it where it makes images, as there; signals have no bounds.
"""

import math

import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.spaces import GanSpace, Genes, get_space
from nasbench_suite.spaces.gan import NORMALISATIONS, ORDERS, SHORTCUTS, UPSAMPLINGS
from nasbench_suite.training.gan.recipe import GanRecipe


class Generator(nn.Module):
    """Maps noise `[n, latent]` to signals or images `[n, channels, *size]`, with the statistics of the batch.

    A linear layer makes `[n, width, *(size / 2^cells)]` of the noise, every cell doubles the size, and a
    batch normalisation, a ReLU and a convolution end it; in images also a tanh.

    Parameters
    ----------
    space
        `gan` or `gan_two_cells`.
    genes
        One row, uint8 `[n_genes]`.
    recipe
        Says how many channels there are inside.
    shape
        Channels and size of what it makes.

    Raises
    ------
    ArchitectureError
        When `genes` are no architecture of the space, or the space has none of generators.
    NasbenchSuiteError
        When the size cannot be halved as often as there are cells.
    """

    def __init__(self, space: str, genes: Genes, recipe: GanRecipe, shape: tuple[int, ...]):
        super().__init__()
        known = gan_space(space)
        cells = [part[0].tolist() for part in known.cells(known.canonical(genes[None]))]
        self.channels, self.size, dims = recipe.channels, bottom_size(shape, known.n_cells), len(shape) - 1
        self.bottom = nn.Linear(recipe.latent, recipe.channels * math.prod(self.size))
        self.cells = nn.ModuleList(GeneratorCell(recipe.channels, cell, dims) for cell in cells)
        self.last_norm = _batch_norm(recipe.channels, dims)
        self.last = _conv(dims)(recipe.channels, shape[0], 3, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        """Return one signal or image for every row of noise."""
        x: Tensor = self.bottom(noise).unflatten(1, (self.channels, *self.size))
        inner: list[Tensor] = []
        for cell in self.cells:
            handed_on, x = cell(x, inner)
            inner.append(handed_on)
        made: Tensor = self.last(F.relu(self.last_norm(x)))
        return made if made.ndim == 3 else made.tanh()


class GeneratorCell(nn.Module):
    """Two convolutions at twice the size, with normalisation and ReLU before or after each.

    Parameters
    ----------
    channels
        Of input and output.
    genes
        Places in `spaces.gan.CHOICES`, then a bit for every earlier cell.
    dims
        1 for signals, 2 for images.
    """

    def __init__(self, channels: int, genes: list[int], dims: int):
        super().__init__()
        order, norm, up, shortcut, *skips = genes
        self.pre = ORDERS[order] == "pre"
        self.mode = ("linear" if dims == 1 else "bilinear") if UPSAMPLINGS[up] == "linear" else "nearest"
        self.norm1, self.norm2 = (_norm(NORMALISATIONS[norm], channels, dims) for _ in range(2))
        conv, deconv = _conv(dims), nn.ConvTranspose1d if dims == 1 else nn.ConvTranspose2d
        up_sampling = UPSAMPLINGS[up]
        self.deconv = deconv(channels, channels, 4, 2, 1) if up_sampling == "deconv" else None
        self.conv1, self.conv2 = (conv(channels, channels, 3, padding=1) for _ in range(2))
        self.shortcut = conv(channels, channels, 1) if SHORTCUTS[shortcut] == "shortcut" else None
        self.skips = nn.ModuleDict(
            {str(cell): conv(channels, channels, 1) for cell, taken in enumerate(skips) if taken}
        )

    def forward(self, x: Tensor, inner: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return what is handed on and the result, `[n, channels, *(2 * size)]` each.

        Parameters
        ----------
        x
            `[n, channels, *size]`.
        inner
            What the earlier cells handed on.
        """
        if self.pre:
            handed_on = self.conv1(self._enlarged(F.relu(self.norm1(x))))
        else:
            handed_on = self.norm1(F.relu(self.conv1(self._enlarged(x))))
        h = handed_on
        for cell, skip in self.skips.items():
            h = h + skip(F.interpolate(inner[int(cell)], size=h.shape[2:], mode="nearest"))
        out = self.conv2(F.relu(self.norm2(h))) if self.pre else self.norm2(F.relu(self.conv2(h)))
        if self.shortcut is not None:
            out = out + self.shortcut(self._interpolated(x))
        return handed_on, out

    def _enlarged(self, x: Tensor) -> Tensor:
        if self.deconv is None:
            return self._interpolated(x)
        enlarged: Tensor = self.deconv(x)
        return enlarged

    def _interpolated(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode=self.mode)


def gan_space(name: str) -> GanSpace:
    """Return a space of generators.

    Raises
    ------
    UnknownNameError
        When there is no such space.
    ArchitectureError
        When its architectures are no generators.
    """
    space = get_space(name)
    if not isinstance(space, GanSpace):
        raise ArchitectureError(
            f"architectures of space {name!r} are no generators; take gan or gan_two_cells."
        )
    return space


def bottom_size(shape: tuple[int, ...], n_cells: int) -> tuple[int, ...]:
    """Return the size that generators begin with, which every cell doubles.

    Raises
    ------
    NasbenchSuiteError
        When there is none.
    """
    if any(length % (1 << n_cells) for length in shape[1:]):
        raise NasbenchSuiteError(
            f"generators of {n_cells} cells cannot make {'x'.join(map(str, shape[1:]))}: every cell doubles "
            f"the size, so it has to be a multiple of {1 << n_cells}."
        )
    return tuple(length >> n_cells for length in shape[1:])


def _norm(kind: str, channels: int, dims: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return _batch_norm(channels, dims)
    return (nn.InstanceNorm1d if dims == 1 else nn.InstanceNorm2d)(channels)


def _batch_norm(channels: int, dims: int) -> nn.Module:
    return (nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d)(channels, track_running_stats=False)


def _conv(dims: int) -> type[nn.Conv1d] | type[nn.Conv2d]:
    return nn.Conv1d if dims == 1 else nn.Conv2d
