"""The isomorphism classes of NAS-Bench-101's cells, as tables that number a cell by three look-ups.

A cell is an upper-triangular adjacency matrix of seven vertices (21 bits) and the operations of the five
interior ones. Vertices that lie on no path from input to output do not count: they are pruned, and their
operations with them. Two cells are isomorphic if relabelling the interior vertices of what remains turns one
into the other; 423,624 classes fulfil the benchmark's limit of nine edges (Ying et al., "NAS-Bench-101",
ICML 2019).

The tables keep graph and operations apart. Every matrix belongs to a class of unlabelled graphs, and a
permutation leads from its vertices to those of the class's representative. The permutation moves the
operations; the representative's own symmetries and its pruned vertices decide which of them make the same
cell.
"""

from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

VERTICES = 7
INTERIOR = VERTICES - 2
MAX_EDGES = 9
"""Limit on the edges that remain after pruning (`NASBench._check_spec` looks at the pruned matrix)."""
EDGES = tuple((source, target) for source in range(VERTICES) for target in range(source + 1, VERTICES))
"""Source and target of each bit of the adjacency, row by row; the first bit weighs most in its number."""
MATRICES = 2 ** len(EDGES)
N_OPERATIONS = 3
LABELINGS = N_OPERATIONS**INTERIOR
"""Ways to give the interior vertices operations; the first vertex weighs most in their base-three number."""
DIGITS = np.array(list(product(range(N_OPERATIONS), repeat=INTERIOR)), dtype=np.uint8)
"""The operations with each number: uint8 `[243, 5]`."""

_PERMUTATIONS = tuple(permutations(range(INTERIOR)))
_PERMUTATION_SLOTS = 128  # of which 120 are used: a power of two packs class and permutation into one number
_WEIGHTS = N_OPERATIONS ** np.arange(INTERIOR - 1, -1, -1)
_BIT_OF_EDGE = {edge: 1 << (len(EDGES) - 1 - place) for place, edge in enumerate(EDGES)}

Numbers = NDArray[np.int32]


@dataclass(frozen=True)
class CellTables:
    """What numbers the cells; arrays are read-only.

    Attributes
    ----------
    place_of_matrix
        int32 `[2^21]`: class times 128 plus permutation; the class after the last one for invalid matrices.
    moved
        int16 `[128 * 243]`, at permutation times 243 plus operations: the operations in the representative's
        order of vertices.
    code_of_labeling
        int32 `[(classes + 1) * 243]`, at class times 243 plus operations: the cell's number, -1 if invalid.
    matrix_of_code, operations_of_code
        int32 and uint8, `[codes]`: the representative of each number.
    valid_matrices
        int32, ascending: the matrices that connect input and output by at most nine edges after pruning.
    invalid_place
        The entry of `place_of_matrix` for invalid matrices, larger than all others.
    """

    place_of_matrix: Numbers
    moved: NDArray[np.int16]
    code_of_labeling: Numbers
    matrix_of_code: Numbers
    operations_of_code: NDArray[np.uint8]
    valid_matrices: Numbers
    invalid_place: int


