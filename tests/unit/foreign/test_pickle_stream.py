"""Entries read one by one against the standard unpickler's whole reading of the same bytes."""

import bz2
import codecs
import gc
import io
import pickle
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign import pickle_opcodes, pickle_stream
from nasbench_suite.foreign.pickle_stream import stream_items

KEY = "arch2infos"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
TEXTS = st.sampled_from(["a", "name", KEY, "x" * 300, "é", ""]) | st.text(max_size=3)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(max_size=3)
KEYS = st.recursive(PLAIN, lambda keys: st.lists(keys, max_size=4).map(tuple), max_leaves=5)


def containers(values):
    """Containers of every kind that a table may hold."""
    entries = st.lists(st.tuples(KEYS, values), max_size=4)
    return (
        st.lists(values, max_size=5)
        | st.lists(values, max_size=4).map(tuple)
        | entries.map(dict)
        | entries.map(OrderedDict)
        | st.sets(st.integers(0, 9), max_size=3)
        | st.frozensets(st.integers(0, 9), max_size=3)
    )


VALUES = st.recursive(PLAIN, containers, max_leaves=12)
INNER = st.dictionaries(KEYS, VALUES, max_size=6)
OUTER = st.dictionaries(KEYS.filter(lambda key: key != KEY), VALUES, max_size=3)


@pytest.fixture(params=["whole batches", "few held"])
def held(request, monkeypatch):
    """Both ways to find the end of an entry: the end of a batch, and many more values."""
    if request.param == "few held":
        monkeypatch.setattr(pickle_stream, "HELD_SLOTS", 12)
        monkeypatch.setattr(pickle_stream, "HELD_BYTES", 0)
        monkeypatch.setattr(pickle_opcodes, "CHUNK", 1024)


def dumped(value, protocol, pure):
    """The pickle of either pickler of the standard library; they batch dictionaries differently."""
    return pickle._dumps(value, protocol) if pure else pickle.dumps(value, protocol)


def assert_streamed(content, key=KEY):
    """All that the stream says is what the standard unpickler reads; our own bytes."""
    whole = pickle.loads(content)
    inner = whole if key is None else whole.pop(key)
    stream = stream_items(io.BytesIO(content), key, "x.pickle")
    before = dict(stream.before)
    found = list(stream)
    assert repr(found) == repr([(k, _plain(v)) for k, v in inner.items()])
    if key is not None:
        assert repr(stream.rest) == repr(_plain(whole))
        assert list(before) == list(whole)[: len(before)]


