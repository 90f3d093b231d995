"""One cell of NAS-Bench-101 as people and the official API write it, read into genes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.nasbench101_classes import EDGES, INTERIOR, VERTICES

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""Operations in the benchmark's order."""
INPUT, OUTPUT = "input", "output"
"""Names of the first and the last vertex in the benchmark's lists of operations."""

_VERTICES_OF_TEXT = {v * (v - 1) // 2: v for v in range(2, VERTICES + 1)}


@dataclass(frozen=True)
class Cell:
    """A cell of 2 to 7 vertices: its upper triangle row by row, and the numbers of its operations."""

    bits: Sequence[int]
    operations: Sequence[int]

    def padded(self) -> Genes:
        """Return the genes, uint8 `[26]`, with vertices without edges in front of the output."""
        inner = len(self.operations) + 1
        vertices = [*range(inner), VERTICES - 1]
        row = np.zeros(len(EDGES) + INTERIOR, dtype=np.uint8)
        row[[EDGES.index(edge) for edge in edges_among(vertices)]] = self.bits
        row[len(EDGES) : len(EDGES) + len(self.operations)] = self.operations
        return row


def edges_among(vertices: Sequence[int]) -> list[tuple[int, int]]:
    """Return source and target of every entry of the upper triangle of some vertices, row by row."""
    return [(source, target) for place, source in enumerate(vertices) for target in vertices[place + 1 :]]


def cell_of_text(text: str) -> Cell:
    """Read upper triangle and operations, such as `111011:02`.

    Raises
    ------
    ArchitectureError
        When the text has another form; the message says at which character.
    """
    place = len(text) - len(text.lstrip())
    bits, colon, operations = text.strip().partition(":")
    if not colon:
        raise ArchitectureError(
            f"character {place + len(bits) + 1} of {text!r}: a colon and the operations are missing; "
            "write a cell as upper triangle and operations, for example 111011:02."
        )
    _check_digits(text, bits, place, "01", "an edge is 0 or 1")
    if len(bits) not in _VERTICES_OF_TEXT:
        raise ArchitectureError(
            f"character {place + len(bits) + 1} of {text!r}: the upper triangle has {len(bits)} entries; "
            f"cells of 2 to {VERTICES} vertices have 1, 3, 6, 10, 15 or 21."
        )
    place += len(bits) + 1
    names = ", ".join(f"{number} {name}" for number, name in enumerate(OPERATIONS))
    _check_digits(text, operations, place, "012", f"operations are {names}")
    vertices = _VERTICES_OF_TEXT[len(bits)]
    if len(operations) != vertices - 2:
        raise ArchitectureError(
            f"character {place + len(operations) + 1} of {text!r}: {vertices} vertices have "
            f"{vertices - 2} operation(s) between input and output, not {len(operations)}."
        )
    return Cell([int(bit) for bit in bits], [int(operation) for operation in operations])


def _check_digits(text: str, part: str, place: int, digits: str, meaning: str) -> None:
    for position, character in enumerate(part, start=place + 1):
        if character not in digits:
            raise ArchitectureError(f"character {position} of {text!r} is {character!r}; {meaning}.")


def cell_of_matrix(matrix: ArrayLike, operations: Sequence[str]) -> Cell:
    """Read an adjacency matrix `[v, v]` and `v` names of operations, as the official API writes them.

    Raises
    ------
    ArchitectureError
        When shapes, entries or names are others.
    """
    array = np.asarray(matrix)
    vertices = len(operations)
    if not 2 <= vertices <= VERTICES or array.shape != (vertices, vertices):
        raise ArchitectureError(
            f"a matrix of shape {array.shape} with {vertices} operations is no cell of NAS-Bench-101; "
            f"it has 2 to {VERTICES} vertices, with a row, a column and an operation for each."
        )
    if not np.isin(array, (0, 1)).all() or np.tril(array).any():
        raise ArchitectureError(
            f"{array.tolist()} is no upper-triangular matrix of zeros and ones; number the vertices so "
            "that edges lead from lower to higher ones."
        )
    if operations[0] != INPUT or operations[-1] != OUTPUT:
        raise ArchitectureError(f"operations {list(operations)} must begin with input and end with output.")
    bits = array[np.triu_indices(vertices, 1)].astype(int).tolist()
    return Cell(bits, [_number(name) for name in operations[1:-1]])


def _number(name: str) -> int:
    if name not in OPERATIONS:
        raise ArchitectureError(str(UnknownNameError("operation of NAS-Bench-101 called", name, OPERATIONS)))
    return OPERATIONS.index(name)
