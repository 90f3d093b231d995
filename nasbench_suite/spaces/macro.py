"""The space of NAS-Bench-Macro: one of three operations in each of eight layers.

Su et al.: "Prioritized architecture sampling with Monto-Carlo tree search" (CVPR 2021), with its table
`nas-bench-macro_cifar10.json`: 3^8 = 6,561 strings, 3,969 networks.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace

OPERATIONS = ("identity", "mb3_3x3", "mb6_5x5")
"""Operations in the benchmark's order; MB are inverted bottlenecks with their expansion and kernel size."""
STAGES = (2, 3, 3)
"""Number of layers of each stage; the first of them halves the resolution and doubles the channels."""

_SWAPPABLE = ((3, 4), (6, 7))
"""The layers of the second and the third stage that keep the shape; the first stage has but one."""


class MacroSpace(CategoricalSpace):
    """Gene `i` is the operation of layer `i`, in the order of `OPERATIONS`.

    The first layer of a stage is never the identity proper, since it changes the shape: there `identity`
    stands for a 1x1 convolution. In the layers after it the identity computes nothing, so that it does not
    matter which of them it takes: within a stage the order of the identities among these layers is
    arbitrary. The representative is the least row, with the identities first. In the published table
    isomorphic strings have the same results, and no others have.
    """

    operations = OPERATIONS

    def __init__(self) -> None:
        super().__init__("macro", (len(OPERATIONS),) * sum(STAGES))

    def _representatives(self) -> NDArray[np.int32]:
        rows = self.decode(np.arange(self.n_codes))
        for first, second in _SWAPPABLE:
            swap = (rows[:, first] != 0) & (rows[:, second] == 0)
            rows[swap, second] = rows[swap, first]
            rows[swap, first] = 0
        return self.encode(rows).astype(np.int32)

    def parse(self, text: str) -> Genes:
        """Read one digit per layer, `02012100`."""
        digits = text.strip()
        place = len(text) - len(text.lstrip())
        for offset, digit in enumerate(digits):
            if digit not in "012":
                raise ArchitectureError(
                    f"character {place + offset + 1} of {text!r} is {digit!r}; write 0 for identity, "
                    "1 for mb3_3x3 and 2 for mb6_5x5."
                )
        if len(digits) != self.n_genes:
            raise ArchitectureError(
                f"{text!r} describes {len(digits)} layer(s); a network of space {self.name!r} has "
                f"{self.n_genes}, one digit each, for example 02012100."
            )
        return np.array([int(digit) for digit in digits], dtype=np.uint8)

    def format(self, genes: Genes) -> list[str]:
        """Write every row as one digit per layer, `02012100`."""
        self.encode(genes)
        return ["".join(map(str, row)) for row in genes.tolist()]
