"""What a network asks of a machine: arithmetic, bytes moved, and launches, operation by operation.

Every operation that PyTorch dispatches is one launch. It reads its tensors and writes its results once, which
is the least that can be. Floating-point operations are those of `torch.utils.flop_counter` (two per
multiply-add of convolutions and matrix products), and none for all else, which is bound by memory. Views
cost nothing.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Work = NDArray[np.float64]
"""Floating-point operations and bytes of every launch, `[launches, 2]`."""


def tensor_work(network: nn.Module, shape: tuple[int, ...], batch: int = 1) -> Work:
    """Return the work of a forward pass in evaluation, in the order of the launches.

    Parameters
    ----------
    network
        On the device `meta`: nothing is computed.
    shape
        Of one input, `(channels, ...)`.
    batch
        Inputs at once.
    """
    network.eval()
    counter, inputs = _Counter(), torch.empty((batch, *shape), device="meta")
    with torch.no_grad(), counter:
        network(inputs)
    return np.array(counter.done).reshape(-1, 2)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch is typed in part
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.done: list[tuple[float, float]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if not _is_view(func):
            moved = sum(map(_bytes, (*args, *kwargs.values()))) + _bytes(found)
            count = flop_registry.get(func.overloadpacket)
            self.done.append((float(count(*args, **kwargs, out_val=found)) if count else 0.0, moved))
        return found


def _is_view(func: Any) -> bool:
    """Tell whether an operation gives another look at memory that is there."""
    returns = func._schema.returns
    return bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def _bytes(value: Any) -> float:
    if isinstance(value, Tensor):
        return float(value.numel() * value.element_size())
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0.0
