"""Trainings that are kept, in memory and on disk: no architecture is trained twice with the same seed.

On disk every training is a file of its own, whole or absent, in a folder that is named after everything that
determines its result; so a process that was killed goes on with what is there, and processes share a folder.
"""

import hashlib
import io
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.storage import write_whole

One = TypeVar("One")
"""What comes of one training."""
_WHAT_DAMAGE_RAISES = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class TrainingStore(ABC, Generic[One]):
    """Trains architectures, isomorphic ones once, and keeps what comes of it.

    Parameters
    ----------
    space
        Name of their space.
    folder
        Where trainings are stored, and looked for; None: they are kept in memory alone.
    """

    def __init__(self, space: str, folder: Path | None):
        self.space, self.folder = get_space(space), folder
        self._kept: dict[tuple[int, bytes], One] = {}

    @property
    @abstractmethod
    def request(self) -> str:
        """Everything but seed and architecture that determines a result, as text."""

    @property
    @abstractmethod
    def together(self) -> int:
        """How many are trained before any is stored: what a killed process loses at most."""

    @abstractmethod
    def trained(self, genes: Genes, seed: int) -> list[One]:
        """Train architectures, uint8 `[n, n_genes]`, canonical and all different."""

    @abstractmethod
    def packed(self, one: One) -> Mapping[str, NDArray[Any]]:
        """Return what is stored of a training, by name."""

    @abstractmethod
    def unpacked(self, arrays: Mapping[str, NDArray[Any]]) -> One:
        """Return the training of which this is stored; KeyError or ValueError where it is none."""

    def train(self, genes: Genes, seed: int, *, progress: Callable[[int], None] | None = None) -> list[One]:
        """Return the trainings of architectures, in their order, after training those that are not kept.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`; isomorphic rows get the same training.
        seed
            What initial weights and batches depend on.
        progress
            Called with how many of the distinct architectures are done, whenever it grows.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        NasbenchSuiteError
            When the data set is not there or a file cannot be written.
        """
        canonical = self.space.canonical(genes)
        distinct = np.unique(canonical, axis=0)
        missing = np.array([row for row in distinct if not self._is_kept(row, seed)], dtype=np.uint8)
        done = len(distinct) - len(missing)
        for start in range(0, len(missing), self.together):
            part = missing[start : start + self.together]
            for row, one in zip(part, self.trained(part, seed), strict=True):
                self._store(row, seed, one)
            done += len(part)
            if progress is not None:
                progress(done)
        return [self._kept[seed, row.tobytes()] for row in canonical]

    def path(self, row: Genes, seed: int) -> Path | None:
        """Return where the training of an architecture lies, or would; None: in memory alone."""
        if self.folder is None:
            return None
        name = hashlib.sha256(self.request.encode()).hexdigest()[:16]
        return self.folder / name / f"seed-{seed}-{self.space.key(row[None])[0]:016x}.npz"

    def _is_kept(self, row: Genes, seed: int) -> bool:
        """Tell whether an architecture's training is in memory, where this puts it if it is on disk."""
        name = (seed, row.tobytes())
        if name not in self._kept:
            stored = self._stored(row, seed)
            if stored is None:
                return False
            self._kept[name] = stored
        return True

    def _store(self, row: Genes, seed: int, one: One) -> None:
        path = self.path(row, seed)
        if path is not None:
            content = io.BytesIO()
            arrays: dict[str, Any] = dict(self.packed(one))
            np.savez_compressed(content, request=np.array(self.request), genes=row, **arrays)
            write_whole(path, content.getvalue())
        self._kept[seed, row.tobytes()] = one

    def _stored(self, row: Genes, seed: int) -> One | None:
        """Return an architecture's training if a file holds it; what is damaged is trained again."""
        path = self.path(row, seed)
        if path is None or not path.exists():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                if str(file["request"]) != self.request or not np.array_equal(file["genes"], row):
                    return None
                return self.unpacked(file)
        except _WHAT_DAMAGE_RAISES:
            return None
