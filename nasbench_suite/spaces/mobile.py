"""The space of ProxylessNAS: an inverted bottleneck, or nothing, in each of 21 layers.

Cai, Zhu, Han: "ProxylessNAS" (ICLR 2019), section 4.2, with the authors' code (mit-han-lab/proxylessnas,
`search/imagenet_arch_search.py` and `super_proxyless.py`), which names the blocks. That makes 6^6 * 7^15,
about 2.2 * 10^17 networks.
"""

import numpy as np

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.product import ProductSpace

STAGES = (4, 4, 4, 4, 4, 1)
"""Number of layers of each stage; the first of them changes the number of channels."""
N_LAYERS = sum(STAGES)
SKIP = "Zero"
OPERATIONS = (
    "3x3_MBConv3",
    "3x3_MBConv6",
    "5x5_MBConv3",
    "5x5_MBConv6",
    "7x7_MBConv3",
    "7x7_MBConv6",
    SKIP,
)
"""Blocks in the authors' order: kernel size and expansion. `Zero` leaves a layer out: its input goes on."""

_MAY_SKIP = tuple(place > 0 for layers in STAGES for place in range(layers))


class MobileSpace(ProductSpace):
    """Gene `i` is the place in `OPERATIONS` of the block of layer `i`.

    The first layer of a stage cannot be left out. Within a stage it does not matter to the function computed
    which of the others are; rows that differ in that only are not counted as one, since the authors' search
    tells them apart.
    """

    operations = OPERATIONS

    def __init__(self) -> None:
        super().__init__("mobile", tuple(len(OPERATIONS) - (not skips) for skips in _MAY_SKIP))

    def parse(self, text: str) -> Genes:
        """Read 21 blocks with dashes between them, `5x5_MBConv3-Zero-...`."""
        blocks = text.split("-")
        if len(blocks) != N_LAYERS:
            raise ArchitectureError(
                f"{text!r} describes {len(blocks)} layer(s) between dashes; a network of space {self.name!r} "
                f"has {N_LAYERS}, such as 5x5_MBConv3-3x3_MBConv6-{SKIP}."
            )
        genes = []
        place = 0
        for layer, block in enumerate(blocks):
            genes.append(self._parse_block(text, block, place, layer))
            place += len(block) + 1
        return np.array(genes, dtype=np.uint8)

    def _parse_block(self, text: str, block: str, place: int, layer: int) -> int:
        name = block.strip()
        place += len(block) - len(block.lstrip())
        if name not in OPERATIONS:
            unknown = UnknownNameError(f"block of space {self.name!r} called", name, OPERATIONS)
            raise ArchitectureError(f"character {place + 1} of {text!r}: {unknown}")
        if name == SKIP and not _MAY_SKIP[layer]:
            raise ArchitectureError(
                f"character {place + 1} of {text!r}: layer {layer + 1} begins a stage and cannot be {SKIP}."
            )
        return OPERATIONS.index(name)

    def format(self, genes: Genes) -> list[str]:
        """Write every row as names of blocks, `5x5_MBConv3-Zero-...`."""
        return ["-".join(OPERATIONS[gene] for gene in row) for row in self._range.checked(genes).tolist()]
