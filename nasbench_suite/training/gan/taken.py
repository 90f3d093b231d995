"""What models of a group take: masks on the device, and what is known of them without asking it."""

import numpy as np
import torch
from numpy.typing import NDArray


class Choice:
    """A gene of all models.

    Attributes
    ----------
    values
        int64 `[models]`, on the device.
    """

    def __init__(self, genes: NDArray[np.uint8], device: torch.device):
        self._genes, self._device = genes, device
        self.values = torch.from_numpy(genes.astype("int64")).to(device)

    def where(self, value: int) -> "Taken":
        """Return which models have a value."""
        return Taken(self._genes == value, self._device)


class Taken:
    """Which models take something.

    Attributes
    ----------
    mask
        bool `[models]`, on the device.
    by_all, by_none
        Known without asking the device.
    """

    def __init__(self, taken: NDArray[np.bool_], device: torch.device):
        self._taken, self._device = taken, device
        self.mask = torch.from_numpy(taken).to(device)
        self.by_all, self.by_none = bool(taken.all()), not taken.any()

    def __and__(self, other: "Taken") -> "Taken":
        return Taken(self._taken & other._taken, self._device)

    def __invert__(self) -> "Taken":
        return Taken(~self._taken, self._device)
