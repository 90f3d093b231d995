"""Handwritten digits of 8x8 pixels that scikit-learn ships: small, real and offline.

Alpaydin, Kaynak: "Optical Recognition of Handwritten Digits" (UCI Machine Learning Repository, 1998); these
are its test set.
"""

import numpy as np

from nasbench_suite.training.data.assembly import Images, assemble, measured_moments
from nasbench_suite.training.data.dataset import TrainingData
from nasbench_suite.training.data.request import Request
from nasbench_suite.training.data.splits import pooled

_TRAIN, _VALID, _TEST = 1000, 397, 400


def load(request: Request) -> TrainingData:
    """Return the 1,797 images, grey values 0..16; by default 1,000 train, 397 validate and 400 test.

    They are normalised by mean and standard deviation of those that train.

    Raises
    ------
    NasbenchSuiteError
        When more than 1,797 are asked for.
    """
    from sklearn.datasets import load_digits  # loads half of SciPy

    bunch = load_digits()
    inputs = bunch.images[:, None].astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    split = pooled(len(labels), (_TRAIN, _VALID, _TEST), request)
    images = Images(
        inputs, labels, 10, "digits of 8x8 pixels and 17 grey values, the UCI test set in scikit-learn"
    )
    return assemble(request, images, split, measured_moments(inputs, split.train))
