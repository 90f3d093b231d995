"""The cell space of NAS-Bench-201 and of NATS-Bench's topology search space.

Dong, Yang: "NAS-Bench-201" (ICLR 2020); Dong, Liu, Musial, Gabrys: "NATS-Bench" (TPAMI 2021). Four nodes,
an operation on each of the six edges: 5^6 = 15,625 cells, 6,466 of them distinct by the authors' count.
"""

import random
import re
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces.base import Codes, Genes
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.cell_graphs import CellGraphs, graphs_of_edges

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""Operations in the benchmark's order."""
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and target node of each gene, in the order of the published string."""

_NONE, _SKIP = 0, 1
_NODE_THEN_EDGE = tuple(1 / 3 / target for _, target in EDGES)
"""Probability that each edge mutates: a node is drawn first, then one of its edges, as the published
regularized evolution does (AutoDL-Projects, `mutate_topology_func`)."""
_OFFICIAL_ORDER_SEED = 88
_TERM = re.compile(r"([a-z0-9_]+)~([0-9])")


class NatsTopologySpace(CategoricalSpace):
    """Gene `i` is the operation on edge `EDGES[i]`.

    Isomorphism is the authors' (`CellStructure.to_unique_str` with zeroes considered), which counts 6,466
    cells. It is finer than equality of the computed function: a node whose inputs are all `none` is not
    recognised as zero, and sums of sums are not flattened; 4,930 functions remain if both are done.
    NATS-Bench trained isomorphic cells separately and their results differ, so its tables have one row per
    string, never per class.
    """

    operations = OPERATIONS

    def __init__(self) -> None:
        super().__init__("nats_topology", (len(OPERATIONS),) * len(EDGES), _NODE_THEN_EDGE)

    def _representatives(self) -> NDArray[np.int32]:
        first_code: dict[str, int] = {}
        rows = self.decode(np.arange(self.n_codes)).tolist()
        table = [first_code.setdefault(_unique_text(tuple(row)), code) for code, row in enumerate(rows)]
        return np.array(table, dtype=np.int32)

    @cached_property
    def code_of_index(self) -> Codes:
        """The code of every cell in the official index order, int64 `[15625]`.

        The authors list all cells in the order of `itertools.product` and shuffle the list with Python's
        `random` seeded with 88; Python keeps that shuffle stable.
        """
        codes = list(range(self.n_codes))
        random.Random(_OFFICIAL_ORDER_SEED).shuffle(codes)  # noqa: S311  # the authors' order, not a secret
        return np.array(codes, dtype=np.int64)

    def index(self, genes: Genes) -> NDArray[np.int64]:
        """Return the official index (0..15624) of every row."""
        position = np.empty(self.n_codes, dtype=np.int64)
        position[self.code_of_index] = np.arange(self.n_codes)
        return position[self.encode(genes)]

    @property
    def gene_parents(self) -> tuple[tuple[int, ...], ...]:
        """Earlier edges that end where an edge begins, and those that end where it ends."""
        return tuple(
            tuple(i for i, (_, end) in enumerate(EDGES[:gene]) if end in edge)
            for gene, edge in enumerate(EDGES)
        )

    def graphs(self, genes: Genes) -> list[CellGraphs]:
        """Return every cell with a node for each edge whose operation is not `none`."""
        return [graphs_of_edges(OPERATIONS, EDGES, genes)]

    def parse(self, text: str) -> Genes:
        """Read `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, or an official index such as `11472`."""
        if re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
            return self._from_index(int(text))
        genes = []
        nodes = text.split("+")
        place = 0
        if len(nodes) != 3:
            raise ArchitectureError(
                f"{text!r} describes {len(nodes)} node(s) between '+' signs; a cell of space {self.name!r} "
                "has 3, for example |nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|."
            )
        for node, part in enumerate(nodes, start=1):
            genes += self._parse_node(text, part, place, node)
            place += len(part) + 1
        return np.array(genes, dtype=np.uint8)

    def _parse_node(self, text: str, part: str, place: int, node: int) -> list[int]:
        place += len(part) - len(part.lstrip())
        terms = part.strip().split("|")
        if len(terms) != node + 2 or terms[0] or terms[-1]:
            raise ArchitectureError(
                f"character {place + 1} of {text!r}: node {node} must be written as {node} edge(s) between "
                f"bars, such as {'|' + '|'.join(f'none~{source}' for source in range(node)) + '|'}."
            )
        genes = []
        place += 1
        for source, term in enumerate(terms[1:-1]):
            genes.append(self._parse_term(text, term, place, source, node))
            place += len(term) + 1
        return genes

    def _parse_term(self, text: str, term: str, place: int, source: int, node: int) -> int:
        found = _TERM.fullmatch(term)
        if found is None or int(found.group(2)) != source:
            raise ArchitectureError(
                f"character {place + 1} of {text!r}: edge {source}→{node} reads {term!r}; "
                f"write operation~{source}."
            )
        if found.group(1) not in OPERATIONS:
            unknown = UnknownNameError(f"operation of space {self.name!r} called", found.group(1), OPERATIONS)
            raise ArchitectureError(f"character {place + 1} of {text!r}: {unknown}")
        return OPERATIONS.index(found.group(1))

    def _from_index(self, index: int) -> Genes:
        if index >= self.n_codes:
            raise ArchitectureError(f"index {index} is out of range; cells are numbered 0 to 15624.")
        row: Genes = self.decode(self.code_of_index[[index]])[0]
        return row

    def format(self, genes: Genes) -> list[str]:
        """Write every row as `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        self.encode(genes)
        return ["+".join(self._format_nodes(row)) for row in genes.tolist()]

    @staticmethod
    def _format_nodes(row: list[int]) -> list[str]:
        return [
            "|" + "|".join(f"{OPERATIONS[row[EDGES.index((s, node))]]}~{s}" for s in range(node)) + "|"
            for node in (1, 2, 3)
        ]


def _unique_text(row: tuple[int, ...]) -> str:
    """Write the cell's last node as an expression over the input `0`, terms sorted, `#` for zero."""
    nodes = ["0"]
    for node in (1, 2, 3):
        edges = ((source, row[EDGES.index((source, node))]) for source in range(node))
        nodes.append("+".join(sorted(_term(nodes[source], operation) for source, operation in edges)))
    return nodes[-1]


def _term(source: str, operation: int) -> str:
    if operation == _NONE or source == "#":
        return "#"
    return source if operation == _SKIP else f"({source})@{OPERATIONS[operation]}"
