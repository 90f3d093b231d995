"""Data sets to train on, by name: see `load_data`."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.training.data import (
    cifar,
    digits,
    fashion_mnist,
    image_folder,
    imagenet16,
    jpeg,
    jpeg_again,
    mnist1d,
)
from nasbench_suite.training.data.augmentation import Augmentation, FlipCrop
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.global_generators import global_generators_kept
from nasbench_suite.training.data.request import Request

__all__ = ["Augmentation", "FlipCrop", "TrainingData", "data_names", "load_data"]

_SOURCES: Mapping[str, Callable[[Request], TrainingData]] = {
    "cifar10": cifar.load_cifar10,
    "cifar10-full": cifar.load_cifar10,
    "cifar10-valid": cifar.load_cifar10,
    "cifar100": cifar.load_cifar100,
    "cifar10_jpeg": jpeg.load,
    "cifar10_jpeg-again-valid": jpeg_again.load,
    "cifar10_jpeg-full": jpeg.load,
    "cifar10_jpeg-valid": jpeg.load,
    "digits": digits.load,
    "fashion_mnist": fashion_mnist.load,
    "imagenet16-120": imagenet16.load,
    "mnist1d": mnist1d.load,
}

_WITH_LISTS = ("cifar10-valid", "cifar100", "imagenet16-120")
"""Those for which NAS-Bench-201 has a split file."""


def data_names() -> tuple[str, ...]:
    """Return the names that `load_data` knows besides `folder:PATH`, in alphabetical order."""
    return tuple(sorted(_SOURCES))


def load_data(
    name: str,
    *,
    device: str | torch.device = "cpu",
    root: str | Path | None = None,
    train: int | None = None,
    valid: int | None = None,
    test: int | None = None,
    seed: int = 42,
    size: int | None = None,
    split: str | Path | None = None,
) -> TrainingData:
    """Return a data set with its splits, on a device.

    The global generators of random numbers are left as they are.

    Parameters
    ----------
    name
        One of `data_names()`, or `folder:PATH` for images in a folder per class.
    device
        Where to put it.
    root
        The folder of its files, or for CIFAR the `.tar.gz`; by default `datasets/NAME` in the user's data
        folder (`$NASBENCH_SUITE_DATA`). `mnist1d` and `digits` need none.
    train, valid, test
        How many inputs of each part; by default all that the protocol gives it.
    seed
        What `mnist1d` is generated with; elsewhere, by which fewer inputs are chosen.
    size
        To how many pixels the images of `folder:PATH` are scaled.
    split
        NAS-Bench-201's `cifar-split.txt`, `cifar100-test-split.txt` or `imagenet-16-120-test-split.txt`, for
        `cifar10-valid`, `cifar100` or `imagenet16-120`; by default the file of that name beside the data, and
        where there is none, halves that stand in for it.

    Raises
    ------
    UnknownNameError
        When there is no such data set.
    DamagedFileError
        When a file is truncated, corrupt or not what it should be.
    NasbenchSuiteError
        When files are missing, or more is asked for than there is; the message says what to do.
    """
    source = image_folder.load if name.startswith(image_folder.PREFIX) else _SOURCES.get(name)
    if source is None:
        raise UnknownNameError("data set", name, data_names())
    if size is not None and source is not image_folder.load:
        raise NasbenchSuiteError(f"{name} has images of one size; only those of folder:PATH can be scaled.")
    if split is not None and name not in _WITH_LISTS:
        raise NasbenchSuiteError(f"{name} takes no split file; {', '.join(_WITH_LISTS)} do.")
    request = Request(
        name=name,
        root=None if root is None else Path(root),
        train=train,
        valid=valid,
        test=test,
        seed=seed,
        size=size,
        split=None if split is None else Path(split),
    )
    with global_generators_kept():
        return source(request).to(device)
