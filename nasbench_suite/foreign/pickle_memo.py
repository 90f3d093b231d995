"""Remembers what a long pickle memoised, in little memory, and lets a part of it be read on its own.

A pickle numbers the values it may repeat. To read one entry of it alone, references to values of the same
entry are renumbered and those of earlier ones handed in (`relocate`). To let the earlier ones go, only what
cannot change is kept of them: texts once each, numbers, short tuples of them (`Memo`).
"""

import pickle
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasbench_suite.foreign.pickle_stand_ins import Constructor, Number

GET, PUT, CUT = range(3)
Edit = tuple[int, int, int, int]
"""Start and end of an opcode in its region, what it is (`GET`, `PUT`, `CUT`: left out), its memo number."""

_SHORT_TUPLE = 16
_FOUND_AT_MOST = 100_000
_GONE, _OTHER, _FIRST_TEXT = 0, 1, 2


@dataclass
class Region:
    """Consecutive opcodes of a pickle.

    `first` is the number of its first memo entry where opcodes carry no numbers of their own, `made` how many
    it has, `None` while nobody has counted.
    """

    content: bytes
    edits: list[Edit]
    first: int
    made: int | None = None

    def numbers(self) -> list[int]:
        """Return the memo numbers that its opcodes carry, in order."""
        return [number for _, _, kind, number in self.edits if kind == PUT]


def relocate(regions: Sequence[Region], find: Callable[[int], Any]) -> tuple[bytes, list[Any]]:
    """Return a pickle of these regions alone, less its end, and the earlier values that it refers to.

    Opcode BINPERSID asks for those, by their place in the list; the first memo entries are theirs.
    """
    own: dict[int, int] = {}
    spans: list[tuple[int, int | None, int]] = []
    earlier: dict[int, int] = {}
    places: list[int] = []
    made = 0
    for region in regions:
        spans.append((region.first, region.made, made))
        for _, _, kind, number in region.edits:
            if kind == PUT:
                own[number] = made
                made += 1
            elif kind == GET:
                places.append(_place(number, own, spans, earlier))
        made = made if region.made is None else spans[-1][2] + region.made
    values = [find(number) for number in earlier]
    return _assemble(regions, places, len(values)), values


def _place(
    number: int, own: dict[int, int], spans: list[tuple[int, int | None, int]], earlier: dict[int, int]
) -> int:
    """Return which memo entry a reference means: own ones from 0 on, earlier ones from -1 downwards."""
    if number in own:
        return own[number]
    if not own:
        for first, made, place in spans:
            if first <= number and (made is None or number < first + made):
                return place + number - first
    return -1 - earlier.setdefault(number, len(earlier))


def _assemble(regions: Sequence[Region], places: list[int], earlier: int) -> bytes:
    pieces = [b"J" + struct.pack("<i", number) + b"Q\x940" for number in range(earlier)]
    rest = iter(places)
    for region in regions:
        at = 0
        for start, end, kind, _ in region.edits:
            pieces.append(region.content[at:start])
            if kind == GET:
                place = next(rest)
                pieces.append(b"j" + struct.pack("<I", place + earlier if place >= 0 else -1 - place))
            elif kind == PUT:
                pieces.append(b"\x94")
            at = end
        pieces.append(region.content[at:])
    return b"".join(pieces)


