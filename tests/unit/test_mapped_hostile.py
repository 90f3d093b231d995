"""Mapped files with a manifest that is sealed, but not by us: refused in one sentence, whatever it says."""

from hashlib import sha256

import numpy as np
import pytest
from mapped_file import ARRAYS, KIND, read_all, write

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.mapped import open_mapped


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "thing.h5")


NOTHING = sha256(b"").hexdigest()
REFUSED = [
    {"offset": 10**6},
    {"offset": None},
    {"offset": "x"},
    {"offset": []},
    {"offset": float("nan")},
    {"shape": [10**12]},
    {"shape": [61]},
    {"shape": [59]},
    {"shape": None},
    {"shape": 12},
    {"shape": [None]},
    {"shape": [[60]]},
    {"shape": {"a": 1}},
    {"shape": [1] * 70},
    {"dtype": "<f4"},
    {"dtype": "<U1000000"},
    {"dtype": "<U1000000000"},
    {"dtype": "S99999999999"},
    {"dtype": 5},
    {"dtype": None},
    {"dtype": {"names": ["a"], "formats": ["f8"]}},
    {"dtype": ""},
    {"dtype": "(1000000000,)f8"},
    {"dtype": "(" * 5000 + "f8"},
    {"shape": [0, 10**30], "sha256": NOTHING},
    {"shape": [0, 2**62], "sha256": NOTHING},
    {"sha256": 0},
    {"sha256": []},
    {"sha256": NOTHING.upper()},
    {"offset": -1},
    {"offset": -4096},
    {"offset": -(10**30)},
    {"offset": 2**63 - 1},
    {"offset": 2**63},
    {"offset": 10**30},
    {"offset": float("inf")},
    {"shape": [2**62, 4]},
    {"shape": [2**63]},
    {"shape": [10**30]},
    {"shape": [-(10**6)]},
    {"shape": "345"},
    {"shape": [3.5, 4, 5]},
    {"dtype": "O"},
    {"dtype": "O", "shape": [0], "sha256": NOTHING},
    {"dtype": "V0", "sha256": NOTHING},
    {"dtype": "V0", "shape": [10**18], "sha256": NOTHING},
    {"dtype": "<U1000000", "shape": [10**18]},
    {"dtype": "f8,f8", "shape": [0], "sha256": NOTHING},
    {"dtype": "M8[s]"},
    {"dtype": "(1,"},
    {"dtype": "a8"},
]


@pytest.mark.parametrize("change", REFUSED, ids=lambda c: str(c)[:60])
def test_a_place_that_is_not_there_is_refused(path, change, manifest_edited):
    with manifest_edited(path) as manifest:
        manifest["arrays"]["group/values"].update(change)
    with pytest.raises(DamagedFileError):
        open_mapped(path, KIND).array("group/values")


def test_places_that_overlap_are_only_other_names_for_the_same_bytes(path, manifest_edited):
    with manifest_edited(path) as manifest:
        arrays = manifest["arrays"]
        arrays["keys"] = {**arrays["group/values"], "dtype": "<u8", "shape": [60]}
        arrays["small"] = {"offset": 0, "dtype": "|u1", "shape": [10], "sha256": None}
    found = read_all(path)
    assert np.array_equal(found["keys"].view(np.float64), ARRAYS["group/values"].ravel())
    assert found["small"].tobytes() == b"nasbench-s"


@pytest.mark.parametrize("missing", ["dtype", "shape", "offset", "sha256"])
def test_a_place_without_a_part_is_refused(path, missing, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["arrays"]["small"][missing]
    with pytest.raises(DamagedFileError):
        open_mapped(path, KIND)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"bytes":SIZE}',
        b'{"bytes":SIZE,"head":{}}',
        b'{"bytes":SIZE,"arrays":{}}',
        b'{"head":{},"arrays":{}}',
        b'{"bytes":"SIZE","head":{},"arrays":{}}',
        b'{"bytes":SIZE,"head":{},"arrays":[]}',
        b'{"bytes":SIZE,"head":{},"arrays":null}',
        b'{"bytes":SIZE,"head":{},"arrays":{"a":null}}',
        b'{"bytes":SIZE,"head":{},"arrays":{"a":[]}}',
    ],
    ids=lambda manifest: ascii(manifest[:40]),
)
def test_what_is_no_manifest_is_refused(path, manifest, reseal):
    head = len(b"nasbench-suite thing 3\nsha256 ") + 64 + 1 + len(str(len(manifest))) + 1
    size = max(path.stat().st_size, head + len(manifest))
    reseal(path, manifest.replace(b"SIZE", b"%d" % size))
    with pytest.raises(DamagedFileError):
        open_mapped(path, KIND)


@pytest.mark.parametrize(
    "seal",
    [
        b"sha256 abc",
        b"sha256 %s" % (b"0" * 64),
        b"sha256 %s -1" % (b"0" * 64),
        b"sha256 %s 999999999" % (b"0" * 64),
        b"sha256 %s 9999999999" % (b"0" * 64),
        b"sha256 %s 1e3" % (b"0" * 64),
        b"md5 %s 100" % (b"0" * 64),
        b"",
        b"sha256 " + b"0" * 4000,
    ],
    ids=lambda seal: str(seal[:9]) + str(seal[-9:]),
)
def test_a_seal_of_another_form_is_refused(path, seal):
    path.write_bytes(KIND.mark + seal + b"\n" + path.read_bytes()[2048:])
    with pytest.raises(DamagedFileError):
        open_mapped(path, KIND)
