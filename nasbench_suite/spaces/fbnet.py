"""The space of FBNet, as HW-NAS-Bench and HELP measured it: one of nine blocks in each of 22 layers.

Wu et al.: "FBNet" (CVPR 2019, Tables 1 and 2); Li et al.: "HW-NAS-Bench" (ICLR 2021), whose API numbers the
blocks; Lee et al.: "HELP" (NeurIPS 2021), whose 5,000 networks have the same numbers. That makes 9^22, about
9.8 * 10^20 networks.
"""

import re

import numpy as np

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.product import ProductSpace

N_LAYERS = 22
OPERATIONS = (
    "k3_e1",
    "k3_e1_g2",
    "k3_e3",
    "k3_e6",
    "k5_e1",
    "k5_e1_g2",
    "k5_e3",
    "k5_e6",
    "skip",
)
"""Blocks in HW-NAS-Bench's order: kernel size, expansion and, where it is not one, number of groups."""
_NUMBERS = tuple(map(str, range(len(OPERATIONS))))
_WITHOUT_BRACKETS = str.maketrans("[]", "  ")
_NUMBER = re.compile(r"[^\s,]+")


class FbnetSpace(ProductSpace):
    """Gene `i` is the place in `OPERATIONS` of the block of layer `i`.

    HW-NAS-Bench calls such a row `op_idx_list`. Its networks have seven stages of 1, 4, 4, 4, 4, 4 and 1
    layers. Within a stage, after its first layer, it does not matter to the function computed which layers
    are `skip`; rows that differ in that only are not counted as one, since both benchmarks speak of lists of
    numbers and neither unites them.
    """

    def __init__(self) -> None:
        super().__init__("fbnet", (len(OPERATIONS),) * N_LAYERS)

    def parse(self, text: str) -> Genes:
        """Read 22 blocks with dashes between them, `k5_e6-skip-...`, or their numbers, `[7, 8, ...]`."""
        if re.fullmatch(r"[0-9\s,\[\]]*", text):
            return self._from_numbers(text)
        blocks = text.split("-")
        self._refuse_other_length(text, len(blocks))
        genes = []
        place = 0
        for block in blocks:
            if block.strip() not in OPERATIONS:
                unknown = UnknownNameError(f"block of space {self.name!r} called", block.strip(), OPERATIONS)
                raise ArchitectureError(f"character {place + 1} of {text!r}: {unknown}")
            genes.append(OPERATIONS.index(block.strip()))
            place += len(block) + 1
        return np.array(genes, dtype=np.uint8)

    def _from_numbers(self, text: str) -> Genes:
        numbers = list(_NUMBER.finditer(text.translate(_WITHOUT_BRACKETS)))
        for number in numbers:
            if number.group() not in _NUMBERS:
                raise ArchitectureError(
                    f"character {number.start() + 1} of {text!r}: there is no block {number.group()}; "
                    f"blocks are numbered 0 to {len(OPERATIONS) - 1}."
                )
        self._refuse_other_length(text, len(numbers))
        return np.array([int(number.group()) for number in numbers], dtype=np.uint8)

    def _refuse_other_length(self, text: str, length: int) -> None:
        if length != N_LAYERS:
            raise ArchitectureError(
                f"{text!r} describes {length} layer(s); a network of space {self.name!r} has {N_LAYERS}: "
                "names of blocks with dashes between them, such as k5_e6-skip-k3_e1, or their numbers in "
                "brackets."
            )

    def format(self, genes: Genes) -> list[str]:
        """Write every row as names of blocks, `k5_e6-skip-k3_e1-...`."""
        return ["-".join(OPERATIONS[gene] for gene in row) for row in self._range.checked(genes).tolist()]
