"""What every search space can do: draw, change, compare, read and write architectures, many at a time."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nasbench_suite.spaces.cell_graphs import CellGraphs

Genes = NDArray[np.uint8]
"""Architectures, one a row: uint8 `[n, n_genes]`; gene `i` takes values `0..cardinalities[i]-1`."""
Codes = NDArray[np.int64]
"""Mixed-radix numbers of gene rows, int64 `[n]`, the first gene weighing most."""


class SearchSpace(ABC):
    """A set of architectures, each written as a row of small integers.

    Every method takes and returns batches; one architecture is a batch of one. No method changes its
    arguments, and all randomness comes from the generator that is handed in.

    Attributes
    ----------
    name
        The name `get_space` answers to.
    cardinalities
        Number of values of each gene.
    size
        Number of valid gene rows.
    distinct
        Number of architectures that remain when isomorphic ones are counted once.
    key_is_exact
        Whether equal keys prove isomorphism; False where keys are 64-bit hashes, which might collide.
    operations
        What the values of every gene stand for, where that is the same for all genes; empty elsewhere.
    """

    name: str
    cardinalities: tuple[int, ...]
    size: int
    distinct: int
    key_is_exact: bool = True
    operations: tuple[str, ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> "SearchSpace":
        """Return the space itself: it does not change, and `get_space` has one of each."""
        return self

    @property
    def n_genes(self) -> int:
        """Number of genes of an architecture."""
        return len(self.cardinalities)

    @property
    def gene_parents(self) -> tuple[tuple[int, ...], ...]:
        """Earlier genes that what a gene stands for is fed by, for every gene: the one before, in a chain."""
        return tuple(() if gene == 0 else (gene - 1,) for gene in range(self.n_genes))

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> Genes:
        """Draw `n` architectures, uniformly over the valid gene rows: uint8 `[n, n_genes]`."""

    @abstractmethod
    def mutate(self, rng: np.random.Generator, genes: Genes) -> Genes:
        """Move every row one random step away, in the sense of the space's own literature: `[n, n_genes]`."""

    @abstractmethod
    def crossover(self, rng: np.random.Generator, a: Genes, b: Genes) -> Genes:
        """Return one child per pair of rows of `a` and `b`: `[n, n_genes]`."""

    @abstractmethod
    def neighbourhoods(self, genes: Genes) -> tuple[Genes, NDArray[np.bool_]]:
        """Return all architectures at distance one of each row.

        Returns
        -------
        neighbours
            uint8 `[n, k, n_genes]`, `k` the largest neighbourhood; rows that are not present are arbitrary.
        present
            bool `[n, k]`.
        """

    def neighbours(self, genes: Genes) -> Genes:
        """Return all architectures at distance one of the single row `genes`: `[k, n_genes]`."""
        neighbours, present = self.neighbourhoods(np.reshape(genes, (1, self.n_genes)))
        found: Genes = neighbours[0][present[0]]
        return found

    @abstractmethod
    def valid(self, genes: Genes) -> NDArray[np.bool_]:
        """Tell which rows are architectures of this space: bool `[n]`. Never raises for wrong values."""

    @abstractmethod
    def canonical(self, genes: Genes) -> Genes:
        """Return the representative of every row's isomorphism class: `[n, n_genes]`; idempotent."""

    @abstractmethod
    def key(self, genes: Genes) -> NDArray[np.uint64]:
        """Return a number per row, uint64 `[n]`, equal for two rows exactly when they are isomorphic."""

    @property
    def has_cells(self) -> bool:
        """Whether architectures are graphs of their own, and not mere chains of choices."""
        return type(self).graphs is not SearchSpace.graphs

    def graphs(self, genes: Genes) -> "list[CellGraphs]":
        """Return every row as a graph of operations for each of its cells; as a chain where it has no cell.

        What reaches no output is left out, and an operation that passes nothing on.
        """
        from nasbench_suite.spaces.cell_graphs import chains

        names = [
            [f"{gene}:{value}" for value in range(limit)] for gene, limit in enumerate(self.cardinalities)
        ]
        return [chains(names, genes)]

    @abstractmethod
    def parse(self, text: str) -> Genes:
        """Read one architecture in the published string form: uint8 `[n_genes]`.

        Raises
        ------
        ArchitectureError
            When the text is no architecture; the message says at which character.
        """

    @abstractmethod
    def format(self, genes: Genes) -> list[str]:
        """Write every row in the published string form."""


class NumberedSpace(SearchSpace):
    """A space small enough that every architecture has a number, so that a table finds its rows by look-up.

    Attributes
    ----------
    n_codes
        Numbers are 0 to `n_codes - 1`; not all of them need be used.
    """

    n_codes: int

    @property
    @abstractmethod
    def representative_of_code(self) -> NDArray[np.int32]:
        """The number that stands for each number's isomorphism class, int32 `[n_codes]`; -1 where unused."""

    @abstractmethod
    def encode(self, genes: Genes) -> Codes:
        """Return the number of every row, int64 `[n]`.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        """

    @abstractmethod
    def decode(self, codes: Codes) -> Genes:
        """Return the gene rows with the given numbers: uint8 `[n, n_genes]`."""

    @abstractmethod
    def encode_one(self, genes: Genes) -> int:
        """Return the number of a batch of one, without array operations."""
