"""What the runs of a search ended with: their last incumbents, by how many runs ended with each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.runs import Runs
from nasbench_suite.spaces import Genes, SearchSpace

RECORDS = "runs"
"""The folder of the records of all runs, in a board's."""


@dataclass(frozen=True, eq=False)
class Picks:
    """The architectures that runs ended with, each once.

    Attributes
    ----------
    genes
        uint8 `[n, n_genes]`: different rows, which may be isomorphic.
    runs
        How many runs ended with each, int64 `[n]`.
    """

    genes: Genes
    runs: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.genes)

    @classmethod
    def of(cls, record: Runs) -> "Picks":
        """Return what the runs of a record ended with; runs that found nothing are left out."""
        last = record.incumbents()[:, -1]
        found = np.flatnonzero(last >= 0)
        return cls.counted(record.genes[found, last[found]], np.ones(len(found), dtype=np.int64))

    @classmethod
    def counted(cls, genes: Genes, runs: NDArray[np.int64]) -> "Picks":
        """Return picks in which every row is there once, given rows that may repeat."""
        rows, place = np.unique(genes, axis=0, return_inverse=True)
        total = np.bincount(place.ravel(), weights=runs, minlength=len(rows))
        return cls(rows, total.astype(np.int64))

    @classmethod
    def join(cls, parts: "Sequence[Picks]") -> "Picks":
        """Return the picks of several blocks of runs together."""
        return cls.counted(
            np.concatenate([part.genes for part in parts]), np.concatenate([part.runs for part in parts])
        )

    def top(self, most: int, space: SearchSpace, score: NDArray[np.float64]) -> "Picks":
        """Return the architectures that most runs ended with, most first.

        Isomorphic rows are one architecture: their runs count together, and the row that most of them ended
        with stands for it. What as many runs ended with goes by `score`, then by the genes.

        Parameters
        ----------
        most
            How many to return.
        space
            Says which rows are isomorphic.
        score
            Validation results, larger ones better, float64 `[n]`; NaN comes last.
        """
        _, group = np.unique(space.key(self.genes), return_inverse=True)
        score = np.where(np.isnan(score), -np.inf, score)
        ranked = np.lexsort((-score, -self.runs, group))  # stable: the rows are in the order of their genes
        first = np.flatnonzero(np.diff(group[ranked], prepend=-1))
        rows = ranked[first]  # one for each group, in the order of the groups
        runs = np.bincount(group, weights=self.runs, minlength=len(rows)).astype(np.int64)
        order = np.lexsort((rows, -score[rows], -runs))[:most]
        return Picks(self.genes[rows[order]], runs[order])


def read_picks(folder: Path, tasks: Sequence[str], labels: Sequence[str]) -> dict[str, dict[str, Picks]]:
    """Return the picks of a board from the records of its runs, for boards that do not keep them.

    Parameters
    ----------
    folder
        Where the records are: `TASK/LABEL/block-*.h5`.
    tasks, labels
        Of the board.

    Raises
    ------
    NasbenchSuiteError
        When a record is not there; says what to do.
    """
    picks: dict[str, dict[str, Picks]] = {}
    for task in tasks:
        for label in labels:
            files = sorted((folder / task.replace("/", "-") / label).glob("block-*.h5"))
            if not files:
                raise NasbenchSuiteError(
                    f"the board in {folder.parent} does not keep what its runs ended with, and {folder} has "
                    f"no records of {label} on {task}; play it again: nasbench-suite leaderboard run "
                    f"{folder.parent}."
                )
            picks.setdefault(task, {})[label] = Picks.join([Picks.of(Runs.load(file)) for file in files])
    return picks
