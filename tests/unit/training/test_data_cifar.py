"""CIFAR in files as Python 2 wrote them, and the splits of the benchmarks."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from python2_batches import archive, batch, made_up

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data import FlipCrop, cifar, load_data

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
ROWS = 20
FOLDER, FOLDER100 = "cifar-10-batches-py", "cifar-100-python"


@pytest.fixture(scope="module")
def batches():
    return made_up(NAMES, ROWS, 10, "labels")


@pytest.fixture(scope="module")
def batches100():
    return made_up(["train", "test"], 2 * ROWS, 100, "fine_labels")


@pytest.fixture
def root(tmp_path, batches):
    write(tmp_path / FOLDER, batches[1])
    return tmp_path


@pytest.fixture
def root100(tmp_path, batches100):
    write(tmp_path / FOLDER100, batches100[1])
    return tmp_path


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def split_file(path, **lists):
    path.write_text(json.dumps({name: ["int", [*map(str, numbers)]] for name, numbers in lists.items()}))


def test_the_test_files_are_what_python_2_wrote(batches):
    arrays, files = batches
    read = pickle.loads(files["data_batch_2"], encoding="bytes")
    assert set(read) == {b"batch_label", b"labels", b"data", b"filenames"}
    np.testing.assert_array_equal(read[b"data"], arrays["data_batch_2"][0])
    assert read[b"labels"] == arrays["data_batch_2"][1]


def test_pixels_labels_and_order_are_those_of_the_files(root, batches):
    data = load_data("cifar10", root=root)
    assert (data.shape, data.dims, data.classes) == ((3, 32, 32), 2, 10)
    assert data.augmentation == FlipCrop(padding=4)
    for position, (pixels, labels) in enumerate(batches[0].values()):
        begin = position * ROWS
        assert data.labels[begin : begin + ROWS].tolist() == labels
        for channel, row, column in ((0, 0, 0), (1, 5, 31), (2, 31, 2)):
            found = data.inputs[begin : begin + ROWS, channel, row, column].numpy()
            np.testing.assert_array_equal(found, pixels[:, channel * 1024 + row * 32 + column])


def test_nas_bench_101_validates_on_the_last_training_file(root):
    data = load_data("cifar10", root=root)
    assert data.train.tolist() == [*range(80)]
    assert data.valid.tolist() == [*range(80, 100)]
    assert data.test.tolist() == [*range(100, 120)]


def test_nas_bench_macro_validates_on_the_test_file(root):
    data = load_data("cifar10-full", root=root)
    assert data.train.tolist() == [*range(100)]
    assert data.valid.tolist() == data.test.tolist() == [*range(100, 120)]


@pytest.mark.parametrize("given", [True, False])
def test_nas_bench_201_splits_by_its_own_file_where_there_is_one(root, given):
    train = [0, 5, 7, 11, 13, 15, 16, 17, 20, 24, *range(25, 65)]
    rest = [number for number in range(100) if number not in train]
    path = root / ("mine.txt" if given else "cifar-split.txt")
    split_file(path, train=train, valid=rest)
    data = load_data("cifar10-valid", root=root, split=path if given else None)
    assert (data.train.tolist(), data.valid.tolist()) == (train, rest)
    assert data.test.tolist() == [*range(100, 120)]
    assert f"the lists in {path.name}, which begins as NAS-Bench-201's does" in data.provenance
    split_file(path, train=rest, valid=train)
    data = load_data("cifar10-valid", root=root, split=path if given else None)
    assert "which is not NAS-Bench-201's" in data.provenance


def test_halves_of_each_class_stand_in_for_a_missing_split_file(root):
    data = load_data("cifar10-valid", root=root)
    assert sorted(data.train.tolist() + data.valid.tolist()) == [*range(100)]
    counts = [torch.bincount(data.labels[part], minlength=10) for part in (data.train, data.valid)]
    assert set((counts[0] - counts[1]).tolist()) <= {0, 1}
    assert "stand in for train and valid" in data.provenance
    assert torch.equal(data.train, load_data("cifar10-valid", root=root, seed=5).train)


def test_stand_in_goes_by_sha256(root):
    data = load_data("cifar10-valid", root=root)
    valid = set(data.valid.tolist())
    for label in range(10):
        members = [number for number in range(100) if int(data.labels[number]) == label]
        members.sort(key=lambda number: hashlib.sha256(f"cifar-split.txt/{number}".encode()).digest()[7::-1])
        assert valid & set(members) == set(members[: len(members) // 2])


def test_cifar100_shares_out_its_test_images(root100, batches100):
    data = load_data("cifar100", root=root100)
    assert data.classes == 100
    assert data.train.tolist() == [*range(40)]
    assert sorted(data.valid.tolist() + data.test.tolist()) == [*range(40, 80)]
    assert data.labels.tolist() == [label for _, labels in batches100[0].values() for label in labels]
    xvalid = [1, 3, 4, 5, 8, 10, 13, 14, 15, 16, *range(21, 31)]
    xtest = [number for number in range(40) if number not in xvalid]
    split_file(root100 / "cifar100-test-split.txt", xvalid=xvalid, xtest=xtest)
    data = load_data("cifar100", root=root100)
    assert (data.valid - 40).tolist() == xvalid
    assert (data.test - 40).tolist() == xtest


@pytest.mark.parametrize("named", ["folder", "file"])
def test_the_archive_is_read_as_it_is(root, tmp_path_factory, batches, named):
    folder = tmp_path_factory.mktemp("packed")
    path = folder / "cifar-10-python.tar.gz"
    path.write_bytes(archive(FOLDER, batches[1]))
    packed = load_data("cifar10", root=folder if named == "folder" else path)
    assert torch.equal(packed.inputs, load_data("cifar10", root=root).inputs)
    assert [entry.name for entry in folder.iterdir()] == [path.name]


def test_official_sums_are_told_from_others(root, batches, monkeypatch):
    assert "by their MD5 not the official files" in load_data("cifar10", root=root).provenance
    for name, content in batches[1].items():
        monkeypatch.setitem(cifar._CIFAR10.files, name, hashlib.md5(content).hexdigest())
    assert "by their MD5 the official files" in load_data("cifar10", root=root).provenance


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"cos\nsystem\n(S'echo'\ntR.", "is refused: it asks for os.system"),
        (b"\x80\x02}.", "has no images of 3x32x32 pixels"),
        (b"\x80\x02K\x01.", "has no images of 3x32x32 pixels"),
        (batch(np.zeros((5, 3071), dtype=np.uint8), [0] * 5), "has no images of 3x32x32 pixels"),
        (batch(np.zeros((5, 3072), dtype=np.uint8), [0] * 4), "has no images of 3x32x32 pixels"),
        (batch(np.zeros((5, 3072), dtype=np.uint8), [10] * 5), "one of 10 labels each"),
        (batch(np.zeros((5, 3072), dtype=np.uint8), [0] * 5, "fine_labels"), "under 'labels'"),
        (batch(np.zeros((5, 3072), dtype=np.uint8), [0] * 5)[:-9], "is truncated"),
    ],
)
def test_damaged_files_are_refused(root, content, says):
    (root / FOLDER / "data_batch_3").write_bytes(content)
    with pytest.raises(DamagedFileError, match=says) as caught:
        load_data("cifar10", root=root)
    assert "data_batch_3" in str(caught.value)


def test_damaged_archives_are_refused(tmp_path, batches):
    path = tmp_path / "cifar-10-python.tar.gz"
    whole = archive(FOLDER, batches[1])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedFileError, match="is truncated"):
        load_data("cifar10", root=tmp_path)
    path.write_bytes(archive(FOLDER, {name: batches[1][name] for name in NAMES[:-1]}))
    with pytest.raises(DamagedFileError, match="lacks test_batch"):
        load_data("cifar10", root=tmp_path)
    path.write_bytes(archive("elsewhere", batches[1]))
    with pytest.raises(DamagedFileError, match="lacks data_batch_1"):
        load_data("cifar10", root=tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b"[1, 2]",
        b'{"train": ["int", ["0"]]}',
        b'{"train": ["int", ["0"]], "valid": ["int", ["1"]]}',
        b'{"train": ["int", ["-1"]], "valid": ["int", ["1"]]}',
        b'{"train": ["int", [0]], "valid": ["int", [1]]}',
        b'{"train": ["int", "01"], "valid": ["int", "23"]}',
    ],
)
def test_a_split_file_that_does_not_share_out_the_images_is_refused(root, content):
    (root / "cifar-split.txt").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"cifar-split\.txt (is no split file|does not share out)"):
        load_data("cifar10-valid", root=root)


def test_a_split_file_that_is_not_there_is_not_stood_in_for(root):
    with pytest.raises(NasbenchSuiteError, match=r"none\.txt is no file"):
        load_data("cifar10-valid", root=root, split=root / "none.txt")
