"""Tensors of a torch.save file as arrays: who shares memory with whom, and every offset checked.

Sources: the arguments of `torch._utils._rebuild_tensor_v2` and `_v3` and the persistent ids of
`torch.serialization`; a tensor is an offset, sizes and strides, in elements, into a storage.
"""

import math
import pickle
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nasbench_suite.foreign.pickle_stand_ins import (
    CONTAINERS,
    NUMPY,
    Constructor,
    Global,
    Meter,
    PickledArray,
)

Array = npt.NDArray[Any]

_BFLOAT16 = "bfloat16"
_KINDS = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "b1",
    "BFloat16": _BFLOAT16,
}
_UNTYPED = "u1"
_MOST_DIMENSIONS = 32


class Dtype(Constructor):
    """Stands in for a dtype of torch; it makes nothing."""

    __slots__ = ("code",)

    def __init__(self, code: str):
        super().__init__(_refuse)
        object.__setattr__(self, "code", code)


class Kind(Dtype):
    """Stands in for a type of storage."""

    __slots__ = ()


def _refuse(*arguments: Any) -> Any:
    raise pickle.UnpicklingError("it makes a storage of its own")


class Storage(NamedTuple):
    """What a persistent id names: `numel` elements from `offset` on, of those stored under `key`."""

    key: str
    code: str
    whole: int
    offset: int
    numel: int

    @property
    def itemsize(self) -> int:
        """Bytes of an element in the file."""
        return 2 if self.code == _BFLOAT16 else np.dtype(self.code).itemsize


class Tensor(NamedTuple):
    """A place for an array, and what belongs there."""

    place: PickledArray
    storage: Storage
    code: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Tensors:
    """Collects the tensors of one file while it is unpickled, and fills them when the storages are known."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self.admitted: Mapping[Global, Callable[..., Any]] = {
            **CONTAINERS,
            **NUMPY,
            **{("torch", f"{name}Storage"): Kind(code) for name, code in _KINDS.items()},
            ("torch.storage", "UntypedStorage"): Kind(_UNTYPED),
            **{("torch", f"uint{bits}"): Dtype(f"u{bits // 8}") for bits in (16, 32, 64)},
            ("torch._utils", "_rebuild_tensor"): Constructor(self._rebuild),
            ("torch._utils", "_rebuild_tensor_v2"): Constructor(self._rebuild),
            ("torch._utils", "_rebuild_tensor_v3"): Constructor(self._rebuild_typed),
            ("torch._utils", "_rebuild_parameter"): Constructor(_parameter),
        }
        self._tensors: list[Tensor] = []

    def persistent(self, pid: Any) -> Storage:
        """Return the storage that a persistent id names."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise pickle.UnpicklingError("it refers to an object that is no storage")
        kind, key, _, numel, *view = pid[1:]
        if not isinstance(kind, Kind) or not isinstance(key, str) or not _is_count(numel):
            raise pickle.UnpicklingError("it refers to a storage in no known way")
        whole = Storage(key, kind.code, numel, 0, numel)  # type: ignore[attr-defined]  # set in __init__
        if self.storages.setdefault(key, whole) != whole:
            raise pickle.UnpicklingError("it gives a storage two lengths or types")
        return _viewed(whole, view[0]) if view and view[0] is not None else whole

    def _rebuild(
        self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = None, *hooks: Any
    ) -> PickledArray:
        if not isinstance(storage, Storage):
            raise pickle.UnpicklingError("a tensor has no storage")
        return self._place(storage, storage.code, offset, size, stride)

    def _rebuild_typed(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, kind: Any, *more: Any
    ) -> PickledArray:
        if not isinstance(storage, Storage) or storage.code != _UNTYPED or not isinstance(kind, Dtype):
            raise pickle.UnpicklingError("a tensor has no storage")
        return self._place(storage, kind.code, offset, size, stride)  # type: ignore[attr-defined]

    def _place(self, storage: Storage, code: str, offset: Any, size: Any, stride: Any) -> PickledArray:
        counts = (
            (offset, *size, *stride) if isinstance(size, tuple) and isinstance(stride, tuple) else (None,)
        )
        if not all(map(_is_count, counts)) or len(size) != len(stride) or len(size) > _MOST_DIMENSIONS:
            raise pickle.UnpicklingError("a tensor has no shape")
        place = PickledArray(Meter())
        self._tensors.append(Tensor(place, storage, code, offset, size, stride))
        return place

    def fill(self, read: Callable[[Storage], bytes | bytearray], order: str) -> None:
        """Make the arrays; those of one storage share its memory.

        Parameters
        ----------
        read
            Returns the bytes of a whole storage.
        order
            The byte order of the file, `<` or `>`.
        """
        arrays: dict[str, Array] = {}
        for tensor in self._tensors:
            key = tensor.storage.key
            if key not in arrays:
                whole = self.storages[key]
                arrays[key] = _array(read(whole), whole, order)
            tensor.place.value = _strided(_typed(arrays[key], tensor, order), tensor)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _viewed(whole: Storage, view: Any) -> Storage:
    """Return the part of a storage that files before torch 0.4 describe by key, offset and length."""
    if not isinstance(view, tuple) or len(view) != 3 or not (_is_count(view[1]) and _is_count(view[2])):
        raise pickle.UnpicklingError("it refers to a storage in no known way")
    if view[1] + view[2] > whole.numel:
        raise pickle.UnpicklingError("a part of a storage is longer than the storage")
    return whole._replace(offset=view[1], numel=view[2])