def _plain(value):
    """Ordered dictionaries as dictionaries, numbers of NumPy as numbers; sets are ordered alike."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


@pytest.mark.parametrize("pure", [False, True], ids=["C pickler", "Python pickler"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestAgainstTheStandardUnpickler:
    @given(before=OUTER, inner=INNER, after=OUTER, ordered=st.booleans())
    def test_nested_containers(self, protocol, pure, before, inner, after, ordered):
        assume(KEY not in repr(before))  # the first text of that name is taken for the key, as it says
        kind = OrderedDict if ordered else dict
        value = kind(
            [*before.items(), (KEY, kind(inner)), *((k, v) for k, v in after.items() if k not in before)]
        )
        assert_streamed(dumped(value, protocol, pure))
        assert_streamed(dumped(inner, protocol, pure), key=None)

    def test_single_characters_that_python_has_one_object_of(self, protocol, pure):
        """Protocols 0 to 2 write bytes as text; the text of one character is the same object everywhere."""
        inner = {n: {b"\xc2": n, "n": np.bool_(True), "b": np.int8(5)} for n in range(3)}
        assert_streamed(
            dumped({KEY: inner, "\xc2": "\xc2", "b": [b"\x01", b"\x05", b"\xc2"]}, protocol, pure)
        )

    @pytest.mark.usefixtures("held")
    def test_texts_numbers_and_tuples_shared_between_entries(self, protocol, pure):
        shared = ["".join(["sha", "red"]), ("sha", 777), 10**30, 2.5, b"by" * 4, frozenset()]
        inner = {n: {"n": n, "own": f"{n}", "shared": [*shared[:5], f"{n}"]} for n in range(300)}
        assert_streamed(dumped({KEY: inner, "after": shared, "too": inner[7]["shared"][0]}, protocol, pure))

    @pytest.mark.usefixtures("held")
    def test_numpy_numbers_and_arrays(self, protocol, pure):
        inner = {
            n: {"latency": [np.float64(n)], "curve": np.arange(n), "pair": (n, np.ones(1))} for n in range(40)
        }
        content = dumped({"zero": np.zeros(2), KEY: inner, "seven": np.float32(7)}, protocol, pure)
        stream = stream_items(io.BytesIO(content), KEY, "x.pickle")
        for n, (key, found) in enumerate(stream):
            assert (key, found["latency"]) == (n, [float(n)])
            assert [type(found["curve"]), type(found["pair"][1])] == [np.ndarray] * 2
            assert found["curve"].tolist() == list(range(n))
        assert n == 39
        assert stream.rest["zero"].tolist() == [0, 0]
        assert stream.rest["seven"] == 7

    def test_values_of_an_entry_that_refer_to_each_other(self, protocol, pure):
        cycle = [1]
        cycle.append({"self": cycle, "pair": (cycle, 2)})
        twice = {"rows": [1, 2]}
        stream = stream_items(
            io.BytesIO(dumped({KEY: {0: cycle, 1: [twice, twice]}}, protocol, pure)), KEY, "x.pickle"
        )
        found = dict(stream)
        assert found[0][1]["self"] is found[0]
        assert found[0][1]["pair"][0] is found[0]
        assert found[1][0] is found[1][1]


@pytest.mark.parametrize("pure", [False, True], ids=["C pickler", "Python pickler"])
@pytest.mark.parametrize("protocol", [0, 2, 4], ids=["no batches", "numbered memo", "counted memo"])
class TestBatches:
    @pytest.mark.parametrize("count", [1, 1000, 2001])
    @pytest.mark.parametrize("kind", [dict, OrderedDict])
    @pytest.mark.usefixtures("held")
    def test_every_number_of_entries_in_a_batch(self, protocol, pure, count, kind):
        names = [f"n{n}" for n in range(7)]
        inner = kind(
            (n, kind(arch=n, name=names[n % 7], more={names[n % 5]: [0.5 * n, ("x", n)]}))
            for n in range(count)
        )
        assert_streamed(dumped({"a": names, KEY: inner, "b": set(range(count))}, protocol, pure))
        assert_streamed(dumped(inner, protocol, pure), key=None)

    @pytest.mark.parametrize("count", [1, 1000, 1001, 2001])
    def test_every_number_of_values_in_a_batch_of_an_entry(self, protocol, pure, count):
        inner = {n: OrderedDict((k, [k]) for k in range(count)) for n in range(3)}
        inner |= {-1 - n: [()] * count for n in range(3)}
        assert_streamed(dumped({KEY: inner}, protocol, pure))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("pure", [False, True])
def test_a_container_that_entries_share_is_refused(protocol, pure):
    shared = ["shared"]
    content = dumped({KEY: {n: {"n": n, "list": shared} for n in range(5)}}, protocol, pure)
    stream = stream_items(io.BytesIO(content), KEY, "x.pickle")
    assert next(stream) == (0, {"n": 0, "list": ["shared"]})
    with pytest.raises(DamagedFileError, match=r"x\.pickle is refused: an entry shares a list"):
        next(stream)


def test_shared_values_that_are_equal_keep_their_types():
    values = [(1, 2), (1.0, 2), (True, 2), 1, 1.0, True, 0.0, -0.0, "1", b"1", (b"1",)]
    inner = {n: [value, [n]] for n, value in enumerate(values)}
    inner |= {100 + n: value for n, value in enumerate(values)}
    for protocol in PROTOCOLS:
        assert_streamed(pickle.dumps({KEY: inner}, protocol))


def test_a_dictionary_that_is_filled_once_more_later_is_refused():
    begin = b"\x80\x04}(X\x0a\x00\x00\x00arch2infos}q\x07(K\x01K\x02u"
    assert_streamed(begin + b"K\x03K\x04u.")
    for more in (b"K\x05h\x07(K\x06K\x07uu.", b"K\x05h\x07K\x06K\x07su."):
        with pytest.raises(DamagedFileError):
            list(stream_items(io.BytesIO(begin + more), KEY, "x.pickle"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_comes_before_may_be_shared(protocol):
    names = ["a", "b"]
    content = pickle.dumps({"names": names, KEY: {n: {"names": names} for n in range(5)}}, protocol)
    assert_streamed(content)


def test_an_entry_that_refers_to_the_whole_is_refused():
    inner = {}
    inner[0] = {"whole": inner}
    for protocol in PROTOCOLS:
        with pytest.raises(DamagedFileError, match="shares a list, dictionary"):
            list(stream_items(io.BytesIO(pickle.dumps({KEY: inner}, protocol)), KEY, "x.pickle"))


def test_the_key_may_be_memoised_and_occur_elsewhere():
    value = {"keys": [KEY, "b"], (KEY, 1): {}, "x": KEY, KEY: {1: KEY, KEY: {KEY: {}}}, "z": {KEY: {5: 6}}}
    for protocol in PROTOCOLS:
        assert_streamed(pickle.dumps(value, protocol))


def test_rest_is_known_when_all_was_read():
    stream = stream_items(io.BytesIO(pickle.dumps({"a": 1, KEY: {1: 2}, "b": 3})), KEY, "x.pickle")
    assert stream.before == {"a": 1}
    with pytest.raises(NasbenchSuiteError, match=r"x\.pickle is not read to its end"):
        _ = stream.rest
    assert list(stream) == [(1, 2)]
    assert stream.rest == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "value",
    [[1], 5, None, {}, {"a": {1: 2}}, {KEY: None}, {KEY: [1]}, {KEY: (1, 2)}, {1: {KEY: {}}}, [{KEY: {}}]],
    ids=str,
)
def test_files_without_the_dictionary_are_refused(value):
    for protocol in PROTOCOLS:
        with pytest.raises(DamagedFileError, match=r"x\.pickle is refused: it (has|is) no dictionary"):
            stream_items(io.BytesIO(pickle.dumps(value, protocol)), KEY, "x.pickle")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("key", [KEY, None])
def test_every_truncation_is_refused(protocol, key):
    value = {
        "a": [1, "x" * 3],
        KEY: {n: {"v": 0.5, "t": ("u", n), "s": np.float64(n)} for n in range(3)},
        "b": {2},
    }
    content = pickle.dumps(value, protocol)
    assert_streamed(content, key)
    for length in range(len(content)):
        with pytest.raises(DamagedFileError, match=r"x\.pickle"):
            list(stream_items(io.BytesIO(content[:length]), key, "x.pickle"))


def test_a_truncated_archive_is_refused():
    packed = bz2.compress(pickle.dumps({KEY: {n: {"v": [0.1 * n] * n} for n in range(500)}}))
    for length in range(0, len(packed), 97):
        with pytest.raises(DamagedFileError, match=r"x\.pbz2"):
            list(stream_items(bz2.BZ2File(io.BytesIO(packed[:length])), KEY, "x.pbz2"))


def inside(opcodes):
    """A pickle whose second entry has these opcodes as its value."""
    return b"\x80\x04}(X\x0a\x00\x00\x00arch2infos}(K\x01}K\x02" + opcodes + b"K\x03Nuu."


@pytest.mark.parametrize(
    ("opcodes", "named"),
    [
        (b"cos\nsystem\n", r"it asks for os\.system"),
        (b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R", r"it asks for builtins\.eval"),
        (b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93", r"it asks for os\.system"),
        (b"(X\x04\x00\x00\x00trueios\nsystem\n", r"it asks for os\.system"),
        (b"ctorch.storage\n_load_from_bytes\n", r"torch\.storage\._load_from_bytes"),
        (b"\x82\xf0", "it asks for extension"),
        (b"P0\n", "refers to objects outside the file"),
        (b"K\x00Q", "refers to objects outside the file"),
        (b"cnumpy\ndtype\n)\x81", "refused|truncated"),
        (b"cnumpy\ndtype\n}b", "refused|truncated"),
        (b"cnumpy\ndtype\nN}X\x01\x00\x00\x00aK\x01s\x86b", "sets a on a constructor"),
        (b"h\x63", "a value that it never had|value not found"),
        (b"j\xff\xff\xff\xff", "a value that it never had|value not found"),
        (b"g-1\n", "below zero"),
        (b"Nq\x05\x94", "in two ways at once"),
        (b"\xff", "opcode 0xff"),
        (b"\x97", "refused|truncated"),
        (b"a", "changes an entry|truncated"),
        (b"su", "refused|truncated"),
        (b"0000", "refused|truncated"),
        (b".", "refused|truncated"),
        (b"N" + b"\x85" * 100_000, "nested more than"),
        (b"}" + b"N" + b"2\x86" * 90 + b"Ns", "refused|truncated"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_hostile_opcodes_are_refused(opcodes, named):
    assert_streamed(inside(b"\x8c\x01a"))
    with pytest.raises(DamagedFileError, match=named):
        list(stream_items(io.BytesIO(inside(opcodes)), KEY, "x.pickle"))


def test_a_pickle_that_reaches_back_is_refused_not_misread(monkeypatch):
    """Fifty nested single entries look like entries of the outer dictionary until they are completed."""
    monkeypatch.setattr(pickle_stream, "HELD_SLOTS", 12)
    monkeypatch.setattr(pickle_stream, "HELD_BYTES", 0)
    deep = 0
    for _ in range(50):
        deep = {1: deep}
    content = pickle.dumps({KEY: {1: deep, 2: deep}})
    with pytest.raises(DamagedFileError, match="cannot be read entry by entry"):
        list(stream_items(io.BytesIO(content), KEY, "x.pickle"))


class NumbersOnly(pickle.Unpickler):
    """Reads published records without the reader under test; admits what they name and nothing else."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("builtins", "set"):
            return set
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return np._core.multiarray.scalar
        if (module, name) == ("__builtin__", "set"):  # protocol 2
            return set
        if (module, name) == ("_codecs", "encode"):
            return codecs.encode
        raise pickle.UnpicklingError(f"{module}.{name}")


