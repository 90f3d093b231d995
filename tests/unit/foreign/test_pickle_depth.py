"""Nesting and keys that would end or stop the interpreter, read in a process of its own."""

import pickle
import struct
import subprocess
import sys

import pytest

from nasbench_suite.foreign.restricted_pickle import read_pickle

READ_ALONE = """
import resource, sys
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.restricted_pickle import read_pickle
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
try:
    read_pickle(sys.stdin.buffer.read(), "x.bench")
except DamagedFileError as problem:
    print("refused", problem)
"""


def read_alone(content):
    """What a process of its own makes of a pickle: crashes and endless loops are outcomes, too."""
    command = [sys.executable, "-c", READ_ALONE]
    return subprocess.run(
        command, input=content, capture_output=True, timeout=30, check=False
    ).stdout.decode()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.",
        b"\x80\x02}(" + b"(" * 1_000_000 + b"K\x01" + b"t" * 1_000_000 + b"Nu.",
        b"\x80\x02})" + b"q\x00\x85" * 1_000_000 + b"Ns.",
        b"\x80\x04})"
        + b"\x940h\x00\x85"
        + b"".join(b"\x940j%b\x85" % struct.pack("<I", n) for n in range(1, 300_000))
        + b"Ns.",
        b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".",
        b"\x80\x02" + b"}" * 1_000_000 + b"\x85" * 1_000_000 + b".",
    ],
    ids=["key", "marked key", "memoised key", "key of memo entries", "lists", "dictionaries"],
)
def test_deep_nesting_does_not_crash_the_interpreter(content):
    assert read_alone(content).startswith("refused x.bench is refused: it is nested more than 500 levels")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}K\x01" + b"2\x86" * 100 + b"Ns.",
        b"\x80\x02}K\x01" + b"2\x86" * 100 + b"K\x01\x85s.",
        b"\x80\x02}K\x01q\x000" + b"h\x00h\x00h\x00\x87q\x000" * 100 + b"h\x00Ns.",
        b"\x80\x02}(" + b"K\x01" * 100_000 + b"tq\x000(" + b"h\x00N" * 100_000 + b"u.",
        b"\x80\x04\x8f(" + b"K\x01" + b"2\x86" * 100 + b"\x90.",
        b"\x80\x04(" + b"K\x01" + b"2\x86" * 100 + b"\x91.",
        b"\x80\x02c__builtin__\nset\n]K\x01" + b"2\x86" * 100 + b"a\x85R.",
    ],
    ids=[
        "doubled",
        "doubled before a short tuple",
        "trebled by the memo",
        "a long key again and again",
        "set",
        "frozenset",
        "set by call",
    ],
)
def test_keys_that_take_for_ever_to_hash_are_refused(content):
    said = read_alone(content)
    assert said.startswith("refused x.bench is refused: ")
    assert "its keys hold one another" in said or "a set holds more than" in said


@pytest.mark.parametrize("levels", [3, 300, 498])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nesting_within_the_limit_is_read(protocol, levels):
    key, value = 1, {}
    for _ in range(levels):
        key, value = (key,), {"a": value}
    content = b"(" + b"K\x01" + b"\x85" * levels + b"K\x00d."
    assert read_pickle(content, "x.bench") == {key: 0}
    if levels < 400:  # the pickler itself goes no deeper
        found = read_pickle(pickle.dumps([value, {key: key}], protocol=protocol), "x.bench")
        assert repr(found) == repr([value, {key: key}])


def test_large_tables_of_tuples_are_read():
    value = {(n, (f"x{n}", -n)): [(float(n), n)] * 2 for n in range(3000)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert read_pickle(pickle.dumps(value, protocol=protocol), "x.bench") == value
