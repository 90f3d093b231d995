"""Trainings that are kept, in memory and on disk: no architecture is trained twice with the same seed.

On disk every training is a file of its own, whole or absent, in a folder that is named after everything that
determines its result; so a process that was killed goes on with what is there, and processes share a folder.

Given an executor, it trains in its workers, as many parts at once as they are. A worker loads the data itself
and keeps them for the next part; what comes of a training is stored by the process that asked for it.
"""

import hashlib
import io
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed, wait
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes, SearchSpace, get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.workers import told_when_lost

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

    Attributes
    ----------
    executor
        Whose workers train; None, as at first: this process does.
    """

    def __init__(self, space: str, folder: Path | None):
        self.space_name, self.folder = space, folder
        self.executor: Executor | None = None
        self._kept: dict[tuple[int, bytes], One] = {}

    @property
    def space(self) -> SearchSpace:
        """The space of the architectures."""
        return get_space(self.space_name)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: neither data, which it loads, nor trainings, nor workers."""
        own = {
            name: value
            for name, value in self.__dict__.items()
            if not isinstance(getattr(type(self), name, None), cached_property)
        }
        return own | {"executor": None, "_kept": {}}

    @property
    @abstractmethod
    def request(self) -> str:
        """Everything but seed and architecture that determines a result, as text."""

    @property
    @abstractmethod
    def together(self) -> int:
        """How many are trained before any is stored: what a killed process loses at most."""

    @property
    @abstractmethod
    def part(self) -> int:
        """How many a worker trains at once, always the same ones together; 0 where workers are of no use.

        That is where a device trains, or where results would hang on how many threads a process has.
        """

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
        """Return the trainings of architectures with one seed: see `train_all`."""
        return self.train_all([(genes, seed)], progress=progress)[0]

    def train_all(
        self, asked: Sequence[tuple[Genes, int]], *, progress: Callable[[int], None] | None = None
    ) -> list[list[One]]:
        """Return the trainings of architectures, in their order, after training those that are not kept.

        Parameters
        ----------
        asked
            Architectures, uint8 `[n, n_genes]`, and the seed that initial weights and batches depend on;
            isomorphic rows get the same training.
        progress
            Called with how many distinct trainings are done, whenever it grows.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        NasbenchSuiteError
            When the data set is not there, a file cannot be written, or a worker dies.
        """
        canonical = [(self.space.canonical(genes), seed) for genes, seed in asked]
        wanted = [(np.unique(genes, axis=0), seed) for genes, seed in canonical]
        missing = [
            (np.array([row for row in rows if not self._is_kept(row, seed)], dtype=np.uint8), seed)
            for rows, seed in wanted
        ]
        done = sum(len(rows) for rows, _ in wanted) - sum(len(rows) for rows, _ in missing)
        for part, seed, ones in self._trained_parts(missing):
            for row, one in zip(part, ones, strict=True):
                self._store(row, seed, one)
            done += len(part)
            if progress is not None:
                progress(done)
        return [[self._kept[seed, row.tobytes()] for row in genes] for genes, seed in canonical]

    def _trained_parts(self, missing: Sequence[tuple[Genes, int]]) -> Iterator[tuple[Genes, int, list[One]]]:
        """Yield parts with their seed and trainings as they are done."""
        if not any(len(rows) for rows, _ in missing):
            return
        size = self.part if self.executor is not None else 0
        parts = [
            (rows[start : start + (size or self.together)], seed)
            for rows, seed in missing
            for start in range(0, len(rows), size or self.together)
        ]
        if self.executor is None or not size or len(parts) == 1:
            for part, seed in parts:
                yield part, seed, self.trained(part, seed)
        else:
            yield from self._from_workers(self.executor, parts)

    def _from_workers(
        self, executor: Executor, parts: Sequence[tuple[Genes, int]]
    ) -> Iterator[tuple[Genes, int, list[One]]]:
        name = f"{self.request} {self.__getstate__()}"
        futures: dict[Future[list[One]], tuple[Genes, int]] = {}
        try:
            with told_when_lost("trainings that were stored are kept: do the same again"):
                for part, seed in parts:
                    futures[executor.submit(_train_part, self, name, part, seed)] = part, seed
                for future in as_completed(futures):
                    yield *futures[future], future.result()
        except BaseException as problem:
            if not isinstance(problem.__cause__, BrokenExecutor):  # of broken ones nothing runs
                for future in futures:
                    future.cancel()
                wait([future for future in futures if not future.done()])  # so that nothing trains on
            raise

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


_LOADED: dict[str, TrainingStore[Any]] = {}
"""In a worker: the store that it trained with last, whose data are loaded."""


def _train_part(store: TrainingStore[One], name: str, part: Genes, seed: int) -> list[One]:
    """Train a part in a worker; `name` tells stores apart."""
    if name not in _LOADED:
        _LOADED.clear()
        _LOADED[name] = store
    return _LOADED[name].trained(part, seed)
