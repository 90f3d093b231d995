"""Walks through a pickle without building anything: where it ends, how deep it nests, what it claims to hold.

The unpickler of the standard library trusts lengths and memo numbers, and Python hashes nested tuples
recursively: a file of a megabyte can ask for terabytes, overflow the stack of the interpreter or keep it
hashing for ever. So a file is walked through beforehand. Runs of plain numbers and texts, nearly all of a
table, are skipped by one compiled expression; the few other opcodes are counted.
Opcodes: the standard library's documented list, `pickletools.opcodes`.
"""

import copyreg
import pickle
import re
from functools import cache

LENGTHS = {
    **dict.fromkeys(b"(.012NQR)abde]losut}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94", 1),
    **dict.fromkeys(b"Khq\x80\x82", 2),
    **dict.fromkeys(b"M\x83", 3),
    **dict.fromkeys(b"Jjr\x84", 5),
    **dict.fromkeys(b"G\x95", 9),
}
"""Bytes of each opcode of fixed length, its argument included."""
_WIDTHS = {
    **dict.fromkeys(b"UC\x8a\x8c", 1),
    **dict.fromkeys(b"TXB\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
_LINES = {**dict.fromkeys(b"FILPSVgp", 1), **dict.fromkeys(b"ci", 2)}

UNBOUNDED = 2**62
"""The size of a tuple that was not found out."""

_LONG_PUTS = frozenset(b"pr")
_EXTENSIONS = frozenset(b"\x82\x83\x84")
_COMPOSING = frozenset(b"Rabdelotsui\x81\x85\x86\x87\x90\x91\x92")
_GETS = frozenset(b"ghj")
_FLAT = frozenset(b"Rabdelsu\x90\x91")
"""Opcodes that leave no tuple on top; what is admitted to be called makes none."""
_TUPLE_1, _TUPLE_3 = 0x85, 0x87
_MARK, _TUPLE, _STOP = b"(t."


def short_texts() -> bytes:
    """Return an expression for the opcodes of texts, bytes and integers with fewer than 256 bytes."""

    def lengths(code: bytes, padding: bytes) -> bytes:
        each = (re.escape(bytes([n]) + padding) + b".{%d}" % n for n in range(256))
        return re.escape(code) + b"(?:" + b"|".join(each) + b")"

    short = [lengths(code, b"") for code in (b"\x8c", b"C", b"U", b"\x8a")]
    return b"|".join([*short, *(lengths(code, b"\0\0\0") for code in (b"X", b"B"))])


@cache
def _run(most: bytes) -> re.Pattern[bytes]:
    """Return an expression for a run of opcodes that push plain values, empty containers and memo entries.

    Those that memoise are part of the run, with memo numbers that match `most`. A memo entry may be a tuple,
    so one that a tuple or another entry follows, or that is memoised again, ends the run: what is on top
    behind a run that pushed anything and stops at one of these is a plain value.
    """
    frequent = rb"K.|G.{8}|\x94"
    rest = rb"M..|J.{4}|[N\x88\x89)\]}\x8f\x93]|(?:h.|j.{4})(?![ghjqrt\x85-\x87\x94])|q.|r" + most
    return re.compile(rb"(?s:" + b"|".join([frequent, short_texts(), rest]) + rb")*+")


def _run_for(length: int) -> re.Pattern[bytes]:
    """Return the expression whose memo numbers need no more memory than a file of this length may cause."""
    if length < 2**20:
        return _run(rb"..\0\0")
    return _run(rb"..[\0-\x0f]\0") if length < 2**24 else _run(rb"...\0")


def token_end(content: bytes, at: int) -> int:
    """Return where the opcode at `at` ends, with its argument.

    Raises
    ------
    EOFError
        When the content ends before that.
    pickle.UnpicklingError
        When it is no opcode that a file may hold.
    """
    if at >= len(content):
        raise EOFError
    op = content[at]
    if (length := LENGTHS.get(op)) is not None:
        end = at + length
    elif (width := _WIDTHS.get(op)) is not None:
        end = at + 1 + width
        end += int.from_bytes(content[at + 1 : end], "little")
    elif (lines := _LINES.get(op)) is not None:
        end = at + 1
        for _ in range(lines):
            end = content.find(b"\n", end) + 1
            if not end:
                raise EOFError
    else:
        raise pickle.UnpicklingError(f"it holds the opcode 0x{op:02x}, which no such file needs")
    if end > len(content):
        raise EOFError
    return end


def memo_number(content: bytes, at: int, end: int) -> int:
    """Return which memo entry the opcode at `content[at:end]` reads or writes."""
    if content[at] in b"gp":
        number = int(content[at + 1 : end])
        if number < 0:
            raise pickle.UnpicklingError("it counts memo entries below zero")
        return number
    return int.from_bytes(content[at + 1 : end], "little")


def refuse_extension(content: bytes, at: int, end: int) -> None:
    """Raise that the opcode asks for what some program registered under a number."""
    number = int.from_bytes(content[at + 1 : end], "little")
    registered: dict[int, tuple[str, str]] = getattr(copyreg, "_inverted_registry", {})
    name = ".".join(registered.get(number, ("extension", str(number))))
    raise pickle.UnpicklingError(f"it asks for {name}")


def skim(content: bytes, start: int = 0) -> tuple[int, int, int]:
    """Return where the pickle that begins at `start` ends, and upper bounds on its nesting and its tuples.

    The third counts the values that a tuple holds, those of the tuples within counted each time.

    Raises
    ------
    EOFError
        When it is truncated, or claims a value longer than the content.
    pickle.UnpicklingError
        When it numbers more memo entries than it can hold, or holds opcodes that no such file needs.
    """
    skip = _run_for(len(content)).match
    at, composed, widest, mark, flat, below = start, 0, 1, -1, False, False
    while True:
        begin = at
        at = skip(content, begin).end()  # type: ignore[union-attr]  # an empty run matches, too
        end = token_end(content, at)
        op = content[at]
        if op in _COMPOSING:
            composed += 1
            if op == _TUPLE:
                widest = _widest_of_many(content, mark, at, widest)
            elif _TUPLE_1 <= op <= _TUPLE_3:
                known = below and at == begin if op > _TUPLE_1 else False
                known = known or _ends_in_a_push(content, begin, at, flat)
                widest = max(widest, min(UNBOUNDED, 2 + (op - _TUPLE_1 + 1 - known) * widest))
            mark = -1
        elif op == _MARK:
            mark = at
        elif op == _STOP:
            return end, composed, widest
        elif op in _LONG_PUTS and memo_number(content, at, end) > len(content):
            raise pickle.UnpicklingError("it numbers more memo entries than it can hold")
        elif op in _EXTENSIONS:
            refuse_extension(content, at, end)
        below = op in _GETS and _ends_in_a_push(content, begin, at, flat)
        flat = op in _FLAT or (flat and op in _LONG_PUTS and at == begin)
        at = end


def _widest_of_many(content: bytes, mark: int, end: int, widest: int) -> int:
    """Bound the size of a tuple of what was pushed since `mark`, -1 when more than plain values was."""
    if mark < 0:
        return UNBOUNDED
    from_memo = sum(content.count(code, mark, end) for code in (b"h", b"j", b"g"))
    return min(UNBOUNDED, widest + end - mark + from_memo * widest)


def _ends_in_a_push(content: bytes, begin: int, end: int, flat: bool) -> bool:
    """Whether the run `content[begin:end]` certainly leaves no tuple on top of the stack.

    It begins behind another opcode, so opcodes that memoise that one's result may come first; `flat` says
    that this result is no tuple.
    """
    if flat:
        return True
    while begin < end and content[begin] in b"\x94qr":
        begin = token_end(content, begin)
    return begin < end
