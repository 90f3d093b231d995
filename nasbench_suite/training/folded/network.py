"""What the folded networks of all spaces have in common: a stem, steps one after the other, a head."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from nasbench_suite.training.folded.head import Head, Stem
from nasbench_suite.training.folded.parameters import FoldedParameters


class Step(Protocol):
    """A part of a network, between two activations."""

    def forward(self) -> None:
        """Set what comes after it, in training."""
        ...

    def backward(self) -> None:
        """Set the gradients of what comes before it and of its weights."""
        ...

    def prepare(self) -> None:
        """Make ready for inference with the present weights."""
        ...

    def infer(self) -> None:
        """Set what comes after it, in inference."""
        ...


class FoldedNetwork:
    """A group of networks, `M` in all, that takes one batch for all of them.

    Attributes
    ----------
    parameters
        The weights, shared by the network that trains and the one that infers.
    stem, steps, head
        The parts, in order.
    """

    parameters: FoldedParameters
    stem: Stem
    steps: Sequence[Step]
    head: Head

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `[M, classes, batch]` for signals `[inputs, length, batch]`, in training."""
        self.stem.forward(x)
        for step in self.steps:
            step.forward()
        return self.head.forward()

    def backward(self, grad: Tensor) -> None:
        """Set the gradients of all weights, given those of the logits, `[M, classes, batch]`."""
        self.head.backward(grad)
        for step in reversed(self.steps):
            step.backward()
        self.stem.backward()

    def prepare(self) -> None:
        """Make ready for inference with the present weights."""
        self.parameters.freeze()
        self.stem.prepare()
        for step in self.steps:
            step.prepare()

    def infer(self, x: Tensor) -> Tensor:
        """Return logits `[M, classes, batch]` for signals `[inputs, length, batch]`, in inference."""
        self.stem.infer(x)
        for step in self.steps:
            step.infer()
        return self.head.infer()
