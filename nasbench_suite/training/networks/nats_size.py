"""Networks of NATS-Bench's size space.

Dong, Liu, Musial, Gabrys: "NATS-Bench" (TPAMI 2021), section 3.2, with the authors' code (AutoDL-Projects,
`DynamicShapeTinyNet`).
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from nasbench_suite.spaces.nats_size import N_LAYERS
from nasbench_suite.spaces.nats_topology import EDGES
from nasbench_suite.training.networks.nats_topology import (
    ResidualReduction,
    edge,
    light_reduction,
    sum_of_edges,
)
from nasbench_suite.training.networks.network import Network
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import Dims, ReluConvNorm, conv, norm

CELL = ("nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_3x3")
"""The operation on each of `EDGES`: the best cell of the topology space on CIFAR-100, number 9930."""


class SizeCell(nn.Module):
    """The cell `CELL`, whose first edges may change the number of channels.

    An edge that skips then becomes a 1x1 convolution with normalisation, without ReLU.

    Attributes
    ----------
    edges
        The operations, in the order of `EDGES`.
    """

    def __init__(self, dims: Dims, inputs: int, outputs: int):
        super().__init__()
        self.edges = nn.ModuleList(
            _widening(dims, inputs, outputs, operation)
            if source == 0 and inputs != outputs
            else edge(dims, outputs, operation)
            for (source, _), operation in zip(EDGES, CELL, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` for `[n, inputs, ...]`."""
        return sum_of_edges(self.edges, x)


def _widening(dims: Dims, inputs: int, outputs: int, operation: str) -> nn.Module:
    if operation == "skip_connect":
        return nn.Sequential(conv(dims, inputs, outputs), norm(dims, outputs))
    return ReluConvNorm(dims, inputs, outputs, 3)


class SizeNetwork(Network):
    """Stem, cells, reduction, cells, reduction, cells: five layers with channels of their own.

    Gene `i` stands for `(i + 1) * width` channels, officially 8, 16, ..., 64. The stem has as many channels
    as the first layer. Officially a stage has one cell; where `depth` says more, those behind the first keep
    its channels. Styles differ as in `TopologyNetwork`.

    Attributes
    ----------
    stem
        Convolution and normalisation.
    stages
        Three lists of `SizeCell`.
    reductions
        What stands between the stages.
    norm, classifier
        The last normalisation and the linear layer.
    """

    smallest = 4

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims, official = skeleton.dims, skeleton.style == "official"
        widths = [(gene + 1) * skeleton.width for gene in genes]
        kernel = 3 if official else 1
        self.stem = nn.Sequential(conv(dims, skeleton.inputs, widths[0], kernel), norm(dims, widths[0]))
        before = [widths[0], *widths]
        self.stages = nn.ModuleList(
            nn.ModuleList(
                SizeCell(dims, widths[layer] if place else before[layer], widths[layer])
                for place in range(skeleton.depth)
            )
            for layer in range(0, N_LAYERS, 2)
        )
        between = ResidualReduction if official else light_reduction
        self.reductions = nn.ModuleList(
            between(dims, before[layer], widths[layer]) for layer in range(1, N_LAYERS, 2)
        )
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
