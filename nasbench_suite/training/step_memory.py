"""The memory that a step of training holds: counted, so that it is the same number on every machine."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.training.choices import Gates
from nasbench_suite.training.supernet import Supernet


def step_bytes(
    supernet: Supernet, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], gates: Gates
) -> int:
    """Return the bytes held between the forward and the backward pass of a step.

    Weights, their gradients, the optimiser's state, and what the forward pass keeps for the backward pass;
    every piece of memory counts once. What operations use while they work is not in it.

    Parameters
    ----------
    supernet, optimizer
        As they are; nothing is changed.
    batch
        Inputs and labels.
    gates
        As the step has them.
    """
    inputs, labels = batch
    state = [value for of_weight in optimizer.state.values() for value in of_weight.values()]
    return held_bytes(
        lambda: F.cross_entropy(supernet(inputs, gates), labels),
        list(supernet.parameters()),
        [value for value in state if isinstance(value, Tensor)],
    )


def held_bytes(forward: Callable[[], Tensor], weights: Iterable[Tensor], state: Iterable[Tensor]) -> int:
    """Return the bytes held after a forward pass: as `step_bytes`, of any loss.

    Parameters
    ----------
    forward
        Returns the loss.
    weights
        What it is differentiated by.
    state
        What is held besides, such as the optimiser's state.
    """
    weights = list(weights)
    held = {_piece(tensor) for tensor in (*weights, *state)}
    gradients = sum(weight.numel() * weight.element_size() for weight in weights)

    def note(tensor: Tensor) -> Tensor:
        held.add(_piece(tensor))
        return tensor

    def unpack(tensor: Any) -> Any:
        return tensor

    kept = []  # or a later tensor could take the place of one that is gone
    with torch.autograd.graph.saved_tensors_hooks(note, unpack):
        kept.append(forward())
        return gradients + sum(size for _, size in held)


def _piece(tensor: Tensor) -> tuple[int, int]:
    """Return where a tensor's memory begins and how large it is."""
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()
