"""Which images of CIFAR train, validate and test in the protocols of the published benchmarks."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.training.data.request import Request
from nasbench_suite.training.data.splits import Indices, Split, read_list, without_share

Batches = tuple[int, ...]
"""How many images each file has, the one for test last."""

CIFAR10_MOMENTS = ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
"""The constants of NAS-Bench-201; those of NAS-Bench-101 are the same to a tenth."""

_FIRST_TEN = {
    "cifar-split.txt": [
        [0, 5, 7, 11, 13, 15, 16, 17, 20, 24],
        [1, 2, 3, 4, 6, 8, 9, 10, 12, 14],
    ],
    "cifar100-test-split.txt": [
        [1, 3, 4, 5, 8, 10, 13, 14, 15, 16],
        [0, 2, 6, 7, 9, 11, 12, 17, 20, 24],
    ],
}
"""What the official lists of NAS-Bench-201 begin with, by the name of their file."""


def cifar10_split(request: Request, labels: NDArray[np.int64], batches: Batches, folder: Path) -> Split:
    """Return the split that the name of the request asks for.

    `cifar10`
        NAS-Bench-101: all files but the last train, the last (`data_batch_5`) validates, 40,000 and 10,000.
    `cifar10-valid`
        NAS-Bench-201: one half of the training images trains, the other validates, 25,000 each.
    `cifar10-full`
        NAS-Bench-Macro, and `cifar10` in NAS-Bench-201: all 50,000 train; the test images validate, too.
    """
    everything = np.arange(len(labels), dtype=np.int64)
    last, size = sum(batches[:-2]), sum(batches[:-1])
    test = everything[size:]
    if request.name.endswith("-full"):
        return Split(everything[:size], test, test, FULL)
    if request.name.endswith("-valid"):
        first, second, how = halves(request, labels[:size], folder, "cifar-split.txt", ("train", "valid"))
        return Split(first, second, test, f"of the official training images {how}")
    how = (
        "the official training files train, the last validates (NAS-Bench-101); the official test file tests"
    )
    return Split(everything[:last], everything[last:size], test, how)


FULL = "all official training images train; the official test images validate and test (NAS-Bench-Macro)"


def cifar100_split(request: Request, labels: NDArray[np.int64], batches: Batches, folder: Path) -> Split:
    """Return the split of NAS-Bench-201: all 50,000 train, half of the other 10,000 validate, half test."""
    size = sum(batches[:-1])
    valid, test, how = halves(request, labels[size:], folder, "cifar100-test-split.txt", ("xvalid", "xtest"))
    train = np.arange(size, dtype=np.int64)
    return Split(
        train, valid + size, test + size, f"the official training images train; of those for test {how}"
    )


def halves(
    request: Request, labels: NDArray[np.int64], folder: Path, file: str, names: tuple[str, str]
) -> tuple[Indices, Indices, str]:
    """Return the two halves of a split file of NAS-Bench-201, or halves of our own, and which it was."""
    path = request.split or folder / file
    if request.split is None and not path.exists():
        how = (
            f"halves of each class stand in for {names[0]} and {names[1]}, since NAS-Bench-201's {file} is "
            "not there; they go by the SHA-256 of '{file}/NUMBER'"
        )
        return *without_share(labels, 2, file), how
    first, second = read_list(path, names, len(labels))
    begins = [half[:10].tolist() for half in (first, second)]
    kind = "begins as NAS-Bench-201's does" if begins == _FIRST_TEN.get(file) else "is not NAS-Bench-201's"
    if file not in _FIRST_TEN:
        kind = "was not held against NAS-Bench-201's, whose numbers are not known here"
    return first, second, f"{names[0]} and {names[1]} are the lists in {path.name}, which {kind}"


def jpeg_split(request: Request, labels: NDArray[np.int64], size: int) -> Split:
    """Return the split that the name of the request asks for, of images in an order of their own.

    The first `size` are those that are officially for training.

    `cifar10_jpeg`
        Four fifths of each class train, one fifth validates: 40,000 and 10,000, as many as in NAS-Bench-101.
    `cifar10_jpeg-valid`
        Halves of each class train and validate: 25,000 each, as many as in NAS-Bench-201.
    `cifar10_jpeg-full`
        All 50,000 train; the test images validate, too, as in NAS-Bench-Macro.
    """
    everything = np.arange(len(labels), dtype=np.int64)
    test = everything[size:]
    if request.name.endswith("-full"):
        return Split(everything[:size], test, test, FULL)
    parts = 2 if request.name.endswith("-valid") else 5
    train, valid = without_share(labels[:size], parts, request.name)
    how = (
        f"of the official training images one in {parts} of each class validates and the rest train, by the "
        f"SHA-256 of '{request.name}/NUMBER', since they do not stand in the official order"
    )
    return Split(train, valid, test, how)
