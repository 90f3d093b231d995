"""The generator of one architecture, as an ordinary module: noise to signals.

Gong et al.: "AutoGAN" (ICCV 2019), section 3.1 and figure 2, for signals. Ours: what a cell hands on to
later ones is what its first convolution gives, after ReLU and normalisation where these come after it, and
before skip-ins are added; it is enlarged to the nearest. A shortcut is enlarged linearly where the cell
up-samples linearly, and to the nearest elsewhere. Instance normalisation has no weights. Where they come
after the convolution, ReLU comes before the normalisation; in the authors' code after it. There a skip-in or
shortcut of a cell that deconvolves is deconvolved too, with kernels of two (ours: four), and a tanh ends it.
"""

import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces import GanSpace, Genes, get_space
from nasbench_suite.spaces.gan import NORMALISATIONS, ORDERS, SHORTCUTS, UPSAMPLINGS
from nasbench_suite.training.gan.recipe import LENGTH, GanRecipe


class Generator(nn.Module):
    """Maps noise `[n, latent]` to signals `[n, 1, 40]`, with the statistics of the batch.

    A linear layer makes `[n, channels, 40 / 2^cells]` of the noise, every cell doubles the length, and a
    batch normalisation, a ReLU and a convolution end it.

    Parameters
    ----------
    space
        `gan` or `gan_two_cells`.
    genes
        One row, uint8 `[n_genes]`.
    recipe
        Says how many channels there are.

    Raises
    ------
    ArchitectureError
        When `genes` are no architecture of the space, or the space has none of generators.
    """

    def __init__(self, space: str, genes: Genes, recipe: GanRecipe):
        super().__init__()
        known = gan_space(space)
        cells = [part[0].tolist() for part in known.cells(known.canonical(genes[None]))]
        self.channels = recipe.channels
        self.bottom = nn.Linear(recipe.latent, recipe.channels * (LENGTH >> known.n_cells))
        self.cells = nn.ModuleList(GeneratorCell(recipe.channels, cell) for cell in cells)
        self.last_norm = _batch_norm(recipe.channels)
        self.last = nn.Conv1d(recipe.channels, 1, 3, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        """Return one signal for every row of noise."""
        x: Tensor = self.bottom(noise).unflatten(1, (self.channels, -1))
        inner: list[Tensor] = []
        for cell in self.cells:
            handed_on, x = cell(x, inner)
            inner.append(handed_on)
        signals: Tensor = self.last(F.relu(self.last_norm(x)))
        return signals


class GeneratorCell(nn.Module):
    """Two convolutions at twice the length, with normalisation and ReLU before or after each.

    Parameters
    ----------
    channels
        Of input and output.
    genes
        Places in `spaces.gan.CHOICES`, then a bit for every earlier cell.
    """

    def __init__(self, channels: int, genes: list[int]):
        super().__init__()
        order, norm, up, shortcut, *skips = genes
        self.pre = ORDERS[order] == "pre"
        self.linear = UPSAMPLINGS[up] == "linear"
        self.norm1, self.norm2 = (_norm(NORMALISATIONS[norm], channels) for _ in range(2))
        self.deconv = (
            nn.ConvTranspose1d(channels, channels, 4, stride=2, padding=1)
            if UPSAMPLINGS[up] == "deconv"
            else None
        )
        self.conv1, self.conv2 = (nn.Conv1d(channels, channels, 3, padding=1) for _ in range(2))
        has_shortcut = SHORTCUTS[shortcut] == "shortcut"
        self.shortcut = nn.Conv1d(channels, channels, 1) if has_shortcut else None
        self.skips = nn.ModuleDict(
            {str(cell): nn.Conv1d(channels, channels, 1) for cell, taken in enumerate(skips) if taken}
        )

    def forward(self, x: Tensor, inner: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return what is handed on and the result, `[n, channels, 2 * length]` each.

        Parameters
        ----------
        x
            `[n, channels, length]`.
        inner
            What the earlier cells handed on.
        """
        if self.pre:
            handed_on = self.conv1(self._enlarged(F.relu(self.norm1(x))))
        else:
            handed_on = self.norm1(F.relu(self.conv1(self._enlarged(x))))
        h = handed_on
        for cell, skip in self.skips.items():
            h = h + skip(F.interpolate(inner[int(cell)], size=h.shape[2], mode="nearest"))
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
        return F.interpolate(x, scale_factor=2, mode="linear" if self.linear else "nearest")


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


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    return _batch_norm(channels) if kind == "batch" else nn.InstanceNorm1d(channels)


def _batch_norm(channels: int) -> nn.Module:
    return nn.BatchNorm1d(channels, track_running_stats=False)
