"""CIFAR-10 and CIFAR-100 in the official files for Python, and the splits that papers train on.

Krizhevsky: "Learning Multiple Layers of Features from Tiny Images" (2009). A file is a pickle of Python 2: a
dictionary with `data`, uint8 `[n, 3072]` (red, green, blue, each row by row), and `labels` or `fine_labels`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.training.data.assembly import Images, assemble
from nasbench_suite.training.data.augmentation import FlipCrop
from nasbench_suite.training.data.cifar_splits import CIFAR10_MOMENTS, Batches, cifar10_split, cifar100_split
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.files import content_of, folders, missing, tar_members
from nasbench_suite.training.data.request import Request

_SHAPE = (3, 32, 32)
_MOST_BYTES = 1 << 28
_CIFAR100_MOMENTS = ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4))
"""The constants of NAS-Bench-201."""


@dataclass(frozen=True)
class _Release:
    """An official release.

    Attributes
    ----------
    name
        What the data set is called, and the folder in which it is looked for.
    folder, archive
        How its folder and its archive are called.
    files
        MD5 by name, the one for test last; the sums are those of the official page's files as torchvision
        states them.
    labels
        The key of the labels in a file.
    classes
        How many classes there are.
    """

    name: str
    folder: str
    archive: str
    files: dict[str, str]
    labels: str
    classes: int


_CIFAR10 = _Release(
    "cifar10",
    "cifar-10-batches-py",
    "cifar-10-python.tar.gz",
    {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    "labels",
    10,
)
_CIFAR100 = _Release(
    "cifar100",
    "cifar-100-python",
    "cifar-100-python.tar.gz",
    {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    "fine_labels",
    100,
)


def load_cifar10(request: Request) -> TrainingData:
    """Return CIFAR-10 with the split of a benchmark: see `cifar10_split`.

    Raises
    ------
    DamagedFileError
        When a file is no file of CIFAR-10.
    NasbenchSuiteError
        When the files are not there, or more is asked for than there is.
    """
    images, batches, folder = _read(_CIFAR10, request)
    split = cifar10_split(request, images.labels, batches, folder)
    return assemble(request, images, split, CIFAR10_MOMENTS, FlipCrop(padding=4))


def load_cifar100(request: Request) -> TrainingData:
    """Return CIFAR-100 with the split of NAS-Bench-201: see `cifar100_split`.

    Raises
    ------
    DamagedFileError
        When a file is no file of CIFAR-100.
    NasbenchSuiteError
        When the files are not there, or more is asked for than there is.
    """
    images, batches, folder = _read(_CIFAR100, request)
    split = cifar100_split(request, images.labels, batches, folder)
    return assemble(request, images, split, _CIFAR100_MOMENTS, FlipCrop(padding=4))


def _read(release: _Release, request: Request) -> tuple[Images, Batches, Path]:
    """Return all images, how many each file has, and the folder that the files or their archive lie in."""
    contents, source, folder = _contents(release, request)
    parts = [
        read_batch(content, str(source / name), release.labels, release.classes)
        for name, content in contents.items()
    ]
    sums = [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in contents.values()]
    official = "the official files" if sums == list(release.files.values()) else "not the official files"
    images = Images(
        np.concatenate([inputs for inputs, _ in parts]),
        np.concatenate([labels for _, labels in parts]),
        release.classes,
        f"{release.name}, {source.name}, by their MD5 {official}",
    )
    return images, tuple(len(labels) for _, labels in parts), folder


def _contents(release: _Release, request: Request) -> tuple[dict[str, bytes], Path, Path]:
    """Return the files by name, what they were read from, and the folder that this lies in."""
    looked = folders(request, release.name)
    for root in looked:
        for folder in (root / release.folder, root):
            if all((folder / name).exists() for name in release.files):
                contents = {name: content_of(folder / name, _MOST_BYTES) for name in release.files}
                return contents, folder, root
        archive = root if root.is_file() else root / release.archive
        if archive.exists():
            wanted = {f"{release.folder}/{name}": name for name in release.files}
            return tar_members(archive, wanted, _MOST_BYTES), archive, archive.parent
    raise missing(
        release.name,
        looked,
        f"put {release.archive} there, the version for Python from www.cs.toronto.edu/~kriz/cifar.html",
    )


def read_batch(
    content: bytes,
    source: str,
    key: str,
    classes: int,
    *,
    shape: tuple[int, int, int] = _SHAPE,
    first: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images `[n, *shape]` and labels `[n]`, from 0 on, of a file.

    Parameters
    ----------
    source
        What errors call it.
    key
        Under which its labels are.
    classes
        How many classes there are.
    shape, first
        Of an image, and the label of the first class in the file.

    Raises
    ------
    DamagedFileError
        When it is no such file; nothing that it names is run.
    """
    batch = read_pickle(content, source)
    data, labels = (batch.get("data"), batch.get(key)) if isinstance(batch, dict) else (None, None)
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.ndim != 2
        or data.shape[1] != np.prod(shape)
        or not isinstance(labels, list)
        or len(labels) != len(data)
        or not labels
        or not all(type(label) is int and first <= label < first + classes for label in labels)
    ):
        size = "x".join(map(str, shape))
        raise DamagedFileError(
            f"{source} has no images of {size} pixels under 'data' with one of {classes} labels each under "
            f"{key!r}; fetch the official file."
        )
    return data.reshape(-1, *shape), np.array(labels, dtype=np.int64) - first
