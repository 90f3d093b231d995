"""The check that an array holds gene rows of a space, each gene within its range."""

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Genes

_ROWS_PER_FOLD = 64


class GeneRange:
    """What the gene rows of a space look like.

    Parameters
    ----------
    name, cardinalities
        See `SearchSpace`.
    """

    def __init__(self, name: str, cardinalities: tuple[int, ...]):
        self._name = name
        self._limits = np.array(cardinalities, dtype=np.uint8)

    def as_genes(self, genes: Genes) -> Genes:
        """Return `genes` if they have the shape and type of gene rows.

        Raises
        ------
        ArchitectureError
            When they have not.
        """
        n_genes = len(self._limits)
        if not isinstance(genes, np.ndarray):
            raise ArchitectureError(
                f"space {self._name!r} takes genes as an array of NumPy of shape [n, {n_genes}], not as a "
                f"{type(genes).__name__}; give np.array(genes, np.uint8)."
            )
        if genes.ndim != 2 or genes.shape[1] != n_genes:
            raise ArchitectureError(
                f"space {self._name!r} takes genes of shape [n, {n_genes}], "
                f"not {np.shape(genes)}; put single architectures into a batch of one."
            )
        if genes.dtype.kind not in "ui":
            raise ArchitectureError(f"genes are integers, not {genes.dtype}; convert them to uint8.")
        return genes

    def inside(self, genes: Genes) -> NDArray[np.bool_]:
        """Tell in which rows every gene is in range: bool `[n]`."""
        within: NDArray[np.bool_] = np.all((genes >= 0) & (genes < self._limits), axis=1)
        return within

    def check(self, genes: Genes) -> None:
        """Refuse genes out of range.

        Raises
        ------
        ArchitectureError
            When there are any; the message names the first.
        """
        if not self._all_inside(genes):
            self.refuse(genes)

    def checked(self, genes: Genes) -> Genes:
        """Return `genes` as uint8 if they are gene rows within range; raises as `as_genes` and `check` do."""
        self.check(self.as_genes(genes))
        return genes.astype(np.uint8, copy=False)

    def _all_inside(self, genes: Genes) -> bool:
        if genes.dtype != np.uint8:
            return bool(self.inside(genes).all())
        if len(genes) < 2 * _ROWS_PER_FOLD or not genes.flags.c_contiguous:
            return bool((genes < self._limits).all())
        # Folding 64 rows into one long row keeps the reduction inside SIMD registers: twenty times
        # as fast as a maximum over rows of five.
        n_genes = len(self._limits)
        whole = len(genes) // _ROWS_PER_FOLD * _ROWS_PER_FOLD
        largest = genes[:whole].reshape(-1, _ROWS_PER_FOLD * n_genes).max(axis=0)
        return bool(
            (largest.reshape(_ROWS_PER_FOLD, n_genes) < self._limits).all()
            and (genes[whole:] < self._limits).all()
        )

    def refuse(self, genes: Genes) -> NoReturn:
        """Raise the error that names the first gene out of range."""
        row, gene = np.argwhere((genes < 0) | (genes >= self._limits))[0]
        raise ArchitectureError(
            f"gene {gene} of architecture {genes[row].tolist()} is {genes[row, gene]}; in space "
            f"{self._name!r} it takes values 0 to {self._limits[gene] - 1}."
        )
