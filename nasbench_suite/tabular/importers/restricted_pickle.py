"""Reads foreign pickles without running anything that they name.

A pickle is a program; the only harm it can do is through the globals that it looks up. This reader
admits the few constructors that a format needs and refuses every other one by name.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nasbench_suite.errors import DamagedFileError

Global = tuple[str, str]


def _plain_dtype(code: str, align: bool = False, copy: bool = False) -> np.dtype[Any]:
    """Build a dtype from a code such as `f8`, and nothing else (no objects, no nested fields)."""
    dtype = np.dtype(str(code), align=bool(align), copy=bool(copy))
    if dtype.hasobject or dtype.names is not None:
        raise pickle.UnpicklingError(f"dtype {code!r} is not a plain number")
    return dtype


def _plain_scalar(dtype: np.dtype[Any], raw: bytes) -> float | int:
    """Build the number that NumPy pickled as `scalar(dtype, raw)`."""
    if dtype.kind not in "fiub" or not isinstance(raw, bytes) or len(raw) != dtype.itemsize:
        raise pickle.UnpicklingError("a NumPy scalar is not a plain number")
    value: float | int = np.frombuffer(raw, dtype=dtype)[0].item()
    return value


NUMPY_SCALARS: Mapping[Global, Callable[..., Any]] = {
    ("numpy.core.multiarray", "scalar"): _plain_scalar,
    ("numpy._core.multiarray", "scalar"): _plain_scalar,
    ("numpy", "dtype"): _plain_dtype,
}
"""What a pickle of Python containers and NumPy numbers needs."""


class _Reader(pickle.Unpickler):
    def __init__(self, content: bytes, admitted: Mapping[Global, Callable[..., Any]]):
        super().__init__(io.BytesIO(content))
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._admitted[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_pickle(
    content: bytes, source: str, admitted: Mapping[Global, Callable[..., Any]] = NUMPY_SCALARS
) -> Any:
    """Return the object in `content`, built only from plain containers and the admitted constructors.

    Raises
    ------
    DamagedFileError
        When the pickle is truncated, or asks for anything else; the message names it and `source`.
    """
    try:
        return _Reader(content, admitted).load()
    except pickle.UnpicklingError as problem:
        raise DamagedFileError(
            f"{source} is refused: {problem}. Nothing of it was run; use the official file."
        ) from problem
    except (
        EOFError,
        AttributeError,
        TypeError,
        ValueError,
        IndexError,
        KeyError,
        MemoryError,
        OverflowError,
        UnicodeDecodeError,
    ) as problem:
        raise DamagedFileError(
            f"{source} is truncated or no pickle of this format; fetch the file again."
        ) from problem
