"""Numbers out of many protocol-buffer messages at once.

Messages that one program wrote mostly have one layout: the same fields at the same bytes, the same lengths
between them. The layout of the first message is found out field by field; all messages that agree with it in
every byte that is no value are then read by slices of one array. What differs is a layout of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VARINT, DOUBLE, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types: how a value is stored (protobuf.dev, "Encoding")."""


class MalformedMessageError(ValueError):
    """Bytes that are no message; the text says why."""


Path = tuple[tuple[int, int], ...]
"""Where a number is: field number and place among the fields of that number, for each message inwards."""
_BYTES_OF_DOUBLE = 8
_CONTINUES = 0x80
_FIXED = {DOUBLE: _BYTES_OF_DOUBLE, FIXED32: 4}
_LONGEST_VARINT = 10


@dataclass(frozen=True)
class _Value:
    """A value of a message: its wire type, and its bytes from `begin` to `end`."""

    wire: int
    begin: int
    end: int


def read_columns(messages: Sequence[bytes], paths: Mapping[str, Path]) -> dict[str, NDArray[np.float64]]:
    """Return numbers of every message by name, float64 `[messages]` each, NaN where a message has none.

    Parameters
    ----------
    messages
        Encoded messages, not necessarily of one layout.
    paths
        Where each number is.

    Raises
    ------
    MalformedMessageError
        When one is no message, or a value is no number (a `double` or an integer of less than 2^63); its
        attribute `message` is the place in `messages`.
    """
    found = {name: np.full(len(messages), np.nan) for name in paths}
    lengths = np.array([len(message) for message in messages], dtype=np.int64)
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        joined = b"".join([messages[place] for place in places.tolist()])
        block = np.frombuffer(joined, dtype=np.uint8).reshape(len(places), length)
        while len(places):
            alike = _read_alike(block, paths, places, found)
            block, places = block[~alike], places[~alike]
    return found


def _read_alike(
    block: NDArray[np.uint8],
    paths: Mapping[str, Path],
    places: NDArray[np.int64],
    found: Mapping[str, NDArray[np.float64]],
) -> NDArray[np.bool_]:
    """Read all messages of `block` that have the layout of its first; tell which, bool `[messages]`."""
    try:
        values, mask = _layout(block[0].tobytes(), paths)
    except MalformedMessageError as problem:
        raise WrongMessageError(str(problem), int(places[0])) from problem
    fixed = np.flatnonzero(mask)
    template = block[0, fixed] & mask[fixed]
    alike: NDArray[np.bool_] = ((block[:, fixed] & mask[fixed]) == template).all(axis=1)
    rows = block[alike]
    for name, value in values.items():
        found[name][places[alike]] = _numbers(rows[:, value.begin : value.end], value.wire)
    return alike


class WrongMessageError(MalformedMessageError):
    """Bytes that are no message; `message` says which."""

    def __init__(self, reason: str, message: int):
        super().__init__(reason)
        self.message = message


def _numbers(content: NDArray[np.uint8], wire: int) -> NDArray[np.float64]:
    """Return the numbers that rows of bytes are: float64 `[rows]`."""
    if wire == DOUBLE:
        return np.ascontiguousarray(content).view("<f8")[:, 0].astype(np.float64)
    shifts = 7 * np.arange(content.shape[1], dtype=np.int64)
    integers: NDArray[np.int64] = ((content.astype(np.int64) & ~_CONTINUES) << shifts).sum(axis=1)
    return integers.astype(np.float64)


def _layout(message: bytes, paths: Mapping[str, Path]) -> tuple[dict[str, _Value], NDArray[np.uint8]]:
    """Return where the numbers are, and the bits of the message that are the same in all of this layout."""
    outer = {path[:depth] for path in paths.values() for depth in range(1, len(path))}
    kinds = {tuple(number for number, _ in path) for path in outer}
    mask = np.full(len(message), 0xFF, dtype=np.uint8)
    at: dict[Path, _Value] = {}
    for path, value in _walk(message, 0, len(message), (), kinds):
        at[path] = value
        mask[value.begin : value.end] = _CONTINUES if value.wire == VARINT else 0
    values = {name: at[path] for name, path in paths.items() if path in at}
    for name, value in values.items():
        if value.wire not in (DOUBLE, VARINT) or value.end - value.begin > 9:
            raise MalformedMessageError(f"its field for {name} is no number")
    return values, mask


def _walk(
    message: bytes, place: int, end: int, within: Path, kinds: set[tuple[int, ...]]
) -> Iterator[tuple[Path, _Value]]:
    """Yield path and value of every field; of fields of `kinds`, which are messages, those inside."""
    counts: dict[int, int] = {}
    while place < end:
        key, place = _varint(message, place, end)
        number, wire = key >> 3, key & 7
        path = (*within, (number, counts.get(number, 0)))
        counts[number] = counts.get(number, 0) + 1
        begin = place
        if wire == VARINT:
            _, place = _varint(message, place, end)
        elif wire == BYTES:
            length, begin = _varint(message, place, end)
            place = begin + length
        elif wire in _FIXED:
            place += _FIXED[wire]
        else:
            raise MalformedMessageError(f"field {number} has wire type {wire}")
        if not number or place > end:
            raise MalformedMessageError(f"it ends within field {number}" if number else "it has a field 0")
        if wire == BYTES and tuple(number for number, _ in path) in kinds:
            yield from _walk(message, begin, place, path, kinds)
        else:
            yield path, _Value(wire, begin, place)


def _varint(message: bytes, place: int, end: int) -> tuple[int, int]:
    """Read an integer of seven bits a byte, the lowest first; return it and the place after it."""
    value = 0
    for shift, byte in enumerate(message[place : min(end, place + _LONGEST_VARINT)]):
        value |= (byte & ~_CONTINUES) << (7 * shift)
        if byte < _CONTINUES:
            return value, place + shift + 1
    raise MalformedMessageError("it ends within an integer, or one has more than 64 bits")
