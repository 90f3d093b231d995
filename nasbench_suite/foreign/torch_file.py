"""Opens files that torch.save wrote, without torch and without running anything that they name.

Two layouts exist. The legacy one is a row of pickles, a magic number, a protocol number, a description of
the machine, the object, the keys of its storages, and then the storages' raw numbers. Since torch 1.6 it is a
zip archive, not compressed, with the object's pickle as `data.pkl` and a member per storage. Tensors come as
NumPy arrays; those that shared memory share it again.
Source: `torch/serialization.py` (`_legacy_save`, `_save`).
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.foreign.pickle_depth import check
from nasbench_suite.foreign.pickle_stand_ins import unwrap
from nasbench_suite.foreign.pickle_stream import StreamedItems, stream_items
from nasbench_suite.foreign.restricted_pickle import RestrictedUnpickler, refusing
from nasbench_suite.foreign.torch_storages import Storage, Tensors

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_HEAD = 2**16
"""Bytes that hold the legacy layout's first three pickles many times over."""

_NO_ARCHIVE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error, OSError)


def read_torch(path: Path) -> Any:
    """Return the object in a file of torch.save, tensors as arrays.

    bfloat16 comes as float32, which holds every value of it.

    Raises
    ------
    DamagedFileError
        When the file is truncated, of neither layout, or asks for anything but plain containers, NumPy values
        and tensors of plain numbers.
    NasbenchSuiteError
        When the file cannot be opened.
    """
    with _opened(path) as file, refusing(path.name):
        return _read_zip(file) if _is_zip(file) else _read_legacy(file.read())


@contextmanager
def stream_torch(path: Path, key: str | None) -> Iterator[StreamedItems]:
    """Open a file of torch.save for reading the dictionary under `key` entry by entry; see `stream_items`.

    Tensors are refused: their numbers lie behind the whole object.

    Raises
    ------
    DamagedFileError
        Also while iterating, as `read_torch` does.
    NasbenchSuiteError
        When the file cannot be opened.
    """
    with _opened(path) as file, _object_pickle(file, path.name) as stream:
        yield stream_items(stream, key, path.name)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as problem:
        raise NasbenchSuiteError(
            f"{path} cannot be opened; check its name and your rights to it."
        ) from problem
    with file:
        yield file


def _is_zip(file: BinaryIO) -> bool:
    start = file.read(4)
    file.seek(0)
    return start == b"PK\x03\x04"


@contextmanager
def _object_pickle(file: BinaryIO, source: str) -> Iterator[BinaryIO]:
    """Yield the file at the beginning of the object's pickle."""
    with refusing(source):
        if _is_zip(file):
            archive = _Archive(file)
            member = archive.open("data.pkl")
        else:
            start, _ = _object_start(file.read(_HEAD))
            file.seek(start)
            member = file
    yield member


def _object_start(content: bytes) -> tuple[int, str]:
    """Return where the object's pickle begins in the legacy layout, and the byte order of the machine."""
    magic, at = _pickle_at(content, 0)
    protocol, at = _pickle_at(content, at)
    if type(magic) is not int or magic != _MAGIC or type(protocol) is not int or protocol != _PROTOCOL:
        raise pickle.UnpicklingError("it is no file of torch.save")
    machine, at = _pickle_at(content, at)
    little = machine.get("little_endian", True) if isinstance(machine, dict) else None
    if not isinstance(little, bool):
        raise pickle.UnpicklingError("it does not say on what machine it was written")
    return at, "<" if little else ">"


def _pickle_at(content: bytes, at: int) -> tuple[Any, int]:
    end = check(content, at)
    return RestrictedUnpickler(content[at:end], {}).read(), end


def _read_legacy(content: bytes) -> Any:
    start, order = _object_start(content)
    end = check(content, start)
    tensors = Tensors()
    value = RestrictedUnpickler(content[start:end], tensors.admitted, tensors.persistent).load()
    keys, at = _pickle_at(content, end)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise pickle.UnpicklingError("it does not list its storages")
    places = _legacy_places(content, at, keys, tensors.storages, order)
    tensors.fill(lambda storage: content[slice(*places[storage.key])], order)
    return unwrap(value)


def _legacy_places(
    content: bytes, at: int, keys: list[str], storages: dict[str, Storage], order: str
) -> dict[str, tuple[int, int]]:
    """Return where the numbers of every storage begin and end; each is headed by how many there are."""
    places = {}
    for key in keys:
        if key not in storages or key in places:
            raise pickle.UnpicklingError("it lists a storage that no tensor uses, or one twice")
        if len(content) < at + 8:
            raise EOFError
        (numel,) = struct.unpack_from(order + "q", content, at)
        storage = storages[key]
        begin, at = at + 8, at + 8 + storage.whole * storage.itemsize
        if numel != storage.whole:
            raise pickle.UnpicklingError("a storage has another length than its tensors say")
        places[key] = begin, at
    if at > len(content):
        raise EOFError
    return places


class _Archive:
    """The members of the zip layout, which lie uncompressed and in a folder of any name."""

    def __init__(self, file: BinaryIO):
        try:
            self._archive = zipfile.ZipFile(file)
        except _NO_ARCHIVE as problem:
            raise EOFError from problem
        names = [name for name in self._archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise pickle.UnpicklingError("it holds no object, or several")
        self._folder = names[0].removesuffix("data.pkl")
        self._left = file.seek(0, io.SEEK_END)

    def open(self, name: str) -> BinaryIO:
        """Open a member for reading."""
        member = self._archive.getinfo(self._folder + name)
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise pickle.UnpicklingError("it is compressed or encrypted, which torch.save does not do")
        self._left -= member.file_size
        if self._left < 0:
            raise pickle.UnpicklingError("its members are longer than the file")
        try:
            return self._archive.open(member)  # type: ignore[return-value]  # reads bytes
        except _NO_ARCHIVE as problem:
            raise EOFError from problem

    def read(self, name: str) -> bytes:
        """Return the content of a member."""
        try:
            with self.open(name) as member:
                return member.read()
        except _NO_ARCHIVE as problem:
            raise EOFError from problem

    def order(self) -> str:
        """Return the byte order; files before torch 2.1 do not say it and are little-endian."""
        if self._folder + "byteorder" not in self._archive.namelist():
            return "<"
        order = self.read("byteorder")
        if order not in (b"little", b"big"):
            raise pickle.UnpicklingError("it does not say on what machine it was written")
        return "<" if order == b"little" else ">"


def _read_zip(file: BinaryIO) -> Any:
    archive = _Archive(file)
    content = archive.read("data.pkl")
    check(content)
    tensors = Tensors()
    value = RestrictedUnpickler(content, tensors.admitted, tensors.persistent).load()
    tensors.fill(lambda storage: archive.read(f"data/{storage.key}"), archive.order())
    return unwrap(value)
