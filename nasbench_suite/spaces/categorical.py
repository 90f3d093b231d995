"""Spaces in which every gene takes any of a few values, small enough to number all gene rows."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Codes, Genes, NumberedSpace
from nasbench_suite.spaces.choices import ChoiceSpace


class CategoricalSpace(ChoiceSpace, NumberedSpace):
    """A product of finite choices, less the gene rows that a subclass declares invalid.

    Subclasses say which row stands for each isomorphism class (`_representatives`) and read and write text.

    Parameters
    ----------
    name, cardinalities, mutation_probabilities, mutation_may_keep
        See `ChoiceSpace`.
    """

    def __init__(
        self,
        name: str,
        cardinalities: tuple[int, ...],
        mutation_probabilities: Sequence[float] | None = None,
        *,
        mutation_may_keep: bool = False,
    ):
        super().__init__(name, cardinalities, mutation_probabilities, mutation_may_keep=mutation_may_keep)
        self.n_codes = int(np.prod(cardinalities, dtype=np.int64))
        weights = np.cumprod((1, *cardinalities[:0:-1]), dtype=np.int64)[::-1]
        self._weights = np.ascontiguousarray(weights)
        # A float product goes through BLAS, four times as fast as NumPy's integer one, and is exact
        # while all codes fit the mantissa.
        exact = np.float32 if self.n_codes <= 2**24 else np.float64
        self._float_weights = self._weights.astype(exact)

    @abstractmethod
    def _representatives(self) -> NDArray[np.int32]:
        """Return the code of the representative of every code's class, int32 `[n_codes]`; -1 if invalid."""

    @cached_property
    def representative_of_code(self) -> NDArray[np.int32]:
        """The code that stands for each code's isomorphism class, int32 `[n_codes]`; -1 where invalid."""
        table = self._representatives()
        table.setflags(write=False)
        return table

    @cached_property
    def size(self) -> int:  # type: ignore[override]  # computed once, on first use
        """Number of valid gene rows."""
        return int(np.count_nonzero(self.representative_of_code >= 0))

    @cached_property
    def distinct(self) -> int:  # type: ignore[override]  # computed once, on first use
        """Number of isomorphism classes."""
        codes = np.arange(self.n_codes)
        return int(np.count_nonzero(self.representative_of_code == codes))

    # -- numbering -------------------------------------------------------------------------------

    def encode(self, genes: Genes) -> Codes:
        """Return the mixed-radix number of every row, int64 `[n]`.

        Raises
        ------
        ArchitectureError
            When the array has another shape or a gene is out of range; validity is not checked.
        """
        genes = self._range.as_genes(genes)
        if len(genes) == 1:
            return np.array([self.encode_one(genes)])
        self._range.check(genes)
        # BLAS's kernels may raise the flag of invalid numbers for lanes that no result comes from.
        with np.errstate(invalid="ignore"):
            product = genes.astype(self._float_weights.dtype) @ self._float_weights
        codes: Codes = product.astype(np.int64)
        return codes

    def encode_one(self, genes: Genes) -> int:
        """Return the number of a batch of one, in plain Python: three times as fast as array operations.

        Raises
        ------
        ArchitectureError
            As `encode` does.
        """
        code = 0
        for value, limit in zip(genes[0].tolist(), self.cardinalities, strict=True):
            if not 0 <= value < limit:
                self._range.refuse(genes)
            code = code * limit + value
        return code

    def decode(self, codes: Codes) -> Genes:
        """Return the gene rows with the given numbers: uint8 `[n, n_genes]`."""
        codes = np.asarray(codes, dtype=np.int64)
        return ((codes[:, None] // self._weights) % self._limits).astype(np.uint8)

    def valid(self, genes: Genes) -> NDArray[np.bool_]:
        """Tell which rows are architectures of this space: bool `[n]`."""
        genes = self._range.as_genes(genes)
        in_range = self._range.inside(genes)
        codes = self.encode(np.where(in_range[:, None], genes, 0))
        return in_range & (self.representative_of_code[codes] >= 0)

    def canonical(self, genes: Genes) -> Genes:
        """Return the representative of every row's isomorphism class.

        Raises
        ------
        ArchitectureError
            When a row is out of range or invalid.
        """
        return self.decode(self._representative(genes))

    def key(self, genes: Genes) -> NDArray[np.uint64]:
        """Return the code of every row's representative, uint64 `[n]`.

        Raises
        ------
        ArchitectureError
            When a row is out of range or invalid.
        """
        return self._representative(genes).astype(np.uint64)

    def _representative(self, genes: Genes) -> Codes:
        representative = self.representative_of_code[self.encode(genes)].astype(np.int64)
        if representative.size and representative.min() < 0:
            self.raise_invalid(genes[int(representative.argmin())])
        return representative

    def raise_invalid(self, row: Genes) -> None:
        """Raise the error that says why `row`, in range, is no architecture of this space."""
        raise ArchitectureError(f"{row.tolist()} is not a valid architecture of space {self.name!r}.")

    # -- drawing and changing ----------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Genes:
        """Draw `n` architectures uniformly over the valid gene rows (by rejection)."""
        return self._until_valid(lambda rows: rng.integers(self.n_codes, size=len(rows)), n)

    def _until_valid(self, draw_codes: Callable[[NDArray[np.int64]], Codes], n: int) -> Genes:
        codes = np.empty(n, dtype=np.int64)
        rows = np.arange(n)
        while rows.size:
            codes[rows] = draw_codes(rows)
            rows = rows[self.representative_of_code[codes[rows]] < 0]
        return self.decode(codes)

    def mutate(self, rng: np.random.Generator, genes: Genes) -> Genes:
        """Give one gene a value drawn uniformly, another one unless the space may keep it.

        Invalid results are drawn again.
        """
        codes = self.encode(genes)

        def step(rows: NDArray[np.int64]) -> Codes:
            gene, old, new = self._draw_change(rng, genes, rows)
            moved: Codes = codes[rows] + (new - old) * self._weights[gene]
            return moved

        return self._until_valid(step, len(genes))

    def crossover(self, rng: np.random.Generator, a: Genes, b: Genes) -> Genes:
        """Uniform crossover: each gene comes from either parent; invalid children are drawn again."""
        self.key(a), self.key(b)  # refuses invalid parents, whose children might never be valid

        def mix(rows: NDArray[np.int64]) -> Codes:
            from_a = rng.integers(2, size=(len(rows), self.n_genes), dtype=np.uint8)
            return self.encode(np.where(from_a, a[rows], b[rows]))

        return self._until_valid(mix, len(a))

    def neighbourhoods(self, genes: Genes) -> tuple[Genes, NDArray[np.bool_]]:
        """Return every row with one gene changed: `[n, k, n_genes]` and which are valid, `[n, k]`."""
        genes = self._range.as_genes(genes)
        codes = self.encode(genes)
        gene, shift = self._neighbour_moves
        old = genes[:, gene].astype(np.int64)
        new = (old + shift) % self._limits[gene]
        moved = codes[:, None] + (new - old) * self._weights[gene]
        present = self.representative_of_code[moved] >= 0
        return self.decode(moved.ravel()).reshape(*moved.shape, self.n_genes), present
