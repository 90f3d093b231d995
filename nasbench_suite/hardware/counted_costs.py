"""Costs that are counted, not measured: parameters, multiply-adds, and what weights take in memory."""

import numpy as np

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes, get_space

_COUNTS = {
    "params_millions": ("parameters", 1e-6),
    "flops_millions": ("multiply_adds", 1e-6),
    "model_bytes": ("parameters", 4.0),
}
"""What is counted, and how much of it makes one of the unit; weights are of four bytes each."""


class CountedCosts(CostModel):
    """Counts the networks of a space, as `training.counting` does.

    Parameters
    ----------
    space
        Name of a space that networks are built of.
    quantity
        `params_millions`, `flops_millions` (multiply-adds of one input) or `model_bytes`.
    classes, shape
        What the networks are for: number of classes, and one input, `(channels, height, width)` or
        `(channels, length)`.

    Raises
    ------
    UnknownNameError
        When there is no such quantity.
    NasbenchSuiteError
        When no networks are built of the space.
    """

    def __init__(self, space: str, quantity: str, classes: int = 10, shape: tuple[int, ...] = (3, 32, 32)):
        from nasbench_suite.training.networks import Skeleton  # loads torch

        if quantity not in _COUNTS:
            raise UnknownNameError("counted cost", quantity, _COUNTS)
        self.space, self.quantity = get_space(space), quantity
        self._shape = shape
        self._skeleton = Skeleton(classes=classes, inputs=shape[0], dims=1 if len(shape) == 2 else 2)

    def predict(self, genes: Genes) -> Costs:
        """Return the counts; see `CostModel.predict`."""
        from nasbench_suite.training.counting import count_many

        counts = count_many(self.space.name, genes, self._skeleton, self._shape)
        attribute, factor = _COUNTS[self.quantity]
        return np.asarray(getattr(counts, attribute), dtype=np.float64) * factor
