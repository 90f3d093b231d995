"""The space of NAS-Bench-Graph: four graph-network layers, each fed by the input or an earlier layer.

Qin, Zhang, Zhu: "NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search" (NeurIPS 2022, Datasets
and Benchmarks). Nine link patterns and nine operations per layer (five for `proteins`) make 59,040 valid
gene rows (5,616 for `proteins`), of which 26,206 (2,021) are distinct.
"""

import itertools
import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.cell_graphs import CellGraphs, graphs_of_nodes

LINK_PATTERNS = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)
"""The source of each layer (0 the input, k the k-th layer): one pattern per shape of a rooted tree."""

OPERATIONS = {
    "graph": ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip"),
    "graph_proteins": ("gcn", "sage", "arma", "fc", "skip"),
}
"""Operations in the benchmark's order, by name of space."""

_N_LAYERS = 4
_PARSED = re.compile(r"[0-9]|[A-Za-z_]+")
_IGNORED = re.compile(r"[\s,;:|()\[\]'\"]*")


def _edges_of(links: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return who reads whom among input, layers and output: bool `[6, 6]`."""
    edges = np.zeros((_N_LAYERS + 2, _N_LAYERS + 2), dtype=bool)
    edges[links, np.arange(1, _N_LAYERS + 1)] = True
    edges[1:-1, -1] = ~edges[1:-1, 1:-1].any(axis=1)
    return edges


_EDGES_OF_PATTERN = np.array([_edges_of(links) for links in LINK_PATTERNS])


class GraphSpace(CategoricalSpace):
    """Gene 0 is the link pattern, genes 1 to 4 the operations of the layers.

    The text form is `0122:fc,gat,gcn,graph`: sources, then operations. `parse` also reads the form of the
    benchmark's own documentation, `Arch([0, 1, 2, 2], ['fc', 'gat', 'gcn', 'graph'])`, and all 24 ways to
    number the layers.
    """

    def __init__(self, name: str):
        self.operations = OPERATIONS[name]
        super().__init__(name, (len(LINK_PATTERNS), *[len(self.operations)] * _N_LAYERS))
        self._skip = self.operations.index("skip")

    def _representatives(self) -> NDArray[np.int32]:
        """Find the benchmark's own representative of every class.

        A `skip` layer that changes nothing moves to the front of the tree, where it is the input under
        another name; then the tree takes its listed pattern and, among the numberings that give this
        pattern, the one with the lexicographically smallest operations. All rows that share a pattern and
        the places of their skips are treated at once.
        """
        table = np.full(self.n_codes, -1, dtype=np.int32)
        genes = self.decode(np.arange(self.n_codes))
        is_skip = genes[:, 1:] == self._skip
        group = genes[:, 0] * 2**_N_LAYERS + is_skip @ (1 << np.arange(_N_LAYERS))
        for pattern, skips in itertools.product(
            range(len(LINK_PATTERNS)), itertools.product((False, True), repeat=_N_LAYERS)
        ):
            if all(skips):
                continue  # the benchmark trains no network without a layer
            rows = np.flatnonzero(group == pattern * 2**_N_LAYERS + np.dot(skips, 1 << np.arange(_N_LAYERS)))
            target, orders = _numberings(*_skips_to_front(LINK_PATTERNS[pattern], skips))
            operations = genes[rows, 1:]
            candidates = [
                self.encode(np.insert(operations[:, order], 0, target, axis=1).astype(np.uint8))
                for order in orders
            ]
            table[rows] = np.min(candidates, axis=0)
        return table

    def raise_invalid(self, row: Genes) -> None:
        """Raise the error that says why `row`, in range, is no architecture of this space."""
        raise ArchitectureError(
            f"architecture {self.format(row[None])[0]} has no layer but skip; space {self.name!r} asks for "
            "at least one other operation."
        )

    def graphs(self, genes: Genes) -> list[CellGraphs]:
        """Return every architecture as a tree of its layers; layers that no other reads are the output's."""
        return [graphs_of_nodes(self.operations, 1, _N_LAYERS, _EDGES_OF_PATTERN[genes[:, 0]], genes[:, 1:])]

    def parse(self, text: str) -> Genes:
        """Read `0122:fc,gat,gcn,graph` or `Arch([0, 1, 2, 2], ['fc', 'gat', 'gcn', 'graph'])`."""
        tokens = self._tokens(text)
        if len(tokens) != 2 * _N_LAYERS:
            raise ArchitectureError(
                f"{text!r} has {len(tokens)} parts; space {self.name!r} reads four sources and four "
                "operations, for example 0122:fc,gat,gcn,gcn."
            )
        links = []
        for layer, (word, place) in enumerate(tokens[:_N_LAYERS]):
            if not word.isdigit() or int(word) > layer:
                raise ArchitectureError(
                    f"character {place + 1} of {text!r}: the source of layer {layer + 1} is {word!r}; it "
                    f"must be 0 (the input){'' if layer == 0 else f' or a layer from 1 to {layer}'}."
                )
            links.append(int(word))
        operations = []
        for word, place in tokens[_N_LAYERS:]:
            if word not in self.operations:
                raise ArchitectureError(
                    f"character {place + 1} of {text!r}: "
                    f"{UnknownNameError(f'operation of space {self.name!r} called', word, self.operations)}"
                )
            operations.append(self.operations.index(word))
        target, orders = _numberings(tuple(links), tuple(range(_N_LAYERS)))
        order = min(orders) if tuple(links) not in LINK_PATTERNS else list(range(_N_LAYERS))
        row = np.array([target, *(operations[i] for i in order)], dtype=np.uint8)
        self.key(row[None])
        return row

    def _tokens(self, text: str) -> list[tuple[str, int]]:
        tokens = []
        place = _IGNORED.match(text).end()  # type: ignore[union-attr]  # matches the empty string
        while place < len(text):
            found = _PARSED.match(text, place)
            if found is None:
                raise ArchitectureError(
                    f"character {place + 1} of {text!r} is {text[place]!r}, which no architecture of space "
                    f"{self.name!r} contains; write for example 0122:fc,gat,gcn,gcn."
                )
            if found.group() != "Arch":
                tokens.append((found.group(), place))
            place = _IGNORED.match(text, found.end()).end()  # type: ignore[union-attr]
        return tokens

    def format(self, genes: Genes) -> list[str]:
        """Write every row as sources and operations, for example `0122:fc,gat,gcn,graph`."""
        self.encode(genes)
        return [
            "".join(map(str, LINK_PATTERNS[link])) + ":" + ",".join(self.operations[o] for o in operations)
            for link, *operations in genes.tolist()
        ]


def _skips_to_front(
    links: tuple[int, ...], skips: tuple[bool, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Move the skip layers that change nothing to a chain at the input.

    A skip changes nothing when layers feed on it, when it is its source's only reader (its output is the
    source's), or when it would carry the raw input to the output, which the benchmark does not do.

    Returns
    -------
    links
        Sources of the layers in their new numbering.
    order
        For each new layer, the old one it was.
    """
    source = {layer: links[layer - 1] for layer in range(1, _N_LAYERS + 1)}
    front: list[int] = []
    while True:
        idle = next((layer for layer in source if skips[layer - 1] and _is_idle(layer, source)), None)
        if idle is None:
            break
        above = source.pop(idle)
        source = {layer: above if s == idle else s for layer, s in source.items()}
        front.append(idle)
    order = front + _topological(source)
    new_number = {old: new for new, old in enumerate(order, start=1)}
    new_number[0] = len(front)
    chain = tuple(range(len(front)))
    return chain + tuple(new_number[source[old]] for old in order[len(front) :]), tuple(o - 1 for o in order)


def _is_idle(layer: int, source: dict[int, int]) -> bool:
    feeds = layer in source.values()
    has_sibling = any(s == source[layer] for other, s in source.items() if other != layer)
    return feeds or not has_sibling or source[layer] == 0


def _topological(source: dict[int, int]) -> list[int]:
    order: list[int] = []
    while len(order) < len(source):
        order += [layer for layer, s in source.items() if layer not in order and (s == 0 or s in order)]
    return order


@cache
def _numberings(links: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, list[list[int]]]:
    """Return the listed pattern of a tree and, for every numbering that gives it, the old layers in order."""
    found = [
        (LINK_PATTERNS.index(pattern), [order[old] for old in permutation])
        for permutation in itertools.permutations(range(_N_LAYERS))
        if (pattern := _renumbered(links, permutation)) in LINK_PATTERNS
    ]
    patterns = {pattern for pattern, _ in found}
    if len(patterns) != 1:  # the nine patterns are the nine shapes of a tree
        raise AssertionError(f"links {links} have {len(patterns)} listed patterns")
    return patterns.pop(), [layers for _, layers in found]


def _renumbered(links: tuple[int, ...], permutation: tuple[int, ...]) -> tuple[int, ...] | None:
    new_number = {0: 0} | {old + 1: new for new, old in enumerate(permutation, start=1)}
    renumbered = tuple(new_number[links[old]] for old in permutation)
    return renumbered if all(s <= layer for layer, s in enumerate(renumbered)) else None
