"""The cell space of DARTS, as NAS-Bench-301 uses it: a normal and a reduction cell of four nodes each.

Liu, Simonyan, Yang: "DARTS" (ICLR 2019); Siems et al.: "NAS-Bench-301" (arXiv 2008.09777), with its file
`configspace.json`. A cell has two inputs, nodes 0 and 1 (the outputs of the two cells before), and four
intermediate nodes, 2 to 5. Each of these adds up two edges that come from two different earlier nodes, each
with one of seven operations (DARTS's eighth, `none`, is left out); the cell concatenates all four. That makes
(1·3·6·10 · 7^8)^2, about 1.08·10^18 gene rows.
"""

from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces.base import Codes, Genes, SearchSpace
from nasbench_suite.spaces.cell_graphs import CellGraphs, graphs_of_nodes
from nasbench_suite.spaces.darts_numbering import PREDECESSORS, distinct_cells, renumber, structures
from nasbench_suite.spaces.gene_range import GeneRange
from nasbench_suite.spaces.genotype import Edge, misread, read_genotype, write_genotype

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""Operations in the order of NAS-Bench-301's configuration space (DARTS's `PRIMITIVES` less `none`)."""
_CELL_CARDINALITIES = (7, 7, 3, 7, 7, 6, 7, 7, 10, 7, 7)
_CELL_GENES = len(_CELL_CARDINALITIES)
_CELL_CODES = 180 * 7**8
_PAIR_GENE = {3: 2, 4: 5, 5: 8}
_OPERATION_GENES = (0, 1, 3, 4, 6, 7, 9, 10)
_WEIGHTS = np.cumprod((1, *_CELL_CARDINALITIES[:0:-1]), dtype=np.int64)[::-1]
_NODE_OF_GENE = np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7])
_ROWS_AT_A_TIME = 8192


class DartsCellSpace(SearchSpace):
    """Eleven genes for the normal cell, then eleven for the reduction cell.

    A cell's genes are: the operations of node 2 on its edges from nodes 0 and 1 (its only predecessors, so
    that it needs no gene for them); then, for nodes 3, 4 and 5, the place of the node's pair in
    `PREDECESSORS` and the operations on the edges from the lower and from the higher predecessor.

    Two cells are isomorphic when one becomes the other by numbering the intermediate nodes anew; a numbering
    is legal when every edge leads from a lower to a higher number. The order in which the four nodes are
    concatenated is not told apart. The representative is the least gene row of all legal numberings.

    Distance is the number of edges that differ in their operation, or in the node that they come from: every
    architecture has 96 neighbours of the first kind and 24 of the second.
    """

    name = "darts_cell"
    cardinalities = 2 * _CELL_CARDINALITIES
    size = _CELL_CODES**2

    @cached_property
    def distinct(self) -> int:  # type: ignore[override]  # computed once, on first use
        """Number of isomorphism classes, exactly; see `distinct_cells`."""
        return distinct_cells(len(OPERATIONS)) ** 2

    @cached_property
    def _range(self) -> GeneRange:
        return GeneRange(self.name, self.cardinalities)

    def valid(self, genes: Genes) -> NDArray[np.bool_]:
        """Tell which rows are architectures of this space: those whose genes are in range, bool `[n]`."""
        return self._range.inside(self._range.as_genes(genes))

    # -- isomorphism -------------------------------------------------------------------------------

    def canonical(self, genes: Genes) -> Genes:
        """Return the least gene row among the legal numberings of each row's two cells.

        Raises
        ------
        ArchitectureError
            When a gene is out of range.
        """
        codes = self._canonical_codes(genes)
        rows: NDArray[np.int64] = codes[:, :, None] // _WEIGHTS % np.array(_CELL_CARDINALITIES)
        return rows.reshape(-1, self.n_genes).astype(np.uint8)

    def key(self, genes: Genes) -> NDArray[np.uint64]:
        """Return the mixed-radix number of each row's representative, uint64 `[n]`: exact, no hash.

        Raises
        ------
        ArchitectureError
            When a gene is out of range.
        """
        codes = self._canonical_codes(genes).astype(np.uint64)
        key: NDArray[np.uint64] = codes[:, 0] * np.uint64(_CELL_CODES) + codes[:, 1]
        return key

    def _canonical_codes(self, genes: Genes) -> Codes:
        """Return the least code of the normal and the reduction cell of every row: int64 `[n, 2]`."""
        cells = self._range.checked(genes).reshape(-1, _CELL_GENES)
        codes = np.empty(len(cells), dtype=np.int64)
        for start in range(0, len(cells), _ROWS_AT_A_TIME):
            part = slice(start, start + _ROWS_AT_A_TIME)
            codes[part] = self._least_codes(cells[part])
        return codes.reshape(-1, 2)

    def _least_codes(self, cells: Genes) -> Codes:
        count, base, weights = self._numberings
        structure = self._structure_of(cells)
        operations = cells[:, _OPERATION_GENES].astype(np.float64)
        widest = int(count[structure].max(initial=1))
        # Codes stay below 2^31, so that float64 holds them exactly, and its matrix product is the faster one.
        moved = np.matmul(weights[structure, :widest], operations[:, :, None])[:, :, 0]
        least: NDArray[np.float64] = np.min(moved + base[structure, :widest], axis=1)
        return least.astype(np.int64)

    @cached_property
    def _numberings(self) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """For each of the 180 structures: number of legal numberings, and how each of them makes a code.

        A numbering's code is `base[s, k] + weights[s, k] @ operations`; where a structure has fewer than 24
        legal numberings the rest of `base` is infinite.
        """
        count = np.zeros(180, dtype=np.intp)
        base = np.full((180, 24), np.inf)
        weights = np.zeros((180, 24, 8))
        operation_weights = _WEIGHTS[list(_OPERATION_GENES)]
        for s, structure in enumerate(structures()):
            for numbering in permutations(range(2, 6)):
                moved = renumber(structure, numbering)
                if moved is not None:
                    pairs, edges = moved
                    base[s, count[s]] = sum(
                        _WEIGHTS[gene] * PREDECESSORS[node].index(pairs[node - 2])
                        for node, gene in _PAIR_GENE.items()
                    )
                    weights[s, count[s]] = operation_weights[list(edges)]
                    count[s] += 1
        return count, base, weights

    # -- drawing and changing ----------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Genes:
        """Draw `n` architectures, uniformly over the gene rows: uint8 `[n, 22]`."""
        return rng.integers(self.cardinalities, size=(n, self.n_genes), dtype=np.uint8)

    def mutate(self, rng: np.random.Generator, genes: Genes) -> Genes:
        """Change one edge of every row: with equal chance its operation or the node that it comes from.

        The two kinds are equally likely, as in naszilla's mutation of this space and in regularized evolution
        (Real et al., AAAI 2019). The edge is uniform among those that can change in that way (node 2 has no
        other predecessors), and so is what it changes to: a mutant always differs from its parent.
        """
        genes = self._range.checked(genes)
        move = self._moves.thresholds.searchsorted(rng.random(len(genes)), side="right")
        return self._moves.apply(genes[:, None], move[:, None])[:, 0]

    def crossover(self, rng: np.random.Generator, a: Genes, b: Genes) -> Genes:
        """Uniform crossover by nodes: a node keeps its two predecessors and operations together."""
        a, b = self._range.checked(a), self._range.checked(b)
        from_a = rng.integers(2, size=(len(a), 8), dtype=np.uint8).astype(np.bool_)
        return np.where(from_a[:, _NODE_OF_GENE], a, b)

    def neighbourhoods(self, genes: Genes) -> tuple[Genes, NDArray[np.bool_]]:
        """Return every row with one edge changed: uint8 `[n, 120, 22]`, and `[n, 120]`, all present."""
        genes = self._range.checked(genes)
        moves = np.broadcast_to(np.arange(_Moves.COUNT), (len(genes), _Moves.COUNT))
        return self._moves.apply(genes[:, None], moves), np.ones(moves.shape, dtype=np.bool_)

    @cached_property
    def _moves(self) -> "_Moves":
        return _Moves()

    # -- graphs ------------------------------------------------------------------------------------

    def graphs(self, genes: Genes) -> list[CellGraphs]:
        """Return the normal and the reduction cells, with a node for each of the eight edges.

        Nodes 0 and 1 are the outputs of the cells before; the output reads all eight edges.
        """
        cells = self._range.checked(genes).reshape(-1, 2, _CELL_GENES)
        structure = self._structure_of(cells)
        return [
            graphs_of_nodes(
                OPERATIONS, 2, 4, self._edges[structure[:, cell]], cells[:, cell, _OPERATION_GENES]
            )
            for cell in (0, 1)
        ]

    @staticmethod
    def _structure_of(cells: Genes) -> NDArray[np.intp]:
        """Return the place in `structures()` of cells whose genes lie along the last axis."""
        place: NDArray[np.intp] = (cells[..., 2].astype(np.intp) * 6 + cells[..., 5]) * 10 + cells[..., 8]
        return place

    @cached_property
    def _edges(self) -> NDArray[np.bool_]:
        """Who reads whom among two inputs, eight edges and the output, bool `[180, 11, 11]`."""
        reads = np.zeros((180, 11, 11), dtype=bool)
        reads[:, 2:10, 10] = True
        for place, structure in enumerate(structures()):
            sources = [source for pair in structure for source in pair]
            for edge, source in enumerate(sources, start=2):
                reads[place, source if source < 2 else [2 * source - 2, 2 * source - 1], edge] = True
        return reads

    # -- text --------------------------------------------------------------------------------------

    def parse(self, text: str) -> Genes:
        """Read `Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=..., ...)`.

        The two edges of a node may come in either order.
        """
        cells = read_genotype(text)
        return np.array([gene for edges in cells for gene in _genes_of_edges(text, edges)], dtype=np.uint8)

    def format(self, genes: Genes) -> list[str]:
        """Write every row as a genotype, the edges of each node in the order of their predecessors."""
        rows = self._range.checked(genes).tolist()
        return [
            write_genotype(_edges_of_genes(row[:_CELL_GENES]), _edges_of_genes(row[_CELL_GENES:]))
            for row in rows
        ]


class _Moves:
    """The 120 steps to a neighbour: 96 to another operation, 24 to another predecessor.

    A step of the first kind is a gene and what to add to it. One of the second kind is the gene of a pair
    and, for each value of that gene, the new pair and whether the node's two operations change places: an
    operation stays with its edge, but the edges are ordered by predecessor.
    """

    COUNT = 120

    def __init__(self) -> None:
        operations = [cell + gene for cell in (0, _CELL_GENES) for gene in _OPERATION_GENES]
        pairs = [
            (cell + gene, node, edge, choice)
            for cell in (0, _CELL_GENES)
            for node, gene in _PAIR_GENE.items()
            for edge in (0, 1)
            for choice in range(node - 2)
        ]
        self.n_operation_moves = 6 * len(operations)
        self.gene = np.array([gene for gene in operations for _ in range(6)] + [gene for gene, *_ in pairs])
        self.shift = np.tile(np.arange(1, 7, dtype=np.uint8), len(operations))
        self.new_pair = np.zeros((len(pairs), 10), dtype=np.uint8)
        self.swaps = np.zeros((len(pairs), 10), dtype=np.bool_)
        for move, (_, node, edge, choice) in enumerate(pairs):
            for value, pair in enumerate(PREDECESSORS[node]):
                self.new_pair[move, value], self.swaps[move, value] = _rewired(node, pair, edge, choice)
        chance = [1 / 2 / self.n_operation_moves] * self.n_operation_moves
        chance += [1 / 2 / 12 / (node - 2) for _, node, *_ in pairs]
        self.thresholds = np.cumsum(chance)[:-1]

    def apply(self, genes: Genes, moves: NDArray[np.intp]) -> Genes:
        """Return `genes` after each of `moves`: uint8 `[n, 1, 22]` and `[n, m]` give `[n, m, 22]`."""
        moved = np.repeat(genes, moves.shape[1], axis=1)
        row, column = np.nonzero(moves < self.n_operation_moves)
        move = moves[row, column]
        gene = self.gene[move]
        moved[row, column, gene] = (genes[row, 0, gene] + self.shift[move]) % np.uint8(7)
        row, column = np.nonzero(moves >= self.n_operation_moves)
        move = moves[row, column]
        gene = self.gene[move]
        move = move - self.n_operation_moves
        old = genes[row, 0, gene]
        swaps = self.swaps[move, old].astype(np.intp)
        moved[row, column, gene] = self.new_pair[move, old]
        moved[row, column, gene + 1] = genes[row, 0, gene + 1 + swaps]
        moved[row, column, gene + 2] = genes[row, 0, gene + 2 - swaps]
        return moved


def _rewired(node: int, pair: tuple[int, int], edge: int, choice: int) -> tuple[int, bool]:
    """Let one edge of a pair come from another node: the new pair's place, and whether the order turns."""
    others = [source for source in range(node) if source not in pair]
    kept, new = pair[1 - edge], others[choice]
    swaps = (new > kept) == (edge == 0)
    return PREDECESSORS[node].index((min(kept, new), max(kept, new))), swaps


