"""Refuses pickles that would exhaust the stack or the patience of the interpreter, before any is built.

`check` bounds nesting and keys by counting; only a pickle for which that does not settle the matter is
followed value by value. Genuine records are settled, so they cost one pass of a compiled expression.
"""

import pickle
from collections.abc import Iterable

from nasbench_suite.foreign.pickle_scan import LENGTHS, UNBOUNDED, memo_number, skim, token_end

MAX_NESTING = 500
"""Containers within containers that are read; genuine tables have fewer than ten."""
MAX_TUPLE = 500
"""How many values a tuple may hold, repeated ones too, for its use as a key to pass unexamined."""

_Size = tuple[int, int]
"""Containers within containers, and values that hashing visits."""

_PLAIN: _Size = (0, 1)
_HASHED_PER_BYTE = 20

_POPS = {
    **dict.fromkeys(b"\x85Q", 1),
    **dict.fromkeys(b"\x86Rb\x81\x93a", 2),
    **dict.fromkeys(b"\x87s\x92", 3),
}
_IN_PLACE = frozenset(b"as")
_CLOSING = frozenset(b"tldoie\x90u\x91")
_FILLING = frozenset(b"eu\x90")
_PUSHING = frozenset(b"KMJGNILFSVTUXBCPc)]}\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x96\x97")
_GETTING = frozenset(b"ghj")
_PUTTING = frozenset(b"pqr")
_MEMOIZE = 0x94


class _Follower:
    """The stack, the marks and the memo of an unpickler, with sizes in place of values."""

    def __init__(self, length: int):
        self.stack: list[_Size] = []
        self.marks: list[int] = []
        self.memo: dict[int, _Size] = {}
        self.hashes_left = _HASHED_PER_BYTE * length + 1000

    def pop(self, count: int) -> list[_Size]:
        floor = self.marks[-1] if self.marks else 0
        if len(self.stack) - count < floor:
            raise pickle.UnpicklingError("it takes more than it has")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def pop_mark(self) -> list[_Size]:
        if not self.marks:
            raise pickle.UnpicklingError("it takes more than it has")
        floor = self.marks.pop()
        taken = self.stack[floor:]
        del self.stack[floor:]
        return taken

    def hash(self, keys: Iterable[_Size]) -> None:
        self.hashes_left -= sum(weight for _, weight in keys)
        if self.hashes_left < 0:
            raise pickle.UnpicklingError("its keys hold one another so often that none can be looked up")

    def push(self, parts: list[_Size], deeper: int = 1) -> None:
        depth = deeper + max((depth for depth, _ in parts), default=0)
        if depth > MAX_NESTING:
            raise pickle.UnpicklingError(f"it is nested more than {MAX_NESTING} levels deep")
        self.stack.append((depth, min(UNBOUNDED, 1 + sum(weight for _, weight in parts))))

    def fill(self, container: _Size, parts: list[_Size]) -> None:
        """Push the container again, now with these parts; hashing stops at a container that changes."""
        depth = max(container[0], 1 + max((depth for depth, _ in parts), default=0))
        if depth > MAX_NESTING:
            raise pickle.UnpicklingError(f"it is nested more than {MAX_NESTING} levels deep")
        self.stack.append((depth, 1))

    def close(self, op: int) -> None:
        parts = self.pop_mark()
        if op in _FILLING:
            (container,) = self.pop(1)
            self.hash(parts[::2] if op == ord("u") else parts if op == 0x90 else ())
            self.fill(container, parts)
        else:
            self.hash(parts[::2] if op == ord("d") else parts if op == 0x91 else ())
            self.push(parts)

    def combine(self, op: int) -> None:
        parts = self.pop(_POPS[op])
        if op in _IN_PLACE:
            self.hash(parts[1:2] if op == ord("s") else ())
            self.fill(parts[0], parts[1:])
        else:
            self.push(parts, deeper=1 if 0x85 <= op <= 0x87 else 0)

    def move(self, op: int) -> None:
        """Do what makes no value: mark, drop, double; the rest has no effect on the stack."""
        if op == ord("("):
            self.marks.append(len(self.stack))
        elif op == ord("1"):
            self.pop_mark()
        elif op == ord("2"):
            self.stack += self.pop(1) * 2
        elif op == ord("0") and self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        elif op == ord("0"):
            self.pop(1)

    def memoise(self, number: int) -> None:
        if not self.stack:
            raise pickle.UnpicklingError("it takes more than it has")
        self.memo[number] = self.stack[-1]


def check(content: bytes, start: int = 0) -> int:
    """Return where the pickle that begins at `start` ends; nothing is built.

    Raises
    ------
    EOFError
        When it is truncated, or claims a value longer than the content.
    pickle.UnpicklingError
        When it nests too deep, numbers more memo entries than it can hold, or has keys that would take for
        ever to hash.
    """
    end, composed, widest = skim(content, start)
    if composed > MAX_NESTING or widest > MAX_TUPLE:
        _follow(content, start, end)
    return end


def _follow(content: bytes, start: int, end: int) -> None:
    """Refuse the pickle in `content[start:end]` when it nests too deep or its keys cannot be hashed in time.

    A container that changes after it was memoised is taken as it was then: Python hashes no such container,
    and what else is done with nested values is guarded by Python itself.

    Raises
    ------
    pickle.UnpicklingError
        Also when it takes values that it never made.
    """
    machine = _Follower(end - start)
    stack, memo = machine.stack, machine.memo
    at = start
    while at < end:
        op, begin = content[at], at
        at = at + LENGTHS[op] if op in LENGTHS else token_end(content, at)
        if op in _PUSHING:
            stack.append(_PLAIN)
        elif op in _GETTING:
            stack.append(memo.get(memo_number(content, begin, at), _PLAIN))
        elif op in _PUTTING:
            machine.memoise(memo_number(content, begin, at))
        elif op == _MEMOIZE:
            machine.memoise(len(memo))
        elif op in _POPS:
            machine.combine(op)
        elif op in _CLOSING:
            machine.close(op)
        else:
            machine.move(op)