@pytest.fixture(scope="module")
def records(shared_data):
    """The three published records of the topology space, as the official archive stores them."""
    folder = shared_data / "nats_official_sample" / "NATS-tss-v1_0-3ffb9-simple"
    return [bz2.decompress(file.read_bytes()) for file in sorted(folder.glob("0*.pbz2"))]


def full_pickle(records, count, protocol):
    """The layout of the official single file: every record has its own texts, as if read from a file each."""
    infos = {n: NumbersOnly(io.BytesIO(records[n % len(records)])).load() for n in range(count)}
    value = {
        "meta_archs": [f"a{n}" for n in range(count)],
        KEY: infos,
        "evaluated_indexes": set(range(count)),
    }
    return pickle.dumps(value, protocol)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.usefixtures("held")
def test_the_official_records_in_the_layout_of_the_full_file(records, protocol):
    content = full_pickle(records, 7, protocol)
    whole = NumbersOnly(io.BytesIO(content)).load()
    stream = stream_items(io.BytesIO(content), KEY, "full.pickle")
    for n, (key, found) in enumerate(stream):
        assert key == n
        assert list(found) == ["12", "200"]
        assert found == whole[KEY][n]
    assert n == 6
    del whole[KEY]
    assert stream.rest == whole


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_records(records):
    """A record takes 1.3 MB once read; what is kept of one is below 4 kB."""
    content = full_pickle(records, 300, 4)
    gc.collect()
    tracemalloc.start()
    try:
        sizes = []
        for n, _ in enumerate(stream_items(io.BytesIO(content), KEY, "full.pickle")):
            if n in (100, 280):
                sizes.append(tracemalloc.get_traced_memory()[0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 180 * 4096
    assert peak < 80 * 2**20
