"""Walks through a stream of pickle opcodes, building nothing, and finds where values begin and end."""

import lzma
import pickle
import re
import zipfile
import zlib
from bisect import bisect_left
from typing import BinaryIO

from nasbench_suite.foreign.pickle_memo import CUT, GET, PUT, Edit
from nasbench_suite.foreign.pickle_scan import (
    memo_number,
    refuse_extension,
    short_texts,
    token_end,
)

CHUNK = 2**20
"""Bytes read at a time, at least."""
LARGEST = 2**30
"""Bytes of the largest piece that is held at all."""

MARK, STOP, SETITEM, SETITEMS, POP_MARK = b"(.su1"
CLOSING = frozenset(b"tldoie1\x90u\x91")
"""Opcodes that take all up to the last mark, and the mark."""
FILLING = frozenset(b"e\x90u")
"""Those of them that put it into the container below the mark."""
SILENT = frozenset(b"\x80\x95\x94pqr")
"""Opcodes that leave the stack as it is."""

_LOOKAHEAD = 300  # longer than any opcode of a run
_PLAIN_RUN = re.compile(
    rb"(?s:K.|G.{8}|\x94|" + short_texts() + rb"|M..|J.{4}|[N\x88\x89)\]}\x8f\x93R\x85\x86\x87sab\x81\x92])*+"
)
"""A run of complete opcodes that neither mark, close a mark, nor carry a memo number."""
_POPS = {
    **dict.fromkeys(b"0\x85", 1),
    **dict.fromkeys(b"\x86Rb\x81\x93a", 2),
    **dict.fromkeys(b"\x87s\x92", 3),
}
_GETS, _PUTS, _PERSISTENT = frozenset(b"ghj"), frozenset(b"pqr"), frozenset(b"PQ")
_LONG, _SHORT = {ord("j"): GET, ord("r"): PUT}, {ord("h"): GET, ord("q"): PUT}
_EXTENSIONS = frozenset(b"\x82\x83\x84")
_POP, _FRAME, _PROTO = b"0\x95\x80"


class Opcodes:
    """A position in a stream of opcodes, and the bytes from the oldest held piece on.

    Positions count from the beginning of the stream.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._held = b""
        self._base = 0
        self._ended = False
        self.at = 0
        self.edits: list[Edit] = []

    def next(self) -> int:
        """Step over one opcode, note it when it concerns the memo, and return it."""
        return self._step(self.at)

    def skip(self) -> int:
        """Step over a run of plain opcodes and those of the memo, and the one behind; return that one."""
        while True:
            held, base, add = self._held, self._base, self.edits.append
            at, sure = self.at - base, len(held) - _LOOKAHEAD
            while True:
                at = _PLAIN_RUN.match(held, at).end()  # type: ignore[union-attr]  # an empty run matches
                op = held[at] if at < sure else 0
                if op in _LONG:
                    number = int.from_bytes(held[at + 1 : at + 5], "little")
                    add((base + at, base + at + 5, _LONG[op], number))
                    at += 5
                elif op in _SHORT:
                    add((base + at, base + at + 2, _SHORT[op], held[at + 1]))
                    at += 2
                else:
                    break
            self.at = base + at
            if at < sure or not self._more():
                return self._step(self.at)

    def _step(self, at: int) -> int:
        while True:
            try:
                end = self._base + token_end(self._held, at - self._base)
                break
            except EOFError:
                if not self._more():
                    raise
        op = self._held[at - self._base]
        if op in _GETS or op in _PUTS:
            number = memo_number(self._held, at - self._base, end - self._base)
            self.edits.append((at, end, GET if op in _GETS else PUT, number))
        elif op in (_FRAME, _PROTO):
            self.edits.append((at, end, CUT, 0))
        elif op in _PERSISTENT:
            raise pickle.UnpicklingError("it refers to objects outside the file")
        elif op in _EXTENSIONS:
            refuse_extension(self._held, at - self._base, end - self._base)
        self.at = end
        return op

    def peek(self) -> int:
        """Return the opcode at the position."""
        if self.at == self._base + len(self._held) and not self._more():
            raise EOFError
        return self._held[self.at - self._base]

    def may_push(self, text: bytes, start: int) -> bool:
        """Whether the last opcode, which began at `start`, may push this text."""
        token = self._held[start - self._base : self.at - self._base]
        return token[0] in _GETS or text in token

    def _more(self) -> bool:
        if self._ended:
            return False
        if len(self._held) > LARGEST:
            raise pickle.UnpicklingError(f"it holds a piece of more than {LARGEST} bytes")
        try:
            found = self._file.read(max(CHUNK, len(self._held)))
        except (OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as problem:
            raise EOFError from problem
        self._ended = not found
        self._held += found
        return not self._ended

    def piece(self, start: int, stop: int) -> tuple[bytes, list[Edit]]:
        """Return the bytes between two positions, and their edits counted from the first."""
        content = self._held[start - self._base : stop - self._base]
        between = self.edits[bisect_left(self.edits, (start,)) : bisect_left(self.edits, (stop,))]
        return content, [(a - start, b - start, kind, number) for a, b, kind, number in between]

    def drop(self, before: int) -> None:
        """Let go of what lies before a position."""
        del self.edits[: bisect_left(self.edits, (before,))]
        if before - self._base > CHUNK:  # not each time: the rest is copied
            self._held = self._held[before - self._base :]
            self._base = before


class Slots:
    """Where on the stack above some point every value begins; marks within are followed to their end."""

    def __init__(self, opcodes: Opcodes):
        self._opcodes = opcodes
        self.starts: list[int] = []

    def step(self) -> tuple[int, bool]:
        """Follow one opcode, or a mark to what closes it; return that, and whether it took no more."""
        begin = self._opcodes.at
        op = self._opcodes.next()
        if op == MARK:
            op = self._close_mark()
            if op in FILLING:
                return op, bool(self.starts)
            if op != POP_MARK:
                self.starts.append(begin)
            return op, True
        if op in SILENT:
            return op, True
        pops = _POPS.get(op, 0)
        left = len(self.starts) - pops
        if op in CLOSING or op == STOP or left < 0:
            return op, False
        if op != _POP:
            self.starts[left:] = [self.starts[left] if pops else begin]
        else:
            del self.starts[left:]
        return op, True

    def _close_mark(self) -> int:
        open_marks = 1
        while True:
            op = self._opcodes.skip()
            if op == MARK:
                open_marks += 1
            elif op in CLOSING:
                open_marks -= 1
                if not open_marks:
                    return op
            elif op == STOP:
                raise pickle.UnpicklingError("it ends within a value")
