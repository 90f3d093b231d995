"""Files of torch.save against torch itself; hostile ones refused without torch."""

import io
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.torch_file import read_torch, stream_torch

KEY = "arch2infos"
TYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
TYPES += ["uint16", "uint32", "uint64"]


@pytest.fixture(params=["legacy", "zip"])
def save(request, tmp_path):
    """Write a value with torch.save in one of its layouts; return the file's path."""

    def write(value, **options):
        path = tmp_path / "x.pth"
        torch.save(value, path, _use_new_zipfile_serialization=request.param == "zip", **options)
        return path

    return write


def as_arrays(value):
    """The value with torch's own conversion of every tensor."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, dict):
        return {key: as_arrays(part) for key, part in value.items()}
    return type(value)(map(as_arrays, value)) if type(value) in (list, tuple) else value


def assert_same(found, expected):
    """Equal in value, type and shape of everything."""
    if isinstance(expected, np.ndarray):
        assert type(found) is np.ndarray
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, part in expected.items():
            assert_same(found[key], part)
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_objects_are_read(save, protocol):
    value = {
        "a": [1, 2.5, None, True, "x" * 300, b"\0"],
        (1, "b"): OrderedDict(z=1, a={"n": np.float64(0.25)}),
        "s": {1},
    }
    expected = {**value, (1, "b"): {"z": 1, "a": {"n": 0.25}}}
    assert_same(read_torch(save(value, pickle_protocol=protocol)), expected)


@pytest.mark.parametrize("name", TYPES)
def test_tensors_of_every_plain_type_are_read(save, name):
    values = torch.tensor([0, 1, 2, 100]).to(getattr(torch, name))
    value = {"all": values, "row": values.reshape(2, 2)[1], "point": values[3], "none": values[:0]}
    assert_same(read_torch(save(value)), as_arrays(value))


def test_bfloat16_is_read_as_float32(save):
    values = torch.tensor([0.0, -1.5, 3.14, float("inf"), 1e-40]).bfloat16()
    assert_same(read_torch(save([values, values[1::2]])), as_arrays([values, values[1::2]]))


VIEWS = {
    "transposed": lambda x: x.t(),
    "row": lambda x: x[1],
    "column": lambda x: x[:, 1],
    "every other": lambda x: x[::2, 1::2],
    "expanded": lambda x: x[:1].expand(5, 4),
    "permuted": lambda x: x.reshape(1, 3, 2, 2).permute(3, 1, 0, 2),
    "empty": lambda x: x[3:],
    "parameter": torch.nn.Parameter,
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_tensors_that_are_not_contiguous_are_read(save, view):
    whole = torch.arange(12.0).reshape(3, 4)
    value = [view(whole), whole]
    assert_same(read_torch(save(value)), as_arrays(value))


def test_tensors_of_one_storage_share_memory(save):
    whole = torch.arange(12).reshape(3, 4)
    found, row, other = read_torch(save([whole, whole[1], whole.clone()]))
    row[2] = -1
    assert found.tolist() == [[0, 1, 2, 3], [4, 5, -1, 7], [8, 9, 10, 11]]
    assert other.tolist() == whole.tolist()


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    steps=st.lists(st.integers(1, 3), min_size=4, max_size=4),
    starts=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    seed=st.integers(0, 99),
    layout=st.booleans(),
)
def test_any_slice_in_any_order_of_axes(tmp_path_factory, shape, steps, starts, seed, layout):
    slices = tuple(slice(start, None, step) for start, step, _ in zip(starts, steps, shape, strict=False))
    axes = np.random.default_rng(seed).permutation(len(shape)).tolist()
    tensor = torch.arange(np.prod(shape)).reshape(shape)[slices].permute(axes)
    path = tmp_path_factory.getbasetemp() / "slice.pth"
    torch.save(tensor, path, _use_new_zipfile_serialization=layout)
    assert_same(read_torch(path), tensor.numpy())


def test_state_of_a_network_is_read(save):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    state = dict(network.state_dict())
    assert_same(read_torch(save({"state": state})), {"state": as_arrays(state)})


def test_big_endian_files_are_read(save):
    """Flipped by hand: this machine writes little-endian ones only."""
    value = {"f": torch.tensor([1.5, -2.0]), "i": torch.arange(3, dtype=torch.int16)}
    value["u"] = torch.tensor([7, 8, 9]).to(torch.uint16)  # stored without a type
    path = save(value)
    content = path.read_bytes()
    if content[:2] == b"PK":
        _rewritten(path, lambda name, raw: _swapped(name, raw))
    else:
        content = content.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")
        stored = [(struct.pack("<q2f", 2, 1.5, -2), 4), (struct.pack("<q3h", 3, 0, 1, 2), 2)]
        for raw, size in [*stored, (struct.pack("<q3H", 6, 7, 8, 9), 2)]:
            assert content.count(raw) == 1
            numbers = np.frombuffer(raw[8:], dtype=f"u{size}").byteswap().tobytes()
            content = content.replace(raw, raw[:8][::-1] + numbers)
        path.write_bytes(content)
    assert_same(read_torch(path), as_arrays(value))


def _swapped(name, raw):
    if name.endswith("byteorder"):
        return b"big"
    if "/data/" not in name:
        return raw
    return np.frombuffer(raw, dtype="u4" if len(raw) == 8 else "u2").byteswap().tobytes()


def _rewritten(path, change, **options):
    """Write the archive again with the content of its members changed; `None` leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, raw in members.items():
            if (changed := change(name, raw)) is not None:
                archive.writestr(name, changed)


