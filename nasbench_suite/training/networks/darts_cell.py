"""Networks of DARTS's cells, as DARTS and NAS-Bench-301 train them.

Liu, Simonyan, Yang: "DARTS" (ICLR 2019), section 3, with the authors' code (quark0/darts, `model.py`); Siems
et al.: "NAS-Bench-301" (arXiv 2008.09777), section 4.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces.darts_cell import OPERATIONS
from nasbench_suite.spaces.darts_numbering import PREDECESSORS
from nasbench_suite.training.networks.network import Network
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import (
    Dims,
    FactorizedReduction,
    ReluConvNorm,
    SeparableConv,
    average_pool,
    conv,
    global_average,
    max_pool,
    norm,
)

NODES = 4
"""Intermediate nodes of a cell, all of which it puts side by side."""
_STEM_MULTIPLIER = 3
_KERNEL = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "dil_conv_3x3": 3, "dil_conv_5x5": 5}
Edge = tuple[str, int]
"""An operation and the node that it comes from."""


class DartsCell(nn.Module):
    """Two inputs and four nodes, each the sum of two operations on earlier nodes.

    Parameters
    ----------
    inputs
        Channels of the cell before the last one, and of the last one.
    channels
        Channels of a node.
    edges
        The eight edges, those of the first node first.
    reduces
        Whether this cell halves the resolution.
    after_reduction
        Whether the last cell did, so that the one before it has twice the resolution.
    """

    def __init__(
        self,
        dims: Dims,
        inputs: tuple[int, int],
        channels: int,
        edges: Sequence[Edge],
        *,
        reduces: bool,
        after_reduction: bool,
    ):
        super().__init__()
        before = FactorizedReduction if after_reduction else _one_by_one
        self.before_last = before(dims, inputs[0], channels)
        self.last = _one_by_one(dims, inputs[1], channels)
        self.sources = [source for _, source in edges]
        self.edges = nn.ModuleList(
            _operation(dims, channels, name, 2 if reduces and source < 2 else 1) for name, source in edges
        )

    def forward(self, before_last: Tensor, last: Tensor, drop_path: float) -> Tensor:
        """Return `[n, 4 * channels, ...]`; in training leave out a share `drop_path` of the paths."""
        nodes = [self.before_last(before_last), self.last(last)]
        terms: list[Tensor] = []
        for source, operation in zip(self.sources, self.edges, strict=True):
            term = operation(nodes[source])
            if self.training and drop_path > 0 and not isinstance(operation, nn.Identity):
                term = dropped(term, drop_path)
            terms.append(term)
            if len(terms) == 2:
                nodes.append(terms[0] + terms[1])
                terms = []
        return torch.cat(nodes[2:], dim=1)


def dropped(x: Tensor, share: float) -> Tensor:
    """Return `x` with a share of its samples zero, and the others larger so that the mean stays.

    Which samples is drawn from PyTorch's generator of the device.
    """
    mask = torch.empty((len(x), *[1] * (x.ndim - 1)), dtype=x.dtype, device=x.device)
    return x / (1 - share) * mask.bernoulli_(1 - share)


def _one_by_one(dims: Dims, inputs: int, outputs: int) -> nn.Module:
    return ReluConvNorm(dims, inputs, outputs, 1)


def _operation(dims: Dims, channels: int, name: str, stride: int) -> nn.Module:
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduction(dims, channels, channels)
    if name == "max_pool_3x3":
        return max_pool(dims, 3, stride, 1)
    if name == "avg_pool_3x3":
        return average_pool(dims, 3, stride, 1)
    kernel = _KERNEL[name]
    if name.startswith("dil"):
        return SeparableConv(dims, channels, channels, kernel, stride=stride, dilation=2)
    return nn.Sequential(
        SeparableConv(dims, channels, channels, kernel, stride=stride),
        SeparableConv(dims, channels, channels, kernel),
    )


class AuxiliaryHead(nn.Module):
    """A second classifier on what the second reduction leaves, officially 8x8 places, for training only."""

    def __init__(self, dims: Dims, channels: int, classes: int):
        super().__init__()
        corner = nn.Conv1d(128, 768, 2, bias=False) if dims == 1 else nn.Conv2d(128, 768, 2, bias=False)
        self.features = nn.Sequential(
            nn.ReLU(),
            average_pool(dims, 5, 3),
            conv(dims, channels, 128),
            norm(dims, 128),
            nn.ReLU(),
            corner,
            norm(dims, 768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `[n, classes]`; more than 8x8 places are averaged at the end."""
        return cast(Tensor, self.classifier(global_average(self.features(x))))


