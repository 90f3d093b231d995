"""What foreign pickles may call: stand-ins that build plain values and cannot be made to do anything else.

A pickle of NumPy values calls NumPy's own constructors, which trust what they are handed. The stand-ins here
take the same arguments, check every one of them, and build numbers, arrays of plain numbers, dictionaries and
sets. They are no types, so that no opcode can make instances around their checks, and they take no state.
Sources: what `numpy.ndarray`, `numpy.dtype`, `numpy.generic` and `collections.OrderedDict` return from
`__reduce_ex__` under protocols 0 to 5, and what Python 2 wrote for them.
"""

import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Global = tuple[str, str]
"""Module and name by which a pickle asks for a constructor."""

_NUMBERS = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
_STATE_TAIL = (None, None, None, -1, -1, 0)
"""What follows version and byte order in the pickled state of a dtype that is a plain number."""
_KEY_PARTS = 16
"""How many values a tuple in a set may hold."""


class Constructor:
    """Calls one function and cannot be changed, whatever state a pickle sets on it."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]):
        object.__setattr__(self, "_build", build)

    def __call__(self, *arguments: Any) -> Any:
        """Build what the arguments describe."""
        return self._build(*arguments)  # type: ignore[attr-defined]  # set in __init__

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"it sets {name} on a constructor")


_MADE_PER_BYTE = 4


class Meter:
    """Counts what constructors make of a file, in bytes or elements; a genuine one needs two per byte.

    Attributes
    ----------
    arrays
        Whether any stand-in of an array was made.
    """

    __slots__ = ("_left", "arrays")

    def __init__(self) -> None:
        self._left = 1000
        self.arrays = False

    def grant(self, length: int) -> None:
        """Allow for so many more bytes of the file."""
        self._left += _MADE_PER_BYTE * length

    def spend(self, amount: int) -> None:
        """Bill what a call makes.

        Raises
        ------
        pickle.UnpicklingError
            When the file has made too much of little.
        """
        self._left -= amount
        if self._left < 0:
            raise pickle.UnpicklingError("it makes more than it holds")


class Metered(Constructor):
    """A constructor whose function also takes a `Meter`, first; what reads the file binds one to it."""

    __slots__ = ()

    def bound(self, meter: Meter) -> Constructor:
        """Return the constructor that bills to `meter`."""
        build: Callable[..., Any] = self._build  # type: ignore[attr-defined]  # set in __init__
        return Constructor(lambda *arguments: build(meter, *arguments))


class Number:
    """Stands in for a NumPy dtype that is a plain number; NumPy's own takes states that break it."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any, align: Any = False, copy: Any = False):
        if not isinstance(code, str) or code.lstrip("<>|=") not in _NUMBERS or len(code) > 3:
            raise pickle.UnpicklingError(f"dtype {_name(code)} is not a plain number")
        self._code = code.lstrip("<>|=")
        self._order = "=" if code == self._code else code[0]

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 8 or not _same(state[2:], _STATE_TAIL):
            raise pickle.UnpicklingError("a NumPy dtype is not a plain number")
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"a NumPy dtype has byte order {_name(state[1])}")
        self._order = state[1]

    def array(self, raw: bytes | bytearray) -> npt.NDArray[Any]:
        """Return the numbers with these bytes, one-dimensional, sharing memory."""
        dtype = np.dtype(self._order + self._code)
        if len(raw) % dtype.itemsize:
            raise pickle.UnpicklingError("a NumPy number has the wrong length")
        if dtype.kind == "b" and raw and max(raw) > 1:
            raise pickle.UnpicklingError("a NumPy truth value is neither true nor false")
        return np.frombuffer(raw, dtype=dtype)


def _name(value: Any) -> str:
    """Show a text, and of all else, which may be endless to show, the type."""
    return repr(value[:80]) if isinstance(value, str) else f"of type {type(value).__name__}"


