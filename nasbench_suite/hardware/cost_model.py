"""The contract of a cost model: architectures in, a cost on a device out."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Direction
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes, SearchSpace

Costs = NDArray[np.float64]
"""Costs of architectures, `[n]`."""
_SUFFIXES = {
    "_ms": "ms",
    "_seconds": "s",
    "_mj": "mJ",
    "_kwh": "kWh",
    "_bytes": "B",
    "_millions": "M",
    "_images_per_second": "images/s",
}
"""What names of quantities end in, and the unit that it says."""


def stem_of(quantity: str) -> str:
    """Return the quantity without its unit: `latency` for `latency_ms`."""
    return next(
        (quantity.removesuffix(suffix) for suffix in _SUFFIXES if quantity.endswith(suffix)), quantity
    )


def unit_of(quantity: str) -> str:
    """Return the unit that a quantity carries in its name: `ms` for `latency_ms`.

    Raises
    ------
    NasbenchSuiteError
        When it carries none.
    """
    for suffix, unit in _SUFFIXES.items():
        if quantity.endswith(suffix):
            return unit
    raise NasbenchSuiteError(
        f"quantity {quantity!r} does not say its unit; let it end in one of {', '.join(_SUFFIXES)}."
    )


class CostModel(ABC):
    """Predicts what architectures cost.

    Attributes
    ----------
    space
        The space of the architectures.
    quantity
        What is predicted, with its unit in the name: `latency_ms`, `energy_mj`.
    device
        On what; empty where it does not depend on a device.
    direction
        Whether more (`max`: throughput) or less is better.
    """

    space: SearchSpace
    quantity: str
    device: str = ""
    direction: Direction = "min"

    @property
    def name(self) -> str:
        """`QUANTITY@DEVICE`, as rules and formulas call it."""
        return f"{self.quantity}@{self.device}" if self.device else self.quantity

    @property
    def origin(self) -> str:
        """Where costs come from, as the end of a sentence."""
        return f"predicted by {type(self).__name__}"

    @property
    def unit(self) -> str:
        """Unit of what `predict` returns."""
        return unit_of(self.quantity)

    @abstractmethod
    def predict(self, genes: Genes) -> Costs:
        """Return the costs of architectures, float64 `[n]`; NaN where one is not known.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`.

        Raises
        ------
        ArchitectureError
            When a row is no architecture that the model knows.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of space {self.space.name}>"