class DartsNetwork(Network):
    """`depth` cells, of which those after a third and after two thirds are reductions.

    The nodes of the first cells have `width` channels; each reduction doubles them. Style `official`: the
    stem is a 3x3 convolution to three times `width` channels. Style `light`: a 1x1 convolution to `width`.

    Attributes
    ----------
    stem
        Convolution and normalisation.
    cells
        The cells in their order.
    drop_path
        Share of the paths left out in training, which a trainer may change from epoch to epoch.
    auxiliary
        The auxiliary head, or None.
    classifier
        The linear layer behind the global average.
    """

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims, channels = skeleton.dims, skeleton.width
        official = skeleton.style == "official"
        stem = channels * _STEM_MULTIPLIER if official else channels
        self.stem = nn.Sequential(conv(dims, skeleton.inputs, stem, 3 if official else 1), norm(dims, stem))
        self.second_reduction = 2 * skeleton.depth // 3
        reductions = (skeleton.depth // 3, self.second_reduction)
        cells: list[DartsCell] = []
        inputs = (stem, stem)
        auxiliary_inputs = 0
        for place in range(skeleton.depth):
            reduces = place in reductions
            channels *= 2 if reduces else 1
            half = genes[len(genes) // 2 :] if reduces else genes[: len(genes) // 2]
            after = place - 1 in reductions
            cells.append(
                DartsCell(
                    dims, inputs, channels, edges_of_genes(half), reduces=reduces, after_reduction=after
                )
            )
            inputs = (inputs[1], NODES * channels)
            if place == self.second_reduction:
                auxiliary_inputs = inputs[1]
        self.cells = nn.ModuleList(cells)
        self.drop_path = skeleton.drop_path
        self.auxiliary = None
        if skeleton.auxiliary:
            self.auxiliary = AuxiliaryHead(dims, auxiliary_inputs, skeleton.classes)
            self.smallest = 29  # 8 places after two reductions that round up
        self.classifier = nn.Linear(inputs[1], skeleton.classes)

    def features(self, x: Tensor) -> Tensor:
        """Return what is averaged, `[n, channels, ...]`."""
        return self._both(x, auxiliary=False)[0]

    def with_auxiliary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and those of the auxiliary head, `[n, classes]` each.

        Raises
        ------
        NasbenchSuiteError
            When there is no auxiliary head.
        """
        if self.auxiliary is None:
            raise NasbenchSuiteError("the network has no auxiliary head; build it with auxiliary=True.")
        self.check(x)
        last, second = self._both(x, auxiliary=True)
        assert second is not None
        return self.classifier(global_average(last)), second

    def _both(self, x: Tensor, *, auxiliary: bool) -> tuple[Tensor, Tensor | None]:
        second = None
        before_last = last = self.stem(x)
        for place, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last, self.drop_path)
            if auxiliary and self.auxiliary is not None and place == self.second_reduction:
                second = self.auxiliary(last)
        return last, second


def edges_of_genes(genes: Sequence[int]) -> list[Edge]:
    """Return the eight edges of one cell's eleven genes; see `DartsCellSpace`."""
    edges = [(OPERATIONS[genes[0]], 0), (OPERATIONS[genes[1]], 1)]
    for node, place in ((3, 2), (4, 5), (5, 8)):
        pair = PREDECESSORS[node][genes[place]]
        edges += [(OPERATIONS[genes[place + 1 + second]], source) for second, source in enumerate(pair)]
    return edges
