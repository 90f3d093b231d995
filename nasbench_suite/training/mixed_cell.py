"""A cell of nats_topology that mixes all operations of all edges in few, large steps.

Where every gate is mixed and normalisations have no scales of their own, what leaves a node is computed at
once. Its rectified value goes through one convolution that holds the kernels of all operations of all its
edges, those of one tap with zeros around it, and through one normalisation, whose scales are the gates'
weights; its average pool is taken once. That is the same sum in another order, in a third of the calls.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from nasbench_suite.spaces.nats_topology import EDGES
from nasbench_suite.training.choices import Choice, Gate
from nasbench_suite.training.networks.nats_topology import sum_of_edges
from nasbench_suite.training.operations import Dims, ReluConvNorm, Zero

_TAPS = 3


class MixedCell(nn.Module):
    """The choices of a cell, on `EDGES` in this order.

    Attributes
    ----------
    edges
        A `Choice` for every edge.
    """

    def __init__(self, dims: Dims, edges: Sequence[Choice]):
        super().__init__()
        self.dims = dims
        self.edges = nn.ModuleList(edges)
        self.convolve = F.conv1d if dims == 1 else F.conv2d
        self.sources = [
            [edge for edge, ends in enumerate(EDGES) if ends[0] == source] for source in range(_TAPS)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Return the last node, of the shape of `x`, the first."""
        choices = cast(Sequence[Choice], self.edges)
        if not all(_mixed_without_scales(choice) for choice in choices):
            return sum_of_edges(self.edges, x)
        nodes: list[Tensor | None] = [x, None, None, None]
        for source, edges in enumerate(self.sources):
            value = cast(Tensor, nodes[source])
            for edge, term in zip(edges, self._leaving(value, [choices[e] for e in edges]), strict=True):
                target = EDGES[edge][1]
                so_far = nodes[target]
                nodes[target] = term if so_far is None else so_far + term
        return cast(Tensor, nodes[-1])

    def _leaving(self, value: Tensor, choices: Sequence[Choice]) -> list[Tensor]:
        """Return what the edges that leave a node bring."""
        taken = choices[0].part(value)
        pooled: Tensor | None = None
        terms = []
        for choice, total in zip(choices, self._convolved(taken, choices), strict=True):
            for place, weight in cast(Gate, choice.gate).weights.items():
                operation = choice.operations[place]
                if isinstance(operation, Zero | ReluConvNorm):
                    continue  # zeros add nothing; convolutions are in the total
                if isinstance(operation, nn.AvgPool1d | nn.AvgPool2d):
                    pooled = operation(taken) if pooled is None else pooled
                    term = pooled
                else:
                    term = operation(taken)
                if weight is not None:
                    term = weight * term
                total = term if total is None else total + term
            terms.append(choice.join(value, taken * 0.0 if total is None else total))
        return terms

    def _convolved(self, taken: Tensor, choices: Sequence[Choice]) -> list[Tensor | None]:
        """Return the weighted sum of every choice's convolutions; None where it has none."""
        found = [_convolutions(choice) for choice in choices]
        operations = [operation for of_choice in found for operation, _ in of_choice]
        if not operations:
            return [None] * len(choices)
        channels = taken.shape[1]
        kernels = torch.cat([self._widened(operation.conv.weight) for operation in operations])
        weights = [taken.new_ones(()) if w is None else w for of_choice in found for _, w in of_choice]
        scales = torch.stack(weights).repeat_interleave(channels)
        y = self.convolve(taken.relu(), kernels, padding=_TAPS // 2)
        eps = operations[0].norm.eps
        y = F.batch_norm(y, None, None, scales, torch.zeros_like(scales), training=True, eps=eps)
        by_operation = y.view(len(y), len(operations), channels, *y.shape[2:])
        parts = torch.split(by_operation, [len(of_choice) for of_choice in found], dim=1)
        return [part.sum(1) if part.shape[1] else None for part in parts]

    def _widened(self, kernel: Tensor) -> Tensor:
        """Return a kernel of three taps in every direction: zeros stand around one of one tap."""
        return kernel if kernel.shape[-1] == _TAPS else F.pad(kernel, (1, 1) * self.dims)


def _mixed_without_scales(choice: Choice) -> bool:
    mixed = len(cast(Gate, choice.gate).weights) > 1
    return mixed and not any(operation.norm.affine for operation, _ in _convolutions(choice))


def _convolutions(choice: Choice) -> list[tuple[ReluConvNorm, Tensor | None]]:
    """Return the convolutions that a gate asks for, and their weights."""
    weights = cast(Gate, choice.gate).weights.items()
    pairs = [(choice.operations[place], weight) for place, weight in weights]
    return [(operation, weight) for operation, weight in pairs if isinstance(operation, ReluConvNorm)]
