"""Lists of a split in the form of NAS-Bench-201, and the order of hashes."""

import hashlib

import pytest

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.training.data.splits import hash_order, read_list


def test_lists_keep_their_order(tmp_path):
    path = tmp_path / "split.txt"
    path.write_text('{"valid": ["int", ["3", "0"]], "train": ["int", ["2", "1"]]}')
    train, valid = read_list(path, ("train", "valid"), 4)
    assert (train.tolist(), valid.tolist()) == ([2, 1], [3, 0])


@pytest.mark.parametrize(
    "train",
    [
        '["int", "01"]',
        '["str", ["0", "1"]]',
        '["int", ["0", 1]]',
        '["int", ["0", "+1"]]',
        '["int", ["0", "\u0661"]]',
        '["int", ["0", "1"], []]',
        '["int", ["0", "0"]]',
        '["int", ["0"]]',
        '["int", ["0", "1", "1"]]',
        '["int", ["0", "4"]]',
    ],
)
def test_anything_but_lists_that_share_out_is_refused(tmp_path, train):
    path = tmp_path / "split.txt"
    path.write_text(f'{{"train": {train}, "valid": ["int", ["2", "3"]]}}', encoding="utf-8")
    with pytest.raises(DamagedFileError, match=r"split\.txt (is no split file|does not share out)"):
        read_list(path, ("train", "valid"), 4)


def test_hash_order_is_that_of_the_first_eight_bytes():
    def number(key):
        return int.from_bytes(hashlib.sha256(f"salt/{key}".encode()).digest()[:8], "little")

    keys = [*range(50), "a/b.png"]
    assert [keys[position] for position in hash_order(keys, "salt")] == sorted(keys, key=number)
