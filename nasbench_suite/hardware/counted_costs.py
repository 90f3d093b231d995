"""Costs that are counted, not measured: parameters, multiply-adds, and what weights take in memory."""

from dataclasses import replace

import numpy as np

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes, get_space

COUNTS = {
    "params_millions": ("parameters", 1e-6),
    "flops_millions": ("multiply_adds", 1e-6),
    "model_bytes": ("parameters", 4.0),
}
"""What is counted, and how much of it makes one of the unit; weights are of four bytes each."""
_INPUTS = {
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "ImageNet16-120": ((3, 16, 16), 120),
}
"""Shape of one input and number of classes of data sets whose tables may lack counts."""


class CountedCosts(CostModel):
    """Counts the networks of a space's authors, as `training.counting` does.

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
        from nasbench_suite.training.networks import official_skeleton  # loads torch

        if quantity not in COUNTS:
            raise UnknownNameError("counted cost", quantity, COUNTS)
        self.space, self.quantity = get_space(space), quantity
        self._shape = shape
        official = official_skeleton(space, classes=classes)
        self._skeleton = replace(official, inputs=shape[0], dims=1 if len(shape) == 2 else 2)

    @classmethod
    def of_dataset(cls, space: str, quantity: str, dataset: str) -> "CountedCosts":
        """Return the counts of a space's networks for a data set, such as `cifar100`.

        Raises
        ------
        NasbenchSuiteError
            When no networks are built of the space, or the inputs of the data set are not known.
        """
        from nasbench_suite.training.networks import network_spaces  # loads torch

        if space not in network_spaces() or dataset not in _INPUTS:
            lacks = f"inputs of {dataset}" if space in network_spaces() else f"networks of space {space}"
            raise NasbenchSuiteError(f"{quantity} cannot be counted, as {lacks} are not known.")
        shape, classes = _INPUTS[dataset]
        return cls(space, quantity, classes, shape)

    @property
    def origin(self) -> str:
        """Where costs come from."""
        size = " x ".join(map(str, self._shape))
        return f"counted here, for inputs of {size} and {self._skeleton.classes} classes"

    def predict(self, genes: Genes) -> Costs:
        """Return the counts; see `CostModel.predict`."""
        from nasbench_suite.training.counting import count_many

        counts = count_many(self.space.name, genes, self._skeleton, self._shape)
        attribute, factor = COUNTS[self.quantity]
        return np.asarray(getattr(counts, attribute), dtype=np.float64) * factor
