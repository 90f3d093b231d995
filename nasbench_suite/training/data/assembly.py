"""What every source of data does last: keep what is asked for, and say what it is."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.training.data.augmentation import Augmentation
from nasbench_suite.training.data.dataset import TrainingData, content_sha256
from nasbench_suite.training.data.request import Request
from nasbench_suite.training.data.splits import Indices, Split, narrowed


@dataclass(frozen=True)
class Images:
    """All images of a data set with their labels.

    Attributes
    ----------
    inputs
        uint8 `[n, channels, height, width]`.
    labels
        int64 `[n]`.
    classes
        How many classes there are.
    what
        One clause that says what they are and where from.
    sha256
        `content_sha256` of both, where it is known already.
    """

    inputs: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: int
    what: str
    sha256: str = ""


Moments = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel."""


def assemble(
    request: Request, images: Images, split: Split, moments: Moments, augmentation: Augmentation | None = None
) -> TrainingData:
    """Return the data set with as many inputs of each part as are asked for.

    Raises
    ------
    NasbenchSuiteError
        When more is asked for than a part has.
    """
    split = narrowed(split, request)
    digest = images.sha256 or content_sha256(images.inputs, images.labels)
    return TrainingData(
        name=request.name,
        inputs=torch.from_numpy(images.inputs),
        labels=torch.from_numpy(images.labels),
        train=torch.from_numpy(split.train),
        valid=torch.from_numpy(split.valid),
        test=torch.from_numpy(split.test),
        classes=images.classes,
        mean=moments[0],
        std=moments[1],
        augmentation=augmentation,
        provenance=f"{images.what}; {split.how}; SHA-256 of images and labels: {digest}",
    )


def measured_moments(inputs: NDArray[np.uint8], indices: Indices) -> Moments:
    """Return mean and standard deviation of every channel over the images that train.

    A channel that never changes gets the standard deviation 1.
    """
    counts = np.stack(
        [np.bincount(inputs[indices, channel].ravel(), minlength=256) for channel in range(inputs.shape[1])]
    )
    levels = np.arange(256)
    total = np.maximum(counts.sum(axis=1), 1)
    mean = counts @ levels / total
    spread = np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(axis=1) / total)
    return tuple(mean.tolist()), tuple(np.where(spread > 0, spread, 1.0).tolist())
