"""Architectures as graphs with an operation at every node: what graph networks and path encodings read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces.base import Genes


@dataclass(frozen=True)
class CellGraphs:
    """Directed acyclic graphs, one per architecture, padded to the same nodes in topological order.

    Attributes
    ----------
    operations
        Names of the operations; the labels that follow them stand for an input, an output and no node.
    inputs, output
        Places of the nodes where signals enter, and of the one where they leave.
    depth
        The most operations that a path of any such graph has.
    adjacency
        bool `[n, v, v]`: whether an edge leads from the first node to the second, which stands behind it.
    labels
        uint8 `[n, v]`: the place in `operations`, or one of `entering`, `leaving` and `absent`.
    """

    operations: tuple[str, ...]
    inputs: tuple[int, ...]
    output: int
    depth: int
    adjacency: NDArray[np.bool_]
    labels: NDArray[np.uint8]

    @property
    def entering(self) -> int:
        """The label of an input."""
        return len(self.operations)

    @property
    def leaving(self) -> int:
        """The label of an output."""
        return len(self.operations) + 1

    @property
    def absent(self) -> int:
        """The label of a node that is not there."""
        return len(self.operations) + 2

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return len(self.operations) + 3

    def __len__(self) -> int:
        return len(self.labels)

    def pruned(self) -> "CellGraphs":
        """Return the graphs without the nodes that lie on no path from an input to the output."""
        nodes = self.labels.shape[1]
        reached = np.zeros(self.labels.shape, dtype=bool)
        reached[:, list(self.inputs)] = True
        for node in range(nodes):
            reached[:, node] |= (reached & self.adjacency[:, :, node]).any(axis=1)
        useful = np.zeros_like(reached)
        useful[:, self.output] = True
        for node in reversed(range(nodes)):
            useful[:, node] |= (useful & self.adjacency[:, node]).any(axis=1)
        used = reached & useful
        adjacency = self.adjacency & used[:, :, None] & used[:, None, :]
        used[:, [*self.inputs, self.output]] = True
        labels = np.where(used, self.labels, self.absent).astype(np.uint8)
        return CellGraphs(self.operations, self.inputs, self.output, self.depth, adjacency, labels)


def graphs_of_nodes(
    operations: tuple[str, ...],
    inputs: int,
    depth: int,
    edges: NDArray[np.bool_],
    of_node: Genes,
) -> CellGraphs:
    """Return graphs whose first nodes are inputs, the last one the output, the others operations.

    Parameters
    ----------
    operations
        Their names.
    inputs
        Number of inputs.
    depth
        The most operations that a path can have.
    edges
        bool `[n, v, v]`, from the first node to the second.
    of_node
        uint8 `[n, v - inputs - 1]`, places in `operations`.
    """
    nodes = edges.shape[1]
    labels = np.empty((len(edges), nodes), dtype=np.uint8)
    graphs = CellGraphs(operations, tuple(range(inputs)), nodes - 1, depth, edges, labels)
    labels[:, :inputs], labels[:, -1] = graphs.entering, graphs.leaving
    labels[:, inputs:-1] = of_node
    return graphs.pruned()


def graphs_of_edges(
    operations: Sequence[str], edges: Sequence[tuple[int, int]], genes: Genes, none: str = "none"
) -> CellGraphs:
    """Return cells that have an operation on every edge, with a node for each of these.

    The node of an edge reads the nodes of all edges that end where it begins. An edge whose operation is
    `none` is not there.

    Parameters
    ----------
    operations
        Their names.
    edges
        Source and target of every gene; source 0 is the cell's input, the largest target its output.
    genes
        uint8 `[n, len(edges)]`.
    none
        The operation that passes nothing on.
    """
    kept = tuple(name for name in operations if name != none)
    place = np.array([kept.index(name) if name in kept else 0 for name in operations], dtype=np.uint8)
    there = genes != (operations.index(none) if none in operations else len(operations))
    last = max(target for _, target in edges)
    nodes = len(edges) + 2
    reads = np.zeros((nodes, nodes), dtype=bool)
    for node, (source, target) in enumerate(edges, start=1):
        if source == 0:
            reads[0, node] = True
        if target == last:
            reads[node, -1] = True
        for before, (_, end) in enumerate(edges, start=1):
            reads[before, node] |= end == source
    present = np.ones((len(genes), nodes), dtype=bool)
    present[:, 1:-1] = there
    adjacency = reads & present[:, :, None] & present[:, None, :]
    return graphs_of_nodes(kept, 1, last, adjacency, place[genes])


def chains(names: Sequence[Sequence[str]], genes: Genes) -> CellGraphs:
    """Return chains with a node for every gene; what a value stands for depends on its gene.

    Parameters
    ----------
    names
        Of the values of every gene.
    genes
        uint8 `[n, len(names)]`.
    """
    starts = np.cumsum([0, *(len(values) for values in names[:-1])])
    operations = tuple(name for values in names for name in values)
    nodes = len(names) + 2
    edges = np.broadcast_to(np.eye(nodes, k=1, dtype=bool), (len(genes), nodes, nodes))
    return graphs_of_nodes(operations, 1, len(names), edges, (genes + starts).astype(np.uint8))
