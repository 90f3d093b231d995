"""Reads and writes DARTS genotypes, the published text form of a normal and a reduction cell.

`Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=...)` is
how Python prints the named tuple of quark0/darts, `cnn/genotypes.py`. It is read symbol by symbol, never
evaluated.
"""

import re
from collections.abc import Sequence

from nasbench_suite.errors import ArchitectureError

Edge = tuple[str, int, int]
"""Operation, predecessor, and place of the edge in the text, counted from 0."""

_SYMBOL = re.compile(
    r"""\s*(?:(?P<string>'[^']*'|"[^"]*")|(?P<word>[A-Za-z_][A-Za-z_0-9]*|[0-9]+)|(?P<sign>\S))"""
)
_INTERMEDIATE = (2, 3, 4, 5)
_EDGES_PER_CELL = 2 * len(_INTERMEDIATE)
_SHOWN = 40


def read_genotype(text: str) -> tuple[list[Edge], list[Edge]]:
    """Return the eight edges of the normal and of the reduction cell, in the order of the text.

    Only the form is checked; which operations and predecessors there may be is the space's affair. A cell's
    output may be written as `range(2, 6)`, `[2, 3, 4, 5]` or `(2, 3, 4, 5)`.

    Raises
    ------
    ArchitectureError
        When the text is no genotype of two cells with all four nodes concatenated; the message says at which
        character.
    """
    reader = _Reader(text)
    reader.expect("Genotype", "(")
    normal = _cell(reader, "normal")
    reader.expect(",")
    reduction = _cell(reader, "reduce")
    reader.take_if(",")
    reader.expect(")")
    reader.expect_end()
    return normal, reduction


def write_genotype(normal: Sequence[tuple[str, int]], reduction: Sequence[tuple[str, int]]) -> str:
    """Write two cells, each a sequence of (operation, predecessor), as `read_genotype` reads them."""
    cells = (
        f"{name}=[{', '.join(f'({operation!r}, {source})' for operation, source in edges)}], "
        f"{name}_concat=range(2, 6)"
        for name, edges in (("normal", normal), ("reduce", reduction))
    )
    return f"Genotype({', '.join(cells)})"


def misread(place: int, text: str, problem: str) -> ArchitectureError:
    """Return the error that says what is wrong at `place`, counted from 0."""
    near = text[place : place + _SHOWN].strip()
    found = repr(near + ("..." if len(text) > place + _SHOWN else "")) if near else "the end of the text"
    return ArchitectureError(f"character {place + 1} of the genotype: {problem}; found {found}.")


class _Reader:
    """Hands out the symbols of a text, and knows at which character it stands."""

    def __init__(self, text: str):
        self.text = text
        self.place = 0
        self._advance(0)

    def _advance(self, start: int) -> None:
        found = _SYMBOL.match(self.text, start)
        kind = found.lastgroup if found else None
        self.kind = kind or "end"
        self.symbol = found.group(kind) if found and kind else ""
        self.place = found.start(kind) if found and kind else len(self.text.rstrip())
        self._after = found.end() if found else len(self.text)

    def fail(self, expected: str) -> ArchitectureError:
        return misread(self.place, self.text, f"expected {expected}")

    def take_if(self, symbol: str) -> bool:
        if self.symbol != symbol or self.kind == "string":
            return False
        self._advance(self._after)
        return True

    def expect(self, *symbols: str) -> None:
        for symbol in symbols:
            if not self.take_if(symbol):
                raise self.fail(repr(symbol))

    def expect_end(self) -> None:
        if self.kind != "end":
            raise self.fail("the end of the text")

    def take_string(self) -> str:
        if self.kind != "string":
            raise self.fail("an operation in quotes")
        string = self.symbol[1:-1]
        self._advance(self._after)
        return string

    def take_number(self) -> int:
        if self.kind != "word" or not re.fullmatch("[0-9]{1,9}", self.symbol):
            raise self.fail("the number of a node")
        number = int(self.symbol)
        self._advance(self._after)
        return number


def _cell(reader: _Reader, name: str) -> list[Edge]:
    reader.expect(name, "=")
    opening = reader.place
    reader.expect("[")
    edges = [_edge(reader)]
    while reader.take_if(",") and reader.symbol != "]":
        edges.append(_edge(reader))
    reader.expect("]")
    if len(edges) != _EDGES_PER_CELL:
        problem = f"{name!r} has {len(edges)} edge(s) where a DARTS cell has {_EDGES_PER_CELL}, two per node"
        raise misread(opening, reader.text, problem)
    reader.expect(",", f"{name}_concat", "=")
    _all_nodes(reader)
    return edges


def _edge(reader: _Reader) -> Edge:
    place = reader.place
    reader.expect("(")
    operation = reader.take_string()
    reader.expect(",")
    source = reader.take_number()
    reader.expect(")")
    return operation, source, place


def _all_nodes(reader: _Reader) -> None:
    """Read the nodes that the cell concatenates, which in this space are all four."""
    place = reader.place
    if reader.take_if("range"):
        reader.expect("(")
        start = reader.take_number()
        reader.expect(",")
        nodes: list[int] = list(range(start, min(reader.take_number(), start + _EDGES_PER_CELL)))
        reader.expect(")")
    else:
        closing = ")" if reader.symbol == "(" else "]"
        reader.expect("(" if closing == ")" else "[")
        nodes = [reader.take_number()]
        while reader.take_if(","):
            nodes.append(reader.take_number())
        reader.expect(closing)
    if sorted(nodes) != list(_INTERMEDIATE):
        raise misread(place, reader.text, "a cell of this space concatenates nodes 2, 3, 4 and 5")
