"""Data sets that take seconds to make, kept under the user's data folder and read in a fraction of one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.mapped import ArrayLayout, create_mapped, open_mapped
from nasbench_suite.sealed import Kind
from nasbench_suite.training.data.dataset import content_sha256

_KIND = Kind("data-set", 1, "delete it, and it is made again")


@dataclass(frozen=True)
class Made:
    """Inputs and labels of all parts, those for training first.

    Attributes
    ----------
    inputs, labels
        `[n, ...]` and `[n]`.
    size
        How many of them are for training; all where the source does not say.
    sha256
        Of inputs and labels: see `content_sha256`.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    size: int
    sha256: str

    @classmethod
    def of(cls, inputs: NDArray[Any], labels: NDArray[np.int64], size: int | None = None) -> "Made":
        """Return them with their SHA-256."""
        return cls(inputs, labels, len(labels) if size is None else size, content_sha256(inputs, labels))


def kept(name: str, make: Callable[[], Made]) -> Made:
    """Return what is kept by a name, which says all that it depends on; else make it, and keep it.

    What is kept and damaged is made again; in a folder that cannot be written nothing is kept, which costs
    time and nothing else. Arrays are the caller's own.
    """
    path = data_root() / "cache" / f"{name}.h5"
    with suppress(NasbenchSuiteError):
        return _read(path)
    made = make()
    with suppress(NasbenchSuiteError):
        _write(path, made)
    return made


def _read(path: Path) -> Made:
    file = open_mapped(path, _KIND)
    inputs, labels = (np.array(file.array(name)) for name in ("inputs", "labels"))
    return Made(inputs, labels, file.head["size"], file.head["sha256"])


def _write(path: Path, made: Made) -> None:
    arrays: dict[str, NDArray[Any]] = {"inputs": made.inputs, "labels": made.labels}
    layouts = {name: ArrayLayout(array.dtype.str, array.shape) for name, array in arrays.items()}
    with create_mapped(path, _KIND, {"size": made.size, "sha256": made.sha256}, layouts) as places:
        for name, place in places.items():
            place.open("r+")[...] = arrays[name]
