"""Keeps the global generators of random numbers from what others do to them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Give the generators of `random` and NumPy their states back at the end.

    The package `mnist1d` seeds both, and scikit-learn draws from the first when it is imported.
    """
    plain, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002  # the generator that mnist1d uses
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)  # noqa: NPY002  # the same
