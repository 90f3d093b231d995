"""Reads foreign pickles without running anything that they name.

A pickle is a program; the harm it can do is through the globals that it looks up and the states that it sets
on what it gets. This reader admits the few constructors that a format needs, refuses every other one by name,
and hands out stand-ins that take no state but the one they expect. What it does not prevent is waste: a file
made to nest a million levels deep can still exhaust memory or stack and end the process.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nasbench_suite.errors import DamagedFileError

Global = tuple[str, str]

_NUMBERS = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
_STATE_TAIL = (None, None, None, -1, -1, 0)
"""What follows version and byte order in the pickled state of a dtype that is a plain number."""


class _Number:
    """Stands in for a NumPy dtype that is a plain number; NumPy's own takes states that break it."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any, align: Any = False, copy: Any = False):
        if code not in _NUMBERS:
            raise pickle.UnpicklingError(f"dtype {code!r} is not a plain number")
        self._code = code
        self._order = "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 8 or state[2:] != _STATE_TAIL:
            raise pickle.UnpicklingError("a NumPy dtype is not a plain number")
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"a NumPy dtype has byte order {state[1]!r}")
        self._order = state[1]

    def value(self, raw: bytes) -> float | int:
        """Return the number with these bytes."""
        dtype = np.dtype(self._order + self._code)
        if len(raw) != dtype.itemsize:
            raise pickle.UnpicklingError("a NumPy number has the wrong length")
        number: float | int = np.frombuffer(raw, dtype=dtype)[0].item()
        return number


def _scalar(dtype: Any, raw: Any) -> float | int:
    """Build the number that NumPy pickled as `scalar(dtype, raw)`."""
    if not isinstance(dtype, _Number) or not isinstance(raw, bytes):
        raise pickle.UnpicklingError("a NumPy scalar is not a plain number")
    return dtype.value(raw)


class _Constructor:
    """Calls one function and cannot be changed, whatever state a pickle sets on it."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]):
        object.__setattr__(self, "_build", build)

    def __call__(self, *arguments: Any) -> Any:
        return self._build(*arguments)  # type: ignore[attr-defined]  # set in __init__

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"it sets {name} on a constructor")


NUMPY_SCALARS: Mapping[Global, Callable[..., Any]] = {
    ("numpy.core.multiarray", "scalar"): _Constructor(_scalar),
    ("numpy._core.multiarray", "scalar"): _Constructor(_scalar),
    ("numpy", "dtype"): _Constructor(_Number),
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
        RecursionError,
    ) as problem:
        raise DamagedFileError(
            f"{source} is truncated or no pickle of this format; fetch the file again."
        ) from problem