def test_a_dictionary_is_streamed(save):
    value = {
        "meta_archs": ["a", "b"],
        KEY: {n: {"n": [n, n + 0.5], "t": ("x", n)} for n in range(2500)},
        "last": {5},
    }
    path = save(value)
    with stream_torch(path, KEY) as stream:
        assert list(stream) == list(value[KEY].items())
        assert stream.rest == {"meta_archs": ["a", "b"], "last": {5}}
    path = save(value[KEY])
    with stream_torch(path, None) as stream:
        assert dict(stream) == value[KEY]


def test_tensors_within_a_stream_are_refused(save):
    path = save({KEY: {0: {"a": 1}, 1: {"t": torch.ones(2)}}})
    with (
        stream_torch(path, KEY) as stream,
        pytest.raises(DamagedFileError, match=r"outside the file|_rebuild_tensor"),
    ):
        list(stream)


def test_torch_is_not_imported(save):
    path = save({"a": torch.ones(2), KEY: {}})
    code = (
        "import sys, pathlib\n"
        "from nasbench_suite.foreign.torch_file import read_torch\n"
        "assert read_torch(pathlib.Path(sys.argv[1]))['a'].tolist() == [1, 1]\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)


class Runs:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_calls_are_refused_by_name_and_not_run(save, tmp_path):
    sentinel = tmp_path / "sentinel"
    path = save([torch.ones(1), Runs(os.mkdir, str(sentinel))])
    with pytest.raises(DamagedFileError, match=r"x\.pth is refused: it asks for (posix|nt)\.mkdir"):
        read_torch(path)
    assert not sentinel.exists()
    torch.load(path, weights_only=False)  # the attack is a real one; our own file
    assert sentinel.exists()


@pytest.mark.parametrize(
    "value", [torch.nn.Linear(1, 1), torch.tensor([1j]), torch.ones(2).to_sparse(), torch.Size([1])]
)
def test_what_is_no_plain_tensor_is_refused_by_name(save, value):
    path = save([value])
    with pytest.raises(DamagedFileError, match=r"it asks for torch\."):
        read_torch(path)


def test_every_truncation_is_refused(save):
    path = save({"a": torch.arange(3), KEY: {1: [0.5]}})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFileError, match=r"x\.pth"):
            read_torch(path)


def test_every_truncation_of_a_stream_is_refused(save):
    path = save({KEY: {n: [0.5, "x"] for n in range(3)}, "b": 1})
    content = path.read_bytes()
    unread = len(pickle.dumps([], 2)) if content[:2] != b"PK" else 0  # the keys of the storages: none
    for length in range(len(content) - unread):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFileError, match=r"x\.pth"), stream_torch(path, KEY) as stream:
            list(stream)


TWO_FLOATS = struct.pack("<q2f", 2, 1, 2)


def legacy(opcodes, keys=("k",), raw=TWO_FLOATS):
    """A legacy file with these opcodes as its object."""
    head = (
        pickle.dumps(0x1950A86A20F9469CFC6C, 2)
        + pickle.dumps(1001, 2)
        + pickle.dumps({"little_endian": True}, 2)
    )
    return head + b"\x80\x02" + opcodes + b"." + pickle.dumps(list(keys), 2) + raw


def pushed(value):
    return pickle.dumps(value, protocol=2)[2:-1]


def stored(kind=b"ctorch\nFloatStorage\n", key="k", numel=2, view=b"N", word="storage"):
    """The opcodes of a persistent id."""
    return b"(" + pushed(word) + kind + pushed(key) + pushed("cpu") + pushed(numel) + view + b"tQ"


def tensor(storage=None, offset=0, size=(2,), stride=(1,)):
    parts = pushed(offset) + pushed(size) + pushed(stride) + b"\x89}t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + (stored() if storage is None else storage) + parts + b"R"


def read(tmp_path, content):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    return read_torch(path)


