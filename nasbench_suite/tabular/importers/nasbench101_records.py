"""The records of NAS-Bench-101's TFRecord files, and of files in that layout, a batch at a time.

A record is a cell and one of its trainings: JSON `[module hash, epochs, adjacency, operations, metrics]`
(google-research/nasbench, `api.py`). The adjacency is all `v * v` bits of the matrix row by row, the
operations are names between commas, from `input` to `output`, and the metrics are a protocol-buffer message
in base64, perhaps broken into lines.
"""

import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isqrt
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, DamagedFileError
from nasbench_suite.foreign.protobuf_columns import Path as FieldPath
from nasbench_suite.foreign.protobuf_columns import WrongMessageError, read_columns
from nasbench_suite.foreign.tfrecord import read_records
from nasbench_suite.spaces import Codes, Genes, NasBench101Space, get_space
from nasbench_suite.spaces.nasbench101_cell import INPUT, OPERATIONS, OUTPUT
from nasbench_suite.spaces.nasbench101_classes import EDGES, VERTICES

RECORDS_AT_ONCE = 1 << 14
"""Records whose numbers are read together: enough for arrays, few enough to stay in a cache."""
_EDGES = len(EDGES)
_PARTS = 5
_decode = json.JSONDecoder().decode  # without the guess at the encoding, a fifth of the time
_HASH = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Batch:
    """Consecutive records of a file.

    Attributes
    ----------
    first
        Number of the first one, from 1.
    hashes
        uint64 `[records, 2]`, the official hash of the cell.
    epochs
        int64 `[records]`, how long the training was.
    codes
        int64 `[records]`, the cell's number in space `nasbench101`.
    numbers
        Numbers of the training by name, float64 `[records]` each, NaN where the record has none.
    bytes_read
        Length of all records up to the last one of the batch.
    """

    first: int
    hashes: NDArray[np.uint64]
    epochs: NDArray[np.int64]
    codes: Codes
    numbers: dict[str, NDArray[np.float64]]
    bytes_read: int


def read_batches(file: Path, fields: Mapping[str, FieldPath]) -> Iterator[Batch]:
    """Yield all records of a file.

    Parameters
    ----------
    fields
        Where in the message of metrics each number is.

    Raises
    ------
    DamagedFileError
        When a record is damaged, has another structure, or its cell is none of the space: names the record.
    """
    payloads = read_records(file)
    cells = _Cells(file.name)
    first, bytes_read = 1, 0
    while some := list(islice(payloads, RECORDS_AT_ONCE)):
        bytes_read += sum(map(len, some))
        yield _batch(some, fields, cells, first, bytes_read)
        first += len(some)


def damaged(source: str, record: int, reason: str) -> DamagedFileError:
    """Return the error that says what is wrong with a record."""
    return DamagedFileError(f"{source}, record {record:,}: {reason}; use the official file.")


def _batch(
    payloads: list[bytes], fields: Mapping[str, FieldPath], cells: "_Cells", first: int, bytes_read: int
) -> Batch:
    records = [_parts(payload, cells.source, first + place) for place, payload in enumerate(payloads)]
    messages = [_message(record[4], cells.source, first + place) for place, record in enumerate(records)]
    try:
        numbers = read_columns(messages, fields)
    except WrongMessageError as problem:
        where = first + problem.message
        raise damaged(cells.source, where, f"its metrics are malformed: {problem}") from problem
    return Batch(
        first=first,
        hashes=_hashes([record[0] for record in records], cells.source, first),
        epochs=np.array([record[1] for record in records], dtype=np.int64),
        codes=cells.codes([(record[2], record[3]) for record in records], first),
        numbers=numbers,
        bytes_read=bytes_read,
    )


def _parts(payload: bytes, source: str, record: int) -> list[Any]:
    """Return hash, epochs, adjacency, operations and metrics, of the right types."""
    try:
        parts = _decode(payload.decode())
    except (ValueError, RecursionError) as problem:
        raise damaged(source, record, "it is no JSON") from problem
    if type(parts) is not list or len(parts) != _PARTS:
        raise damaged(source, record, f"it is no list of {_PARTS} parts")
    module_hash, epochs, adjacency, operations, metrics = parts
    if type(epochs) is not int or not 0 < epochs < 2**31:
        raise damaged(source, record, f"{epochs!r:.40} is no number of epochs")
    for text in (module_hash, adjacency, operations, metrics):
        if type(text) is not str:
            raise damaged(source, record, f"{text!r:.40} is no text")
    return parts


