"""Cells that grow block by block: what PNAS asks of a space."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS

_LAYERS = 4
_NONE, _SKIP = OPERATIONS.index("none"), OPERATIONS.index("skip_connect")


def first_blocks(space: str) -> Genes:
    """Return all cells of one block, uint8 `[n, n_genes]`.

    Raises
    ------
    UnknownNameError
        When cells of the space do not grow here.
    """
    return _growth(space)[0]()


def grown(space: str, rows: Genes, level: int) -> Genes:
    """Return all cells that have one more block than the rows, which have `level`; one of each class.

    The rows are kept as they grow, for their representatives may not show the blocks any more.

    Raises
    ------
    UnknownNameError
        As `first_blocks` does.
    """
    found = _growth(space)[1](rows, level)
    _, first = np.unique(get_space(space).key(found), return_index=True)
    distinct: Genes = found[np.sort(first)]
    return distinct


def levels(space: str) -> int:
    """Return the number of blocks of a whole cell."""
    return {"nats_topology": 3, "graph": _LAYERS, "graph_proteins": _LAYERS}[space]


def _growth(space: str) -> tuple[Callable[[], Genes], Callable[[Genes, int], Genes]]:
    def of_layers(name: str) -> tuple[Callable[[], Genes], Callable[[Genes, int], Genes]]:
        return (lambda: _first_layers(name)), (lambda rows, _: _with_another_layer(name, rows))

    known: Mapping[str, tuple[Callable[[], Genes], Callable[[Genes, int], Genes]]] = {
        "nats_topology": (_first_nodes, _with_another_node),
        "graph": of_layers("graph"),
        "graph_proteins": of_layers("graph_proteins"),
    }
    if space not in known:
        raise UnknownNameError("space whose cells grow block by block called", space, known)
    return known[space]


# -- the topology space: a block is a node with all its edges ---------------------------------------------


def _passed_on(rows: Genes, node: int) -> Genes:
    """Let the output be what a node gives, nothing else."""
    moved = rows.copy()
    for gene, (source, target) in enumerate(EDGES):
        if target > node:
            moved[:, gene] = _SKIP if (target == 3 and source == node) else _NONE
    return moved


def _first_nodes() -> Genes:
    rows = np.zeros((len(OPERATIONS) - 1, len(EDGES)), dtype=np.uint8)
    rows[:, 0] = [place for place in range(len(OPERATIONS)) if place != _NONE]
    return _passed_on(rows, 1)


def _with_another_node(rows: Genes, level: int) -> Genes:
    node = level + 1
    own = [gene for gene, (_, target) in enumerate(EDGES) if target == node]
    choices = np.array(list(product(range(len(OPERATIONS)), repeat=len(own))), dtype=np.uint8)
    children = np.repeat(rows, len(choices), axis=0)
    children[:, own] = np.tile(choices, (len(rows), 1))
    return _passed_on(children, node) if node < 3 else children


# -- graph networks: a block is a layer, which reads the input or an earlier layer -------------------------


def _first_layers(space: str) -> Genes:
    operations = [name for name in get_space(space).operations if name != "skip"]
    return np.stack([_graph_row(space, (0,), (name,)) for name in operations])


def _graph_row(space: str, links: tuple[int, ...], operations: tuple[str, ...]) -> Genes:
    """Return the genes of so many layers behind a chain of skips, which pass the input on."""
    idle = _LAYERS - len(links)
    sources = [*range(idle), *(idle + link for link in links)]
    text = "".join(map(str, sources)) + ":" + ",".join(["skip"] * idle + list(operations))
    return get_space(space).parse(text)


def _layers_of(space: str, row: Genes) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return sources and operations of the layers of a row, without the chain of skips in front."""
    links, operations = get_space(space).format(row[None])[0].split(":")
    names = operations.split(",")
    idle = 0
    while idle < _LAYERS - 1 and names[idle] == "skip" and int(links[idle]) == idle:
        idle += 1
    return tuple(int(link) - idle for link in links[idle:]), tuple(names[idle:])


def _with_another_layer(space: str, rows: Genes) -> Genes:
    names, children = get_space(space).operations, []
    for row in rows:
        links, operations = _layers_of(space, row)
        children += [
            _graph_row(space, (*links, source), (*operations, name))
            for source, name in product(range(len(links) + 1), names)
        ]
    return np.stack(children)
