"""What the networks of all spaces share: the check of their input."""

from abc import ABC, abstractmethod
from typing import cast

from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import global_average


class Network(nn.Module, ABC):
    """A classifier: `[n, inputs, ...]` gives logits `[n, classes]`.

    Attributes
    ----------
    skeleton
        What it was built with.
    classifier
        The linear layer behind the global average.
    smallest
        The least length, height and width that the network takes.
    """

    smallest: int = 1
    classifier: nn.Linear

    def __init__(self, skeleton: Skeleton):
        super().__init__()
        self.skeleton = skeleton

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return what is averaged over all places before it is classified, `[n, channels, ...]`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `[n, classes]` for `[n, inputs, ...]`."""
        self.check(x)
        return cast(Tensor, self.classifier(global_average(self.features(x))))

    def check(self, x: Tensor) -> None:
        """Refuse what the network cannot classify.

        Raises
        ------
        NasbenchSuiteError
            When `x` has another number of dimensions or of channels, or is too small.
        """
        dims, inputs = self.skeleton.dims, self.skeleton.inputs
        if x.ndim != dims + 2 or x.shape[1] != inputs or min(x.shape[2:]) < self.smallest:
            places = "length" if dims == 1 else "height, width"
            raise NasbenchSuiteError(
                f"the network takes inputs of shape [n, {inputs}, {places}], at least {self.smallest} in "
                f"each direction, not {list(x.shape)}."
            )


class ChainNetwork(Network):
    """A network of blocks one after the other.

    Attributes
    ----------
    stem
        What comes before the blocks.
    blocks
        A block per layer of the space.
    head
        What comes after them.
    """

    stem: nn.Module
    blocks: nn.ModuleList
    head: nn.Module

    def features(self, x: Tensor) -> Tensor:
        """Return what the head leaves, `[n, channels, ...]`."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.head(x))
