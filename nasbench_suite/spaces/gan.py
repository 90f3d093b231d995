"""The space of AutoGAN: generators of cells one after the other, each twice as long as the one before.

Gong, Chang, Jiang, Wang: "AutoGAN: Neural Architecture Search for Generative Adversarial Networks" (ICCV
2019), section 3.1. Three cells make 36 * 72 * 144 = 373,248 generators, two make 2,592.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace

ORDERS = ("pre", "post")
"""Normalisation and ReLU before a convolution, or after it."""
NORMALISATIONS = ("none", "batch", "instance")
UPSAMPLINGS = ("linear", "nearest", "deconv")
"""How a cell doubles the length; `linear` is bilinear where there are two dimensions."""
SHORTCUTS = ("plain", "shortcut")
"""Whether the cell's input is added to its output."""
CHOICES = (ORDERS, NORMALISATIONS, UPSAMPLINGS, SHORTCUTS)
"""What every cell chooses, in the order of its genes; a cell's skip-ins follow, one bit per earlier cell."""

_KINDS = ("activation order", "normalisation", "up-sampling", "shortcut")


class GanSpace(CategoricalSpace):
    """Cell by cell the places in `CHOICES`, then a bit for every earlier cell whose inner result is added.

    The text form has a bar between cells and dashes between choices, the skip-ins as digits from the
    first cell on: `pre-batch-nearest-shortcut|post-none-deconv-plain-1`. Every row is a network of its
    own: each gene changes which parameters there are or what is computed with them, so none are counted
    as one.

    Parameters
    ----------
    name
        The name `get_space` answers to.
    n_cells
        How many cells there are.
    """

    def __init__(self, name: str, n_cells: int):
        self.n_cells = n_cells
        self._slices = []
        cardinalities: list[int] = []
        for cell in range(n_cells):
            start = len(cardinalities)
            cardinalities += [*map(len, CHOICES), *[2] * cell]
            self._slices.append(slice(start, len(cardinalities)))
        super().__init__(name, tuple(cardinalities))

    def cells(self, genes: Genes) -> list[Genes]:
        """Return the genes of every cell: uint8 `[n, 4 + earlier cells]`, the choices first."""
        return [genes[:, part] for part in self._slices]

    def _representatives(self) -> NDArray[np.int32]:
        return np.arange(self.n_codes, dtype=np.int32)

    def parse(self, text: str) -> Genes:
        """Read cells with bars between them, `pre-batch-nearest-shortcut|post-none-deconv-plain-1`."""
        cells = text.split("|")
        if len(cells) != self.n_cells:
            example = self.format(self.decode(np.zeros(1, dtype=np.int64)))[0]
            raise ArchitectureError(
                f"{text!r} describes {len(cells)} cell(s) between bars; a generator of space "
                f"{self.name!r} has {self.n_cells}, for example {example}."
            )
        genes: list[int] = []
        place = 0
        for number, cell in enumerate(cells):
            genes += self._parse_cell(text, cell, place, number)
            place += len(cell) + 1
        return np.array(genes, dtype=np.uint8)

    def _parse_cell(self, text: str, cell: str, place: int, number: int) -> list[int]:
        parts = cell.split("-")
        expected = len(CHOICES) + (number > 0)
        if len(parts) != expected:
            raise ArchitectureError(
                f"character {place + 1} of {text!r}: cell {number + 1} has {len(parts)} part(s) between "
                f"dashes, not {expected}: {', '.join(_KINDS)}"
                f"{' and one skip-in digit per earlier cell' * (number > 0)}."
            )
        genes = []
        for kind, choices, part in zip(_KINDS, CHOICES, parts, strict=False):
            genes.append(_place_in(choices, kind, part, text, place))
            place += len(part) + 1
        return genes + (_skips(parts[-1], number, text, place) if number else [])

    def format(self, genes: Genes) -> list[str]:
        """Write every row as cells, `pre-batch-nearest-shortcut|post-none-deconv-plain-1`."""
        self.encode(genes)
        cells = [part.tolist() for part in self.cells(np.asarray(genes))]
        return ["|".join(map(_format_cell, row)) for row in zip(*cells, strict=True)]


def _place_in(choices: tuple[str, ...], kind: str, part: str, text: str, place: int) -> int:
    name = part.strip()
    if name not in choices:
        place += len(part) - len(part.lstrip())
        unknown = UnknownNameError(kind, name, choices)
        raise ArchitectureError(f"character {place + 1} of {text!r}: {unknown}")
    return choices.index(name)


def _skips(part: str, earlier: int, text: str, place: int) -> list[int]:
    digits = part.strip()
    place += len(part) - len(part.lstrip())
    for offset, digit in enumerate(digits):
        if digit not in "01":
            raise ArchitectureError(
                f"character {place + offset + 1} of {text!r} is {digit!r}; write 1 for a skip-in from an "
                "earlier cell and 0 for none."
            )
    if len(digits) != earlier:
        raise ArchitectureError(
            f"character {place + 1} of {text!r}: cell {earlier + 1} has {len(digits)} skip-in digit(s), not "
            f"{earlier}, one per earlier cell."
        )
    return [int(digit) for digit in digits]


def _format_cell(genes: list[int]) -> str:
    names = [choices[gene] for choices, gene in zip(CHOICES, genes, strict=False)]
    skips = "".join(map(str, genes[len(CHOICES) :]))
    return "-".join([*names, skips] if skips else names)
