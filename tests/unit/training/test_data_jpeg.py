"""Packed JPEG images held against Pillow, one by one; real ones where there are any."""

import io
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from nasbench_suite.content import data_root
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data import FlipCrop, load_data


def jpeg(rng, size=(32, 32), mode="RGB", kind="JPEG"):
    shape = (*size[::-1], 3) if mode == "RGB" else size[::-1]
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def packed(images, labels, **changed):
    """The content of a file with these images."""
    offset = np.cumsum([0, *map(len, images)])
    arrays = {"jpeg": np.frombuffer(b"".join(images), dtype=np.uint8), "offset": offset, "label": labels}
    file = io.BytesIO()
    np.savez(file, **{name: np.asarray(array) for name, array in {**arrays, **changed}.items()})
    return file.getvalue()


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)


@pytest.fixture(scope="module")
def parts():
    """Twenty images of each of two classes for training, two for test, in order of class."""
    rng = np.random.default_rng(0)
    return {
        "train": ([jpeg(rng) for _ in range(40)], np.repeat([0, 1], 20).astype(np.uint8)),
        "test": ([jpeg(rng) for _ in range(2)], np.array([0, 1], dtype=np.uint8)),
    }


@pytest.fixture
def root(tmp_path, parts, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    for name, (images, labels) in parts.items():
        (tmp_path / f"{name}.npz").write_bytes(packed(images, labels))
    return tmp_path


def test_images_are_what_pillow_makes_of_each(root, parts):
    data = load_data("cifar10_jpeg", root=root)
    images = parts["train"][0] + parts["test"][0]
    np.testing.assert_array_equal(data.inputs.numpy(), np.stack([pixels(image) for image in images]))
    assert data.labels.tolist() == [0] * 20 + [1] * 20 + [0, 1]
    assert data.augmentation == FlipCrop(padding=4)
    assert "lossy" in data.provenance


@pytest.mark.parametrize(("name", "share"), [("cifar10_jpeg", 5), ("cifar10_jpeg-valid", 2)])
def test_a_share_of_each_class_validates(root, name, share):
    data = load_data(name, root=root)
    assert sorted(data.train.tolist() + data.valid.tolist()) == [*range(40)]
    assert torch.bincount(data.labels[data.valid]).tolist() == [20 // share] * 2
    assert data.test.tolist() == [40, 41]
    assert "not stand in the official order" in data.provenance


def test_all_train_in_the_full_split(root):
    data = load_data("cifar10_jpeg-full", root=root)
    assert data.train.tolist() == [*range(40)]
    assert data.valid.tolist() == data.test.tolist() == [40, 41]


def test_images_coded_again_are_split_as_those_coded_once(root):
    once, again = (load_data(f"cifar10_jpeg{name}-valid", root=root) for name in ("", "-again"))
    for part in ("train", "valid", "test", "labels"):
        assert torch.equal(getattr(once, part), getattr(again, part))
    assert "coded once more at quality 75" in again.provenance
    assert once.provenance.split("SHA-256 of images")[1] != again.provenance.split("SHA-256 of images")[1]


def test_blocks_of_images_coded_again_begin_half_a_block_out(root):
    """What Pillow makes of an image whose first block begins four pixels before the image."""
    once, again = (load_data(f"cifar10_jpeg{name}-valid", root=root) for name in ("", "-again"))
    for number in (0, 17, 41):
        image = once.inputs[number].numpy().transpose(1, 2, 0)
        place = np.clip(np.arange(-4, 36), 0, 31)
        file = io.BytesIO()
        Image.fromarray(image[place][:, place]).save(file, "JPEG", quality=75)
        theirs = pixels(file.getvalue())[:, 4:36, 4:36]
        np.testing.assert_array_equal(again.inputs[number].numpy(), theirs)
        assert (theirs != once.inputs[number].numpy()).any()


def test_the_second_time_nothing_is_decoded(root, monkeypatch):
    first = load_data("cifar10_jpeg", root=root)
    monkeypatch.setattr(Image, "open", None)
    second = load_data("cifar10_jpeg", root=root)
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.labels, second.labels)
    assert first.provenance == second.provenance
    second.inputs.zero_()  # it owns its memory


def test_a_damaged_cache_is_made_again(root):
    first = load_data("cifar10_jpeg", root=root)
    (cache,) = (data_root() / "cache").iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(whole[:-50] + bytes(50))
    assert torch.equal(first.inputs, load_data("cifar10_jpeg", root=root).inputs)
    assert cache.read_bytes() == whole


def test_other_files_have_a_cache_of_their_own(root, parts):
    first = load_data("cifar10_jpeg", root=root)
    images, labels = parts["train"]
    (root / "train.npz").write_bytes(packed(images[::-1], labels))
    assert torch.equal(first.inputs[:40].flip(0), load_data("cifar10_jpeg", root=root).inputs[:40])


def test_a_folder_that_cannot_be_written_costs_time_only(root, monkeypatch):
    (root / "file").write_text("")
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(root / "file"))
    assert len(load_data("cifar10_jpeg", root=root).inputs) == 42