class _Texts(dict[str, int]):
    """Numbers texts in the order in which they are first looked up."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def __missing__(self, text: str) -> int:
        self[text] = code = _FIRST_TEXT + len(self.known)
        self.known.append(text)
        return code


class _Strip:
    """What is kept of the memo entries of one region, `start` to `stop`."""

    __slots__ = ("others", "packed", "start", "stop")

    def __init__(self, start: int, codes: list[int], others: list[Any]):
        self.start = start
        self.stop = start + len(codes)
        steps = np.diff(np.array(codes, dtype=np.int64), prepend=0).astype(np.int32)
        self.packed = zlib.compress(steps.tobytes())  # equal entries take equal steps: about half a bit each
        floats = all(type(other) is float for other in others)
        self.others: Sequence[Any] = array("d", others) if floats else tuple(others)

    def code(self, number: int) -> tuple[int, int]:
        """Return the code of an entry, and how many before it are of the others."""
        codes = np.cumsum(np.frombuffer(zlib.decompress(self.packed), dtype=np.int32), dtype=np.int64)
        before = int(np.count_nonzero(codes[: number - self.start] == _OTHER))
        return int(codes[number - self.start]), before


class Memo:
    """The memo of a pickle that is read entry by entry.

    Parameters
    ----------
    head
        What was memoised before the first entry; all of it is kept but `without`.
    """

    def __init__(self, head: dict[int, Any], without: Any = None):
        self.count = len(head)
        """Values memoised so far; the next opcode MEMOIZE has this number."""
        self._head = {
            number: _GONE_VALUE if value is without and value is not None else value
            for number, value in head.items()
        }
        self._top = max(head, default=-1) + 1
        self._loose: dict[int, Any] = {}
        self._strips: list[_Strip] = []
        self._texts = _Texts()
        self._tuples: dict[tuple[Any, ...], Any] = {}
        self._found: dict[int, Any] = {}

    def add(self, numbers: Sequence[int], values: list[Any]) -> None:
        """Keep of an entry's values, memoised under these numbers, those that cannot change."""
        codes, others = self._encode(values)
        self.count += len(values)
        if not values:
            return
        start = numbers[0]
        if start >= self._top and (
            isinstance(numbers, range) or numbers == list(range(start, start + len(numbers)))
        ):
            self._strips.append(_Strip(start, codes, others))
        else:
            self._add_loose(numbers, codes, others)
        self._top = max(self._top, max(numbers) + 1)

    def _add_loose(self, numbers: Sequence[int], codes: list[int], others: list[Any]) -> None:
        rest = iter(others)
        for number, code in zip(numbers, codes, strict=True):
            self._loose[number] = self._decode(code, next(rest) if code == _OTHER else None)
            self._found.pop(number, None)

    def _encode(self, values: list[Any]) -> tuple[list[int], list[Any]]:
        """Return a code for every value, and the values with code `_OTHER` in order."""
        spent = _spent(values)
        texts, others, codes = self._texts, [], []
        for value in values:
            kind = type(value)
            if kind is str and id(value) not in spent:
                codes.append(texts[value])
            elif id(value) not in spent and _keeps(value):
                codes.append(_OTHER)
                others.append(self._shared(value) if kind is tuple else value)
            else:
                codes.append(_GONE)
        return codes, others

    def _shared(self, value: tuple[Any, ...]) -> Any:
        """Return one tuple for all equal ones whose parts are of equal types."""
        return self._tuples.setdefault((*map(type, value), *value), value)

    def _decode(self, code: int, other: Any) -> Any:
        if code == _GONE:
            return _GONE_VALUE
        return other if code == _OTHER else self._texts.known[code - _FIRST_TEXT]

    def find(self, number: int) -> Any:
        """Return the value of this number.

        Raises
        ------
        pickle.UnpicklingError
            When there is none, or it was a container of an entry that has been let go.
        """
        if number not in self._found:
            if len(self._found) > _FOUND_AT_MOST:
                self._found.clear()
            self._found[number] = self._search(number)
        value = self._found[number]
        if value is _GONE_VALUE:
            raise pickle.UnpicklingError(
                "an entry shares a list, dictionary or array with an earlier one, so it cannot be read "
                "entry by entry"
            )
        return value

    def _search(self, number: int) -> Any:
        if number in self._loose:
            return self._loose[number]
        if number in self._head:
            return self._head[number]
        place = bisect_right(self._strips, number, key=lambda strip: strip.start) - 1
        if place < 0 or number >= self._strips[place].stop:
            raise pickle.UnpicklingError("it refers to a value that it never had")
        code, before = self._strips[place].code(number)
        return self._decode(code, self._strips[place].others[before] if code == _OTHER else None)


_GONE_VALUE = object()


def _keeps(value: Any) -> bool:
    """Whether a value can change neither itself nor by a part, and is small."""
    if isinstance(value, tuple):
        return len(value) <= _SHORT_TUPLE and all(
            part is None or isinstance(part, str | bytes | int | float) for part in value
        )
    return value is None or isinstance(value, str | bytes | int | float | Constructor | Number)


def _spent(values: list[Any]) -> set[int]:
    """Return the ids of bytes and texts that only fed a constructor: the raw bytes of NumPy numbers.

    Those of one character are left out: Python has one object of each, which a pickle may refer to again.
    """
    spent = set()
    for value in values:
        if type(value) is not tuple or len(value) != 2:
            continue
        fed = value[1] if type(value[0]) is Number else value[0]
        if type(value[0]) is Number or (type(fed) is str and value[1] == "latin1"):
            spent |= {id(value)} if isinstance(fed, str | bytes) and len(fed) == 1 else {id(value), id(fed)}
    return spent
