"""The MnasNet space of Accel-NASBench: seven blocks of inverted bottlenecks on ImageNet.

Ahmad et al.: "Accel-NASBench" (arXiv 2404.08005), with its file `configspace.json`. A block is its expansion,
its kernel size, its number of layers and whether these have squeeze-and-excitation: 36^6 * 48, about
1.04 * 10^11 networks.
"""

import re

import numpy as np

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.product import ProductSpace

N_BLOCKS = 7
EXPANSIONS = (1, 4, 6)
"""Factors by which a layer's bottleneck is wider than its input."""
KERNELS = (3, 5)
"""Kernel sizes of the depthwise convolutions."""
SQUEEZES = (0, 1)
"""Whether a block's layers have squeeze-and-excitation."""

_MOST_LAYERS = (3, 3, 3, 3, 3, 4, 3)
CHOICES = tuple((EXPANSIONS, KERNELS, tuple(range(1, most + 1)), SQUEEZES) for most in _MOST_LAYERS)
"""What the four genes of each block may stand for: expansion, kernel size, layers, squeeze-and-excitation.

Every block has one to three layers, but the sixth up to four.
"""
_PARTS = (
    ("expansion", "e"),
    ("kernel size", "k"),
    ("number of layers", "l"),
    ("squeeze-and-excitation", "s"),
)
_BLOCK = re.compile(r"\s*e([0-9]+)k([0-9]+)l([0-9]+)s([0-9]+)\s*")
_EXAMPLE = "e1k3l1s1-e6k3l2s1-e6k5l2s1-e6k3l3s1-e6k5l3s1-e6k5l4s1-e6k3l1s1"


class MnasnetSpace(ProductSpace):
    """Genes `4 b` to `4 b + 3` are block `b`; the value of a gene is the place of its choice in `CHOICES`.

    So genes 0, 0, 1, 1 are expansion 1, kernel size 3, two layers and squeeze-and-excitation. The columns of
    the published table stand in the order of the genes.
    """

    def __init__(self) -> None:
        super().__init__("mnasnet", tuple(len(values) for block in CHOICES for values in block))

    def parse(self, text: str) -> Genes:
        """Read seven blocks such as `e6k3l1s0`, with dashes between them."""
        blocks = text.split("-")
        if len(blocks) != N_BLOCKS:
            raise ArchitectureError(
                f"{text!r} describes {len(blocks)} block(s) between dashes; a network of space {self.name!r} "
                f"has {N_BLOCKS}, for example {_EXAMPLE}."
            )
        genes: list[int] = []
        place = 0
        for block, part in enumerate(blocks):
            genes += _parse_block(text, part, place, block)
            place += len(part) + 1
        return np.array(genes, dtype=np.uint8)

    def format(self, genes: Genes) -> list[str]:
        """Write every row as seven blocks, `e6k3l1s0-e4k5l2s0-...`."""
        rows = self._range.checked(genes).reshape(-1, N_BLOCKS, len(_PARTS)).tolist()
        return ["-".join(map(_format_block, row, CHOICES)) for row in rows]


def _parse_block(text: str, part: str, place: int, block: int) -> list[int]:
    found = _BLOCK.fullmatch(part)
    if found is None:
        raise ArchitectureError(
            f"character {place + 1} of {text!r}: block {block + 1} reads {part!r}; write its expansion, "
            "kernel size, layers and squeeze-and-excitation, for example e6k3l1s0."
        )
    genes = []
    for group, (meaning, _) in enumerate(_PARTS):
        known = [str(value) for value in CHOICES[block][group]]
        if found.group(group + 1) not in known:
            raise ArchitectureError(
                f"character {place + found.start(group + 1) + 1} of {text!r}: block {block + 1} cannot have "
                f"{meaning} {found.group(group + 1)}; write {', '.join(known[:-1])} or {known[-1]}."
            )
        genes.append(known.index(found.group(group + 1)))
    return genes


def _format_block(genes: list[int], choices: tuple[tuple[int, ...], ...]) -> str:
    parts = zip(_PARTS, choices, genes, strict=True)
    return "".join(f"{letter}{values[gene]}" for (_, letter), values, gene in parts)