def _genes_of_edges(text: str, edges: list[Edge]) -> list[int]:
    genes: list[int] = []
    for node in (2, 3, 4, 5):
        two = edges[2 * node - 4 : 2 * node - 2]
        for operation, source, place in two:
            if source >= node:
                raise misread(place, text, f"node {node} takes its inputs from nodes 0 to {node - 1}")
            if operation not in OPERATIONS:
                unknown = UnknownNameError("operation of space 'darts_cell' called", operation, OPERATIONS)
                raise misread(place, text, str(unknown).rstrip("."))
        (low, first, _), (high, second, place) = sorted(two, key=lambda edge: edge[1])
        if first == second:
            raise misread(place, text, f"node {node} takes its inputs from two different nodes")
        if node in _PAIR_GENE:
            genes.append(PREDECESSORS[node].index((first, second)))
        genes += [OPERATIONS.index(low), OPERATIONS.index(high)]
    return genes


def _edges_of_genes(cell: list[int]) -> list[tuple[str, int]]:
    pairs = [(0, 1), *(PREDECESSORS[node][cell[gene]] for node, gene in _PAIR_GENE.items())]
    sources = [source for pair in pairs for source in pair]
    return [(OPERATIONS[cell[gene]], source) for gene, source in zip(_OPERATION_GENES, sources, strict=True)]