def test_the_made_up_layout_is_torchs_own(tmp_path):
    assert read(tmp_path, legacy(tensor())).tolist() == [1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.load(io.BytesIO(legacy(tensor())), weights_only=False).tolist() == [1, 2]
    part = stored(numel=2, view=pushed(("v", 1, 1)))
    assert read(tmp_path, legacy(tensor(part, size=(1,)))).tolist() == [2]


@pytest.mark.parametrize(
    "opcodes",
    [
        tensor(offset=1),
        tensor(offset=-1),
        tensor(offset=2**62),
        tensor(size=(3,)),
        tensor(size=(2, 2)),
        tensor(stride=(2,)),
        tensor(stride=(-1,), offset=1),
        tensor(stride=(2**61,)),
        tensor(size=(2**40,), stride=(0,)),
        tensor(size=(2**20,) * 4, stride=(0,) * 4),
        tensor(size=(1,) * 33, stride=(1,) * 33),
        tensor(size=2),
        tensor(size=(2.0,)),
        tensor(size=(True,)),
        tensor(size=("2",)),
        tensor(stride=(1, 1)),
        tensor(b"K\x01"),
        tensor(pushed("storage")),
        tensor(stored(numel=3), size=(3,)),
        tensor(stored(numel=1), size=(1,)),
        tensor(stored(numel=-2)),
        tensor(stored(numel=2**62)),
        tensor(stored(numel=2.0)),
        tensor(stored(kind=b"ctorch\nDoubleStorage\n")),
        tensor(stored(kind=b"N")),
        tensor(stored(kind=b"ctorch\nuint16\n")),
        tensor(stored(key="other")),
        tensor(stored(key=5)),
        tensor(stored(word="module")),
        tensor(stored(view=pushed(("v", 1, 2)))),
        tensor(stored(view=pushed(("v", -1, 2)))),
        tensor(stored(view=pushed(("v", 0)))),
        b"(" + tensor() + tensor(stored(numel=1), size=(1,)) + b"l",
        pushed(("storage", 1)) + b"Q",
        b"K\x01Q",
        b"Pk\n",
        stored() + pushed({"offset": 5}) + b"b",
        stored() + pushed((None, {"offset": 5, "key": "x"})) + b"b",
        b"ctorch\nFloatStorage\n" + pushed((None, {"code": "f8"})) + b"b",
        b"ctorch\nFloatStorage\n)R",
        b"ctorch\nFloatStorage\n)\x81",
        b"ctorch.storage\n_load_from_bytes\nC\x01a\x85R",
        b"ctorch._utils\n_rebuild_parameter\n" + pushed((1, True, {})) + b"R",
    ],
    ids=lambda value: repr(value)[-60:],
)
def test_hostile_tensors_are_refused(tmp_path, opcodes):
    with pytest.raises(DamagedFileError, match=r"x\.pth"):
        read(tmp_path, legacy(opcodes))


def test_states_of_a_tensor_do_not_change_it(tmp_path):
    with pytest.raises(DamagedFileError):
        read(tmp_path, legacy(tensor() + pushed({"value": 1}) + b"b"))


@pytest.mark.parametrize(
    "content",
    [
        legacy(tensor(), keys=()),
        legacy(tensor(), keys=("k", "k")),
        legacy(tensor(), keys=("k", "other")),
        legacy(tensor(), keys=(5,)),
        legacy(tensor(), raw=struct.pack("<q2f", 3, 1, 2)),
        legacy(tensor(), raw=struct.pack("<q2f", -1, 1, 2)),
        legacy(tensor(), raw=struct.pack("<qf", 2, 1)),
        legacy(tensor(stored(kind=b"ctorch\nBoolStorage\n")), raw=struct.pack("<q", 2) + b"\1\2"),
        pickle.dumps({"a": 1}),
        pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1002, 2) + pickle.dumps({}) * 3,
        pickle.dumps(5) + pickle.dumps(1001) + pickle.dumps({}) * 2 + pickle.dumps([]),
        pickle.dumps(119547037146038801333356.0, 2) + pickle.dumps(1001, 2) + pickle.dumps({}) * 3,
        b"PK\x03\x04",
        b"",
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_hostile_layouts_are_refused(tmp_path, content):
    with pytest.raises(DamagedFileError, match=r"x\.pth"):
        read(tmp_path, content)


def test_hostile_archives_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    changes = {
        "compressed": (lambda name, raw: raw, {"compression": zipfile.ZIP_DEFLATED}),
        "without the object": (lambda name, raw: None if "pkl" in name else raw, {}),
        "without a storage": (lambda name, raw: None if "/data/" in name else raw, {}),
        "a short storage": (lambda name, raw: raw[:-1] if "/data/" in name else raw, {}),
        "no byte order": (lambda name, raw: b"middle" if "byteorder" in name else raw, {}),
    }
    for change, options in changes.values():
        torch.save({"a": torch.arange(3)}, path)
        assert read_torch(path)["a"].tolist() == [0, 1, 2]
        _rewritten(path, change, **options)
        with pytest.raises(DamagedFileError, match=r"x\.pth"):
            read_torch(path)


def test_a_flipped_byte_of_an_archive_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(3)}, path)
    content = path.read_bytes()
    expected = [0, 1, 2]
    for position in range(0, len(content), 7):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            assert read_torch(path)["a"].tolist() == expected
        except DamagedFileError as problem:
            assert str(problem).startswith("x.pth is")  # noqa: PT017  # success is fine, too


def test_a_missing_file_is_an_error_that_says_so(tmp_path):
    for read_it in (read_torch, lambda path: stream_torch(path, KEY).__enter__()):
        with pytest.raises(NasbenchSuiteError, match=r"none\.pth cannot be opened"):
            read_it(tmp_path / "none.pth")
