"""TFRecord files: a stream of byte strings, each between checksums.

A record is its length (uint64, little-endian), the masked CRC-32C of these eight bytes, the payload and the
payload's masked CRC-32C (TensorFlow, `lib/io/record_writer.h`). Nothing says how many records there are: a
file that ends between two records looks complete.
"""

import os
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.crc32c import crc32c, masked

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_BYTES_AT_ONCE = 2**20


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the payload of every record, with both checksums verified before it is handed out.

    Reads a megabyte at a time, or one record if that is longer.

    Raises
    ------
    DamagedFileError
        When the file ends within a record or a checksum is wrong; the message names file, record (the first
        is 1) and byte. All records before the damage come first.
    NasbenchSuiteError
        When the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from _Reader(path, file).records()
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read: {problem.strerror}.") from problem


class _Reader:
    """Reads one file; `self._offset` and `self._number` say where the next record to be verified begins."""

    def __init__(self, path: Path, file: BinaryIO):
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._offset = 0
        self._number = 1

    def records(self) -> Iterator[bytes]:
        buffer = b""
        missing = 0
        while True:
            read = self._file.read(max(_BYTES_AT_ONCE, missing))
            buffer += read
            starts, ends, missing, fault = self._frames(buffer, ended=not read)
            yield from self._verified(buffer, starts, ends)
            if fault:
                raise self._damaged(fault)
            if not read:
                return
            buffer = buffer[ends[-1] + _FOOTER.size :] if ends else buffer

    def _frames(self, buffer: bytes, ended: bool) -> tuple[list[int], list[int], int, str]:
        """Find the records that are whole in `buffer`: where their payloads start and end.

        Returns also how many bytes the next record needs beyond the buffer, and the fault that ends the file.
        """
        starts: list[int] = []
        ends: list[int] = []
        place = 0
        while place + _HEADER.size <= len(buffer):
            length = _length(buffer[place : place + _HEADER.size])
            if length < 0:
                return starts, ends, 0, "the checksum of its length is wrong"
            start = place + _HEADER.size
            after = start + length + _FOOTER.size
            if self._offset + after > self._size:
                return starts, ends, 0, "the file ends within it"
            if after > len(buffer):
                return starts, ends, after - len(buffer), "the file ends within it" if ended else ""
            starts.append(start)
            ends.append(start + length)
            place = after
        return starts, ends, 0, "the file ends within it" if ended and place < len(buffer) else ""

    def _verified(self, buffer: bytes, starts: list[int], ends: list[int]) -> Iterator[bytes]:
        sums = masked(crc32c(buffer, np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)))
        for start, end, found in zip(starts, ends, sums.tolist(), strict=True):
            if _FOOTER.unpack_from(buffer, end)[0] != found:
                raise self._damaged("the checksum of its payload is wrong")
            yield buffer[start:end]
            self._number += 1
            self._offset += _HEADER.size + end - start + _FOOTER.size

    def _damaged(self, fault: str) -> DamagedFileError:
        return DamagedFileError(
            f"{self._path} is damaged: record {self._number} begins at byte {self._offset} and {fault}; "
            "fetch the file again."
        )


@lru_cache(maxsize=4096)  # most records of a file have one of few lengths
def _length(header: bytes) -> int:
    """Return the length that a header of twelve bytes gives; -1 if its checksum is wrong."""
    length, expected = _HEADER.unpack(header)
    found = masked(crc32c(header, np.array([0]), np.array([_HEADER.size - _FOOTER.size])))
    return length if int(found[0]) == expected else -1
