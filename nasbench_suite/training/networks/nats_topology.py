"""Networks of NAS-Bench-201 and of NATS-Bench's topology space.

Dong, Yang: "NAS-Bench-201" (ICLR 2020), section 2.1 and Figure 1, with the authors' code (AutoDL-Projects).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
from torch import Tensor, nn

from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS
from nasbench_suite.training.networks.network import Network
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import (
    Dims,
    ReluConvNorm,
    Zero,
    average_pool,
    conv,
    norm,
)

N_STAGES = 3
"""Stages of equal resolution; each halves it and doubles the channels of the one before."""


class TopologyCell(nn.Module):
    """Four nodes, each but the first the sum of an operation on every node before it.

    Attributes
    ----------
    edges
        The operations, in the order of `EDGES`.
    """

    def __init__(self, dims: Dims, channels: int, genes: Sequence[int]):
        super().__init__()
        self.edges = nn.ModuleList(edge(dims, channels, OPERATIONS[gene]) for gene in genes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last node, of the shape of `x`, the first."""
        return sum_of_edges(self.edges, x)


def sum_of_edges(edges: nn.ModuleList, x: Tensor) -> Tensor:
    """Return the last node of the cell with the given operations on `EDGES`, its first node being `x`."""
    nodes: list[Tensor | None] = [x, None, None, None]
    for (source, target), operation in zip(EDGES, edges, strict=True):
        term = operation(nodes[source])
        so_far = nodes[target]
        nodes[target] = term if so_far is None else so_far + term
    return cast(Tensor, nodes[-1])


def edge(dims: Dims, channels: int, operation: str) -> nn.Module:
    """Return the operation of an edge between two nodes of the same shape."""
    if operation == "none":
        return Zero()
    if operation == "skip_connect":
        return nn.Identity()
    if operation == "avg_pool_3x3":
        return average_pool(dims, 3, 1, 1)
    return ReluConvNorm(dims, channels, channels, 1 if operation == "nor_conv_1x1" else 3)


def operations_with_weights(genes: Genes) -> Genes:
    """Return the genes, uint8 `[n, 6]`, with `none` for every operation that has no weights."""
    weighted = np.array([operation.startswith("nor_conv") for operation in OPERATIONS])
    return np.where(weighted[genes], genes, OPERATIONS.index("none")).astype(np.uint8)


class ResidualReduction(nn.Module):
    """The residual block between two stages: halves the resolution.

    An odd size is rounded up on both ways; the authors' block cannot take one.
    """

    def __init__(self, dims: Dims, inputs: int, outputs: int):
        super().__init__()
        self.first = ReluConvNorm(dims, inputs, outputs, 3, stride=2)
        self.second = ReluConvNorm(dims, outputs, outputs, 3)
        self.shortcut = nn.Sequential(average_pool(dims, 2, 2, ceil=True), conv(dims, inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` of half the size for `[n, inputs, ...]`."""
        return cast(Tensor, self.shortcut(x) + self.second(self.first(x)))


class TopologyNetwork(Network):
    """Three stages of `depth` equal cells with `width`, twice and four times as many channels.

    Style `official`: the stem is a 3x3 convolution, and a residual block stands between two stages. Style
    `light`: the stem is a 1x1 convolution, and between two stages stand an average pool and a 1x1 convolution
    without normalisation. Both end with normalisation, ReLU, global average and a linear layer.

    Attributes
    ----------
    stem
        Convolution and normalisation.
    stages
        Three lists of `TopologyCell`.
    reductions
        What stands between the stages.
    norm, classifier
        The last normalisation and the linear layer.
    """

    smallest = 2 ** (N_STAGES - 1)

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims, official = skeleton.dims, skeleton.style == "official"
        widths = [skeleton.width * 2**stage for stage in range(N_STAGES)]
        kernel = 3 if official else 1
        self.stem = nn.Sequential(conv(dims, skeleton.inputs, widths[0], kernel), norm(dims, widths[0]))
        self.stages = nn.ModuleList(
            nn.ModuleList(TopologyCell(dims, width, genes) for _ in range(skeleton.depth)) for width in widths
        )
        between = ResidualReduction if official else light_reduction
        self.reductions = nn.ModuleList(between(dims, *pair) for pair in pairwise(widths))
        self.norm, self.relu = norm(dims, widths[-1]), nn.ReLU()
        self.classifier = nn.Linear(widths[-1], skeleton.classes)

    def features(self, x: Tensor) -> Tensor:
        """Return what is averaged, `[n, channels, ...]`."""
        x = self.stem(x)
        for stage, cells in enumerate(self.stages):
            if stage:
                x = self.reductions[stage - 1](x)
            for cell in cast(nn.ModuleList, cells):
                x = cell(x)
        return cast(Tensor, self.relu(self.norm(x)))


def light_reduction(dims: Dims, inputs: int, outputs: int) -> nn.Module:
    """Return what stands between two stages of a light network; halves the resolution, rounding down."""
    return nn.Sequential(average_pool(dims, 2, 2), conv(dims, inputs, outputs))
