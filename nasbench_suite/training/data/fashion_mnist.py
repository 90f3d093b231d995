"""Fashion-MNIST: grey images of 28x28 pixels in ten classes, in the idx files of MNIST.

Xiao, Rasul, Vollgraf: "Fashion-MNIST" (arXiv:1708.07747). The format is that of LeCun, Cortes, Burges: "The
MNIST database": two zero bytes, the type (8 for unsigned bytes), the number of axes, the length of every axis
as a big-endian uint32, then the values.
"""

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.training.data.assembly import Images, assemble
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.files import content_of, folders, inflated, missing
from nasbench_suite.training.data.request import Request
from nasbench_suite.training.data.splits import Split

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_CLASSES = 10
_SIDE = 28
_VALID = 1 / 6
_MOMENTS = ((72.94,), (90.02,))
"""Of the 60,000 training images: 0.2860 and 0.3530 of 255."""
_MOST_BYTES = 1 << 26
_UNSIGNED_BYTES = 8
_REMEDY = (
    "install Debian's package dataset-fashion-mnist, or put the four official idx files there "
    "(train-images-idx3-ubyte.gz and so on, from github.com/zalandoresearch/fashion-mnist)"
)


def load(request: Request) -> TrainingData:
    """Return the official 60,000 and 10,000 images; of the 60,000 the last 10,000 validate.

    Raises
    ------
    DamagedFileError
        When a file is no idx file of images or labels, or the two do not match.
    NasbenchSuiteError
        When the files are not there, or more is asked for than there is.
    """
    looked = folders(request, "fashion_mnist", _DEBIAN)
    for folder in looked:
        train_files, test_files = _pair(folder, "train"), _pair(folder, "t10k")
        if train_files and test_files:
            break
    else:
        raise missing("fashion_mnist", looked, _REMEDY)
    (first, first_labels), (last, last_labels) = (_images(*pair) for pair in (train_files, test_files))
    kept = len(first) - round(len(first) * _VALID)
    everything = np.arange(len(first) + len(last), dtype=np.int64)
    train, valid, test = np.split(everything, [kept, len(first)])
    images = Images(
        np.concatenate([first, last]),
        np.concatenate([first_labels, last_labels]),
        _CLASSES,
        "Fashion-MNIST from idx files",
    )
    how = (
        f"the official training images train, their last {len(valid)} validate; the official test images test"
    )
    return assemble(request, images, Split(train, valid, test, how), _MOMENTS)


def _pair(folder: Path, part: str) -> tuple[Path, Path] | None:
    """Return the files of images and labels of a part, compressed or not, if both are there."""
    found = []
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        names = (folder / f"{part}-{kind}.gz", folder / f"{part}-{kind}")
        found += [path for path in names if path.exists()][:1]
    return (found[0], found[1]) if len(found) == 2 else None


def _images(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images `[n, 1, 28, 28]` and labels `[n]`."""
    pixels, numbers = read_idx(images), read_idx(labels)
    if pixels.shape[1:] != (_SIDE, _SIDE) or numbers.shape != pixels.shape[:1] or not len(pixels):
        raise DamagedFileError(
            f"{images} and {labels.name} hold no images of {_SIDE}x{_SIDE} pixels with one label each; fetch "
            "both again."
        )
    if numbers.max() >= _CLASSES:
        raise DamagedFileError(f"{labels} has a label above {_CLASSES - 1}; fetch the official file.")
    return pixels[:, None], numbers.astype(np.int64)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array in an idx file of unsigned bytes, compressed with gzip if it is called `.gz`.

    Raises
    ------
    DamagedFileError
        When it is no such file, truncated, or longer than it says.
    NasbenchSuiteError
        When it cannot be read.
    """
    content = content_of(path, _MOST_BYTES)
    if path.suffix == ".gz":
        content = inflated(content, _MOST_BYTES, path)
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTES]):
        raise DamagedFileError(f"{path} is no idx file of unsigned bytes; fetch the official file.")
    start = 4 + 4 * content[3]
    if not 1 <= content[3] <= 4 or len(content) < start:
        raise DamagedFileError(f"{path} is no idx file of one to four axes; fetch the official file.")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DamagedFileError(f"{path} has not as many values as it says; fetch it again.")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
