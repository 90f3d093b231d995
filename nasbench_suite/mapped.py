"""HDF5 files of large arrays that open at once, however large they are.

The bytes that HDF5 leaves to the user in front of its content (the "user block") hold a manifest: what kind
of file it is, its head, and for every array its place in the file, its shape and its SHA-256. Opening reads
and verifies the manifest alone; an array is mapped into memory and verified when it is first touched. HDF5
parses nothing here, so damage cannot mislead it, yet any HDF5 program opens such a file as it is.

    line 1      nasbench-suite KIND SCHEMA
    line 2      sha256 HEX LENGTH          of the manifest
    then        the manifest, JSON, LENGTH bytes, and zeros up to the HDF5 content
"""

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.sealed import Kind
from nasbench_suite.storage import explain, written_aside

_LEAST_BLOCK_BYTES = 2048
_MANIFEST_BYTES_PER_ARRAY = 256
_ALIGNMENT_BYTES = 64
_HASHED_AT_ONCE = 1 << 24
_MOST_AXES = 4
_NUMBERS = frozenset(f"<{kind}{size}" for kind in "uif" for size in (2, 4, 8)) - {"<f2"} | {"|u1", "|i1"}


@dataclass(frozen=True)
class ArrayLayout:
    """An array of a file to be: its type, its shape, and what HDF5 programs shall see beside it."""

    dtype: str
    shape: tuple[int, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where an array lies; picklable, so that worker processes can fill parts of it."""

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def stated(cls, path: Path, entry: Mapping[str, Any], file_bytes: int) -> "Place":
        """Return the place that a manifest states; ValueError or TypeError when there is no such place."""
        offset, dtype, shape = entry["offset"], entry["dtype"], entry["shape"]
        if dtype not in _NUMBERS or len(shape) > _MOST_AXES:
            raise ValueError("no array of plain numbers")
        if any(type(number) is not int or not 0 <= number <= file_bytes for number in (offset, *shape)):
            raise ValueError("no place in this file")
        if offset + math.prod(shape) * np.dtype(dtype).itemsize > file_bytes:
            raise ValueError("reaches beyond the file")
        return cls(path, offset, dtype, tuple(shape))

    def open(self, mode: str) -> NDArray[Any]:
        """Map the array into memory; `mode` is that of `numpy.memmap`."""
        if 0 in self.shape:
            return np.zeros(self.shape, dtype=self.dtype)
        mapped: NDArray[Any] = np.memmap(
            self.path, dtype=self.dtype, mode=mode, offset=self.offset, shape=self.shape
        )  # type: ignore[call-overload]  # mode is one of a few words
        return mapped.view(np.ndarray)


@contextmanager
def create_mapped(
    path: Path, kind: Kind, head: Mapping[str, Any], layouts: Mapping[str, ArrayLayout]
) -> Iterator[dict[str, Place]]:
    """Yield the places of the arrays of a new file, to be filled; seal it when the block ends.

    The file appears under its name whole or not at all. The head is stored as JSON.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk cannot hold the file.
    """
    with ExitStack() as stack:
        with _writing(path):
            aside = stack.enter_context(written_aside(path))
            block = _block_bytes(kind, head, layouts)
            places = _lay_out(aside, block, head, layouts)
        yield places  # an OSError in here is one of reading the source
        with _writing(path):
            _seal(aside, block, kind, head, places)
            stack.close()  # which renames it


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system says about writing into one sentence."""
    try:
        yield
    except RuntimeError as problem:  # HDF5, when it cannot write on closing
        number = re.search(r"errno = (\d+)", str(problem))
        reason = explain(OSError(int(number[1]) if number else errno.EIO, "input/output error"))
        raise NasbenchSuiteError(f"cannot write {path}: {reason}.") from problem
    except OSError as problem:
        raise NasbenchSuiteError(f"cannot write {path}: {explain(problem)}.") from problem


def _block_bytes(kind: Kind, head: Mapping[str, Any], layouts: Mapping[str, ArrayLayout]) -> int:
    """Return the size of a user block that holds the manifest: a power of two, as HDF5 asks."""
    names = len(_as_json(list(layouts)))
    needed = len(kind.mark) + 128 + len(_as_json(head)) + names + _MANIFEST_BYTES_PER_ARRAY * len(layouts)
    return max(_LEAST_BLOCK_BYTES, 1 << (needed - 1).bit_length())


def _lay_out(
    aside: Path, block: int, head: Mapping[str, Any], layouts: Mapping[str, ArrayLayout]
) -> dict[str, Place]:
    """Create the HDF5 file with all its space allocated, contiguous and aligned; return the places."""
    places = {}
    with h5py.File(
        aside,
        "w",
        locking=False,  # it is locked already
        userblock_size=block,
        alignment_threshold=1,
        alignment_interval=_ALIGNMENT_BYTES,
    ) as file:
        for key, value in head.items():
            file.attrs[key] = value if isinstance(value, str) else _as_json(value).decode()
        for name, layout in layouts.items():
            dataset = _contiguous(file, name, layout)
            dataset.attrs.update(layout.attributes)
            offset = dataset.id.get_offset()
            places[name] = Place(aside, 0 if offset is None else offset, layout.dtype, layout.shape)
    _reserve(aside)
    return places


def _contiguous(file: h5py.File, name: str, layout: ArrayLayout) -> h5py.Dataset:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # the same data gives the same bytes
    group, _, leaf = name.rpartition("/")
    parent = file.require_group(group) if group else file
    space = h5py.h5s.create_simple(layout.shape)
    stored = h5py.h5t.py_create(np.dtype(layout.dtype), logical=True)
    return h5py.Dataset(h5py.h5d.create(parent.id, leaf.encode(), stored, space, creation))


def _reserve(aside: Path) -> None:
    """Make the disk hold every byte: writing into a mapped file on a full disk would kill the process."""
    size = aside.stat().st_size
    with aside.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        file.seek(size - 1)  # elsewhere the file system does so by itself when the last byte is written
        last = file.read(1)
        file.seek(size - 1)
        file.write(last)


def _seal(aside: Path, block: int, kind: Kind, head: Mapping[str, Any], places: Mapping[str, Place]) -> None:
    with aside.open("r+b") as file, ThreadPoolExecutor(os.cpu_count()) as threads:
        os.fsync(file.fileno())
        sums = threads.map(_sha256_of_bytes, places.values())  # hashing runs beside other threads
        arrays = {
            name: {
                "dtype": place.dtype,
                "shape": list(place.shape),
                "offset": place.offset,
                "sha256": digest,
            }
            for (name, place), digest in zip(places.items(), sums, strict=True)
        }
        manifest = _as_json({"head": head, "arrays": arrays, "bytes": aside.stat().st_size})
        seal = f"sha256 {hashlib.sha256(manifest).hexdigest()} {len(manifest)}\n".encode()
        content = kind.mark + seal + manifest
        if len(content) > block:
            raise AssertionError("the manifest has outgrown its block")
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sha256_of_bytes(place: Place) -> str:
    """Return the SHA-256 of an array by reading it: mapped, it would count as this process's memory."""
    digest = hashlib.sha256()
    left = math.prod(place.shape) * np.dtype(place.dtype).itemsize
    with place.path.open("rb") as file:
        file.seek(place.offset)
        while left and (piece := file.read(min(left, _HASHED_AT_ONCE))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def sha256_of(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes in C order."""
    digest = hashlib.sha256()
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, len(flat), _HASHED_AT_ONCE):
        digest.update(flat[start : start + _HASHED_AT_ONCE].data)
    return digest.hexdigest()


def _as_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class MappedFile:
    """An opened file: its head, and its arrays, mapped and verified when first touched.

    Attributes
    ----------
    head
        What `create_mapped` was given.
    sums
        The SHA-256 of every array by name, as the manifest states them.
    """

    def __init__(self, path: Path, kind: Kind, manifest: Mapping[str, Any]):
        self.path = path
        self.head: Mapping[str, Any] = manifest["head"]
        self.sums: dict[str, str] = {name: entry["sha256"] for name, entry in manifest["arrays"].items()}
        self._kind = kind
        self._places = {
            name: Place.stated(path, entry, manifest["bytes"]) for name, entry in manifest["arrays"].items()
        }
        self._verified: dict[str, NDArray[Any]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def names(self) -> list[str]:
        """Return the names of all arrays."""
        return list(self._places)

    def place(self, name: str) -> Place:
        """Return where an array lies; its shape is known without touching it."""
        return self._places[name]

    def array(self, name: str) -> NDArray[Any]:
        """Return an array, read-only and mapped into memory, verified on first touch.

        Raises
        ------
        DamagedFileError
            When its checksum does not hold.
        """
        if name not in self._verified:
            try:
                array = self._places[name].open("r")
            except (OSError, ValueError, TypeError) as problem:
                raise self._kind.damaged(self.path) from problem
            if sha256_of(array) != self.sums[name]:
                raise self._kind.damaged(self.path)
            self._verified[name] = array
        return self._verified[name]


def open_mapped(path: Path, kind: Kind) -> MappedFile:
    """Read and verify the manifest of a file.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another kind or of another schema.
    NasbenchSuiteError
        When there is no such file or it may not be read.
    """
    try:
        if path.is_fifo():  # opening it would wait for a writer
            raise kind.damaged(path)
        with path.open("rb") as file:
            start = file.read(_LEAST_BLOCK_BYTES)
            kind.check_mark(start, path)
            seal = start[len(kind.mark) :].split(b"\n", 1)[0]
            words = seal.split(b" ")
            if len(words) != 3 or words[0] != b"sha256" or not words[2].isdigit() or len(words[2]) > 9:
                raise kind.damaged(path)
            file.seek(len(kind.mark) + len(seal) + 1)
            manifest = file.read(int(words[2]))
            size = os.fstat(file.fileno()).st_size
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read: {problem.strerror}.") from problem
    if hashlib.sha256(manifest).hexdigest().encode() != words[1]:
        raise kind.damaged(path)
    try:
        content = json.loads(manifest)
        if content["bytes"] != size:
            raise kind.damaged(path)
        return MappedFile(path, kind, content)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as problem:  # not sealed by us
        raise kind.damaged(path) from problem
