"""Which inputs train, validate and test: official lists, and splits of our own that never change.

Our own go by SHA-256: inputs stand in the order of the hashes of their numbers. So a split depends on no
generator of random numbers, is the same everywhere, and a smaller choice is part of every larger one.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data.files import content_of
from nasbench_suite.training.data.request import Request

Indices = NDArray[np.int64]

_MOST_LIST_BYTES = 1 << 24
_NUMBER = re.compile("[0-9]{1,9}")
_VERBS = {"train": "train", "valid": "validate", "test": "test"}


@dataclass(frozen=True)
class Split:
    """What each input is for.

    Attributes
    ----------
    train, valid, test
        int64 indices.
    how
        One clause that says by which rule, for the provenance.
    """

    train: Indices
    valid: Indices
    test: Indices
    how: str


def hash_numbers(keys: Iterable[object], salt: str) -> NDArray[np.uint64]:
    """Return the first eight bytes of the SHA-256 of `salt/key` as a number, uint64 `[n]`."""
    texts = (f"{salt}/{key}".encode(errors="surrogateescape") for key in keys)  # names of files are any bytes
    digests = b"".join(hashlib.sha256(text).digest()[:8] for text in texts)
    return np.frombuffer(digests, dtype="<u8")


def hash_order(keys: Iterable[object], salt: str) -> Indices:
    """Return the positions of the keys in the order of their hash numbers, int64 `[n]`."""
    return np.argsort(hash_numbers(keys, salt), kind="stable").astype(np.int64)


def without_share(labels: NDArray[np.int64], parts: int, salt: str) -> tuple[Indices, Indices]:
    """Return all but one in `parts` of each class, and these, both ascending."""
    order = hash_order(range(len(labels)), salt)
    taken = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        taken[members[: len(members) // parts]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def pooled(size: int, defaults: tuple[int, int, int], request: Request) -> Split:
    """Deal out a data set without parts of its own, in the order of hashes that the seed salts.

    Raises
    ------
    NasbenchSuiteError
        When more is asked for than there is.
    """
    counts = [
        default if asked is None else asked
        for asked, default in zip((request.train, request.valid, request.test), defaults, strict=True)
    ]
    if min(counts) < 0 or sum(counts) > size:
        raise NasbenchSuiteError(
            f"{request.name} has {size} inputs, of which {counts[0]} cannot train, {counts[1]} validate and "
            f"{counts[2]} test; ask for less."
        )
    order = hash_order(range(size), str(request.seed))
    train, valid, test, _ = np.split(order, np.cumsum(counts))
    how = (
        f"in the order of the SHA-256 of '{request.seed}/NUMBER' the first {counts[0]} train, the next "
        f"{counts[1]} validate, the next {counts[2]} test"
    )
    return Split(train, valid, test, how)


def narrowed(split: Split, request: Request) -> Split:
    """Keep as many inputs of each part as are asked for: those with the least hashes, which the seed salts.

    Raises
    ------
    NasbenchSuiteError
        When more is asked for than a part has.
    """
    parts, hows = [], [split.how]
    for part in ("train", "valid", "test"):
        indices: Indices = getattr(split, part)
        asked: int | None = getattr(request, part)
        if asked is None or asked == len(indices):
            parts.append(indices)
            continue
        if not 0 <= asked <= len(indices):
            raise NasbenchSuiteError(
                f"{request.name} has {len(indices)} inputs to {_VERBS[part]}, not {asked}; ask for no more."
            )
        chosen = hash_order(indices.tolist(), str(request.seed))[:asked]
        parts.append(np.sort(indices[chosen]))
        hows.append(f"of these {asked} {_VERBS[part]}, by the SHA-256 of '{request.seed}/NUMBER'")
    train, valid, test = parts
    return Split(train, valid, test, "; ".join(hows))


def read_list(path: Path, names: tuple[str, str], size: int) -> tuple[Indices, Indices]:
    """Read a split file of NAS-Bench-201: two lists that share out `0..size-1`, in their order.

    The file is JSON: `{"train": ["int", ["0", "5", ...]], "valid": ["int", ["1", ...]]}`.
    Source: `configs/nas-benchmark/cifar-split.txt` of D-X-Y/AutoDL-Projects.

    Raises
    ------
    DamagedFileError
        When it is anything else, lacks a number or has one twice.
    NasbenchSuiteError
        When it cannot be read.
    """
    try:
        lists = json.loads(content_of(path, _MOST_LIST_BYTES))
        first, second = (_numbers(lists[name]) for name in names)
    except (ValueError, LookupError, TypeError, RecursionError) as problem:
        raise DamagedFileError(
            f"{path} is no split file of NAS-Bench-201 with {names[0]} and {names[1]}; get the official one."
        ) from problem
    if not np.array_equal(np.sort(np.concatenate([first, second])), np.arange(size)):
        raise DamagedFileError(
            f"{path} does not share out the numbers 0 to {size - 1}, each once; take the official one."
        )
    return first, second


def _numbers(entry: Any) -> Indices:
    kind, texts = entry
    if kind != "int" or not isinstance(texts, list):
        raise ValueError("no list of numbers")
    if not all(isinstance(text, str) and _NUMBER.fullmatch(text) for text in texts):
        raise ValueError("an entry is no number")
    return np.array([int(text) for text in texts], dtype=np.int64)
