"""Reads the entries of one dictionary in a large pickle one after another, in the memory of a few.

The pickle is a list of opcodes for a stack machine, and those that build one entry are consecutive. This
module walks through them without building anything until it sees where an entry ends, and hands that piece
alone to the restricted unpickler. An entry's opcodes could in principle be followed by one that reaches back
to it, so pieces are held until the dictionary's batch (1,000 entries) is complete or, in large files, until
many more values were pushed; a pickle that reaches back further than that is refused, never misread.
Opcodes, and how Python's pickler batches dictionaries: the standard library's `pickletools` and `pickle`.
"""

import pickle
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, BinaryIO

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.foreign.pickle_depth import check
from nasbench_suite.foreign.pickle_memo import Memo, Region, relocate
from nasbench_suite.foreign.pickle_opcodes import (
    CLOSING,
    FILLING,
    MARK,
    POP_MARK,
    SETITEM,
    SETITEMS,
    SILENT,
    STOP,
    Opcodes,
    Slots,
)
from nasbench_suite.foreign.pickle_stand_ins import Global, Meter
from nasbench_suite.foreign.restricted_pickle import ADMITTED, RestrictedUnpickler, refusing

HELD_SLOTS = 32
"""Keys, values and unfinished parts of them that are held, since they might still be reached back to."""
HELD_BYTES = 2**23
"""Bytes held before any entry is handed out within a batch."""

_MAKING = frozenset(b"}dR")
_REACHES_BACK = "it changes an entry when later ones have begun, so it cannot be read entry by entry"


