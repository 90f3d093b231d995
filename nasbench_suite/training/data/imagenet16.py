"""ImageNet16-120: the first 120 classes of ImageNet in 16x16 pixels, as NAS-Bench-201 trains on them.

Chrabaszcz, Loshchilov, Hutter: "A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets"
(2017): eleven pickles, each a dictionary with `data`, uint8 `[n, 768]` (red, green, blue, each row by row),
and `labels` from 1 to 1,000. NAS-Bench-201 (Dong and Yang, ICLR 2020, appendix A) keeps labels 1 to 120:
151,700 images train, 6,000 are shared out to validate and test; crops are padded by two pixels.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.training.data.assembly import Images, assemble
from nasbench_suite.training.data.augmentation import FlipCrop
from nasbench_suite.training.data.cifar import read_batch
from nasbench_suite.training.data.cifar_splits import halves
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.files import content_of, folders, missing
from nasbench_suite.training.data.request import Request
from nasbench_suite.training.data.splits import Split

SPLIT = "imagenet-16-120-test-split.txt"
"""The file of NAS-Bench-201 that shares out the 6,000 held-out images."""
_NAME, _FOLDER = "imagenet16-120", "ImageNet16"
_SHAPE, _CLASSES, _KEPT = (3, 16, 16), 1000, 120
_MOST_BYTES = 1 << 28
_MOMENTS = ((122.68, 116.66, 104.01), (63.22, 61.26, 65.09))
"""The constants of NAS-Bench-201."""
_FILES = {
    "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
    "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
    "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
    "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
    "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
    "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
    "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
    "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
    "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
    "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
    "val_data": "3410e3017fdaefba8d5073aaa65e4bd6",
}
"""MD5 by name, the file of held-out images last; the sums are those that NAS-Bench-201's code states."""


def load(request: Request) -> TrainingData:
    """Return ImageNet16-120 with the split of NAS-Bench-201.

    Raises
    ------
    DamagedFileError
        When a file is none of downsampled ImageNet.
    NasbenchSuiteError
        When the files are not there, or more is asked for than there is.
    """
    folder, root = _folder(request)
    inputs, labels, official = [], [], True
    for name, md5 in _FILES.items():  # one after the other: all of ImageNet is a gigabyte
        content = content_of(folder / name, _MOST_BYTES)
        official &= hashlib.md5(content, usedforsecurity=False).hexdigest() == md5
        kept = _kept(content, str(folder / name))
        inputs.append(kept[0])
        labels.append(kept[1])
    size = sum(map(len, labels[:-1]))
    if not size or not len(labels[-1]):
        raise DamagedFileError(f"{folder} has no image of the first {_KEPT} classes; get the official files.")
    images = Images(
        np.concatenate(inputs),
        np.concatenate(labels),
        _KEPT,
        f"{_NAME}, {folder.name}, by their MD5 {'' if official else 'not '}the official files",
    )
    valid, test, how = halves(request, labels[-1], root, SPLIT, ("xvalid", "xtest"))
    split = Split(
        np.arange(size, dtype=np.int64),
        valid + size,
        test + size,
        f"the official training images train; of those for validation {how}",
    )
    return assemble(request, images, split, _MOMENTS, FlipCrop(padding=2))


def _folder(request: Request) -> tuple[Path, Path]:
    """Return the folder of the files, and the one that was looked in."""
    looked = folders(request, _NAME)
    for root in looked:
        for folder in (root / _FOLDER, root):
            if all((folder / name).exists() for name in _FILES):
                return folder, root
    raise missing(
        _NAME,
        looked,
        f"put the folder {_FOLDER} there: ImageNet in 16x16 pixels, from image-net.org",
    )


def _kept(content: bytes, source: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images and labels, from 0 on, of the classes that are kept."""
    inputs, labels = read_batch(content, source, "labels", _CLASSES, shape=_SHAPE, first=1)
    kept = labels < _KEPT
    return inputs[kept], labels[kept]