def _same(found: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    """Compare without calling what a pickle put there, and without descending into it."""
    return all(
        one is None if other is None else type(one) is int and one == other
        for one, other in zip(found, expected, strict=True)
    )


def _bytes_of(raw: Any) -> bytes | bytearray:
    """Return the bytes of a pickled NumPy value; Python 2 pickled them as text."""
    if isinstance(raw, str):
        return raw.encode("latin-1")
    if not isinstance(raw, bytes | bytearray):
        raise pickle.UnpicklingError("a NumPy value has no bytes")
    return raw


def _scalar(meter: Meter, dtype: Any, raw: Any) -> float | int:
    """Build the number that NumPy pickled as `scalar(dtype, raw)`."""
    if not isinstance(dtype, Number) or not isinstance(raw, bytes | str) or len(raw) > 8:
        raise pickle.UnpicklingError("a NumPy scalar is not a plain number")
    numbers = dtype.array(_bytes_of(raw))
    if len(numbers) != 1:
        raise pickle.UnpicklingError("a NumPy number has the wrong length")
    number: float | int = numbers[0].item()
    return number


class PickledArray:
    """An array between construction and the state that fills it; `unwrap` puts the real one in its place."""

    __slots__ = ("_meter", "value")
    __hash__ = None  # type: ignore[assignment]  # arrays are no keys

    def __init__(self, meter: Meter):
        self._meter = meter
        self.value: npt.NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("a NumPy array has no state")
        _, shape, dtype, fortran, raw = state
        self.value = _shaped(self._meter, raw, dtype, shape, "F" if fortran else "C")


def _shaped(meter: Meter, raw: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    """Return an array of plain numbers of its own memory; every length must agree."""
    if not isinstance(dtype, Number):
        raise pickle.UnpicklingError("a NumPy array is not of plain numbers")
    if not isinstance(raw, bytes | bytearray | str):
        raise pickle.UnpicklingError("a NumPy array has no bytes")
    meter.spend(len(raw))
    numbers = dtype.array(_bytes_of(raw))
    lengths = shape if isinstance(shape, tuple) else (shape,)
    if len(lengths) > 32 or any(type(length) is not int or length < 0 for length in lengths):
        raise pickle.UnpicklingError("a NumPy array has no shape")
    if math.prod(lengths) != numbers.size or max(lengths, default=0) > 2**62:
        raise pickle.UnpicklingError("the shape of a NumPy array does not match its bytes")
    if order not in ("C", "F"):
        raise pickle.UnpicklingError("a NumPy array has no order")
    return numbers.reshape(lengths, order=order).copy(order=order)


def _frombuffer(meter: Meter, raw: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    """Build the array that NumPy pickled under protocol 5; a real one would let a pickle assign to it."""
    array = _reconstruct(meter, _NDARRAY)
    array.value = _shaped(meter, raw, dtype, shape, order)
    return array


def _ndarray(*arguments: Any) -> Any:
    raise pickle.UnpicklingError("it calls numpy.ndarray")


_NDARRAY = Constructor(_ndarray)


def _reconstruct(meter: Meter, kind: Any, shape: Any = None, code: Any = None) -> PickledArray:
    """Begin the array that NumPy pickled under protocols 0 to 4."""
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError("a NumPy array is of a class of its own")
    meter.arrays = True
    return PickledArray(meter)


def _latin_1(meter: Meter, text: Any, encoding: Any) -> bytes:
    """Build the bytes that protocols 0 to 2 write as text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("it encodes what are no bytes")
    meter.spend(len(text))
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """Build the empty bytes of protocols 0 to 2."""
    return b""


def _is_key(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= _KEY_PARTS and all(type(part) is not tuple and _is_key(part) for part in value)
    return value is None or isinstance(value, str | bytes | int | float)


def _set_of(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def build(meter: Meter, elements: Any = ()) -> Any:
        if not isinstance(elements, list | tuple):
            raise pickle.UnpicklingError("a set is made of no list")
        meter.spend(len(elements))
        if not all(map(_is_key, elements)):
            raise pickle.UnpicklingError("a set holds more than numbers, texts and short tuples of them")
        return kind(elements)

    return build


def _ordered(meter: Meter, pairs: Any = ()) -> dict[Any, Any]:
    """Build a plain dictionary, which keeps its order, too; Python 2 hands over the pairs at once."""
    if not isinstance(pairs, list | tuple):
        raise pickle.UnpicklingError("an ordered dictionary is made of no pairs")
    meter.spend(len(pairs))
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 and _is_key(pair[0]) for pair in pairs):
        raise pickle.UnpicklingError("an ordered dictionary is made of no pairs")
    return dict(pairs)


CONTAINERS: Mapping[Global, Constructor] = {
    ("collections", "OrderedDict"): Metered(_ordered),
    **{(module, "set"): Metered(_set_of(set)) for module in ("builtins", "__builtin__")},
    **{(module, "frozenset"): Metered(_set_of(frozenset)) for module in ("builtins", "__builtin__")},
    **{(module, "bytes"): Constructor(_no_bytes) for module in ("builtins", "__builtin__")},
    ("_codecs", "encode"): Metered(_latin_1),
}
"""What a pickle of Python containers needs beside opcodes of their own, under any protocol."""

NUMPY: Mapping[Global, Constructor] = {
    ("numpy", "dtype"): Constructor(Number),
    ("numpy", "ndarray"): _NDARRAY,
    **{(f"numpy.{core}.multiarray", "scalar"): Metered(_scalar) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Metered(_reconstruct) for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): Metered(_frombuffer) for core in ("core", "_core")},
}
"""What a pickle of NumPy numbers and arrays needs, of NumPy 1 and 2."""


def unwrap(value: Any, seen: dict[int, tuple[Any, Any]] | None = None) -> Any:
    """Return `value` with the arrays in place of what stood in for them while they were read.

    Lists and dictionaries are changed in place; tuples that hold an array are made anew.

    Raises
    ------
    pickle.UnpicklingError
        When an array was never filled.
    """
    seen = {} if seen is None else seen
    kind = type(value)
    if kind is PickledArray:
        if value.value is None:
            raise pickle.UnpicklingError("a NumPy array has no state")
        return value.value
    if kind not in (list, dict, tuple):
        return value
    if id(value) in seen:
        return seen[id(value)][1]
    seen[id(value)] = (value, value)  # kept, so that no other object gets its number meanwhile
    if kind is tuple:
        parts = []
        for part in value:
            parts.append(unwrap(part, seen))  # noqa: PERF401  # a comprehension would take a frame per level
        if any(one is not other for one, other in zip(parts, value, strict=True)):
            seen[id(value)] = (value, tuple(parts))
    else:
        for key, part in value.items() if kind is dict else enumerate(value):
            value[key] = unwrap(part, seen)
    return seen[id(value)][1]
