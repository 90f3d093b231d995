"""Trainings in any order, one after another, sorted into rows, repeats and epochs.

Files in NAS-Bench-101's layout list trainings as cell, epochs and results: which repeat a training is follows
from its place among those of the same cell and epochs alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Codes
from nasbench_suite.tabular.importers.nasbench101_records import Batch


class Trainings:
    """Takes up batches of records; gives arrays when all are there.

    Parameters
    ----------
    names
        Which of the records' numbers are kept.
    """

    def __init__(self, names: Sequence[str]):
        self._values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
        self._codes: list[Codes] = []
        self._epochs: list[NDArray[np.int64]] = []
        self._hashes: list[NDArray[np.uint64]] = []

    def add(self, batch: Batch) -> None:
        """Take up the records of a batch."""
        self._codes.append(batch.codes)
        self._epochs.append(batch.epochs)
        self._hashes.append(batch.hashes)
        for name, values in self._values.items():
            values.append(batch.numbers[name])

    def sorted(self) -> "SortedTrainings":
        """Return all trainings, sorted."""
        return SortedTrainings(
            np.concatenate([np.empty(0, dtype=np.int64), *self._codes]),
            np.concatenate([np.empty(0, dtype=np.int64), *self._epochs]),
            np.concatenate([np.empty((0, 2), dtype=np.uint64), *self._hashes]),
            self._values,
        )


class SortedTrainings:
    """Where every training belongs.

    Attributes
    ----------
    codes
        int64 `[rows]`: the cells that were met, ascending.
    epochs
        int64 `[epochs]`: lengths of training that were met, ascending.
    hashes
        uint64 `[records, 2]`; `first_record` int64 `[rows]` and `row` `[records]` lead to rows and back.
    counts
        int64 `[epochs, rows]`: number of trainings.
    """

    def __init__(
        self,
        codes: Codes,
        epochs: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        values: dict[str, list[NDArray[np.float64]]],
    ):
        self.hashes = hashes
        self._values = values
        self.codes, self.first_record, self.row = np.unique(codes, return_index=True, return_inverse=True)
        self.epochs, self.epoch = np.unique(epochs, return_inverse=True)
        group = self.epoch * len(self.codes) + self.row
        counts = np.bincount(group, minlength=len(self.epochs) * len(self.codes))
        self.counts: NDArray[np.int64] = counts.reshape(len(self.epochs), len(self.codes))
        # A stable order keeps trainings of one group as they come; their places in it, less the group's
        # first, number them.
        order = np.argsort(group, kind="stable")
        self.repeat = np.empty(len(group), dtype=np.int64)
        self.repeat[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)

    @property
    def repeats(self) -> int:
        """The largest number of trainings of a cell."""
        return int(self.counts.max(initial=0))

    def flat(self, name: str) -> NDArray[np.float64]:
        """Return a number of all trainings in the order of the file, float64 `[records]`; once, as `take`."""
        return np.concatenate([np.empty(0), *self._values.pop(name)])

    def take(self, name: str) -> NDArray[np.float64]:
        """Return a number of all trainings, float64 `[rows, repeats, epochs]`, NaN where there is none.

        It is given once: what the records held is let go, so that both never are in memory together.
        """
        values = np.full((len(self.epochs), self.repeats, len(self.codes)), np.nan)
        values[self.epoch, self.repeat, self.row] = self.flat(name)
        return values.transpose(2, 1, 0)
