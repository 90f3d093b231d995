"""A file that lacks architectures is refused unless the user asks for what is there."""

from typing import Protocol

import numpy as np

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import Codes, Genes
from nasbench_suite.tabular.importers.job import ImportJob


class Numbered(Protocol):
    """A space that numbers its architectures 0 to `n_codes - 1`, every number in use."""

    n_codes: int

    def encode(self, genes: Genes) -> Codes:
        """Return the number of every row, int64 `[n]`."""
        ...

    def decode(self, codes: Codes) -> Genes:
        """Return the architectures with the given numbers."""
        ...

    def format(self, genes: Genes) -> list[str]:
        """Write every row in the published string form."""
        ...


def check_complete(job: ImportJob, where: str, space: Numbered, genes: Genes) -> None:
    """Check that a file has every architecture of a space, or some of them and `--partial` was given.

    Parameters
    ----------
    where
        The file, or the part of it, as errors call it.
    genes
        uint8 `[rows, n_genes]`, in range; a row may be there more than once.

    Raises
    ------
    DamagedFileError
        When it has none, or lacks some and the option `partial` is not set: names one that it lacks.
    """
    present = np.zeros(space.n_codes, dtype=bool)
    present[space.encode(genes)] = True
    lacking = space.n_codes - int(present.sum())
    if not lacking or (len(genes) and "partial" in job.options):
        return
    first = space.format(space.decode(np.array([present.argmin()])))[0]
    raise DamagedFileError(
        f"{where} lacks {lacking:,} of {space.n_codes:,} architectures, one of them {first}; fetch the "
        f"official file again{', or add --partial to import what is there' if len(genes) else ''}."
    )
