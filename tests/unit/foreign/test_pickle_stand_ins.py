"""NumPy values, sets and ordered dictionaries of every protocol and of Python 2, and hostile ones."""

import bz2
import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
from pickle_programs import RECORD, called, lookup, pushed

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.restricted_pickle import read_pickle


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.parametrize("code", ["<f8", ">f8", "<f4", "<i8", "|u1", "|b1", "<f2"])
def test_numbers_of_either_numpy_and_byte_order_are_read(module, code):
    number = np.array([1], dtype=code)[0]
    dtype = lookup("numpy", "dtype") + pushed((code[1:], False, True)) + b"R"
    state = pushed((3, code[0], None, None, None, -1, -1, 0)) + b"b"
    raw = b"C" + bytes([number.nbytes]) + np.array([1], dtype=code).tobytes()
    content = b"\x80\x03" + lookup(module, "scalar") + dtype + state + raw + b"\x86R."
    assert read_pickle(content, "x.bench") == number


@pytest.mark.parametrize("code", ["O", "O8", "object", "f8,O", "f8,f8", "i4,(2,)f8"])
def test_dtypes_of_objects_and_records_are_refused_by_code(code):
    with pytest.raises(DamagedFileError) as caught:
        read_pickle(called(lookup("numpy", "dtype"), code), "x.bench")
    assert f"dtype {code!r} is not a plain number" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "raw"),
    [("f8", b"1234567"), ("f8", b""), ("f8", "1234567\u0100"), ("S8", b"12345678"), ("M8[s]", b"12345678")],
)
def test_scalars_that_are_no_plain_number_are_refused(code, raw):
    dtype = lookup("numpy", "dtype") + pushed((code,)) + b"R"
    arguments = dtype + pickle.dumps(raw, protocol=3)[2:-1] + b"\x86R."
    with pytest.raises(DamagedFileError):
        read_pickle(b"\x80\x03" + lookup("numpy._core.multiarray", "scalar") + arguments, "x.bench")


@pytest.mark.parametrize(
    "state",
    [
        (3, "<", None, None, None, -1, -1, 63),
        (3, "<", (None, (1_000_000,)), None, None, -1, -1, 0),
        (3, "|", None, ("a",), {"a": 1}, 8, 1, 0),
        (3, "<", None, None, None, 2**20, 1, 0),
        (3, "O", None, None, None, -1, -1, 0),
        {"_code": "O"},
        (None, {"_code": "O"}),
        None,
    ],
)
def test_states_that_make_a_dtype_no_plain_number_are_refused(state):
    dtype = lookup("numpy", "dtype") + pushed(("f8",)) + b"R" + pushed(state) + b"b"
    with pytest.raises(DamagedFileError, match="dtype"):
        read_pickle(b"\x80\x02" + dtype + b".", "x.bench")
    assert np.dtype("f8") == np.float64
    assert np.ones(2).tobytes() == struct.pack("=2d", 1, 1)


@pytest.mark.parametrize("state", [{"__doc__": "changed"}, (None, {"__doc__": "changed", "_build": None})])
@pytest.mark.parametrize("name", [("numpy", "dtype"), ("numpy._core.multiarray", "scalar")])
def test_states_of_an_admitted_constructor_are_refused(name, state):
    with pytest.raises(DamagedFileError):
        read_pickle(b"\x80\x02" + lookup(*name) + pushed(state) + b"b.", "x.bench")
    content = pickle.dumps(RECORD, protocol=4)
    assert read_pickle(content, "x.bench") == RECORD


@pytest.mark.parametrize("code", ["f8,(", "(2,)f8", "S8", "U1", "V8", "M8[s]", "c16", "", 8, None, ("f8",)])
def test_dtype_codes_that_are_no_plain_number_are_refused(code):
    with pytest.raises(DamagedFileError, match="is not a plain number"):
        read_pickle(called(lookup("numpy", "dtype"), code), "x.bench")


