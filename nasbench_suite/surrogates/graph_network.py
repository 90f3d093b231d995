"""A graph network on architectures: GIN (Xu et al.: ICLR 2019, equation 4.1) with dense adjacency.

As in predictors of architectures (Ning et al.: GATES, ECCV 2020; Dudziak et al.: BRP-NAS, NeurIPS 2020),
signals go along the edges and against them.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values
from nasbench_suite.training.threads import one_thread

_ROWS_AT_ONCE = 4096
_EPSILON = 1e-5


class Graphs(NamedTuple):
    """All cells of every architecture in one graph.

    `nodes` are labels, one-hot, float32 `[n, v, labels]`, zero where there is no node; `edges` float32
    `[n, v, v]`; `there` float32 `[n, v]`.
    """

    nodes: Tensor
    edges: Tensor
    there: Tensor

    def take(self, rows: Tensor) -> "Graphs":
        """Return those with the given numbers."""
        return Graphs(self.nodes[rows], self.edges[rows], self.there[rows])


def graphs_of(space: str, genes: Genes) -> Graphs:
    """Return architectures as graphs; every cell has labels of its own, and every node knows its place."""
    cells = get_space(space).graphs(genes)
    counts = [part.labels.shape[1] for part in cells]
    n, total = len(genes), sum(counts)
    labels = sum(part.n_labels for part in cells)
    nodes = np.zeros((n, total, labels), dtype=np.float32)
    edges, there = np.zeros((n, total, total), dtype=np.float32), np.zeros((n, total), dtype=np.float32)
    place = label = 0
    for part, count in zip(cells, counts, strict=True):
        own = slice(place, place + count)
        there[:, own] = part.labels != part.absent
        edges[:, own, own] = part.adjacency
        hot = part.labels[:, :, None] == np.arange(part.n_labels)
        nodes[:, own, label : label + part.n_labels] = hot & (part.labels != part.absent)[:, :, None]
        place, label = place + count, label + part.n_labels
    return Graphs(*map(torch.from_numpy, (nodes, edges, there)))


class GraphNetwork(Surrogate):
    """An ensemble of graph networks, trained at once. Its features are gene rows.

    A layer adds to a node, times 1 + epsilon, what it reads and what reads it, each through a matrix of its
    own, then normalises and applies a perceptron with one hidden layer; the sum and the mean over the nodes,
    of all layers, go through another.

    Parameters
    ----------
    space
        Whose architectures they are.
    members, layers, units
        Number of networks, their layers, and channels of a node.
    epochs, batch, learning_rate, weight_decay
        See `Descent`.
    seed
        Of weights and orders.

    Attributes
    ----------
    parameters_
        Weights by name; the first axis is that of the members.
    """

    name = "gin"

    def __init__(
        self,
        space: str,
        members: int = 3,
        layers: int = 3,
        units: int = 32,
        epochs: int = 150,
        batch: int = 32,
        learning_rate: float = 0.005,
        weight_decay: float = 1e-3,
        seed: int = 0,
    ):
        self.space = space
        self.members = members
        self.layers = layers
        self.units = units
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Train all members at once; see `Surrogate.fit_standardised`."""
        rng = np.random.default_rng(self.seed)
        graphs = self._graphs(features)
        y = torch.from_numpy(targets.astype(np.float32))
        self.parameters_ = self._drawn(graphs.nodes.shape[2], rng)
        how = Descent(self.epochs, self.batch, self.learning_rate, weight_decay=self.weight_decay)

        def loss(places: Tensor) -> Tensor:
            return (self._forward(graphs.take(places)) - y[places]).square().mean(1).sum()

        with one_thread():
            how.run(list(self.parameters_.values()), loss, len(y), self.members, rng)

    def _graphs(self, features: NDArray[np.float32]) -> Graphs:
        genes = features.astype(np.uint8)
        get_space(self.space).key(genes)  # says what is wrong with rows of another space
        return graphs_of(self.space, genes)

    def _shapes(self, labels: int) -> Iterator[tuple[str, tuple[int, int]]]:
        units = self.units
        yield "embed", (labels, units)
        for layer in range(self.layers):
            for part in ("reads", "read_by", "hidden", "out"):
                yield f"{part}_{layer}", (units, units)
        yield "pool", (2 * units * (self.layers + 1), units)
        yield "last", (units, 1)

    def _drawn(self, labels: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Draw weights as He et al. (2015); biases and epsilons are 0."""
        found = {}
        for name, (a, b) in self._shapes(labels):
            weight = rng.normal(0, math.sqrt(2 / a), size=(self.members, a, b)).astype(np.float32)
            found[name] = torch.from_numpy(weight).requires_grad_()
            found[f"{name}_bias"] = torch.zeros(self.members, 1, b, requires_grad=True)
        for layer in range(self.layers):
            found[f"epsilon_{layer}"] = torch.zeros(self.members, 1, 1, requires_grad=True)
        return found

    def _apply(self, name: str, x: Tensor) -> Tensor:
        return torch.baddbmm(self.parameters_[f"{name}_bias"], x, self.parameters_[name])

    def _forward(self, graphs: Graphs) -> Tensor:
        """Return predictions `[members, n]` for graphs whose first axes are `[members, n]`."""
        members, n, nodes = graphs.there.shape
        edges = graphs.edges.reshape(members * n, nodes, nodes)
        there = graphs.there.reshape(members, n * nodes, 1)

        def along(adjacency: Tensor, x: Tensor) -> Tensor:
            return torch.bmm(adjacency, x.reshape(members * n, nodes, -1)).reshape(members, n * nodes, -1)

        x = self._apply("embed", graphs.nodes.reshape(members, n * nodes, -1)) * there
        pooled = [self._pool(x, graphs.there)]
        for layer in range(self.layers):
            total = (1 + self.parameters_[f"epsilon_{layer}"]) * x
            total = total + self._apply(f"reads_{layer}", along(edges.transpose(1, 2), x))
            total = total + self._apply(f"read_by_{layer}", along(edges, x))
            hidden = self._apply(f"hidden_{layer}", _normalised(total)).relu()
            x = (x + self._apply(f"out_{layer}", hidden)) * there
            pooled.append(self._pool(x, graphs.there))
        return self._apply("last", self._apply("pool", torch.cat(pooled, dim=2)).relu())[:, :, 0]

    @staticmethod
    def _pool(x: Tensor, there: Tensor) -> Tensor:
        """Return sum and mean over the nodes, `[members, n, 2 * units]`."""
        members, n, nodes = there.shape
        total = x.reshape(members, n, nodes, -1).sum(2)
        return torch.cat([total / nodes, total / there.sum(2, keepdim=True)], dim=2)

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return predictions of all members; see `Surrogate.members_standardised`."""
        parts = []
        with torch.no_grad(), one_thread():
            for start in range(0, max(1, len(features)), _ROWS_AT_ONCE):
                graphs = self._graphs(features[start : start + _ROWS_AT_ONCE])
                shared = Graphs(*(part.expand(self.members, *part.shape) for part in graphs))
                parts.append(self._forward(shared).numpy().astype(np.float64))
        return np.concatenate(parts, axis=1)

    def state(self) -> Arrays:
        """Return all weights by name."""
        return {name: value.detach().numpy() for name, value in self.parameters_.items()}

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        self.parameters_ = {
            name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in arrays.items()
        }


def _normalised(x: Tensor) -> Tensor:
    """Return every node's channels with mean 0 and deviation 1."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + _EPSILON).sqrt()
