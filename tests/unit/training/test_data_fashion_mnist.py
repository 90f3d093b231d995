"""Idx files written by hand after the format's description, and the real ones where Debian put them."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data import load_data
from nasbench_suite.training.data.fashion_mnist import read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


def idx(array, kind=8):
    """The file of an array, number by number."""
    head = bytes([0, 0, kind, array.ndim])
    return (
        head + b"".join(struct.pack(">i", length) for length in array.shape) + bytes(array.ravel().tolist())
    )


@pytest.fixture
def made_up(tmp_path):
    """Twelve images for training, three for test, half of the files compressed."""
    rng = np.random.default_rng(0)
    parts = {
        part: (rng.integers(0, 256, (count, 28, 28)), np.arange(count) % 10)
        for part, count in (("train", 12), ("t10k", 3))
    }
    for part, (images, labels) in parts.items():
        (tmp_path / f"{part}-{IMAGES}.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-{LABELS}").write_bytes(idx(labels))
    return tmp_path, parts


def test_files_written_by_hand_are_read(made_up):
    folder, parts = made_up
    data = load_data("fashion_mnist", root=folder)
    assert (data.train.tolist(), data.valid.tolist(), data.test.tolist()) == (
        [*range(10)],
        [10, 11],
        [12, 13, 14],
    )
    both = np.concatenate([parts["train"][0], parts["t10k"][0]])
    np.testing.assert_array_equal(data.inputs[:, 0].numpy(), both)
    assert data.labels.tolist() == [*range(10), 0, 1, 0, 1, 2]
    assert "their last 2 validate" in data.provenance


def test_less_can_be_asked_for_but_not_more(made_up):
    folder, _ = made_up
    data = load_data("fashion_mnist", root=folder, train=4, valid=0)
    assert len(data.train) == 4
    assert set(data.train.tolist()) < set(range(10))
    assert set(data.train.tolist()) < set(load_data("fashion_mnist", root=folder, train=7).train.tolist())
    assert "of these 4 train" in data.provenance
    assert len(data.valid) == 0
    fewer = load_data("fashion_mnist", root=folder, test=2)
    assert len(fewer.test) == 2
    assert set(fewer.test.tolist()) < {12, 13, 14}
    with pytest.raises(NasbenchSuiteError, match="has 10 inputs to train, not 11"):
        load_data("fashion_mnist", root=folder, train=11)


def zipped(content):
    """The same bytes at any time of day: they are part of a test's name, which all workers must agree on."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (f"train-{LABELS}", b"", "is no idx file of unsigned bytes"),
        (f"train-{LABELS}", idx(np.arange(12), kind=9), "is no idx file of unsigned bytes"),
        (f"train-{LABELS}", bytes([0, 0, 8, 0]), "is no idx file of one to four axes"),
        (f"train-{LABELS}", bytes([0, 0, 8, 200]) + bytes(100), "is no idx file of one to four axes"),
        (f"train-{LABELS}", idx(np.arange(12))[:-1], "has not as many values as it says"),
        (f"train-{LABELS}", bytes([0, 0, 8, 4]) + b"\xff" * 16, "has not as many values as it says"),
        (f"train-{LABELS}", idx(np.arange(11) % 10), "with one label each"),
        (f"train-{LABELS}", idx(np.arange(12)), "has a label above 9"),
        (f"train-{IMAGES}.gz", zipped(idx(np.zeros((12, 28, 27), dtype=int))), "no images of 28x28"),
        (f"train-{IMAGES}.gz", zipped(idx(np.zeros((12, 28, 28), dtype=int)))[:-9], "is truncated"),
        (f"train-{IMAGES}.gz", b"no gzip", "is no gzip file or corrupt"),
        (f"train-{IMAGES}.gz", zipped(bytes(1 << 27)), "holds more than any file"),
    ],
)
def test_damaged_files_are_refused(made_up, name, content, says):
    folder, _ = made_up
    (folder / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=says):
        load_data("fashion_mnist", root=folder)


def test_a_folder_with_a_file_too_few_is_none(made_up):
    folder, _ = made_up
    (folder / f"t10k-{LABELS}").unlink()
    with pytest.raises(NasbenchSuiteError, match=f"fashion_mnist is not in {folder}"):
        load_data("fashion_mnist", root=folder)


@pytest.fixture(scope="module")
def debian():
    if not DEBIAN.is_dir():
        pytest.skip(f"no real files in {DEBIAN}; install Debian's package dataset-fashion-mnist")
    return DEBIAN


def test_real_files_are_the_published_data(debian):
    data = load_data("fashion_mnist")
    assert (len(data.train), len(data.valid), len(data.test)) == (50_000, 10_000, 10_000)
    assert data.valid.tolist() == [*range(50_000, 60_000)]
    assert torch.bincount(data.labels[:60_000]).tolist() == [6000] * 10
    assert torch.bincount(data.labels[60_000:]).tolist() == [1000] * 10
    pixels = data.inputs[:60_000].float() / 255
    assert float(pixels.mean()) == pytest.approx(0.2860, abs=5e-5)  # as published with the data
    assert float(pixels.std()) == pytest.approx(0.3530, abs=5e-5)
    inputs, _ = data.batch(data.train)
    assert abs(float(inputs.mean())) < 0.01
    assert float(inputs.std()) == pytest.approx(1.0, abs=0.01)


def test_real_files_are_read_as_their_description_says(debian):
    content = gzip.decompress((debian / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert struct.unpack(">4i", content[:16]) == (2051, 10_000, 28, 28)
    images = read_idx(debian / "t10k-images-idx3-ubyte.gz")
    for number, row, column in ((0, 20, 14), (9_999, 27, 27), (1234, 13, 5)):
        assert images[number, row, column] == content[16 + (number * 28 + row) * 28 + column]