def huge(content):
    """The image with a header that claims 60,000 pixels each way."""
    at = content.index(b"\xff\xc0")
    return content[: at + 5] + struct.pack(">HH", 60_000, 60_000) + content[at + 9 :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image, rng: b"not an image",
        lambda image, rng: image[: len(image) // 2],
        lambda image, rng: huge(image),
        lambda image, rng: jpeg(rng, size=(33, 32)),
        lambda image, rng: jpeg(rng, size=(1, 1)),
        lambda image, rng: jpeg(rng, mode="L"),
        lambda image, rng: jpeg(rng, kind="PNG"),
    ],
)
def test_what_is_no_such_image_is_refused_by_its_number(root, parts, spoil):
    images, labels = parts["train"]
    images = [*images[:6], spoil(images[6], np.random.default_rng(1)), *images[7:]]
    (root / "train.npz").write_bytes(packed(images, labels))
    with pytest.raises(DamagedFileError, match=r"train\.npz, image 7 of 40 is no JPEG image"):
        load_data("cifar10_jpeg", root=root)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"offset": np.arange(41) * 10**6}, "offsets in .* do not share out"),
        ({"offset": np.arange(40)}, "offsets in .* do not share out"),
        ({"offset": np.zeros(41, dtype=np.int64)}, "offsets in .* do not share out"),
        ({"label": np.full(40, 10, dtype=np.uint8)}, "a label that is none of"),
        ({"label": np.full(40, -1)}, "a label that is none of"),
        ({"label": np.zeros(40)}, "is damaged or no .npz"),
        ({"label": np.zeros((40, 1), dtype=np.uint8)}, "is damaged or no .npz"),
        ({"label": np.array([{}] * 40)}, "is damaged or no .npz"),
        ({"jpeg": np.zeros(100, dtype=np.int64)}, "do not share out"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(root, parts, changed, says):
    (root / "train.npz").write_bytes(packed(*parts["train"], **changed))
    with pytest.raises(DamagedFileError, match=says):
        load_data("cifar10_jpeg", root=root)


def test_pieces_and_types_that_do_not_fit_are_refused(root, parts):
    images, labels = parts["train"]
    offset = np.cumsum([0, *map(len, images)])
    backwards = offset.copy()
    backwards[1:3] = backwards[2:0:-1]
    wide = np.frombuffer(b"".join(images), dtype=np.uint8).astype(np.int16)
    for changed in ({"offset": backwards}, {"jpeg": wide}):
        (root / "train.npz").write_bytes(packed(images, labels, **changed))
        with pytest.raises(DamagedFileError, match="do not share out"):
            load_data("cifar10_jpeg", root=root)


def test_files_that_are_no_npz_are_refused(root, parts):
    whole = packed(*parts["train"])
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("jpeg.npy", bytes(1 << 29))
    for content in (b"", b"no zip", whole[:-100], whole[:50] + bytes(50) + whole[100:], bomb.getvalue()):
        (root / "train.npz").write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"train\.npz is damaged or no \.npz"):
            load_data("cifar10_jpeg", root=root)


def test_more_than_a_part_has_is_refused(root):
    with pytest.raises(NasbenchSuiteError, match="cifar10_jpeg has 8 inputs to validate, not 9"):
        load_data("cifar10_jpeg", root=root, valid=9)


@pytest.fixture(scope="module")
def real(shared_data):
    folder = shared_data / "cifar10_jpeg"
    if not folder.is_dir():
        pytest.skip(f"no packed JPEG images in {folder}")
    return folder, load_data("cifar10_jpeg", root=folder)


def test_real_images_have_the_official_counts(real):
    _, data = real
    assert (len(data.train), len(data.valid), len(data.test)) == (40_000, 10_000, 10_000)
    assert torch.bincount(data.labels[:50_000]).tolist() == [5000] * 10
    assert torch.bincount(data.labels[50_000:]).tolist() == [1000] * 10


def test_real_images_are_what_pillow_makes_of_each(real):
    folder, data = real
    for name, begin, numbers in (("train", 0, (0, 17, 25_000, 49_999)), ("test", 50_000, (0, 9_999))):
        with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
            content, offset, label = file["jpeg"], file["offset"], file["label"]
        for number in numbers:
            image = pixels(content[offset[number] : offset[number + 1]].tobytes())
            np.testing.assert_array_equal(data.inputs[begin + number].numpy(), image)
            assert int(data.labels[begin + number]) == label[number]


def test_real_images_are_normalised_by_the_constants_of_cifar_10(real):
    _, data = real
    inputs, _ = data.batch(data.train)
    assert inputs.mean(dim=(0, 2, 3)).abs().max() < 0.01
    assert (inputs.std(dim=(0, 2, 3)) - 1).abs().max() < 0.01
