"""Networks of NAS-Bench-101.

Ying et al.: "NAS-Bench-101" (ICML 2019), section 2, with the authors' code (google-research/nasbench,
`model_builder.py` and `base_ops.py`).
"""

from collections.abc import Collection, Sequence
from math import sqrt
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import get_space
from nasbench_suite.spaces.nasbench101_cell import OPERATIONS, cell_of_text, edges_among
from nasbench_suite.training.networks.network import Network
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import Dims, conv_norm_relu, max_pool

STACKS = 3
"""Stacks of cells; between two of them the resolution halves and the channels double."""
_MOMENTUM = 0.003  # TensorFlow's 0.997 is the share of the old mean
_UNTRUNCATED = 0.87962566103423978  # standard deviation of a standard normal cut off at two
Edge = tuple[int, int]


def vertex_channels(inputs: int, outputs: int, vertices: int, edges: Collection[Edge]) -> list[int]:
    """Return the channels of every vertex of a pruned cell.

    The vertices that lead to the output share its channels; where these do not divide evenly, the first ones
    have one more. Any other has as many as the widest that it leads to.

    Raises
    ------
    NasbenchSuiteError
        When the output has fewer channels than vertices that share them.
    """
    last = vertices - 1
    ends = [vertex for vertex in range(1, last) if (vertex, last) in edges]
    if outputs < len(ends):
        raise NasbenchSuiteError(
            f"a cell of {outputs} channel(s) cannot share them among {len(ends)} vertices; "
            f"make the skeleton's width {len(ends)} or more."
        )
    channels = [inputs, *[0] * (vertices - 2), outputs]
    for place, vertex in enumerate(ends):
        channels[vertex] = outputs // len(ends) + (place < outputs % len(ends))
    for vertex in range(last - 1, 0, -1):
        if vertex not in ends:
            channels[vertex] = max(channels[target] for source, target in edges if source == vertex)
    return channels


class Cell101(nn.Module):
    """A graph with operations at its vertices, numbered from 0, the input, to the output.

    A vertex adds up what leads to it: from the input through a 1x1 convolution, from others the first of
    their channels, as many as it has. The output puts the vertices that lead to it side by side, and adds the
    input, through a 1x1 convolution, where that leads to it, too. All convolutions are followed by
    normalisation and ReLU.

    Attributes
    ----------
    projections
        The 1x1 convolution of every edge from the input, under its target's number.
    operations
        The operations of vertices 1, 2, ...
    """

    def __init__(
        self, dims: Dims, inputs: int, outputs: int, edges: Sequence[Edge], operations: Sequence[str]
    ):
        super().__init__()
        self.output = len(operations) + 1
        self.channels = vertex_channels(inputs, outputs, self.output + 1, edges)
        self.sources = [
            [source for source, target in edges if target == vertex and source]
            for vertex in range(self.output + 1)
        ]
        self.projections = nn.ModuleDict(
            {
                str(target): _conv(dims, inputs, self.channels[target], 1)
                for source, target in edges
                if not source
            }
        )
        self.operations = nn.ModuleList(
            _operation(dims, self.channels[vertex], name) for vertex, name in enumerate(operations, start=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `[n, outputs, ...]` for `[n, inputs, ...]`."""
        tensors = [x]
        for vertex, operation in enumerate(self.operations, start=1):
            tensors.append(operation(self._sum(vertex, tensors)))
        ends = [tensors[source] for source in self.sources[self.output]]
        if not ends:
            return cast(Tensor, self.projections[str(self.output)](x))
        joined = torch.cat(ends, dim=1)
        if str(self.output) in self.projections:
            joined = joined + self.projections[str(self.output)](x)
        return joined

    def _sum(self, vertex: int, tensors: list[Tensor]) -> Tensor:
        terms = [tensors[source][:, : self.channels[vertex]] for source in self.sources[vertex]]
        if str(vertex) in self.projections:
            terms.append(self.projections[str(vertex)](tensors[0]))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def _operation(dims: Dims, channels: int, name: str) -> nn.Module:
    if name == "maxpool3x3":
        return max_pool(dims, 3, 1, 1)
    return _conv(dims, channels, channels, 3 if name == "conv3x3-bn-relu" else 1)


def _conv(dims: Dims, inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return conv_norm_relu(dims, inputs, outputs, kernel, momentum=_MOMENTUM)


class Network101(Network):
    """Three stacks of `depth` equal cells with `width`, twice and four times as many channels.

    Weights begin as in TensorFlow's `variance_scaling_initializer`: normal, cut off at two standard
    deviations, with a variance of one over the number of inputs of an output; the linear layer begins uniform
    after Glorot, without bias. Style `light` has a 1x1 convolution instead of a 3x3 one as its stem.

    Attributes
    ----------
    stem
        Convolution, normalisation and ReLU.
    stacks
        Three lists of `Cell101`.
    pool
        The 2x2 max pool between two stacks; an odd size is rounded up.
    classifier
        The linear layer behind the global average.
    """

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims = skeleton.dims
        widths = [skeleton.width * 2**stack for stack in range(STACKS)]
        before = [widths[0], *widths]
        edges, operations = _pruned(genes)
        kernel = 3 if skeleton.style == "official" else 1
        self.stem = _conv(dims, skeleton.inputs, widths[0], kernel)
        self.stacks = nn.ModuleList(
            nn.ModuleList(
                Cell101(dims, width if place else before[stack], width, edges, operations)
                for place in range(skeleton.depth)
            )
            for stack, width in enumerate(widths)
        )
        self.pool = max_pool(dims, 2, 2, ceil=True)
        self.classifier = nn.Linear(widths[-1], skeleton.classes)
        self.apply(_initialize)

    def features(self, x: Tensor) -> Tensor:
        """Return what is averaged, `[n, channels, ...]`."""
        x = self.stem(x)
        for stack, cells in enumerate(self.stacks):
            if stack:
                x = self.pool(x)
            for cell in cast(nn.ModuleList, cells):
                x = cell(x)
        return x


def _pruned(genes: Sequence[int]) -> tuple[list[Edge], list[str]]:
    """Return edges and operations of what lies on paths from input to output, numbered without gaps."""
    (text,) = get_space("nasbench101").format(np.array([genes], dtype=np.uint8))
    cell = cell_of_text(text)
    every = edges_among(range(len(cell.operations) + 2))
    edges = [edge for edge, present in zip(every, cell.bits, strict=True) if present]
    return edges, [OPERATIONS[number] for number in cell.operations]


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        spread = 1 / sqrt(module.weight[0].numel()) / _UNTRUNCATED
        nn.init.trunc_normal_(module.weight, std=spread, a=-2 * spread, b=2 * spread)
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
