"""The cell space of NAS-Bench-101: graphs of at most seven vertices, with operations at the vertices.

Ying, Klein, Christiansen, Real, Murphy, Hutter: "NAS-Bench-101: Towards Reproducible Neural Architecture
Search" (ICML 2019). 423,624 cells remain when isomorphic ones are counted once, and the benchmark trained
each of these.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Codes, Genes, NumberedSpace
from nasbench_suite.spaces.cell_graphs import CellGraphs, graphs_of_nodes
from nasbench_suite.spaces.gene_range import GeneRange
from nasbench_suite.spaces.nasbench101_cell import OPERATIONS, Cell, cell_of_matrix, cell_of_text, edges_among
from nasbench_suite.spaces.nasbench101_classes import (
    DIGITS,
    EDGES,
    INTERIOR,
    LABELINGS,
    MAX_EDGES,
    N_OPERATIONS,
    VERTICES,
    CellTables,
    cell_tables,
    prune,
    used_vertices,
)
from nasbench_suite.spaces.nasbench101_hash import graph_hash

_BITS = len(EDGES)
_EDGE_MUTATION = 1 / VERTICES
_OPERATION_MUTATION = 1 / INTERIOR
_CHUNK = 8192  # rows whose intermediate results stay in a core's cache: three times as fast as all at once
_AS_DIGITS = b"012" + b"x" * 253  # translates gene values to digits, all other bytes to none


class NasBench101Space(NumberedSpace):
    """Genes 0 to 20 are the upper triangle of the 7 × 7 adjacency matrix, row by row; 21 to 25 operations.

    A row is valid if a path leads from input to output and at most nine edges lie on such paths. As in the
    official API (`ModelSpec`, `NASBench._check_spec`) the limit holds after pruning: a matrix with more edges
    is a cell of the space if enough of them lead nowhere, and the operation of a vertex that was pruned does
    not matter. All 423,624 numbers are in use, one per class of isomorphic cells; they are ordered by
    vertices, then graph, then operations. `decode` and `canonical` give the cell whose vertices in use come
    first, padded with vertices that have no edge and the first operation.
    """

    name = "nasbench101"
    cardinalities = (2,) * _BITS + (N_OPERATIONS,) * INTERIOR
    size = 373_754_169
    distinct = n_codes = 423_624

    def __init__(self) -> None:
        self._range = GeneRange(self.name, self.cardinalities)
        # One exact product folds a row into matrix * 256 + operations.
        self._weights = np.concatenate([2.0 ** np.arange(_BITS + 7, 7, -1), 3.0 ** np.arange(4, -1, -1)])

    @property
    def _tables(self) -> CellTables:
        return cell_tables()

    @cached_property
    def representative_of_code(self) -> NDArray[np.int32]:
        """Every number stands for itself, int32 `[423624]`."""
        table = np.arange(self.n_codes, dtype=np.int32)
        table.setflags(write=False)
        return table

    # -- numbering -------------------------------------------------------------------------------

    def encode(self, genes: Genes) -> Codes:
        """Return the number of every row's class, int64 `[n]`: equal for isomorphic cells and no others.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, a gene is out of range or a row is no valid cell.
        """
        genes = self._range.as_genes(genes)
        if len(genes) == 1:
            return np.array([self.encode_one(genes)])
        codes = np.empty(len(genes), dtype=np.int64)
        for start in range(0, len(genes), _CHUNK):
            chunk = genes[start : start + _CHUNK]
            self._range.check(chunk)
            codes[start : start + _CHUNK] = self._codes(chunk)
        if codes.size and codes.min() < 0:
            self.raise_invalid(genes[int(codes.argmin())])
        return codes

    def _codes(self, genes: Genes) -> NDArray[np.int32]:
        matrix, operations = self._fold(genes)
        tables = self._tables
        place = tables.place_of_matrix.take(matrix)
        labeling = (place & 127) * LABELINGS
        labeling += operations
        cell = (place >> 7) * LABELINGS
        cell += tables.moved.take(labeling)
        codes: NDArray[np.int32] = tables.code_of_labeling.take(cell)
        return codes

    def _fold(self, genes: Genes) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the numbers of matrix and operations of rows in range, int32 `[n]` each."""
        with np.errstate(invalid="ignore"):  # see CategoricalSpace.encode
            product = genes.astype(np.float64) @ self._weights
        folded = product.astype(np.int32)
        return folded >> 8, folded & 255

    def encode_one(self, genes: Genes) -> int:
        """Return the number of a batch of one, in plain Python: five times as fast as array operations.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        try:
            digits = bytes(genes[0].tolist()).translate(_AS_DIGITS)
            matrix, operations = int(digits[:_BITS], 2), int(digits[_BITS:], N_OPERATIONS)
        except (ValueError, OverflowError):
            self._range.refuse(genes)
        tables = self._tables
        place = tables.place_of_matrix.item(matrix)
        moved = tables.moved.item((place & 127) * LABELINGS + operations)
        code = tables.code_of_labeling.item((place >> 7) * LABELINGS + moved)
        if code < 0:
            self.raise_invalid(genes[0])
        return code

    def decode(self, codes: Codes) -> Genes:
        """Return the representatives with the given numbers: uint8 `[n, 26]`."""
        codes = np.asarray(codes, dtype=np.int64)
        return _rows(self._tables.matrix_of_code[codes], self._tables.operations_of_code[codes])

    def raise_invalid(self, row: Genes) -> None:
        """Raise the error that says why `row`, in range, is no cell of this space."""
        raise ArchitectureError(
            f"{row.tolist()} is not a valid architecture of space {self.name!r}: {self._fault(row)}"
        )

    def _fault(self, row: Genes) -> str:
        edges = int(np.bitwise_count(prune(self._fold(row[None])[0]))[0])
        if not edges:
            return "no path leads from its input to its output; add edges."
        return (
            f"{edges} edges lie on paths from its input to its output, at most {MAX_EDGES} may; remove some."
        )

    def valid(self, genes: Genes) -> NDArray[np.bool_]:
        """Tell which rows are architectures of this space: bool `[n]`."""
        genes = self._range.as_genes(genes)
        in_range = self._range.inside(genes)
        return in_range & self._valid_matrix(self._fold(np.where(in_range[:, None], genes, 0))[0])

    def _valid_matrix(self, matrix: NDArray[np.int32]) -> NDArray[np.bool_]:
        valid: NDArray[np.bool_] = self._tables.place_of_matrix.take(matrix) < self._tables.invalid_place
        return valid

    def canonical(self, genes: Genes) -> Genes:
        """Return the representative of every row's isomorphism class.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        return self.decode(self.encode(genes))

    def key(self, genes: Genes) -> NDArray[np.uint64]:
        """Return the number of every row's class, uint64 `[n]`.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        return self.encode(genes).astype(np.uint64)

    # -- drawing and changing ----------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Genes:
        """Draw `n` rows uniformly over the valid ones.

        That is the distribution of the literature's rejection of random matrices; it is not uniform over the
        423,624 classes.
        """
        matrices = self._tables.valid_matrices
        return _rows(matrices[rng.integers(len(matrices), size=n)], rng.integers(LABELINGS, size=n))

    def mutate(self, rng: np.random.Generator, genes: Genes) -> Genes:
        """Flip every edge with probability 1/7 and change every operation with probability 1/5, until valid.

        This is `mutate_spec` of the benchmark's own notebook (google-research/nasbench, NASBench.ipynb). A
        mutant may equal its parent or be isomorphic to it. naszilla differs: it flips every edge with
        probability 1/21.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        self.encode(genes)  # refuses invalid parents, whose mutants might never be valid
        mutants = np.empty(genes.shape, dtype=np.uint8)
        rows = np.arange(len(genes))
        while rows.size:
            mutants[rows] = _mutated(rng, genes[rows])
            rows = rows[~self._valid_matrix(self._fold(mutants[rows])[0])]
        return mutants

    def crossover(self, rng: np.random.Generator, a: Genes, b: Genes) -> Genes:
        """Uniform crossover: each gene comes from either parent; invalid children are drawn again.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        self.encode(a), self.encode(b)  # refuses invalid parents, whose children might never be valid
        children = np.empty(a.shape, dtype=np.uint8)
        rows = np.arange(len(a))
        while rows.size:
            from_a = rng.integers(2, size=(len(rows), self.n_genes), dtype=np.uint8)
            children[rows] = np.where(from_a, a[rows], b[rows])
            rows = rows[~self._valid_matrix(self._fold(children[rows])[0])]
        return children

    def neighbourhoods(self, genes: Genes) -> tuple[Genes, NDArray[np.bool_]]:
        """Return every row with one edge or operation changed: `[n, 31, 26]`, and which are valid."""
        genes = self._range.as_genes(genes)
        self._range.check(genes)
        matrix, _ = self._fold(genes)
        flipped = matrix[:, None] ^ (1 << np.arange(_BITS - 1, -1, -1, dtype=np.int32))
        edges, operations = np.arange(_BITS), np.arange(_BITS, self.n_genes).repeat(N_OPERATIONS - 1)
        neighbours = np.repeat(genes.astype(np.uint8)[:, None], _BITS + len(operations), axis=1)
        neighbours[:, edges, edges] ^= 1
        shift = np.tile(np.arange(1, N_OPERATIONS, dtype=np.uint8), INTERIOR)
        places = _BITS + np.arange(len(operations))
        neighbours[:, places, operations] = (neighbours[:, places, operations] + shift) % N_OPERATIONS
        unflipped = np.repeat(matrix[:, None], len(operations), axis=1)
        return neighbours, self._valid_matrix(np.concatenate([flipped, unflipped], axis=1))

    def graphs(self, genes: Genes) -> list[CellGraphs]:
        """Return every cell, pruned."""
        genes = self._range.checked(genes)
        edges = np.zeros((len(genes), VERTICES, VERTICES), dtype=bool)
        edges[:, *np.triu_indices(VERTICES, 1)] = genes[:, :_BITS]
        return [graphs_of_nodes(OPERATIONS, 1, INTERIOR, edges, genes[:, _BITS:])]

    # -- reading and writing -----------------------------------------------------------------------

    def parse(self, text: str) -> Genes:
        """Read the upper triangle row by row and the interior operations, such as `111011:02` (4 vertices).

        Cells of 2 to 7 vertices are read; smaller ones get vertices without edges in front of the output.

        Raises
        ------
        ArchitectureError
            When the text is no cell of this space; the message says at which character it is misspelt.
        """
        return self._genes_of(cell_of_text(text), repr(text))

    def from_matrix(self, matrix: ArrayLike, operations: Sequence[str]) -> Genes:
        """Return the genes of a cell in the official API's form: uint8 `[26]`.

        Parameters
        ----------
        matrix
            Upper-triangular adjacency of zeros and ones, `[v, v]` with 2 to 7 vertices.
        operations
            `v` names, the first `input`, the last `output`, between them those of `OPERATIONS`.

        Raises
        ------
        ArchitectureError
            When they are no cell of this space.
        """
        return self._genes_of(cell_of_matrix(matrix, operations), f"{np.asarray(matrix).tolist()}")

    def _genes_of(self, cell: Cell, said: str) -> Genes:
        row = cell.padded()
        if not self._valid_matrix(self._fold(row[None])[0])[0]:
            raise ArchitectureError(f"{said} is not a valid cell of space {self.name!r}: {self._fault(row)}")
        return row

    def format(self, genes: Genes) -> list[str]:
        """Write what pruning leaves of every row, as `parse` reads it: isomorphic to the row, maybe shorter.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        texts = [""] * len(genes)
        for rows, bits, operations in self._pruned(genes):
            for row, triangle, numbers in zip(rows, bits + ord("0"), operations + ord("0"), strict=True):
                texts[row] = f"{triangle.tobytes().decode()}:{numbers.tobytes().decode()}"
        return texts

    def module_hash(self, genes: Genes) -> list[str]:
        """Return the benchmark's own name of every row, 32 hexadecimal digits; see `graph_hash`.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        hashes = [""] * len(genes)
        for rows, bits, operations in self._pruned(genes):
            vertices = operations.shape[1] + 2
            matrices = np.zeros((len(rows), vertices, vertices), dtype=np.uint8)
            matrices[:, *np.triu_indices(vertices, 1)] = bits
            for row, matrix, numbers in zip(rows, matrices.tolist(), operations.tolist(), strict=True):
                hashes[row] = graph_hash(matrix, numbers)
        return hashes

    def _pruned(self, genes: Genes) -> Iterator[tuple[list[int], Genes, Genes]]:
        """Yield rows that keep the same vertices: places, bits `[m, edges]`, operations `[m, v - 2]`."""
        self.encode(genes)
        genes = genes.astype(np.uint8)
        used = used_vertices(prune(self._fold(genes)[0]))
        for kept in np.unique(used, axis=0):
            rows = np.flatnonzero((used == kept).all(axis=1))
            interior = np.flatnonzero(kept)
            among = edges_among([0, *(interior + 1).tolist(), VERTICES - 1])
            edges = np.array([EDGES.index(edge) for edge in among])
            yield rows.tolist(), genes[np.ix_(rows, edges)], genes[np.ix_(rows, _BITS + interior)]


def _rows(matrices: NDArray[np.int32], operations: NDArray[np.integer]) -> Genes:
    """Write numbers of matrices and operations out as genes: uint8 `[n, 26]`."""
    bits = (matrices.astype(np.uint32) << np.uint32(32 - _BITS)).astype(">u4").view(np.uint8).reshape(-1, 4)
    return np.concatenate([np.unpackbits(bits, axis=1, count=_BITS), DIGITS[operations]], axis=1)


def _mutated(rng: np.random.Generator, genes: Genes) -> Genes:
    mutants = genes.astype(np.uint8)
    edges, operations = mutants[:, :_BITS], mutants[:, _BITS:]
    edges ^= rng.random(edges.shape) < _EDGE_MUTATION
    # One draw says whether an operation changes and which of the two others it becomes.
    draw = rng.random(operations.shape)
    for share in (1, 1 / 2):
        operations += draw < share * _OPERATION_MUTATION
    operations %= N_OPERATIONS
    return mutants
