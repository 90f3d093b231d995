"""The graph space against the official package `nas_bench_graph`, which is the independent oracle."""

import itertools

import numpy as np
import pytest
from nas_bench_graph.architecture import Arch, all_archs, gnn_list, gnn_list_proteins, link_list

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces.graph import LINK_PATTERNS, OPERATIONS

ALL_LINKS = list(itertools.product((0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)))
ALL_SKIP = ("skip",) * 4


@pytest.fixture(scope="module")
def graph():
    return get_space("graph")


def cell_numbers(genes, operations):
    """The official number of each row: link pattern, then operations in the nine-operation order."""
    position = np.array([gnn_list.index(name) for name in operations])
    digits = np.concatenate([genes[:, :1].astype(int), position[genes[:, 1:]]], axis=1)
    return digits @ 10 ** np.arange(4, -1, -1)


def text(links, operations):
    return "".join(map(str, links)) + ":" + ",".join(operations)


def test_patterns_and_operations_are_the_official_ones_in_the_official_order():
    assert [list(pattern) for pattern in LINK_PATTERNS] == link_list
    assert list(OPERATIONS["graph"]) == gnn_list
    assert list(OPERATIONS["graph_proteins"]) == gnn_list_proteins


@pytest.mark.parametrize("links", ALL_LINKS, ids=lambda links: "".join(map(str, links)))
def test_every_raw_cell_has_the_official_representative(graph, links):
    names = [ops for ops in itertools.product(gnn_list, repeat=4) if ops != ALL_SKIP]
    rows = np.stack([graph.parse(text(links, ops)) for ops in names])
    official = [Arch(list(links), list(ops)).valid_hash() for ops in names]
    assert cell_numbers(graph.canonical(rows), gnn_list).tolist() == official
    representative = graph.decode(graph.key(rows).astype(np.int64))
    assert cell_numbers(representative, gnn_list).tolist() == official


@pytest.mark.parametrize(
    ("name", "dataset", "valid_rows", "distinct"),
    [("graph", "cora", 59_040, 26_206), ("graph_proteins", "proteins", 5_616, 2_021)],
)
def test_published_rows_are_exactly_the_distinct_canonical_cells(
    official_records, name, dataset, valid_rows, distinct
):
    space = get_space(name)
    genes = space.decode(np.arange(space.n_codes))
    genes = genes[space.valid(genes)]
    canonical = np.unique(space.canonical(genes), axis=0)
    published = official_records(dataset)
    assert len(genes) == space.size == valid_rows
    assert len(canonical) == space.distinct == len(published) == distinct
    assert set(cell_numbers(canonical, OPERATIONS[name]).tolist()) == set(published)


def test_official_enumeration_holds_the_same_cells(graph, capsys):
    cells = all_archs()
    rows = np.stack([graph.parse(text(arch.link, arch.ops)) for arch in cells])
    assert len(np.unique(graph.key(rows))) == len(cells) == 26_206
    assert np.array_equal(graph.canonical(rows), rows)


@pytest.mark.parametrize("links", link_list)
@pytest.mark.parametrize("name", ["graph", "graph_proteins"])
def test_cells_without_a_layer_but_skip_are_refused(name, links):
    space = get_space(name)
    with pytest.raises(ArchitectureError, match="no layer but skip"):
        space.parse(text(links, ALL_SKIP))
    skip = OPERATIONS[name].index("skip")
    row = np.array([[link_list.index(links), skip, skip, skip, skip]], dtype=np.uint8)
    assert not space.valid(row)[0]
    for method in (space.key, space.canonical):
        with pytest.raises(ArchitectureError, match="no layer but skip"):
            method(row)


def test_reads_the_form_of_the_official_documentation(graph):
    row = graph.parse("Arch([0, 1, 2, 2], ['fc', 'gat', 'gcn', 'graph'])")
    assert graph.format(row[None]) == ["0122:fc,gat,gcn,graph"]


@pytest.mark.parametrize(
    ("given", "wrong", "says"),
    [
        ("0122:fc,gat,gcnn,graph", "gcnn", "did you mean gcn"),
        ("0122:fc,gat,gcn,Graph", "Graph", "did you mean graph"),
        ("0322:fc,gat,gcn,graph", "322", "source of layer 2 is '3'"),
        ("1122:fc,gat,gcn,graph", "1122", "source of layer 1 is '1'"),
        ("012x:fc,gat,gcn,graph", "x:", "source of layer 4 is 'x'"),
        ("0122:fc,gat,g%cn,graph", "%", "is '%'"),
        ("Arch([0, 1, 2, 2], ['fc', 'gat', 'gcn', 'lstm'])", "lstm", "'lstm'"),
    ],
)
def test_parse_errors_name_the_character(graph, given, wrong, says):
    with pytest.raises(ArchitectureError) as caught:
        graph.parse(given)
    assert f"character {given.index(wrong) + 1} of" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("given", ["", "0122", "0122:fc,gat,gcn", "0122:fc,gat,gcn,graph,fc", "fc,gat"])
def test_texts_with_too_few_or_too_many_parts_are_refused(graph, given):
    with pytest.raises(ArchitectureError, match="parts"):
        graph.parse(given)


def test_operations_of_the_other_table_are_unknown_on_proteins():
    with pytest.raises(ArchitectureError, match="'gat'"):
        get_space("graph_proteins").parse("0122:fc,gat,gcn,gcn")