@cache
def cell_tables() -> CellTables:
    """Build the tables (about 14 MB), once per process."""
    matrices = np.arange(MATRICES, dtype=np.int32)
    pruned = prune(matrices)
    valid_matrices = matrices[(pruned > 0) & (np.bitwise_count(pruned) <= MAX_EDGES)]
    graphs = _distinct(pruned[valid_matrices])
    representative, permutation = _representatives(graphs)
    classes = np.flatnonzero(representative == np.arange(len(graphs)))
    classes = classes[np.argsort(_interior_vertices(graphs[classes]), kind="stable")]
    invalid_place = len(classes) * _PERMUTATION_SLOTS
    place_of_matrix = np.full(MATRICES, invalid_place, dtype=np.int32)
    class_of_graph = _inverse(classes, len(graphs))[representative]
    place_of_matrix[graphs] = class_of_graph * _PERMUTATION_SLOTS + permutation
    place_of_matrix[valid_matrices] = place_of_matrix[pruned[valid_matrices]]
    moved = _moved_labelings()
    least = _least_labelings(graphs[classes], moved)
    cells = np.flatnonzero(least == np.arange(LABELINGS))
    code_of_cell = _inverse(cells, least.size).reshape(least.shape)
    invalid = np.full((1, LABELINGS), -1, dtype=np.int32)
    tables = CellTables(
        place_of_matrix=place_of_matrix,
        moved=moved.ravel(),
        code_of_labeling=np.concatenate([np.take_along_axis(code_of_cell, least, axis=1), invalid]).ravel(),
        matrix_of_code=graphs[classes][cells // LABELINGS],
        operations_of_code=(cells % LABELINGS).astype(np.uint8),
        valid_matrices=valid_matrices,
        invalid_place=invalid_place,
    )
    for array in vars(tables).values():
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return tables


def prune(matrices: Numbers) -> Numbers:
    """Take out every edge that lies on no path from input to output; 0 remains where there is no path.

    Parameters
    ----------
    matrices
        int32 `[n]`, the adjacency bits as numbers.
    """
    edges = {edge: (matrices & bit) != 0 for edge, bit in _BIT_OF_EDGE.items()}
    nowhere = np.zeros(len(matrices), dtype=bool)
    everywhere = ~nowhere
    forward = [everywhere] + [nowhere.copy() for _ in range(VERTICES - 1)]
    for source, target in EDGES:
        forward[target] |= forward[source] & edges[source, target]
    backward = [nowhere.copy() for _ in range(VERTICES - 1)] + [everywhere]
    for source, target in reversed(EDGES):
        backward[source] |= backward[target] & edges[source, target]
    kept = np.zeros(len(matrices), dtype=np.int32)
    for (source, target), bit in _BIT_OF_EDGE.items():
        # An edge is on a path exactly if the input reaches its source and its target reaches the output.
        kept |= np.where(
            edges[source, target] & forward[source] & backward[target], np.int32(bit), np.int32(0)
        )
    return kept


def used_vertices(pruned: Numbers) -> NDArray[np.bool_]:
    """Tell which interior vertices have an edge left: bool `[n, 5]`."""
    masks = [sum(bit for edge, bit in _BIT_OF_EDGE.items() if vertex in edge) for vertex in range(1, 6)]
    used: NDArray[np.bool_] = (pruned[:, None] & np.array(masks, dtype=np.int32)) != 0
    return used


def _distinct(matrices: Numbers) -> Numbers:
    seen = np.zeros(MATRICES, dtype=bool)
    seen[matrices] = True
    return np.flatnonzero(seen).astype(np.int32)


def _inverse(places: NDArray[np.int64], size: int) -> Numbers:
    inverse = np.full(size, -1, dtype=np.int32)
    inverse[places] = np.arange(len(places), dtype=np.int32)
    return inverse


def _interior_vertices(graphs: Numbers) -> NDArray[np.int64]:
    count: NDArray[np.int64] = used_vertices(graphs).sum(axis=1, dtype=np.int64)
    return count


def _relabel(graphs: Numbers, permutation: tuple[int, ...]) -> Numbers:
    """Move interior vertex `j + 1` to `permutation[j] + 1`; -1 where an edge would lead backwards."""
    to = (0, *(vertex + 1 for vertex in permutation), VERTICES - 1)
    relabelled = np.zeros_like(graphs)
    for (source, target), bit in _BIT_OF_EDGE.items():
        there = (graphs & bit) != 0
        relabelled[there] |= _BIT_OF_EDGE.get((to[source], to[target]), -1)
    return relabelled


def _representatives(graphs: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the representative of every pruned graph, given in ascending order, and the way to it.

    Isomorphic graphs differ by the order in which their vertices are listed, and exchanging neighbours that
    no edge joins leads from any topological order to any other. So a class is what four exchanges connect,
    and its representative is found by passing the best known one on until nothing changes. The best is the
    largest number; it lists the vertices in use first, since a source with an edge to one of them has the
    larger row the earlier its target comes.

    Returns
    -------
    representative
        int64 `[n]`, a place in `graphs`.
    permutation
        int64 `[n]`, a place in `_PERMUTATIONS`.
    """
    place = _inverse(graphs.astype(np.int64), MATRICES)
    exchanges = _neighbour_exchanges()
    after = [place[_exchanged(graphs, exchange)] for exchange in exchanges]
    then = _compositions(exchanges)
    representative = np.arange(len(graphs))
    permutation = np.zeros(len(graphs), dtype=np.int64)
    changed = True
    while changed:
        changed = False
        for exchange, neighbour in enumerate(after):
            better = np.flatnonzero(representative[neighbour] > representative)
            representative[better] = representative[neighbour[better]]
            permutation[better] = then[permutation[neighbour[better]], exchange]
            changed |= bool(better.size)
    return representative, permutation


def _exchanged(graphs: Numbers, exchange: tuple[int, ...]) -> Numbers:
    relabelled = _relabel(graphs, exchange)
    return np.where(relabelled < 0, graphs, relabelled)


def _neighbour_exchanges() -> list[tuple[int, ...]]:
    exchanges = []
    for first in range(INTERIOR - 1):
        order = list(range(INTERIOR))
        order[first], order[first + 1] = first + 1, first
        exchanges.append(tuple(order))
    return exchanges


def _compositions(exchanges: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the permutation that exchanges first and permutes then: int64 `[120, exchanges]`."""
    place = {permutation: number for number, permutation in enumerate(_PERMUTATIONS)}
    return np.array(
        [
            [place[tuple(permutation[vertex] for vertex in exchange)] for exchange in exchanges]
            for permutation in _PERMUTATIONS
        ]
    )


def _moved_labelings() -> NDArray[np.int16]:
    """Return the operations after every permutation of the vertices: int16 `[128, 243]`, 120 rows in use."""
    moved = np.zeros((_PERMUTATION_SLOTS, LABELINGS), dtype=np.int16)
    for number, permutation in enumerate(_PERMUTATIONS):
        moved[number] = DIGITS @ _WEIGHTS[list(permutation)]
    return moved


def _least_labelings(graphs: Numbers, moved: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the least operations that make the same cell: int16 `[graphs, 243]`.

    Operations of pruned vertices, which come last, count as the first operation; symmetries of the graph
    carry operations into each other.
    """
    unused = N_OPERATIONS ** (INTERIOR - _interior_vertices(graphs))[:, None]
    plain = np.arange(LABELINGS) // unused * unused
    least = plain.astype(np.int16)
    for number, permutation in enumerate(_PERMUTATIONS):
        symmetric = np.flatnonzero(_relabel(graphs, permutation) == graphs)
        least[symmetric] = np.minimum(least[symmetric], moved[number][plain[symmetric]])
    return least
