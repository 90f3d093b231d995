"""Spaces in which every gene takes any of a few values: what the numbered and the vast ones share."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.spaces.gene_range import GeneRange


class ChoiceSpace(SearchSpace):
    """Draws the gene that mutates and its new value, and knows the steps to all neighbours.

    Distance is the number of genes that differ.

    Parameters
    ----------
    name, cardinalities
        See `SearchSpace`.
    mutation_probabilities
        How often each gene is the one that mutates; uniform if None.
    mutation_may_keep
        Whether the gene that mutates is drawn over all its values, so that it may keep the one it has;
        otherwise it always gets another one.
    """

    def __init__(
        self,
        name: str,
        cardinalities: tuple[int, ...],
        mutation_probabilities: Sequence[float] | None = None,
        *,
        mutation_may_keep: bool = False,
    ):
        self.name = name
        self.cardinalities = cardinalities
        self._range = GeneRange(name, cardinalities)
        self._limits = np.array(cardinalities, dtype=np.uint8)
        self._cardinalities = np.array(cardinalities, dtype=np.int64)
        if mutation_probabilities is None:
            mutation_probabilities = [1 / len(cardinalities)] * len(cardinalities)
        self._mutation_thresholds = np.cumsum(mutation_probabilities)[:-1]
        self._mutation_may_keep = mutation_may_keep

    def _draw_change(
        self, rng: np.random.Generator, genes: Genes, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
        """Draw for each of `rows` the gene that mutates: its place, old and new value, `[len(rows)]` each."""
        which, where = rng.random((2, len(rows)))
        gene = self._mutation_thresholds.searchsorted(which, side="right")
        old = genes[rows, gene].astype(np.int64)
        limit = self._cardinalities[gene]
        if self._mutation_may_keep:
            return gene, old, (where * limit).astype(np.int64)
        return gene, old, (old + 1 + (where * (limit - 1)).astype(np.int64)) % limit

    @cached_property
    def _neighbour_moves(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The gene of every step to a neighbour, and what the step adds to it modulo its cardinality."""
        moves = [(gene, shift) for gene, limit in enumerate(self.cardinalities) for shift in range(1, limit)]
        gene, shift = np.array(moves, dtype=np.int64).T
        return gene, shift
