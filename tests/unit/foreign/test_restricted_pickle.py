"""Hostile, damaged and honest pickles; a sentinel file shows whether anything that they name was run."""

import builtins
import copyreg
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pickle_programs import PLAIN, RECORD, lookup, pushed

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.restricted_pickle import read_pickle


def stack_global(module, name):
    """The opcode STACK_GLOBAL of protocol 4."""
    return b"\x80\x04" + pushed(module) + pushed(name) + b"\x93"


@pytest.fixture
def memory_limit():
    """Let a pickle that asks for absurd amounts of memory fail instead of filling the machine."""
    resource = pytest.importorskip("resource", reason="needs limits on memory")
    statistics = Path("/proc/self/statm")
    if not statistics.exists():
        pytest.skip("needs the memory in use")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(statistics.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_are_read(protocol):
    value = {1: PLAIN, 2: [None, True, "text", (1, 2.5)], "3": {}, 4: [], 5: -(10**30)}
    assert read_pickle(pickle.dumps(value, protocol=protocol), "x.bench") == value


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_numpy_numbers_are_read_as_python_numbers(protocol):
    value = {1: RECORD, 2: [np.int64(-7), np.bool_(True), np.uint8(255)], 3: b"bytes"}
    found = read_pickle(pickle.dumps(value, protocol=protocol), "x.bench")
    assert found == value
    assert [type(number) for number in found[2]] == [int, bool, int]


class Runs:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, "system"),
        (os.mkdir, "mkdir"),
        (builtins.open, "open"),
        (builtins.eval, "eval"),
        (builtins.__import__, "__import__"),
        (builtins.getattr, "getattr"),
        (copyreg._reconstructor, "copy"),
        (np.load, "numpy.load"),
        (np.array, "array"),
    ],
)
def test_calls_are_refused_by_name_and_not_run(tmp_path, protocol, function, named):
    sentinel = tmp_path / "sentinel"
    arguments = {
        os.system: (f"touch {sentinel}",),
        os.mkdir: (str(sentinel),),
        builtins.open: (str(sentinel), "w"),
        builtins.eval: (f"open({str(sentinel)!r}, 'w')",),
    }.get(function, ("os",))
    content = pickle.dumps([PLAIN, Runs(function, *arguments)], protocol=protocol)
    with pytest.raises(DamagedFileError, match=named) as caught:
        read_pickle(content, "x.bench")
    assert str(caught.value).startswith("x.bench is refused: it asks for ")
    assert not sentinel.exists()
    if function is os.mkdir:  # the attack is a real one
        pickle.loads(content)
        assert sentinel.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("os", "system"),
        ("copyreg", "add_extension"),
        ("copyreg", "__newobj__"),
        ("numpy", "dtype.__class__"),
        ("numpy", "void"),
        ("torch.storage", "_load_from_bytes"),
        ("collections", "defaultdict"),
        ("numpy.core.multiarray", "scalar.__globals__"),
        ("numpy._core.multiarray", "scalar.__builtins__"),
        ("nasbench_suite.foreign.restricted_pickle", "np.load"),
    ],
)
def test_lookups_by_either_opcode_are_refused_by_name(module, name):
    for content in (b"\x80\x02" + lookup(module, name) + b".", stack_global(module, name) + b"."):
        with pytest.raises(DamagedFileError) as caught:
            read_pickle(content, "x.bench")
        assert f"it asks for {module}.{name}." in str(caught.value)


def test_the_opcode_inst_is_refused_by_name():
    with pytest.raises(DamagedFileError, match=r"it asks for os\.system"):
        read_pickle(b"(S'true'\nios\nsystem\n.", "x.bench")


def test_registered_extensions_are_refused_by_name():
    copyreg.add_extension("posix", "system", 240)
    try:
        with pytest.raises(DamagedFileError, match=r"posix\.system"):
            read_pickle(b"\x80\x02\x82\xf0.", "x.bench")
    finally:
        copyreg.remove_extension("posix", "system", 240)


@pytest.mark.parametrize("content", [b"P0\n.", b"\x80\x02K\x01Q."])
def test_persistent_ids_are_refused(content):
    with pytest.raises(DamagedFileError, match="refers to objects outside the file"):
        read_pickle(content, "x.bench")


def test_calls_that_make_much_of_little_are_refused(memory_limit):
    text = b"X" + struct.pack("<I", 10**5) + b"x" * 10**5
    encode = lookup("_codecs", "encode") + text + b"q\x00X\6\0\0\0latin1q\x01\x86R"
    again = (lookup("_codecs", "encode") + b"h\x00h\x01\x86R") * 30_000
    elements = b"]q\x00(" + b"K\x01" * 10**5 + b"e"
    sets = (lookup("__builtin__", "set") + b"h\x00\x85R") * 30_000
    for content in (encode + again, elements + sets):
        with pytest.raises(DamagedFileError, match="makes more than it holds"):
            read_pickle(b"\x80\x02(" + content + b"l.", "x.bench")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value", [{10: PLAIN}, {10: [RECORD, np.arange(6).reshape(2, 3), {1}, b"x"]}], ids=["plain", "numpy"]
)
def test_every_truncation_is_refused(protocol, value):
    content = pickle.dumps(value, protocol=protocol)
    for length in range(len(content)):
        with pytest.raises(DamagedFileError, match=r"x\.bench"):
            read_pickle(content[:length], "x.bench")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 100, b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"."])
def test_what_is_no_pickle_is_refused(content):
    with pytest.raises(DamagedFileError, match=r"x\.bench"):
        read_pickle(content, "x.bench")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04N" + b"r" + struct.pack("<I", 2**32 - 1) + b".",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b".",
        b"\x80\x02\x8b" + struct.pack("<i", -1) + b".",
        b"\x80\x05\x96" + struct.pack("<Q", 2**31) + b".",
        b"\x80\x04Nr" + struct.pack("<I", 2**27) + b".",
        b"N" + b"p1000000000\n.",
    ],
    ids=["memo", "bytes", "frame", "negative length", "bytearray", "memo of a gigabyte", "memo in text"],
)
def test_absurd_sizes_are_refused(memory_limit, content):
    with pytest.raises(DamagedFileError):
        read_pickle(content, "x.bench")


@pytest.mark.usefixtures("memory_limit")
class TestMutations:
    CONTENTS = tuple(pickle.dumps({10: RECORD, 11: [PLAIN]}, protocol=p) for p in (0, 2, 4))

    @staticmethod
    def read(content):
        try:
            read_pickle(content, "x.bench")
        except DamagedFileError as problem:
            assert str(problem).startswith("x.bench is ")  # noqa: PT017  # success is fine, too

    @given(which=st.sampled_from(CONTENTS), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
    def test_replaced_bytes(self, which, place, byte):
        position = int(place * len(which))
        self.read(which[:position] + bytes([byte]) + which[position + 1 :])

    @given(which=st.sampled_from(CONTENTS), place=st.floats(0, 1), inserted=st.binary(max_size=12))
    def test_inserted_bytes(self, which, place, inserted):
        position = int(place * len(which))
        self.read(which[:position] + inserted + which[position:])

    @given(parts=st.lists(st.sampled_from(b"".join(CONTENTS)), max_size=60).map(bytes))
    def test_shuffled_bytes(self, parts):
        self.read(parts)

    @given(content=st.binary(max_size=80))
    def test_arbitrary_bytes(self, content):
        self.read(b"\x80\x04" + content)
