"""Architectures as graphs: by hand, by networkx, and by what the benchmarks count as one architecture."""

import networkx as nx
import numpy as np
import pytest

from nasbench_suite.spaces import get_space, space_names
from nasbench_suite.spaces.darts_numbering import PREDECESSORS


def graph_of(cells, row):
    """Return one graph as a networkx graph with labels; what is absent is left out."""
    graph = nx.DiGraph()
    for node, label in enumerate(cells.labels[row].tolist()):
        if label != cells.absent:
            graph.add_node(node, label=label)
    graph.add_edges_from(zip(*np.nonzero(cells.adjacency[row]), strict=True))
    return graph


def paths(cells, row):
    """Return the operations along every path, as sorted tuples of names."""
    graph = graph_of(cells, row)
    found = [path for source in cells.inputs for path in nx.all_simple_paths(graph, source, cells.output)]
    return sorted(tuple(cells.operations[cells.labels[row, node]] for node in path[1:-1]) for path in found)


def test_a_topology_cell_has_a_node_for_every_edge_that_passes_something_on():
    space = get_space("nats_topology")
    text = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    (cells,) = space.graphs(space.parse(text)[None])
    assert paths(cells, 0) == [("avg_pool_3x3",), ("nor_conv_3x3", "nor_conv_1x1")]
    used = [cells.operations[label] for label in cells.labels[0, 1:-1] if label != cells.absent]
    assert sorted(used) == ["avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"]  # the skip reaches no output


def test_paths_of_topology_cells_are_those_of_the_published_string():
    space = get_space("nats_topology")
    rows = space.sample(np.random.default_rng(0), 200)
    (cells,) = space.graphs(rows)
    for row, text in enumerate(space.format(rows)):
        nodes = [part.strip("|").split("|") for part in text.split("+")]
        ways = {0: [()]}
        for node, terms in enumerate(nodes, start=1):
            edges = [term.split("~") for term in terms]
            ways[node] = [
                (*way, name) for name, source in edges if name != "none" for way in ways[int(source)]
            ]
        assert paths(cells, row) == sorted(ways[3])


def test_a_dead_cell_keeps_its_input_and_output():
    space = get_space("nats_topology")
    (cells,) = space.graphs(np.zeros((1, 6), dtype=np.uint8))
    assert not cells.adjacency.any()
    assert cells.labels[0].tolist() == [cells.entering, *[cells.absent] * 6, cells.leaving]


def test_cells_of_nasbench101_are_those_of_their_pruned_text():
    space = get_space("nasbench101")
    rows = space.sample(np.random.default_rng(1), 100)
    (cells,) = space.graphs(rows)
    for row, text in enumerate(space.format(rows)):
        bits, operations = text.split(":")
        vertices = len(operations) + 2
        matrix = np.zeros((vertices, vertices), dtype=int)
        matrix[np.triu_indices(vertices, 1)] = [int(bit) for bit in bits]
        expected = nx.from_numpy_array(matrix, create_using=nx.DiGraph)
        labels = [cells.entering, *map(int, operations), cells.leaving]
        nx.set_node_attributes(expected, dict(enumerate(labels)), "label")
        found = graph_of(cells, row)
        assert nx.is_isomorphic(found, expected, node_match=lambda a, b: a["label"] == b["label"])


@pytest.mark.parametrize("name", ["nasbench101", "graph_proteins", "darts_cell"])
def test_isomorphic_architectures_have_isomorphic_graphs(name):
    space = get_space(name)
    rows = space.sample(np.random.default_rng(2), 60)
    for ours, theirs in zip(space.graphs(rows), space.graphs(space.canonical(rows)), strict=True):
        for row in range(len(rows)):
            if name == "graph_proteins" and "skip" in space.format(rows[row : row + 1])[0]:
                continue  # there a skip that changes nothing moves, which is more than a numbering
            a, b = graph_of(ours, row), graph_of(theirs, row)
            assert nx.is_isomorphic(a, b, node_match=lambda x, y: x["label"] == y["label"])


def test_layers_of_a_graph_network_read_their_source_and_leaves_are_read_by_the_output():
    space = get_space("graph")
    (cells,) = space.graphs(space.parse("0122:fc,gat,gcn,graph")[None])
    assert paths(cells, 0) == [("fc", "gat", "gcn"), ("fc", "gat", "graph")]


def test_edges_of_a_darts_cell_read_the_nodes_they_come_from():
    space = get_space("darts_cell")
    rows = space.sample(np.random.default_rng(3), 40)
    for row, genes in enumerate(rows):
        for cell, part in zip(space.graphs(rows), (genes[:11], genes[11:]), strict=True):
            pairs = [(0, 1), *(PREDECESSORS[n][part[g]] for n, g in ((3, 2), (4, 5), (5, 8)))]
            ways, operations = {0: [()], 1: [()]}, part[[0, 1, 3, 4, 6, 7, 9, 10]]
            for node, pair in enumerate(pairs, start=2):
                names = [cell.operations[o] for o in operations[2 * node - 4 : 2 * node - 2]]
                ways[node] = [
                    (*w, name) for source, name in zip(pair, names, strict=True) for w in ways[source]
                ]
            assert paths(cell, row) == sorted(way for node in (2, 3, 4, 5) for way in ways[node])


@pytest.mark.parametrize("name", space_names())
def test_every_space_has_graphs_whose_edges_lead_forward(name):
    space = get_space(name)
    rows = space.sample(np.random.default_rng(4), 20)
    for cells in space.graphs(rows):
        assert len(cells) == 20
        assert not np.tril(cells.adjacency.reshape(-1, *cells.adjacency.shape[1:])).any()
        assert cells.labels.max() < cells.n_labels
        assert len(cells.operations) < 250


@pytest.mark.parametrize(
    ("name", "depth"), [("nats_topology", 3), ("nasbench101", 5), ("graph", 4), ("darts_cell", 4)]
)
def test_the_depth_is_that_of_the_longest_path(name, depth):
    space = get_space(name)
    rows = space.sample(np.random.default_rng(5), 300)
    if name == "nasbench101":  # a chain of all seven vertices is a rare draw
        chain = [int(target == source + 1) for source in range(7) for target in range(source + 1, 7)]
        rows[0, :21] = chain
    longest = [
        nx.dag_longest_path_length(graph_of(cells, row)) - 1
        for cells in space.graphs(rows)
        for row in range(len(rows))
    ]
    assert max(longest) == depth == space.graphs(rows)[0].depth
