"""Identities that learn: 1x1 convolutions in a supernet that vanish into the convolution behind them.

Chu et al.: "SCARLET-NAS" (arXiv 1908.06022): where a path may leave a layer out, a 1x1 convolution without
bias, normalisation or activation takes the identity's place while the supernet learns. It is linear, so a
convolution that follows it can do its work, and the network that is trained alone has the identity.

In the macro space that holds without loss where what follows begins with a convolution that all of the signal
goes through: another stabilised identity, the first layer of a stage (an inverted bottleneck that changes the
shape and so adds no input, or the 1x1 convolution that stands for the identity there), and the head of style
`official`. It does not hold before an inverted bottleneck that keeps the shape, which adds its input to its
output, nor before the head of style `light`, which begins with a normalisation.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.training.choices import Choice
from nasbench_suite.training.networks.macro import MacroNetwork
from nasbench_suite.training.operations import Conv, Dims, InvertedBottleneck, conv
from nasbench_suite.training.supernet import Supernet


class LinearSkip(nn.Module):
    """A 1x1 convolution in the place of an identity; `SupernetOptions.skip` makes it."""

    def __init__(self, dims: int, channels: int):
        super().__init__()
        self.conv = conv(cast(Dims, dims), channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, channels, ...]` for `[n, channels, ...]`."""
        return cast(Tensor, self.conv(x))


@torch.no_grad()
def fold_into(skip: LinearSkip, following: Conv) -> None:
    """Let a convolution do the work of the stabiliser before it, exactly, borders included.

    The new kernel is, at every place, the old one times the stabiliser's matrix.

    Raises
    ------
    NasbenchSuiteError
        When the convolution has groups, in each of which it sees a part of the channels only.
    """
    if following.groups != 1:
        raise NasbenchSuiteError(
            "a stabiliser mixes all channels; a convolution with groups cannot do its work."
        )
    matrix = skip.conv.weight.flatten(1)
    following.weight.copy_(torch.einsum("om...,mi->oi...", following.weight, matrix))


def fold_skips(supernet: Supernet, row: Genes) -> MacroNetwork:
    """Return a copy of the path of one architecture, stabilisers folded where that changes nothing.

    Those that must stay are still `LinearSkip`s; the others are identities.

    Parameters
    ----------
    supernet
        One of the macro space; it stays as it is.
    row
        uint8 `[n_genes]`.

    Raises
    ------
    NasbenchSuiteError
        When the supernet is one of another space.
    """
    if supernet.space != "macro":
        raise NasbenchSuiteError(f"stabilisers can be folded in the space macro, not in {supernet.space}.")
    network = cast(MacroNetwork, copy.deepcopy(supernet.network))
    for layer, choice in enumerate(network.blocks):
        network.blocks[layer] = cast(Choice, choice).operations[int(row[layer])]
    behind = [*network.blocks[1:], network.head]
    for layer, following in enumerate(behind):
        block, target = network.blocks[layer], _only_entrance(following)
        if isinstance(block, LinearSkip) and target is not None:
            fold_into(block, target)
            network.blocks[layer] = nn.Identity()
    return network


def _only_entrance(module: nn.Module) -> Conv | None:
    """Return the convolution that all of a module's input goes through first, if there is one."""
    if isinstance(module, LinearSkip):
        return module.conv
    if isinstance(module, InvertedBottleneck):
        if module.residual or module.expand is None:
            return None
        module = module.expand
    first = module[0] if isinstance(module, nn.Sequential) else module
    return first if isinstance(first, nn.Conv1d | nn.Conv2d) and first.groups == 1 else None
