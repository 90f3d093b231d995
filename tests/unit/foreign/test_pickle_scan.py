"""The bounds that a walk over opcodes gives, against what the standard unpickler builds of them."""

import pickle
import pickletools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nasbench_suite.foreign.pickle_scan import LENGTHS, skim, token_end

TOKENS = [b"K\x01", b"]", b"}", b")", b"\x85", b"\x86", b"\x87", b"(", b"t", b"l", b"2", b"0", b"\x94"]
TOKENS += [
    b"h\x00",
    b"h\x01",
    b"j\x02\0\0\0",
    b"g0\n",
    b"q\x01",
    b"p2\n",
    b"r\x03\0\0\0",
    b"X\1\0\0\0x",
    b"a",
    b"e",
]
TOKENS += [b"K\x01\x94\x85", b"2\x86", b"h\x00h\x00\x86", b"K\x05h\x01\x87", b"\x85\x94h\x00\x86"]


def sizes(value, known):
    """How deep tuples and lists nest, and how many values a tuple holds, shared ones counted each time."""
    if not isinstance(value, tuple | list) or not value:
        return 0, 1
    if id(value) not in known:
        parts = [sizes(part, known) for part in value]
        weight = 1 + sum(weight for _, weight in parts) if isinstance(value, tuple) else 1
        known[id(value)] = 1 + max((depth for depth, _ in parts), default=0), weight
    return known[id(value)]


@example([b"\x85", b"q\x01", b"h\x01", b"h\x01", b"\x86"])
@example([*[b"2\x86"] * 4, b"q\x01", b"(", *[b"h\x01"] * 3, b"t"])
@settings(max_examples=3000)
@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_bounds_hold_for_any_opcodes(tokens):
    content = b"(K\x00\x94K\x00\x94K\x00\x94" + b"".join(tokens) + b"l."
    try:
        built = pickle.loads(content)  # no opcode among them looks anything up
        known = {}
        sizes(built, known)
    except (
        pickle.UnpicklingError,
        IndexError,
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        RecursionError,
    ):
        return  # not a pickle, or a list that holds itself
    end, deepest, widest = skim(content)
    assert end == len(content)
    tuples = [weight for depth, weight in known.values()]
    assert max(tuples, default=1) <= widest
    assert max((depth for depth, _ in known.values()), default=0) <= deepest


READ = [opcode for opcode in pickletools.opcodes if "BUFFER" not in opcode.name]  # files hold none


@pytest.mark.parametrize("opcode", READ, ids=lambda opcode: opcode.name)
def test_opcodes_end_where_the_standard_library_says(opcode):
    texts = {"stringnl": b"'ab'\n", "stringnl_noescape_pair": b"os\nsystem\n", "floatnl": b"1.5\n"}
    arguments = [texts.get(opcode.arg.name if opcode.arg else "", b"12\n")]
    width = {-2: 1, -3: 4, -4: 4, -5: 8}.get(opcode.arg.n if opcode.arg else 0)
    if width:
        arguments = [n.to_bytes(width, "little") + b"x" * n for n in (0, 1, 200)]
    elif opcode.arg and opcode.arg.n >= 0:
        arguments = [b"\x01" + b"\0" * (opcode.arg.n - 1)]
    for argument in arguments:
        token = opcode.code.encode("latin-1") + (argument if opcode.arg else b"")
        content = token + b"N."
        end = next(pos for _, _, pos in list(pickletools.genops(content))[1:2]) if opcode.code != "." else 1
        assert token_end(content, 0) == end
        if end > 1:
            with pytest.raises(EOFError):
                token_end(token[:-1], 0)


def test_every_fixed_length_is_in_the_standard_librarys_list():
    listed = {ord(o.code): 1 + max(0, o.arg.n if o.arg else 0) for o in pickletools.opcodes}
    assert {code: listed[code] for code in LENGTHS} == LENGTHS