def _message(text: str, source: str, record: int) -> bytes:
    try:
        return binascii.a2b_base64(text.replace("\n", ""), strict_mode=True)
    except ValueError as problem:
        raise damaged(source, record, "its metrics are no base64") from problem


def _hashes(texts: list[str], source: str, first: int) -> NDArray[np.uint64]:
    wrong = next((place for place, text in enumerate(texts) if not _HASH.fullmatch(text)), None)
    if wrong is not None:
        raise damaged(source, first + wrong, f"{texts[wrong]!r:.40} is no hash of a cell")
    content = binascii.unhexlify("".join(texts))
    return np.frombuffer(content, dtype=">u8").reshape(-1, 2).astype(np.uint64)


class _Cells:
    """Turns adjacency and operations into numbers of cells; texts that were met before are not read again."""

    def __init__(self, source: str):
        self.source = source
        self._space = cast(NasBench101Space, get_space("nasbench101"))
        self._code_of_cell: dict[tuple[str, str], int] = {}
        self._graphs: dict[str, Genes] = {}
        self._operations: dict[str, Genes] = {}
        self._texts: dict[str, str] = {}

    def codes(self, cells: list[tuple[str, str]], first: int) -> Codes:
        """Return the number of every cell, int64 `[cells]`; `first` is the first one's record."""
        known = self._code_of_cell
        new = {cell: first + place for place, cell in enumerate(cells) if cell not in known}
        if new:
            genes = np.array([self._genes(*cell, record) for cell, record in new.items()])
            # The same few texts make up all cells: one of each is kept.
            kept = [tuple(self._texts.setdefault(text, text) for text in cell) for cell in new]
            known.update(zip(kept, self._space.encode(genes).tolist(), strict=True))  # type: ignore[arg-type]
        return np.array([known[cell] for cell in cells], dtype=np.int64)

    def _genes(self, adjacency: str, operations: str, record: int) -> Genes:
        """Return a cell's genes, uint8 `[26]`: matrix and operations are independent of each other."""
        if adjacency not in self._graphs:
            self._graphs[adjacency] = self._graph(adjacency, record)
        if operations not in self._operations:
            self._operations[operations] = self._numbers(operations, record)
        numbers = self._operations[operations]
        if (len(numbers) + 2) ** 2 != len(adjacency):
            raise damaged(
                self.source,
                record,
                f"{len(numbers) + 2} operations do not fit {len(adjacency)} bits of adjacency",
            )
        genes = self._graphs[adjacency].copy()
        genes[_EDGES : _EDGES + len(numbers)] = numbers
        return genes

    def _graph(self, adjacency: str, record: int) -> Genes:
        """Return the genes of a cell with this matrix: uint8 `[26]`."""
        size = isqrt(len(adjacency))
        if size * size != len(adjacency) or not 2 <= size <= VERTICES or not set(adjacency) <= {"0", "1"}:
            raise damaged(self.source, record, f"{adjacency!r:.60} is no square matrix of bits")
        bits = np.frombuffer(adjacency.encode(), dtype=np.uint8).reshape(size, size) - ord("0")
        try:
            return self._space.from_matrix(bits, [INPUT, *[OPERATIONS[0]] * (size - 2), OUTPUT])
        except ArchitectureError as problem:
            raise damaged(self.source, record, str(problem).rstrip(".")) from problem

    def _numbers(self, operations: str, record: int) -> Genes:
        """Return the numbers of the interior operations: uint8 `[vertices - 2]`."""
        names = operations.split(",")
        if len(names) < 2 or (names[0], names[-1]) != (INPUT, OUTPUT) or set(names[1:-1]) - set(OPERATIONS):
            raise damaged(
                self.source,
                record,
                f"{operations!r:.120} is no list of operations from {INPUT} to {OUTPUT}, between them "
                f"{', '.join(OPERATIONS)}",
            )
        return np.array([OPERATIONS.index(name) for name in names[1:-1]], dtype=np.uint8)
