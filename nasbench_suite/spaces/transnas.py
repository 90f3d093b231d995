"""The two spaces of TransNAS-Bench-101: a cell in a fixed skeleton, and a skeleton of fixed blocks.

Duan et al.: "TransNAS-Bench-101" (CVPR 2021), with the network codes that the README of yawen-d/TransNASBench
explains. A code is base channels, modules and cell, `64-41414-1_02_333`. The modules are digits: 1 keeps the
shape, 2 doubles the channels, 3 halves the resolution, 4 does both. The benchmark trained all codes of both
spaces: 4,096 and 3,256.
"""

from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.cell_graphs import CellGraphs, graphs_of_edges

OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3")
"""Operations of a cell, in the benchmark's order."""
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and target node of each gene of a cell, in the order of the published code."""
MODULES = ("1", "2", "3", "4")
"""Digits of the modules of a skeleton."""
LENGTHS = (4, 5, 6)
"""Numbers of modules that a skeleton may have."""
HALVINGS = (1, 2, 3, 4)
"""How many modules of a skeleton may halve the resolution."""
DOUBLINGS = (1, 2, 3)
"""How many modules of a skeleton may double the channels."""

_ABSENT = len(MODULES)
_MICRO_CODE = "64-41414-1_02_333"
_MACRO_CODE = "64-1234-basic"


class TransnasMicroSpace(CategoricalSpace):
    """Gene `i` is the operation on edge `EDGES[i]` of a cell of four nodes, in the skeleton 41414.

    Isomorphic cells are not counted as one: the benchmark trained all 4,096 codes and tells them apart.
    Mutation draws an edge uniformly and then another operation, as NASLib does for this space.
    """

    def __init__(self) -> None:
        super().__init__("transnas_micro", (len(OPERATIONS),) * len(EDGES))

    def _representatives(self) -> NDArray[np.int32]:
        return np.arange(self.n_codes, dtype=np.int32)

    def graphs(self, genes: Genes) -> list[CellGraphs]:
        """Return every cell with a node for each edge whose operation is not `none`."""
        return [graphs_of_edges(OPERATIONS, EDGES, genes)]

    def parse(self, text: str) -> Genes:
        """Read a network code such as `64-41414-1_02_333`."""
        code = text.strip()
        start = len(text) - len(text.lstrip())
        for place, (character, pattern) in enumerate(zip_longest(code, "64-41414-?_??_???", fillvalue="")):
            if character != pattern and not (pattern == "?" and character in ("0", "1", "2", "3")):
                raise _misread(
                    start + place, text, _MICRO_CODE, f"with {', '.join(_numbered(OPERATIONS))} on the edges"
                )
        return np.array([int(digit) for digit in code[9:].replace("_", "")], dtype=np.uint8)

    def format(self, genes: Genes) -> list[str]:
        """Write every row as a network code, `64-41414-1_02_333`."""
        self.encode(genes)
        return ["64-41414-{}_{}{}_{}{}{}".format(*row) for row in genes.tolist()]


class TransnasMacroSpace(CategoricalSpace):
    """Gene `i` is the place in `MODULES` of the digit of module `i`, of residual blocks.

    A skeleton has four to six modules, of which one to four halve the resolution and one to three double the
    channels: these are the counts that NASLib draws for this space, and they leave just the published 3,256
    codes. In genes 4 and 5 the value 4 stands for no module; gene 5 has it wherever gene 4 has it.

    The benchmark publishes no mutation for this space; here one gene gets another value, so that a step
    changes one module or the length by one.
    """

    def __init__(self) -> None:
        super().__init__("transnas_macro", (4, 4, 4, 4, 5, 5))

    def _representatives(self) -> NDArray[np.int32]:
        rows = self.decode(np.arange(self.n_codes))
        gap = (rows[:, 4] == _ABSENT) & (rows[:, 5] != _ABSENT)
        halvings, doublings = _shape_changes(rows)
        valid = ~gap & np.isin(halvings, HALVINGS) & np.isin(doublings, DOUBLINGS)
        return np.where(valid, np.arange(self.n_codes), -1).astype(np.int32)

    def raise_invalid(self, row: Genes) -> None:
        """Raise the error that says which rule the skeleton `row` breaks."""
        if row[4] == _ABSENT and row[5] != _ABSENT:
            raise ArchitectureError(
                f"genes {row.tolist()} have a sixth module but no fifth; set gene 5 to {_ABSENT} as well."
            )
        halvings, doublings = (int(count[0]) for count in _shape_changes(row[None]))
        raise ArchitectureError(
            f"the skeleton {_digits(row.tolist())} halves the resolution {halvings} time(s) and doubles the "
            f"channels {doublings} time(s); space {self.name!r} has 1 to 4 halvings and 1 to 3 doublings."
        )

    def parse(self, text: str) -> Genes:
        """Read a network code such as `64-1234-basic`."""
        start, digits = self._parse_skeleton(text)
        for place, digit in enumerate(digits):
            if digit not in MODULES:
                raise _misread(start + place, text, _MACRO_CODE, "with 1, 2, 3 or 4 for each module")
        if len(digits) not in LENGTHS:
            raise _misread(start, text, _MACRO_CODE, "with four to six modules")
        genes = [MODULES.index(digit) for digit in digits]
        row = np.array(genes + [_ABSENT] * (self.n_genes - len(genes)), dtype=np.uint8)
        if not self.valid(row[None])[0]:
            self.raise_invalid(row)
        return row

    @staticmethod
    def _parse_skeleton(text: str) -> tuple[int, str]:
        """Return the part of the code between the dashes, and where it begins."""
        head, _, rest = text.partition("-")
        skeleton, _, cell = rest.partition("-")
        start = len(head) + 1
        for place, part, wanted in (
            (0, head.strip(), "64"),
            (start + len(skeleton) + 1, cell.strip(), "basic"),
        ):
            if part != wanted:
                raise _misread(place, text, _MACRO_CODE, f"with {wanted!r} here")
        return start, skeleton

    def format(self, genes: Genes) -> list[str]:
        """Write every row as a network code, `64-1234-basic`.

        Raises
        ------
        ArchitectureError
            When a row is out of range or invalid.
        """
        self.key(genes)
        return [f"64-{_digits(row)}-basic" for row in genes.tolist()]


def _shape_changes(rows: Genes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count the modules that halve the resolution and those that double the channels: `[n]` each."""
    halvings = np.isin(rows, (MODULES.index("3"), MODULES.index("4"))).sum(axis=1)
    doublings = np.isin(rows, (MODULES.index("2"), MODULES.index("4"))).sum(axis=1)
    return halvings, doublings


def _digits(row: list[int]) -> str:
    return "".join(MODULES[gene] for gene in row if gene != _ABSENT)


def _numbered(names: tuple[str, ...]) -> list[str]:
    return [f"{number} for {name}" for number, name in enumerate(names)]


def _misread(place: int, text: str, example: str, rule: str) -> ArchitectureError:
    return ArchitectureError(
        f"character {place + 1} of {text!r}: write a network code like {example}, {rule}."
    )
