"""Folders of images, one subfolder per class."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data import load_data

CLASSES = ("ant", "bee")


def save(path, rng, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size[::-1], 3) if mode == "RGB" else size[::-1]
    image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    image.save(path)
    return np.asarray(image)


@pytest.fixture
def images(tmp_path):
    """Thirty images of each class, of 4 rows and 6 columns, by their paths."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / label / f"{number:02}.png" for label in CLASSES for number in range(30)]
    return tmp_path, {path: save(path, rng) for path in paths}


def test_images_come_in_the_order_of_classes_and_names(images):
    root, arrays = images
    data = load_data(f"folder:{root}")
    assert (data.shape, data.classes) == ((3, 4, 6), 2)
    assert data.labels.tolist() == [0] * 30 + [1] * 30
    np.testing.assert_array_equal(data.inputs.permute(0, 2, 3, 1).numpy(), np.stack(list(arrays.values())))


def test_parts_go_by_the_hash_of_class_and_name(images):
    root, arrays = images
    data = load_data(f"folder:{root}")
    parts = {"train": [], "valid": [], "test": []}
    for number, path in enumerate(arrays):
        digest = hashlib.sha256(f"folder/{path.parent.name}/{path.name}".encode()).digest()
        share = int.from_bytes(digest[:8], "little") / 2**64
        parts["train" if share < 0.7 else "valid" if share < 0.85 else "test"].append(number)
    assert {part: getattr(data, part).tolist() for part in parts} == parts
    assert all(parts.values())


def test_a_new_image_moves_no_other(images):
    root, _ = images
    before = load_data(f"folder:{root}")
    save(root / "ant" / "30.png", np.random.default_rng(1))
    after = load_data(f"folder:{root}")
    moved = torch.where(before.train >= 30, before.train + 1, before.train)  # bees are one further
    assert set(after.train.tolist()) - {30} == set(moved.tolist())


def test_moments_are_those_of_what_trains(images):
    data = load_data(f"folder:{images[0]}")
    train = data.inputs[data.train].double()
    np.testing.assert_allclose(data.mean, train.mean(dim=(0, 2, 3)))
    np.testing.assert_allclose(data.std, train.std(dim=(0, 2, 3), correction=0))


@pytest.mark.parametrize("with_valid", [True, False])
def test_folders_of_the_parts_are_kept_to(tmp_path, with_valid):
    rng = np.random.default_rng(0)
    parts = ("train", "valid", "test") if with_valid else ("train", "test")
    for part in parts:
        for label in CLASSES:
            for number in range(20):
                save(tmp_path / part / label / f"{number}.png", rng)
    data = load_data(f"folder:{tmp_path}")
    n_train = len(data.train) + (0 if with_valid else len(data.valid))
    assert (n_train, len(data.test)) == (40, 40)
    assert 0 < len(data.valid) < n_train + 1
    assert data.test.tolist() == [*range(len(parts) * 40 - 40, len(parts) * 40)]
    assert len(torch.cat([data.train, data.valid, data.test]).unique()) == len(parts) * 40


def test_grey_images_have_one_channel_unless_one_is_in_colour(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [save(tmp_path / "a" / f"{number}.pgm", rng, mode="L") for number in range(9)]
    data = load_data(f"folder:{tmp_path}")
    assert data.shape == (1, 4, 6)
    np.testing.assert_array_equal(data.inputs[:, 0].numpy(), np.stack(arrays))
    save(tmp_path / "a" / "9.png", rng)
    data = load_data(f"folder:{tmp_path}")
    assert data.shape == (3, 4, 6)
    for channel in range(3):
        np.testing.assert_array_equal(data.inputs[:9, channel].numpy(), np.stack(arrays))


def test_sizes_differ_only_where_images_are_scaled(images):
    root, _ = images
    save(root / "bee" / "big.bmp", np.random.default_rng(1), size=(8, 8))
    with pytest.raises(
        NasbenchSuiteError, match=r"big\.bmp has 8x8 pixels and .*ant/00\.png 6x4; give a size"
    ):
        load_data(f"folder:{root}")
    data = load_data(f"folder:{root}", size=5)
    assert data.shape == (3, 5, 5)
    expected = Image.open(root / "ant" / "00.png").resize((5, 5), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(data.inputs[0].permute(1, 2, 0).numpy(), np.asarray(expected))
    with pytest.raises(NasbenchSuiteError, match="cannot be scaled to 0 pixels"):
        load_data(f"folder:{root}", size=0)


def test_palettes_with_transparency_are_read(tmp_path):
    rng = np.random.default_rng(0)
    image = Image.frombytes("P", (6, 4), rng.integers(0, 4, 24, dtype=np.uint8).tobytes())
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    (tmp_path / "a").mkdir()
    for number in range(9):
        image.save(tmp_path / "a" / f"{number}.png", transparency=bytes([0, 128, 255, 255]))
    data = load_data(f"folder:{tmp_path}")
    np.testing.assert_array_equal(data.inputs[0].permute(1, 2, 0).numpy(), np.asarray(image.convert("RGB")))


def test_what_is_no_image_is_named(images):
    root, _ = images
    (root / "bee" / "notes.txt").write_text("not looked at")
    (root / ".hidden").mkdir()
    assert len(load_data(f"folder:{root}").inputs) == 60
    whole = (root / "bee" / "07.png").read_bytes()
    for content in (b"", b"no image", whole[:-30], whole[:40] + bytes(20) + whole[60:]):
        (root / "bee" / "07.png").write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"bee/07\.png is damaged or no image"):
            load_data(f"folder:{root}")


def test_folders_without_images_are_refused(tmp_path):
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        load_data(f"folder:{tmp_path / 'nothing'}")
    with pytest.raises(NasbenchSuiteError, match="has no images; put them there in one folder per class"):
        load_data(f"folder:{tmp_path}")
    for part, label in (("train", "a"), ("test", "b")):
        save(tmp_path / part / label / "0.png", np.random.default_rng(0))
    with pytest.raises(NasbenchSuiteError, match="of a class that no image trains"):
        load_data(f"folder:{tmp_path}")


def test_a_relative_path_is_taken_from_the_root(images):
    root, _ = images
    assert len(load_data(f"folder:{root.name}", root=root.parent).inputs) == 60