def _parameter(data: Any, requires_grad: Any, hooks: Any, *state: Any) -> PickledArray:
    if not isinstance(data, PickledArray):
        raise pickle.UnpicklingError("a parameter has no tensor")
    return data


def _array(raw: bytes | bytearray, storage: Storage, order: str) -> Array:
    """Return the elements of a whole storage, in the machine's byte order, with memory of their own."""
    if len(raw) != storage.whole * storage.itemsize:
        raise pickle.UnpicklingError("a storage has another length than its tensors say")
    if storage.code == _BFLOAT16:  # the upper half of a float32
        return (np.frombuffer(raw, dtype=order + "u2").astype(np.uint32) << 16).view(np.float32)
    found = np.frombuffer(raw, dtype=order + storage.code)
    if found.dtype.kind == "b" and found.size and found.view(np.uint8).max() > 1:
        raise pickle.UnpicklingError("a truth value is neither true nor false")
    return found.astype(found.dtype.newbyteorder("="))


def _typed(array: Array, tensor: Tensor, order: str) -> Array:
    """Return the storage of a tensor as elements of the tensor's type."""
    storage = tensor.storage
    part = array[storage.offset : storage.offset + storage.numel]
    if tensor.code == storage.code:
        return part
    dtype = np.dtype(tensor.code)
    if len(part) % dtype.itemsize:
        raise pickle.UnpicklingError("a storage ends within an element")
    typed = part.view(dtype)
    return typed if np.dtype(order + tensor.code) == dtype else typed.byteswap()


def _strided(array: Array, tensor: Tensor) -> Array:
    """Return the tensor's view of its storage; it must lie within."""
    if 0 in tensor.size:
        return np.empty(tensor.size if math.prod(filter(None, tensor.size)) < 2**40 else (0,), array.dtype)
    last = sum((size - 1) * stride for size, stride in zip(tensor.size, tensor.stride, strict=True))
    if tensor.offset + last >= len(array) or math.prod(tensor.size) >= 2**40:
        raise pickle.UnpicklingError("a tensor is longer than its storage")
    strides = tuple(
        0 if size == 1 else stride * array.itemsize
        for size, stride in zip(tensor.size, tensor.stride, strict=True)
    )
    return np.lib.stride_tricks.as_strided(array[tensor.offset :], tensor.size, strides)
