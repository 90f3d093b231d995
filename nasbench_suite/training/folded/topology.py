"""Folded networks of NAS-Bench-201's cells on signals: the `light` skeleton of `networks/nats_topology.py`.

Parts of a cell that do not reach its last node are left out: they change no result.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS
from nasbench_suite.training.folded.activations import Activation, Buffers, Members, members
from nasbench_suite.training.folded.head import Head, Stem
from nasbench_suite.training.folded.network import FoldedNetwork, Step
from nasbench_suite.training.folded.operations import Operation, ReluConvNorm
from nasbench_suite.training.folded.parameters import FoldedParameters, Norm, Weight
from nasbench_suite.training.folded.parts import parts_for
from nasbench_suite.training.networks.nats_topology import N_STAGES
from nasbench_suite.training.networks.skeleton import Skeleton

_TAPS = {OPERATIONS.index("nor_conv_1x1"): 1, OPERATIONS.index("nor_conv_3x3"): 3}
_NONE, _SKIP = OPERATIONS.index("none"), OPERATIONS.index("skip_connect")
_NODES = 4
_SHORTEST = 3


class TopologyWeights:
    """Where the weights of a group of cells lie; shared by the networks that train and that infer.

    Parameters
    ----------
    genes
        uint8 `[M, 6]`, sorted by row so that models with an operation in common stand together.
    skeleton
        Style `light`, `dims` 1.
    device
        Where to compute.
    """

    def __init__(self, genes: Genes, skeleton: Skeleton, device: torch.device):
        self.genes, self.skeleton = genes, skeleton
        self.parameters = folded = FoldedParameters(device)
        everyone = range(len(genes))
        self.widths = [skeleton.width * 2**stage for stage in range(N_STAGES)]
        self.stem = (
            folded.matrix("stem.0.weight", everyone, self.widths[0], skeleton.inputs),
            folded.norm("stem.1", everyone, self.widths[0]),
        )
        self.reductions = [
            folded.matrix(f"reductions.{stage}.1.weight", everyone, wide, narrow)
            for stage, (narrow, wide) in enumerate(pairwise(self.widths))
        ]
        self.edges = _edges(genes, device)
        self.convolutions: dict[tuple[int, int, int], tuple[Weight, Norm]] = {}
        for stage, width in enumerate(self.widths):
            for cell in range(skeleton.depth):
                for place, (edge, gene, who) in enumerate(self.edges):
                    if gene in _TAPS:
                        name = f"stages.{stage}.{cell}.edges.{edge}"
                        models = who.models.tolist()
                        self.convolutions[stage, cell, place] = (
                            folded.kernel(f"{name}.conv.weight", models, _TAPS[gene], width, width),
                            folded.norm(f"{name}.norm", models, width),
                        )
        self.norm = folded.norm("norm", everyone, self.widths[-1])
        self.classifier = folded.matrix("classifier.weight", everyone, skeleton.classes, self.widths[-1])
        self.classifier_bias = folded.column("classifier.bias", everyone, skeleton.classes)
        folded.allocate()


def _edges(genes: Genes, device: torch.device) -> list[tuple[int, int, Members]]:
    """Return edge, operation and models of all that reaches the last node."""
    live = _reaches_the_end(genes)
    return [
        (edge, gene, who)
        for edge, (_, target) in enumerate(EDGES)
        for gene in range(len(OPERATIONS))
        if gene != _NONE
        for who in members((genes[:, edge] == gene) & live[:, target], device)
    ]


def _reaches_the_end(genes: Genes) -> NDArray[np.bool_]:
    """Return which nodes have a way to the last one, bool `[M, 4]`."""
    live = np.zeros((len(genes), _NODES), dtype=bool)
    live[:, -1] = True
    for edge in reversed(range(len(EDGES))):
        source, target = EDGES[edge]
        live[:, source] |= (genes[:, edge] != _NONE) & live[:, target]
    return live


class _Cell:
    def __init__(
        self,
        first: Activation,
        weights: TopologyWeights,
        place: tuple[int, int],
        buffers: Buffers,
        training: bool,
    ):
        shape = (first.models, first.channels, first.length, first.batch)
        # A cell's last node is the next one's first, so cells take turns with two sets of buffers for it.
        roles = [1, 2, ("end", place[1] % 2)]
        pads = [1, 1, 1 if place[1] + 1 < weights.skeleton.depth else None]
        parts = parts_for(buffers.device.type)
        self.nodes = [first] + [
            parts.activation(shape, role, buffers, training=training, pad=pad)
            for role, pad in zip(roles, pads, strict=True)
        ]
        self.incoming: list[list[Operation]] = [[] for _ in self.nodes]
        for number, (edge, gene, who) in enumerate(weights.edges):
            source, target = EDGES[edge]
            ends = (self.nodes[source], self.nodes[target], who)
            operation: Operation
            if gene in _TAPS:
                weight, norm = weights.convolutions[(*place, number)]
                operation = parts.convolution(*ends, weight, norm, buffers, training=training)
            else:
                kind = parts.skip if gene == _SKIP else parts.pool
                operation = kind(*ends, buffers, training=training)
            self.incoming[target].append(operation)
        for start, node in enumerate(self.nodes[:-1]):
            outgoing = [gene in _TAPS for edge, gene, _ in weights.edges if EDGES[edge][0] == start]
            node.convolved, node.passes_grad_on = any(outgoing), not all(outgoing)
        for operations in self.incoming:
            # Those that convolve come first: one of them may then set what the others add to.
            operations.sort(key=lambda operation: not operation.convolves)
            if operations and isinstance(operations[0], ReluConvNorm):
                operations[0].first = operations[0].input.covers_all

    def forward(self) -> None:
        for node, operations in zip(self.nodes, self.incoming, strict=True):
            if node is not self.nodes[0]:
                node.bias.zero_()
                for operation in operations:
                    operation.start()
                if not _sets_target(operations):
                    node.start()
                for operation in operations:
                    operation.forward()
            if node is not self.nodes[-1]:
                node.rectify()

    def backward(self) -> None:
        for node in self.nodes[:-1]:
            node.clear_grad()
        for node, operations in zip(self.nodes[:0:-1], self.incoming[:0:-1], strict=True):
            if node is not self.nodes[-1]:
                node.finish_grad()
            if operations and operations[0].convolves:
                node.centre_grad()
            for operation in operations:
                operation.backward()
        self.nodes[0].finish_grad()

    def prepare(self) -> None:
        for node, operations in zip(self.nodes[1:], self.incoming[1:], strict=True):
            node.bias.zero_()
            for operation in operations:
                operation.prepare()

    def infer(self) -> None:
        for node, operations in zip(self.nodes, self.incoming, strict=True):
            if node is not self.nodes[0]:
                if not _sets_target(operations):
                    node.start()
                for operation in operations:
                    operation.infer()
            if node is not self.nodes[-1]:
                node.rectify()


def _sets_target(operations: Sequence[Operation]) -> bool:
    return bool(operations) and isinstance(operations[0], ReluConvNorm) and operations[0].first


class _Reduction:
    """Average over pairs of places, then a 1x1 convolution; the half goes into the weight."""

    def __init__(
        self, source: Activation, target: Activation, weight: Weight, buffers: Buffers, training: bool
    ):
        self.weight, self.target = weight, target
        even = 2 * target.length
        self.sums = buffers.own(source.models, source.channels, target.length, target.batch)
        self.sums_flat = self.sums.view(source.models, source.channels, -1)
        self.pair = (source.value[:, :, 0:even:2], source.value[:, :, 1:even:2])
        if training:
            self.source = source
            self.grad_sums = buffers.shared("delta", *self.sums.shape)
            self.grad_pair = (source.grad[:, :, 0:even:2], source.grad[:, :, 1:even:2])

    def forward(self) -> None:
        torch.add(*self.pair, out=self.sums)
        torch.bmm(self.weight.value * 0.5, self.sums_flat, out=self.target.flat)

    infer = forward

    def prepare(self) -> None:
        pass

    def backward(self) -> None:
        grad = self.target.grad_flat
        torch.bmm(grad, self.sums_flat.transpose(1, 2), out=self.weight.grad)
        self.weight.grad.mul_(0.5)
        back = (self.weight.value * 0.5).transpose(1, 2)
        torch.bmm(back, grad, out=self.grad_sums.view_as(self.sums_flat))
        if self.source.length % 2:
            self.source.grad.zero_()
        for half in self.grad_pair:
            half.copy_(self.grad_sums)


class FoldedTopology(FoldedNetwork):
    """The networks of a group of cells.

    Parameters
    ----------
    weights
        The group's weights.
    length, batch
        Of the signals; every call takes this many.
    training
        Whether to make what `forward` and `backward` need, or what `prepare` and `infer` need.

    Raises
    ------
    NasbenchSuiteError
        When signals are too short for three stages.
    """

    def __init__(self, weights: TopologyWeights, length: int, batch: int, *, training: bool):
        if length >> (N_STAGES - 1) < _SHORTEST:
            raise NasbenchSuiteError(
                f"signals of {length} values are too short for three stages; they need at least 12."
            )
        self.parameters = weights.parameters
        buffers = Buffers(weights.parameters.device)
        models = len(weights.genes)
        self.steps: list[Step] = []
        last: Activation | None = None
        for stage, width in enumerate(weights.widths):
            shape = (models, width, length >> stage, batch)
            first = parts_for(buffers.device.type).activation(shape, 0, buffers, training=training, pad=1)
            if last is not None:
                reduction = _Reduction(last, first, weights.reductions[stage - 1], buffers, training)
                self.steps.append(reduction)
            last = first
            for number in range(weights.skeleton.depth):
                cell = _Cell(last, weights, (stage, number), buffers, training)
                self.steps.append(cell)
                last = cell.nodes[-1]
            if stage == 0:
                self._first = first
        assert last is not None
        first = self._first
        grads = (first.grad, last.grad) if training else (first.value, last.value)
        self.stem = Stem(*weights.stem, first.value, grads[0], buffers, training=training)
        output = (weights.norm, weights.classifier, weights.classifier_bias)
        self.head = Head(*output, last.value, grads[1], buffers, training=training)