class StreamedItems(Iterator[tuple[Any, Any]]):
    """The entries of one dictionary in a pickle, in the order of the file; see `stream_items`.

    Attributes
    ----------
    before
        The other entries of the outer dictionary that come before the streamed one.
    """

    def __init__(
        self,
        file: BinaryIO,
        key: str | None,
        source: str,
        admitted: Mapping[Global, Callable[..., Any]] = ADMITTED,
    ):
        self._opcodes = Opcodes(file)
        self._key = key
        self._source = source
        self._admitted = admitted
        self._memo = Memo({})
        self._meter = Meter()
        self._rest: dict[Any, Any] | None = None
        self._tries = 200
        with refusing(source):
            self.before = self._find_dictionary()
        self._entries = self._walk()

    def __next__(self) -> tuple[Any, Any]:
        """Return the next key and its value."""
        with refusing(self._source):
            return next(self._entries)

    @property
    def rest(self) -> dict[Any, Any]:
        """All other entries of the outer dictionary, once the streamed ones have been read.

        Raises
        ------
        NasbenchSuiteError
            When entries are still to be read.
        """
        if self._rest is None:
            raise NasbenchSuiteError(f"{self._source} is not read to its end; read all entries first.")
        return self._rest

    def _find_dictionary(self) -> dict[Any, Any]:
        """Go behind the opcodes that make the inner dictionary; return the outer one so far, without it."""
        self._make_outer()
        if self._key is None:
            if self._read_head(b".") is None:
                raise pickle.UnpicklingError("it is no dictionary that is made entry by entry")
            return {}
        slots, end, at_key, mark = Slots(self._opcodes), b"s.", -1, 0
        while True:
            if not slots.starts and end == b"s." and self._opcodes.peek() == MARK:
                mark, end = self._opcodes.at, b"u."
                self._opcodes.next()
            begin = self._opcodes.at
            op, within = slots.step()
            if not within:
                if op == STOP or (end == b"s." and op != SETITEM):
                    raise pickle.UnpicklingError(f"it has no dictionary under {self._key!r}")
                # a mark that another opcode closes was that of a key
                slots.starts = [] if op in (SETITEM, SETITEMS, POP_MARK) else [mark]
                at_key, end = -1, b"s."
            elif 0 <= at_key == len(slots.starts) - 2 and op in _MAKING:
                self._skip_memoising()
                if (outer := self._read_head(end)) is not None:
                    return outer
                at_key = -1
            elif op not in SILENT and len(slots.starts) <= at_key + 1:
                at_key = -1
            # a lone entry of the outer dictionary is completed at once, so its key comes first
            possible = len(slots.starts) % 2 if end == b"u." else len(slots.starts) == 1
            if possible and slots.starts[-1] == begin and self._is_key(begin):
                at_key = len(slots.starts) - 1

    def _make_outer(self) -> None:
        """Go behind the opcodes that make the outermost dictionary."""
        slots = Slots(self._opcodes)
        while True:
            op, within = slots.step()
            if not within:
                raise pickle.UnpicklingError("it is no dictionary")
            if len(slots.starts) == 1 and op in _MAKING:
                self._skip_memoising()
                return

    def _skip_memoising(self) -> None:
        while self._opcodes.peek() in SILENT:
            self._opcodes.next()

    def _is_key(self, begin: int) -> bool:
        """Whether the opcode from `begin` to the position pushes the key of the inner dictionary."""
        assert self._key is not None
        if not self._opcodes.may_push(self._key.encode(), begin):
            return False
        content, edits = self._opcodes.piece(0, self._opcodes.at)
        program, _ = relocate([Region(content, edits, 0)], self._memo.find)
        self._tries -= 1  # each reads the whole head
        if not self._tries:
            raise pickle.UnpicklingError(f"too much comes before its dictionary under {self._key!r}")
        found = self._reader(program + b".", []).read()
        return isinstance(found, str) and found == self._key

    def _reader(self, program: bytes, earlier: list[Any]) -> RestrictedUnpickler:
        check(program)
        return RestrictedUnpickler(program, self._admitted, earlier.__getitem__, self._meter)

    def _read_head(self, end: bytes) -> dict[Any, Any] | None:
        """Read what comes before the first entry; return all of the outer dictionary but the inner one.

        `end` are the opcodes that complete the outer one. `None` when no dictionary was about to be filled.
        """
        content, edits = self._opcodes.piece(0, self._opcodes.at)
        self._head = Region(content, edits, 0)
        program, _ = relocate([self._head], self._memo.find)
        reader = self._reader(program + end, [])
        outer = reader.read()
        if not isinstance(outer, dict):
            return None
        inner = outer if self._key is None else outer.pop(self._key, None)
        if not isinstance(inner, dict) or inner:
            return None
        values = reader.memo.copy()
        numbers = self._head.numbers() or range(len(values))
        self._head.made = len(values)
        self._memo = Memo({number: values[place] for place, number in enumerate(numbers)}, inner)
        self._opcodes.drop(self._opcodes.at)
        return outer

    def _walk(self) -> Iterator[tuple[Any, Any]]:
        """Yield the entries, then read the rest."""
        slots, behind = Slots(self._opcodes), self._opcodes.at
        while True:
            begin = self._opcodes.at
            if not slots.starts and self._opcodes.peek() == MARK:
                self._opcodes.next()
                op = yield from self._batch()
                if op == SETITEMS:
                    behind = self._opcodes.at
                elif op != POP_MARK:
                    slots.starts.append(begin)
                continue
            op, within = slots.step()
            if op == SETITEM and not within and len(slots.starts) == 2:
                yield self._entry(slots.starts[0], begin)
                slots, behind = Slots(self._opcodes), self._opcodes.at
            elif not within:
                self._finish(behind, op)
                return

    def _batch(self) -> Generator[tuple[Any, Any], None, int]:
        """Yield the entries behind a mark; return the opcode that closes it.

        When that does not fill a dictionary, the mark was none of a batch; no entry was yielded then.
        """
        slots, handed_out = Slots(self._opcodes), False
        while True:
            begin = self._opcodes.at
            op, within = slots.step()
            if within:
                ready = 0
                if len(slots.starts) > HELD_SLOTS and begin - slots.starts[0] > HELD_BYTES:
                    ready = (len(slots.starts) - HELD_SLOTS) // 2 * 2
            elif op == SETITEMS and len(slots.starts) % 2 == 0:
                ready = len(slots.starts)
                slots.starts.append(begin)
            elif handed_out or op not in CLOSING or op in FILLING:
                raise pickle.UnpicklingError(_REACHES_BACK)
            else:
                return op
            for place in range(0, ready, 2):
                yield self._entry(slots.starts[place], slots.starts[place + 2])
                handed_out = True
            del slots.starts[:ready]
            if not within:
                return op

    def _entry(self, start: int, stop: int) -> tuple[Any, Any]:
        """Read the entry between two positions, and let go of it."""
        content, edits = self._opcodes.piece(start, stop)
        region = Region(content, edits, self._memo.count)
        program, earlier = relocate([region], self._memo.find)
        reader = self._reader(program + b"\x86.", earlier)
        entry: tuple[Any, Any] = reader.read()
        values = list(reader.memo.copy().values())[len(earlier) :]
        numbers = region.numbers() or range(region.first, region.first + len(values))
        if len(numbers) != len(values):
            raise pickle.UnpicklingError("it memoises in two ways at once")
        self._memo.add(numbers, values)
        self._opcodes.drop(stop)
        return entry

    def _finish(self, start: int, op: int) -> None:
        """Read what comes behind the last entry, from `start`, up to the end of the pickle."""
        while op != STOP:
            op = self._opcodes.skip()
        content, edits = self._opcodes.piece(start, self._opcodes.at)
        program, earlier = relocate([self._head, Region(content, edits, self._memo.count)], self._memo.find)
        outer = self._reader(program, earlier).read()
        if (outer if self._key is None else _inner(outer, self._key)) != {}:
            raise pickle.UnpicklingError(_REACHES_BACK)
        self._rest = {} if self._key is None else outer


def _inner(outer: Any, key: str) -> Any:
    """Take the dictionary of this key out of the outer one."""
    if not isinstance(outer, dict) or key not in outer:
        raise pickle.UnpicklingError(f"it has no dictionary under {key!r}")
    return outer.pop(key)


def stream_items(
    file: BinaryIO,
    key: str | None,
    source: str,
    admitted: Mapping[Global, Callable[..., Any]] = ADMITTED,
) -> StreamedItems:
    """Return an iterator over the entries of one dictionary in a pickle, in the memory of a few of them.

    An entry is read when the next one is asked for. A key that occurs twice comes twice. Values that entries
    share are equal but need not be the same object; texts, numbers and short tuples of them may be shared
    between entries, containers may not.

    Parameters
    ----------
    file
        The pickle, decompressed on the way where need be; read forwards only.
    key
        Where in the outermost dictionary the streamed one is; `None`: the outermost one itself. Nothing in
        front of it may hold a text of that name: the first one is taken for the key.
    source
        The file's name for messages.
    admitted
        The constructors by module and name.

    Raises
    ------
    DamagedFileError
        When it has no such dictionary; while iterating, when the file is truncated, asks for anything that is
        not admitted, or has entries that share a container.
    """
    return StreamedItems(file, key, source, admitted)