ARRAYS = {
    "vector": np.arange(5.0),
    "rows": np.arange(6, dtype=np.int16).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    "strided": np.arange(12.0).reshape(3, 4)[:, ::2],
    "point": np.array(2.5, dtype=np.float32),
    "none": np.zeros((3, 0, 2)),
    "truths": np.array([True, False]),
    "foreign": np.arange(4, dtype=">i4"),
    "half": np.arange(4, dtype="<f2"),
}


def assert_same(found, expected):
    """Equal in value, type, shape and order of everything."""
    if isinstance(expected, np.ndarray):
        assert type(found) is np.ndarray
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
        assert found.flags.writeable
    elif isinstance(expected, dict):
        assert type(found) is dict
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected or expected != expected  # NaN


@pytest.mark.parametrize("module", ["numpy", "numpy._core", "numpy.core"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_are_read_as_arrays(protocol, module):
    value = {**ARRAYS, "within": [(1, ARRAYS["rows"], [ARRAYS["rows"]]), OrderedDict(a=ARRAYS["vector"])]}
    content = pickle.dumps(value, protocol=protocol)
    if protocol < 4:  # names are lines of their own there, of any length
        content = content.replace(
            b"numpy._core.", b"numpy.core." if module == "numpy.core" else b"numpy._core."
        )
    found = read_pickle(content, "x.bench")
    assert_same(found, value)
    assert found["within"][0][1] is found["within"][0][2][0]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_numbers_bytes_and_sets_are_read_under_every_protocol(protocol):
    value = [
        RECORD,
        np.int8(-3),
        np.bool_(True),
        b"",
        b"\x00\xff",
        {1, "a", (2, "b")},
        frozenset([b"c"]),
        set(),
    ]
    found = read_pickle(pickle.dumps(value, protocol=protocol), "x.bench")
    assert found == value
    assert list(map(type, found)) == [dict, int, bool, bytes, bytes, set, frozenset, set]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_ordered_dictionaries_keep_their_order(protocol):
    value = OrderedDict((key, OrderedDict(a=key)) for key in (3, 1, 2))
    found = read_pickle(pickle.dumps(value, protocol=protocol), "x.bench")
    assert type(found) is dict
    assert list(found.items()) == [(3, {"a": 3}), (1, {"a": 1}), (2, {"a": 2})]


PYTHON_2 = [  # what Python 2 wrote under protocol 2: texts are bytes, ordered dictionaries lists of pairs
    (
        b"\x80\x02cnumpy.core.multiarray\nscalar\nq\x01cnumpy\ndtype\nq\x02U\x02f8K\x00K\x01\x87Rq\x03(K\x03U\x01<"
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08\x9a\x99\x99\x99\x99\x99\xf1?\x86Rq\x04."
    ),
    (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01K\x02"
        b"\x85cnumpy\ndtype\nq\x04U\x02i2K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x04\x01\x00\xfe\xfftb."
    ),
    b"\x80\x02ccollections\nOrderedDict\nq\x01]q\x02(]q\x03(U\x01aq\x04K\x01e]q\x05(U\x01bK\x02ee\x85Rq\x06.",
    b"\x80\x02}q\x01(U\x01\xe9K\x01X\x02\x00\x00\x00\xc3\xa9I01\n\x8a\x01\x05L6L\nu.",
    b"(dp1\nS'a'\np2\n(lp3\nI1\naF0.5\nas.",
]


@pytest.mark.parametrize("content", PYTHON_2, ids=["number", "array", "ordered", "texts", "protocol 0"])
def test_what_python_2_wrote_is_read(content):
    expected = pickle.loads(content, encoding="latin-1")  # our own bytes
    found = read_pickle(content, "x.bench")
    if isinstance(expected, np.generic):
        expected = expected.item()
    assert_same(found, expected)


def array_of(state, kind=("numpy", "ndarray"), dtype="f8"):
    """A pickle of an array with this state, `...` standing for its dtype."""
    made = lookup("numpy", "dtype") + pushed((dtype,)) + b"R"
    parts = b"".join(made if part is ... else pickle.dumps(part, protocol=3)[2:-1] for part in state)
    begun = lookup("numpy.core.multiarray", "_reconstruct") + lookup(*kind) + pushed((0,)) + b"C\x01b\x87R"
    return b"\x80\x03" + begun + b"(" + parts + b"tb."


def test_the_state_of_an_array_is_what_numpy_writes():
    content = array_of([1, (2,), ..., False, np.array([1.5, 2.5], dtype="=f8").tobytes()])
    assert read_pickle(content, "x.bench").tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    "state",
    [
        [1, (3,), ..., False, bytes(16)],
        [1, (1,), ..., False, bytes(16)],
        [1, (2,), ..., False, bytes(15)],
        [1, (-2,), ..., False, bytes(16)],
        [1, (-2, -1), ..., False, bytes(16)],
        [1, (2**62, 0), ..., False, b""],
        [1, (2.0,), ..., False, bytes(16)],
        [1, (True, 2), ..., False, bytes(16)],
        [1, [2], ..., False, bytes(16)],
        [1, (1,) * 40 + (2,), ..., False, bytes(16)],
        [1, (2,), ..., False, [None, None]],
        [1, (2,), "f8", False, bytes(16)],
        [1, (2,), ..., False],
        [],
    ],
    ids=str,
)
def test_arrays_whose_lengths_disagree_are_refused(state):
    with pytest.raises(DamagedFileError):
        read_pickle(array_of(state), "x.bench")


@pytest.mark.parametrize("dtype", ["O", "V8", "M8[s]", "S8", "c16"])
def test_arrays_of_no_plain_numbers_are_refused(dtype):
    with pytest.raises(DamagedFileError, match="is not a plain number"):
        read_pickle(array_of([1, (1,), ..., False, bytes(8)], dtype=dtype), "x.bench")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(DamagedFileError):
            read_pickle(pickle.dumps(np.zeros(2, dtype=dtype), protocol=protocol), "x.bench")


def test_assigning_to_an_array_is_refused():
    """Else a list that holds itself twice, thirty levels deep, would become a billion numbers."""
    content = pickle.dumps(np.zeros(2), protocol=5)
    assert content.endswith(b"R\x94.")
    with pytest.raises(DamagedFileError):
        read_pickle(content[:-1] + b"K\x00K\x01s.", "x.bench")


def test_arrays_without_a_state_and_of_other_classes_are_refused():
    begun = (
        lookup("numpy.core.multiarray", "_reconstruct") + lookup("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
    )
    with pytest.raises(DamagedFileError, match="has no state"):
        read_pickle(b"\x80\x03" + begun + b".", "x.bench")
    with pytest.raises(DamagedFileError, match="class of its own"):
        read_pickle(array_of([1, (0,), ..., False, b""], kind=("numpy", "dtype")), "x.bench")
    with pytest.raises(DamagedFileError, match=r"calls numpy\.ndarray"):
        read_pickle(called(lookup("numpy", "ndarray"), (3,)), "x.bench")
    with pytest.raises(DamagedFileError):
        read_pickle(b"\x80\x03" + lookup("numpy", "ndarray") + b")\x81.", "x.bench")


@pytest.mark.parametrize(
    "made", [("collections", "OrderedDict"), ("builtins", "set"), ("builtins", "frozenset")]
)
def test_states_of_containers_are_refused(made):
    for state in ({"keys": 1, "items": 2}, (None, {"items": 2})):
        with pytest.raises(DamagedFileError):
            read_pickle(b"\x80\x02" + lookup(*made) + b")R" + pushed(state) + b"b.", "x.bench")
    with pytest.raises(DamagedFileError):
        read_pickle(b"\x80\x02" + lookup(*made) + b")\x81.", "x.bench")


@pytest.mark.parametrize("path", ["NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"])
def test_the_official_records_are_read_as_pickle_reads_them(shared_data, path):
    for file in sorted((shared_data / "nats_official_sample" / path).glob("*.pbz2")):
        content = bz2.decompress(file.read_bytes())
        assert_same(read_pickle(content, file.name), HarmlessOnly(io.BytesIO(content)).load())


class HarmlessOnly(pickle.Unpickler):
    """The standard unpickler with NumPy's own constructors."""

    def find_class(self, module, name):
        assert (module, name) in {
            ("collections", "OrderedDict"),
            ("numpy.core.multiarray", "scalar"),
            ("numpy", "dtype"),
        }
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
