"""Products of finite choices that may be too large to number: every row is an architecture of its own."""

from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.choices import ChoiceSpace

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)
_Word = tuple[slice, NDArray[np.uint64]]


class ProductSpace(ChoiceSpace):
    """A plain product of choices: no row is invalid and no two rows are isomorphic.

    Nothing is ever enumerated, so that 9^22 rows cost no more than nine. Subclasses read and write text.

    Keys are the mixed-radix numbers of the rows, the first gene weighing most, where all of them fit 64 bits
    (`key_is_exact`). Otherwise keys are hashes: different rows share one with a chance of about 2^-64 per
    pair, so that whoever looks rows up by key compares the genes as well.

    Parameters
    ----------
    name, cardinalities, mutation_probabilities, mutation_may_keep
        See `ChoiceSpace`.
    """

    @cached_property
    def size(self) -> int:  # type: ignore[override]  # computed once, on first use
        """Number of gene rows, exactly."""
        return prod(self.cardinalities)

    @cached_property
    def distinct(self) -> int:  # type: ignore[override]  # as many as there are rows
        """Number of gene rows, exactly: no two are isomorphic."""
        return self.size

    @cached_property
    def key_is_exact(self) -> bool:  # type: ignore[override]  # follows from the size
        """Whether all rows have numbers below 2^64, which then are their keys."""
        return self.size <= 2**64

    def valid(self, genes: Genes) -> NDArray[np.bool_]:
        """Tell which rows are architectures of this space: those whose genes are in range, bool `[n]`."""
        return self._range.inside(self._range.as_genes(genes))

    def canonical(self, genes: Genes) -> Genes:
        """Return a copy of the rows: every row stands for itself alone.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        """
        return self._range.checked(genes).copy()

    # -- keys --------------------------------------------------------------------------------------

    def key(self, genes: Genes) -> NDArray[np.uint64]:
        """Return the mixed-radix number of every row, or a hash of it where 64 bits do not hold it: `[n]`.

        The hash takes the row as numbers of up to 64 bits, one after the other, and after each of them
        applies the mixing function of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
        generators", OOPSLA 2014; constants of Stafford's variant 13). That function is a bijection, so that
        two rows that differ in one of these numbers only never share a key.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        """
        wide = self._range.checked(genes).astype(np.uint64)
        numbers: list[NDArray[np.uint64]] = [wide[:, part] @ weights for part, weights in self._words]
        if len(numbers) == 1:
            return numbers[0]
        key = np.zeros(len(wide), dtype=np.uint64)
        for number in numbers:
            key = _mixed((key ^ number) + _GOLDEN_GAMMA)
        return key

    @cached_property
    def _words(self) -> list[_Word]:
        """The runs of genes whose numbers fit 64 bits each, and the weights of the genes in these numbers."""
        words: list[_Word] = []
        start = 0
        for stop in range(1, self.n_genes + 1):
            if stop == self.n_genes or prod(self.cardinalities[start : stop + 1]) > 2**64:
                part = self.cardinalities[start:stop]
                weights = [prod(part[place + 1 :]) for place in range(len(part))]
                words.append((slice(start, stop), np.array(weights, dtype=np.uint64)))
                start = stop
        return words

    # -- drawing and changing ----------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int) -> Genes:
        """Draw `n` architectures, every gene uniformly: uint8 `[n, n_genes]`."""
        return rng.integers(self._limits, size=(n, self.n_genes), dtype=np.uint8)

    def mutate(self, rng: np.random.Generator, genes: Genes) -> Genes:
        """Give one gene a value drawn uniformly, another one unless the space may keep it.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        """
        mutants = self._range.checked(genes).copy()
        rows = np.arange(len(mutants))
        gene, _, new = self._draw_change(rng, mutants, rows)
        mutants[rows, gene] = new
        return mutants

    def crossover(self, rng: np.random.Generator, a: Genes, b: Genes) -> Genes:
        """Uniform crossover: each gene comes from either parent.

        Raises
        ------
        ArchitectureError
            When an array has another shape or type, or a gene is out of range.
        """
        a, b = self._range.checked(a), self._range.checked(b)
        from_a = rng.integers(2, size=(len(a), self.n_genes), dtype=np.uint8)
        return np.where(from_a, a, b).astype(np.uint8, copy=False)

    def neighbourhoods(self, genes: Genes) -> tuple[Genes, NDArray[np.bool_]]:
        """Return every row with one gene changed: uint8 `[n, k, n_genes]`, and `[n, k]`, all present.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        """
        genes = self._range.checked(genes)
        gene, shift = self._neighbour_moves
        neighbours = np.repeat(genes[:, None], len(gene), axis=1)
        neighbours[:, np.arange(len(gene)), gene] = (genes[:, gene] + shift) % self._cardinalities[gene]
        return neighbours, np.ones(neighbours.shape[:2], dtype=np.bool_)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _FIRST_FACTOR
    numbers = (numbers ^ (numbers >> np.uint64(27))) * _SECOND_FACTOR
    return numbers ^ (numbers >> np.uint64(31))
