"""ImageNet16-120 in made-up files of downsampled ImageNet, of which the first 120 classes are kept."""

import hashlib
import json
import pickle

import numpy as np
import pytest

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data import FlipCrop, imagenet16, load_data

NAMES = [*(f"train_data_batch_{number}" for number in range(1, 11)), "val_data"]
ROWS = 30


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    made = {}
    for name in NAMES:
        labels = rng.integers(1, 1001, ROWS)
        labels[::3] = rng.integers(1, 121, 10)
        labels[0], labels[3], labels[4] = 1, 120, 121
        made[name] = rng.integers(0, 256, (ROWS, 768), dtype=np.uint8), labels.tolist()
    return made


@pytest.fixture
def root(tmp_path, arrays):
    (tmp_path / "ImageNet16").mkdir()
    for name, (pixels, labels) in arrays.items():
        content = {"data": pixels, "labels": labels, "mean": np.zeros(768)}
        (tmp_path / "ImageNet16" / name).write_bytes(pickle.dumps(content, 2))
    return tmp_path


def test_images_of_the_first_classes_are_kept_in_the_order_of_the_files(root, arrays):
    data = load_data("imagenet16-120", root=root)
    kept = [(name, row) for name in NAMES for row, label in enumerate(arrays[name][1]) if label <= 120]
    assert (data.shape, data.classes, data.augmentation) == ((3, 16, 16), 120, FlipCrop(padding=2))
    assert data.labels.tolist() == [arrays[name][1][row] - 1 for name, row in kept]
    for place, (name, row) in enumerate(kept):
        for channel, y, x in ((0, 0, 0), (1, 3, 15), (2, 15, 2)):
            assert data.inputs[place, channel, y, x] == arrays[name][0][row, channel * 256 + y * 16 + x]
    trained = sum(name != "val_data" for name, _ in kept)
    assert data.train.tolist() == [*range(trained)]
    assert sorted(data.valid.tolist() + data.test.tolist()) == [*range(trained, len(kept))]
    assert "stand in for xvalid and xtest" in data.provenance
    assert "not the official files" in data.provenance


def test_the_official_list_shares_out_the_held_out_images(root):
    data = load_data("imagenet16-120", root=root)
    size, held_out = len(data.train), len(data.valid) + len(data.test)
    lists = {"xvalid": [*range(0, held_out, 2)], "xtest": [*range(1, held_out, 2)]}
    text = {name: ["int", [*map(str, numbers)]] for name, numbers in lists.items()}
    (root / imagenet16.SPLIT).write_text(json.dumps(text))
    data = load_data("imagenet16-120", root=root)
    assert (data.valid - size).tolist() == lists["xvalid"]
    assert (data.test - size).tolist() == lists["xtest"]
    assert "the lists in imagenet-16-120-test-split.txt, which was not held against" in data.provenance


def test_official_sums_are_told_from_others(root, monkeypatch):
    for name in NAMES:
        content = (root / "ImageNet16" / name).read_bytes()
        monkeypatch.setitem(imagenet16._FILES, name, hashlib.md5(content).hexdigest())
    assert "by their MD5 the official files" in load_data("imagenet16-120", root=root).provenance


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"data": np.zeros((3, 768), np.uint8), "labels": [0, 1, 2]}, "3x16x16 pixels .* one of 1000 labels"),
        ({"data": np.zeros((3, 768), np.uint8), "labels": [1, 2, 1001]}, "one of 1000 labels"),
        ({"data": np.zeros((3, 3072), np.uint8), "labels": [1, 2, 3]}, "3x16x16 pixels"),
        ({"labels": [1]}, "3x16x16 pixels"),
        ({"data": np.zeros((3, 768), np.uint8), "labels": [121, 122, 999]}, "no image of the first 120"),
    ],
)
def test_damaged_files_are_refused(root, content, says):
    (root / "ImageNet16" / "val_data").write_bytes(pickle.dumps(content))
    with pytest.raises(DamagedFileError, match=says):
        load_data("imagenet16-120", root=root)


def test_files_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(NasbenchSuiteError, match="put the folder ImageNet16 there"):
        load_data("imagenet16-120", root=tmp_path)
