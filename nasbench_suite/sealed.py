"""HDF5 files with a seal: damage is seen before HDF5 reads a byte.

HDF5 parses a damaged file before any checksum inside it can be looked at, and may crash on it. So the 512
bytes that HDF5 leaves to the user in front of its content (the "user block") hold what kind of file it is and
the SHA-256 of everything after them. Any HDF5 program opens such a file as it is.

A seal is no signature: whoever means harm can make one. So a file that is read holds its content itself: no
array of it lies in another file or is nowhere, which HDF5 would read, or make up, on request.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.storage import write_whole

_BLOCK_BYTES = 512
_MOST_PACKED = 1032
"""How many bytes deflate can pack into one, at most (zlib's technical details)."""


@dataclass(frozen=True)
class Kind:
    """A kind of sealed file.

    Attributes
    ----------
    name
        What messages call it: `table`.
    schema
        Version of the layout.
    remedy
        What to do about a damaged file, after a semicolon.
    """

    name: str
    schema: int
    remedy: str

    @property
    def mark(self) -> bytes:
        """The first line of a file of this kind."""
        return f"nasbench-suite {self.name} {self.schema}\n".encode()

    def damaged(self, path: Path) -> DamagedFileError:
        """Return the error that says that a file of this kind is damaged, and what to do."""
        return DamagedFileError(
            f"{path} is truncated or corrupt (its checksum does not hold), or no {self.name}; {self.remedy}."
        )

    def check_mark(self, start: bytes, path: Path) -> None:
        """Check that a file starts with the mark of this kind and schema.

        Raises
        ------
        DamagedFileError
            When it does not; a file of another schema is named as such.
        """
        if start.startswith(self.mark):
            return
        words = start[:_BLOCK_BYTES].split(b"\n", 1)[0].split(b" ")
        if len(words) == 3 and words[:2] == self.mark.split(b" ")[:2] and words[2].isdigit():
            raise DamagedFileError(
                f"{path} is a {self.name} of schema {words[2].decode()}, this version reads {self.schema}; "
                f"{self.remedy}."
            )
        raise self.damaged(path)


def write_sealed(path: Path, kind: Kind, fill: Callable[[h5py.File], None]) -> None:
    """Write what `fill` puts into an HDF5 file, sealed, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=_BLOCK_BYTES) as file:
        fill(file)
    content = bytearray(image.getvalue())
    head = kind.mark + _seal(content)
    content[: len(head)] = head
    write_whole(path, bytes(content))


def write_sealed_arrays(path: Path, kind: Kind, description: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a description, as the attribute `description`, and arrays by name, compressed; as `write_sealed`.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """

    def fill(file: h5py.File) -> None:
        file.attrs["description"] = description
        for name, array in arrays.items():
            packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if array.size else {}
            file.create_dataset(name, data=array, **packed)

    write_sealed(path, kind, fill)


@contextmanager
def open_sealed(path: Path, kind: Kind) -> Iterator[h5py.File]:
    """Verify the seal and open the file for reading; errors while it is read mean that it is damaged too.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another kind or of another schema, or refers to other files.
    NasbenchSuiteError
        When there is no such file, it may not be read, or its content does not fit into memory.
    """
    try:
        if path.is_fifo():  # reading it would wait for a writer
            raise kind.damaged(path)
        content = path.read_bytes()
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read: {problem.strerror}.") from problem
    kind.check_mark(content, path)
    if content[len(kind.mark) :][:72] != _seal(content):
        raise kind.damaged(path)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            for fault in _not_held(file, set()):
                raise DamagedFileError(f"{path} is no {kind.name} to be trusted: {fault}; {kind.remedy}.")
            yield file
    except NasbenchSuiteError:
        raise
    except MemoryError as problem:
        raise NasbenchSuiteError(f"{path} unpacks to more than there is memory for.") from problem
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as problem:
        raise kind.damaged(path) from problem


def _not_held(group: h5py.Group, seen: set[h5py.Group]) -> Iterator[str]:
    """Yield what a file does not hold itself, and what is larger than can be packed into its place."""
    if group in seen:
        yield f"{group.name} is in two places"  # perhaps in itself: there would be no end
        return
    seen.add(group)
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield f"{name!r} is but a link"
            continue
        found = group[name]
        if isinstance(found, h5py.Group):
            yield from _not_held(found, seen)
        elif not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
            yield f"the content of {name!r} is elsewhere"
        elif found.nbytes > _MOST_PACKED * found.id.get_storage_size():
            yield f"the content of {name!r} is nowhere"


def _seal(content: bytes | bytearray) -> bytes:
    digest = hashlib.sha256(memoryview(content)[_BLOCK_BYTES:]).hexdigest()
    return f"sha256 {digest}\n".encode()
