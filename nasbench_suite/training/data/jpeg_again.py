"""CIFAR-10's JPEG images after another pass of JPEG: what a pass costs a network can be measured by them.

The originals of the images are not at hand, so that what their loss costs cannot be measured by itself. A
second pass of the same quality over other blocks loses something of the same kind, and that can be: a
network is trained with it and without it.
"""

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.training.data.assembly import Images, assemble
from nasbench_suite.training.data.augmentation import FlipCrop
from nasbench_suite.training.data.cifar_splits import CIFAR10_MOMENTS, jpeg_split
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.jpeg import decoded
from nasbench_suite.training.data.request import Request

_QUALITY = 75
"""That of the images, by their tables of quantisation; Pillow's default."""
_HALF_BLOCK = 4
"""Pixels by which the blocks are moved: over the same blocks a second pass changes next to nothing."""


def load(request: Request) -> TrainingData:
    """Return what `cifar10_jpeg-valid` is, the same split, of images coded once more.

    Raises
    ------
    DamagedFileError, NasbenchSuiteError
        As `jpeg.load`.
    """
    once = replace(request, name=request.name.replace("_jpeg-again", "_jpeg"))
    images, size = decoded(once)
    what = f"{images.what}, coded once more at quality {_QUALITY} with the blocks moved by half a block"
    again = Images(recoded(images.inputs), images.labels, images.classes, what)
    split = jpeg_split(once, images.labels, size)
    return assemble(request, again, split, CIFAR10_MOMENTS, FlipCrop(padding=4))


def recoded(inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images `[n, 3, height, width]` as JPEG gives them back, in blocks that begin half a block out.

    Edges are repeated beyond the images for that.
    """
    return np.stack([_recoded(image) for image in inputs.transpose(0, 2, 3, 1)]).transpose(0, 3, 1, 2).copy()


def _recoded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `[height, width, 3]`."""
    from PIL import Image

    beyond, file = _HALF_BLOCK, io.BytesIO()
    framed = np.pad(image, ((beyond, beyond), (beyond, beyond), (0, 0)), mode="edge")
    Image.fromarray(framed).save(file, "JPEG", quality=_QUALITY)
    return np.asarray(Image.open(file))[beyond:-beyond, beyond:-beyond]
