"""Part of a space: each gene has some of its values, and genes that have one are not genes any more."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace


class Subspace(CategoricalSpace):
    """Architectures of another space; isomorphic ones there are so here.

    Parameters
    ----------
    name
        What `get_space` answers to.
    whole
        The space that it is part of.
    choices
        Values of every gene of `whole` that are allowed.
    """

    def __init__(self, name: str, whole: CategoricalSpace, choices: Sequence[Sequence[int]]):
        self.whole = whole
        self.choices = [np.array(values, dtype=np.uint8) for values in choices]
        self._free = [gene for gene, values in enumerate(self.choices) if len(values) > 1]
        super().__init__(name, tuple(len(self.choices[gene]) for gene in self._free))

    def within(self, genes: Genes) -> Genes:
        """Return the rows as rows of the whole space, uint8 `[n, whole.n_genes]`."""
        found = np.empty((len(genes), self.whole.n_genes), dtype=np.uint8)
        for gene, values in enumerate(self.choices):
            found[:, gene] = values[0]
        for place, gene in enumerate(self._free):
            found[:, gene] = self.choices[gene][genes[:, place]]
        return found

    @cached_property
    def _place_of_value(self) -> list[dict[int, int]]:
        return [{value: place for place, value in enumerate(values.tolist())} for values in self.choices]

    def _representatives(self) -> NDArray[np.int32]:
        rows = self.within(self.decode(np.arange(self.n_codes)))
        there = self.whole.valid(rows)
        found = np.full(self.n_codes, -1, dtype=np.int32)
        _, first, group = np.unique(self.whole.key(rows[there]), return_index=True, return_inverse=True)
        found[there] = np.flatnonzero(there)[first][group]
        return found

    def parse(self, text: str) -> Genes:
        """Read an architecture of the whole space, and refuse one that is not in this part of it."""
        row = self.whole.parse(text).tolist()
        for gene, (value, places) in enumerate(zip(row, self._place_of_value, strict=True)):
            if value not in places:
                allowed = ", ".join(self._named(v) for v in places)
                raise ArchitectureError(
                    f"{text!r} is no architecture of space {self.name!r}: choice {gene + 1} is "
                    f"{self._named(value)}, and may be {allowed}."
                )
        return np.array([self._place_of_value[gene][row[gene]] for gene in self._free], dtype=np.uint8)

    def _named(self, value: int) -> str:
        return self.whole.operations[value] if self.whole.operations else str(value)

    def format(self, genes: Genes) -> list[str]:
        """Write every row as the whole space does."""
        self.encode(genes)
        return self.whole.format(self.within(genes))
