"""Choices among operations, and the gates that say which of them are computed with what weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nasbench_suite.spaces import Genes
from nasbench_suite.training.operations import Zero


@dataclass(frozen=True)
class Gate:
    """What one choice computes: the sum over operations of weight times result, times `scale`.

    Attributes
    ----------
    weights
        A scalar by number of operation, or None for one; operations without a weight are not computed.
    scale
        A scalar for the whole choice, what passes by a partial choice included; None for one.
    """

    weights: Mapping[int, Tensor | None]
    scale: Tensor | None = None


Gates = Sequence[Gate]
"""A gate for every gene."""


def mixed_gates(weights: Tensor, cardinalities: Sequence[int]) -> list[Gate]:
    """Return gates that add all operations with the weights of each gene, `[n_genes, operations]`."""
    return [
        Gate({place: weights[gene, place] for place in range(limit)})
        for gene, limit in enumerate(cardinalities)
    ]


def sampled_gates(row: Genes) -> list[Gate]:
    """Return gates with the operations of one architecture, `[n_genes]`, alone."""
    return [Gate({int(place): None}) for place in row]


class Choice(nn.Module):
    """All operations that one gene chooses among.

    Attributes
    ----------
    gene
        Number of the gene.
    operations
        One for each of its values.
    gate
        What is computed; the supernet sets it before every pass.
    """

    def __init__(self, gene: int, operations: Sequence[nn.Module]):
        super().__init__()
        self.gene = gene
        self.operations = nn.ModuleList(operations)
        self.gate: Gate | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the gate's sum over operations."""
        weights = cast(Gate, self.gate).weights
        taken, total = self.part(x), None
        for place, weight in weights.items():
            operation = self.operations[place]
            if isinstance(operation, Zero) and len(weights) > 1:
                continue  # zeros add nothing, and their weight has no gradient
            term = operation(taken)
            if weight is not None:
                term = weight * term
            total = term if total is None else total + term
        return self.join(x, taken * 0.0 if total is None else total)

    def part(self, x: Tensor) -> Tensor:
        """Return the channels that go through the operations."""
        return x

    def join(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Return what the choice gives for `x`, given the sum over operations of its part."""
        scale = cast(Gate, self.gate).scale
        return mixed if scale is None else mixed * scale


class PartialChoice(Choice):
    """A choice for one channel in `share` only; the others pass by, and channels are shuffled afterwards.

    Xu et al.: "PC-DARTS" (ICLR 2020), section 3.1.
    """

    def __init__(self, gene: int, operations: Sequence[nn.Module], share: int):
        super().__init__(gene, operations)
        self.share = share

    def part(self, x: Tensor) -> Tensor:
        """Return the first channels."""
        return x[:, : x.shape[1] // self.share]

    def join(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Return the mixed channels and those that pass by, shuffled."""
        y = torch.cat([mixed, x[:, mixed.shape[1] :]], dim=1)
        return super().join(x, shuffled(y, self.share))


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Return `x`, `[n, channels, ...]`, with channel `i` of every group next to channel `i` of the others."""
    n, channels, *places = x.shape
    return x.view(n, groups, channels // groups, *places).transpose(1, 2).reshape(x.shape)
