"""Opens image files of strangers with Pillow."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nasbench_suite.errors import DamagedFileError

if TYPE_CHECKING:
    from PIL.Image import Image

_FAULTS = (
    OSError,  # also what is no image at all
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    AttributeError,
    Warning,
)
"""What Pillow raises of damaged files, besides its own error about images that are too large."""


@contextmanager
def strict() -> Iterator[None]:
    """Take Pillow's warnings, of images that are huge or odd, for errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def opened(content: bytes, formats: tuple[str, ...], complaint: Callable[[], str]) -> Iterator["Image"]:
    """Open an image of one of these formats; what goes wrong while it is used is a `DamagedFileError`.

    Parameters
    ----------
    formats
        As Pillow calls them: `JPEG`.
    complaint
        Returns what the error shall say.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            yield image
    except (*_FAULTS, Image.DecompressionBombError) as problem:
        raise DamagedFileError(complaint()) from problem
