"""CIFAR-10 as JPEG images that are packed end to end: real photographs, but lossy.

`train.npz` and `test.npz` hold `jpeg` (uint8, the files end to end), `offset` (n+1 integers, where each
begins and ends) and `label` (n). The images are those of the collection CIFAR-10-images, which stores them by
class: they stand in its order, not in the official one, so that no official list of numbers applies to them.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.training.data.assembly import Images, assemble
from nasbench_suite.training.data.augmentation import FlipCrop
from nasbench_suite.training.data.cifar_splits import CIFAR10_MOMENTS, jpeg_split
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.files import content_of, folders, missing
from nasbench_suite.training.data.kept import Made, kept
from nasbench_suite.training.data.npz import read_npz
from nasbench_suite.training.data.pictures import opened, strict
from nasbench_suite.training.data.request import Request

_CLASSES = 10
_SIDE = 32
_MOST_BYTES = 1 << 28


def load(request: Request) -> TrainingData:
    """Return CIFAR-10 from `train.npz` and `test.npz`, with the split of a benchmark: see `jpeg_split`.

    The decoded images are kept under the user's data folder, if it can be written.

    Raises
    ------
    DamagedFileError
        When a file is no such file, or holds what is no JPEG image of 32x32 pixels.
    NasbenchSuiteError
        When the files are not there, or more is asked for than there is.
    """
    images, size = decoded(request)
    split = jpeg_split(request, images.labels, size)
    return assemble(request, images, split, CIFAR10_MOMENTS, FlipCrop(padding=4))


def decoded(request: Request) -> tuple[Images, int]:
    """Return all images, those for training first, and how many these are.

    Raises
    ------
    DamagedFileError, NasbenchSuiteError
        As `load`, for the files.
    """
    looked = folders(request, "cifar10_jpeg")
    for folder in looked:
        paths = [folder / "train.npz", folder / "test.npz"]
        if all(path.exists() for path in paths):
            break
    else:
        raise missing("cifar10_jpeg", looked, "put train.npz and test.npz with jpeg, offset and label there")
    return _decoded(paths)


def _decoded(paths: list[Path]) -> tuple[Images, int]:
    """Return all images, and how many of them are in the first file; decode them unless that was done."""
    contents = [content_of(path, _MOST_BYTES) for path in paths]
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())

    def decode() -> Made:
        parts = [read_packed(content, path) for content, path in zip(contents, paths, strict=True)]
        inputs, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Made.of(inputs, labels, len(parts[0][1]))

    made = kept(f"cifar10_jpeg-{digest.hexdigest()[:16]}", decode)
    what = "CIFAR-10 from JPEG images, lossy, in order of class"
    return Images(made.inputs, made.labels, _CLASSES, what, made.sha256), made.size


def read_packed(content: bytes, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images `[n, 3, 32, 32]` and labels `[n]` of a file.

    Raises
    ------
    DamagedFileError
        When the offsets or labels are none, or a part is no JPEG image in colour of 32x32 pixels.
    """
    arrays = read_npz(content, ("jpeg", "offset", "label"), path)
    jpeg, offsets, labels = (
        arrays["jpeg"],
        arrays["offset"].astype(np.int64),
        arrays["label"].astype(np.int64),
    )
    if (
        jpeg.dtype != np.uint8
        or len(offsets) != len(labels) + 1
        or not len(labels)
        or offsets[0] != 0
        or offsets[-1] != len(jpeg)
        or np.diff(offsets).min() <= 0
    ):
        raise DamagedFileError(
            f"the offsets in {path} do not share out its JPEG images; fetch the file again."
        )
    if labels.min() < 0 or labels.max() >= _CLASSES:
        raise DamagedFileError(f"{path} has a label that is none of 0..{_CLASSES - 1}; fetch the file again.")
    bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    parts = (jpeg[begin:end].tobytes() for begin, end in bounds)
    return _decode(parts, len(labels), path), labels


def _decode(parts: Iterable[bytes], count: int, path: Path) -> NDArray[np.uint8]:
    """Return the images, `[count, 3, 32, 32]`."""
    inputs = np.empty((count, 3, _SIDE, _SIDE), dtype=np.uint8)
    number = 0

    def complaint() -> str:
        return (
            f"{path}, image {number + 1} of {count} is no JPEG image in colour of {_SIDE}x{_SIDE} pixels, or "
            "damaged; fetch the file again."
        )

    with strict():
        for number, part in enumerate(parts):
            with opened(part, ("JPEG",), complaint) as image:
                if image.size != (_SIDE, _SIDE) or image.mode != "RGB":
                    raise ValueError("another size or mode")
                inputs[number] = np.asarray(image).transpose(2, 0, 1)
    return inputs
