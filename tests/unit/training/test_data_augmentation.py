"""Flips and crops held against Pillow's, image by image."""

from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from nasbench_suite.training.data import FlipCrop, TrainingData

PADDING = 2
SIDE = 2 * PADDING + 1


def variants(image):
    """Every flip and window of an image in a black frame, `[2 * 25]` arrays, as Pillow makes them."""
    height, width = image.shape[1:]
    whole = Image.fromarray(image.transpose(1, 2, 0))
    for flip, top, left in product((0, 1), range(SIDE), range(SIDE)):
        turned = ImageOps.mirror(whole) if flip else whole
        framed = ImageOps.expand(turned, border=PADDING, fill=0)
        cut = framed.crop((left, top, left + width, top + height))
        yield (flip, top, left), np.asarray(cut).transpose(2, 0, 1)


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (1500, 3, 6, 7), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def changes(images):
    """What happened to every image: flip, rows down, columns right."""
    changed = FlipCrop(PADDING)(images, torch.Generator().manual_seed(1)).numpy()
    found = []
    for before, after in zip(images.numpy(), changed, strict=True):
        (one,) = [how for how, variant in variants(before) if np.array_equal(variant, after)]
        found.append(one)
    return np.array(found)


def test_every_image_becomes_one_of_its_flips_and_windows(images, changes):
    assert changes.shape == (len(images), 3)


def test_flips_and_windows_are_drawn_evenly_and_apart(changes):
    cells = changes @ [SIDE * SIDE, SIDE, 1]
    counts = np.bincount(cells, minlength=2 * SIDE * SIDE)
    expected = len(changes) / len(counts)
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 85.4  # the 99.9 % quantile with 49 degrees of freedom


def test_same_generator_same_changes_and_the_next_batch_others(images):
    crop, generator = FlipCrop(PADDING), torch.Generator().manual_seed(1)
    first, second = crop(images, generator), crop(images, generator)
    assert torch.equal(first, crop(images, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, second)
    assert first.dtype == torch.uint8


def test_no_padding_flips_only(images):
    changed = FlipCrop(0)(images, torch.Generator().manual_seed(1))
    same = (changed == images).flatten(1).all(1)
    mirrored = (changed == images.flip(3)).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert 0.4 < float(same.float().mean()) < 0.6


def test_frame_is_black_before_normalisation():
    indices = torch.arange(200)
    data = TrainingData(
        name="white",
        inputs=torch.full((200, 3, 8, 8), 255, dtype=torch.uint8),
        labels=torch.zeros(200, dtype=torch.int64),
        train=indices,
        valid=indices[:0],
        test=indices[:0],
        classes=1,
        mean=(100.0, 150.0, 200.0),
        std=(50.0, 60.0, 70.0),
        augmentation=FlipCrop(padding=4),
        provenance="made up",
    )
    inputs, _ = data.batch(indices, torch.Generator().manual_seed(0), augment=True)
    for channel, (mean, std) in enumerate(zip(data.mean, data.std, strict=True)):
        levels = inputs[:, channel].unique()
        torch.testing.assert_close(levels, torch.tensor([-mean / std, (255 - mean) / std]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_generator_of_the_cpu_makes_the_same_changes_on_a_gpu(images):
    here = FlipCrop(PADDING)(images, torch.Generator().manual_seed(1))
    there = FlipCrop(PADDING)(images.cuda(), torch.Generator().manual_seed(1))
    assert torch.equal(here, there.cpu())
    own = FlipCrop(PADDING)(images.cuda(), torch.Generator("cuda").manual_seed(1))
    assert own.shape == images.shape
