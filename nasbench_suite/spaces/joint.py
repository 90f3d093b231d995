"""Cells and how they are trained, chosen together: part of the topology space times three settings of SGD.

Zela, Klein, Falkner, Hutter: "Towards Automated Deep Learning: Efficient Joint Neural Architecture and
Hyperparameter Search" (AutoML workshop, ICML 2018) is why: the best architecture depends on the
hyperparameters. The space is ours, small enough to be trained whole.
"""

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS, NatsTopologySpace

HYPERPARAMETERS: Mapping[str, tuple[float, ...]] = {
    "learning_rate": (0.0125, 0.05, 0.2),
    "batch": (50, 100, 200),
    "weight_decay": (5e-5, 5e-4, 5e-3),
}
"""Values of each hyperparameter; the middle ones are those of recipe `short`."""
CHOICES = (
    OPERATIONS.index("skip_connect"),
    OPERATIONS.index("nor_conv_1x1"),
    OPERATIONS.index("nor_conv_3x3"),
)
"""Operations that a free edge may have."""
FIXED = OPERATIONS.index("nor_conv_3x3")
"""Operation of the last edge."""


class JointSpace(CategoricalSpace):
    """Genes 0, 1 and 2 are places among the values of `HYPERPARAMETERS`; gene `3 + i` is one among `CHOICES`.

    The free edges are all of `EDGES` but the last, which has a 3x3 convolution: 243 cells, of which 180 are
    distinct, times 27 settings. Architectures are isomorphic when their cells are and their settings equal.

    Attributes
    ----------
    base
        The space of the cells.
    hyperparameters
        Names and values, in the order of the genes.
    """

    hyperparameters = HYPERPARAMETERS

    def __init__(self, name: str, base: NatsTopologySpace):
        free = len(EDGES) - 1
        settings = tuple(map(len, HYPERPARAMETERS.values()))
        super().__init__(name, settings + (len(CHOICES),) * free)
        self.base = base

    def cells(self, genes: Genes) -> Genes:
        """Return the cell of every row, in the space of the cells: uint8 `[n, 6]`."""
        free = np.array(CHOICES, dtype=np.uint8)[genes[:, len(HYPERPARAMETERS) :]]
        return np.concatenate([free, np.full((len(genes), 1), FIXED, dtype=np.uint8)], axis=1)

    def settings(self, genes: Genes) -> dict[str, NDArray[np.float64]]:
        """Return the value of every hyperparameter, float64 `[n]` by name."""
        return {
            name: np.array(values, dtype=np.float64)[genes[:, gene]]
            for gene, (name, values) in enumerate(HYPERPARAMETERS.items())
        }

    def setting_number(self, genes: Genes) -> NDArray[np.int64]:
        """Return a number for the setting of every row, equal for equal settings, int64 `[n]`."""
        return cast(NDArray[np.int64], self.encode(genes) // len(CHOICES) ** (len(EDGES) - 1))

    def _representatives(self) -> NDArray[np.int32]:
        rows = self.decode(np.arange(self.n_codes))
        pairs = np.stack(
            [self.setting_number(rows), self.base.key(self.cells(rows)).astype(np.int64)], axis=1
        )
        _, first, group = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        return first[group.ravel()].astype(np.int32)

    def parse(self, text: str) -> Genes:
        """Read `learning_rate=0.05 batch=100 weight_decay=0.0005 |op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        *words, cell = text.split() or [""]
        if [word.partition("=")[0] for word in words] != list(HYPERPARAMETERS):
            raise ArchitectureError(
                f"{text!r} must have the words {' '.join(f'{n}=VALUE' for n in HYPERPARAMETERS)} and then a "
                "cell; for example " + self.format(np.ones((1, self.n_genes), dtype=np.uint8))[0]
            )
        genes = [self._place(text, *word.split("=", 1)) for word in words]
        operations = self.base.parse(cell)
        if operations[-1] != FIXED or not set(operations[:-1].tolist()) <= set(CHOICES):
            raise ArchitectureError(
                f"the cell of {text!r} must have nor_conv_3x3 on its last edge, and "
                f"{', '.join(OPERATIONS[choice] for choice in CHOICES)} on the others."
            )
        return np.array([*genes, *(CHOICES.index(op) for op in operations[:-1].tolist())], dtype=np.uint8)

    @staticmethod
    def _place(text: str, name: str, value: str) -> int:
        for place, known in enumerate(HYPERPARAMETERS[name]):
            if value == f"{known:g}":
                return place
        raise ArchitectureError(
            f"{text!r}: {name} is one of {', '.join(f'{known:g}' for known in HYPERPARAMETERS[name])}, "
            f"not {value}."
        )

    def format(self, genes: Genes) -> list[str]:
        """Write every row as `learning_rate=0.05 batch=100 weight_decay=0.0005 |op~0|+...`."""
        self.encode(genes)
        settings = self.settings(genes)
        words = [
            " ".join(f"{name}={values[row]:g}" for name, values in settings.items())
            for row in range(len(genes))
        ]
        return [
            f"{word} {cell}" for word, cell in zip(words, self.base.format(self.cells(genes)), strict=True)
        ]
