"""Features of architectures, against walks by hand and the counts of the literature."""

import networkx as nx
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.surrogates.encodings import ENCODINGS, ArchitectureEncoder

SPACES_OF_CELLS = ["nats_topology", "transnas_micro", "nasbench101", "graph", "darts_cell"]


def sampled(space, n=50, seed=0):
    return get_space(space).sample(np.random.default_rng(seed), n)


def test_one_hot_has_one_column_per_value():
    rows = sampled("macro")
    columns = ArchitectureEncoder("macro").fit_transform(rows)
    assert columns.shape == (50, 24)
    assert columns.dtype == np.float32
    assert (columns.reshape(50, 8, 3).argmax(2) == rows).all()
    assert (columns.reshape(50, 8, 3).sum(2) == 1).all()


def test_ordinal_is_the_row_itself():
    rows = sampled("nats_size")
    assert (ArchitectureEncoder("nats_size", "ordinal").fit_transform(rows) == rows).all()


@pytest.mark.parametrize("space", SPACES_OF_CELLS)
@pytest.mark.parametrize("longest", [0, 2])
def test_paths_are_those_that_networkx_walks(space, longest):
    rows = sampled(space, 20)
    columns = ArchitectureEncoder(space, "path", longest_path=longest).fit_transform(rows)
    expected = []
    for row in range(len(rows)):
        found = []
        for cells in get_space(space).graphs(rows):
            base = len(cells.operations)
            graph = nx.from_numpy_array(cells.adjacency[row], create_using=nx.DiGraph)
            for source in cells.inputs:
                ways = [
                    np.zeros(base**length) for length in range(min(longest or cells.depth, cells.depth) + 1)
                ]
                for path in nx.all_simple_paths(graph, source, cells.output):
                    labels = cells.labels[row, path[1:-1]].tolist()
                    if len(labels) < len(ways):
                        number = sum(label * base**place for place, label in enumerate(reversed(labels)))
                        ways[len(labels)][number] = 1
                found += ways
        expected.append(np.concatenate(found))
    assert (columns == np.array(expected)).all()
    assert columns.any()


def columns_of(space, encoding, **settings):
    return ArchitectureEncoder(space, encoding, **settings).transform(sampled(space, 1)).shape[1]


def test_the_numbers_of_columns_are_the_literatures():
    # naszilla has 364 paths of NAS-Bench-101; its 155 of NAS-Bench-201 count those through `none`.
    assert columns_of("nasbench101", "path", longest_path=0) == 364
    assert columns_of("nats_topology", "path") == 1 + 4 + 16 + 64
    # Its one-hot adjacency of NAS-Bench-101 has 21 edges and 3 operations of each of 5 vertices.
    assert columns_of("nasbench101", "adjacency") == 21 + 15


def test_isomorphic_cells_have_the_same_paths():
    rows = sampled("nasbench101", 300)
    encoder = ArchitectureEncoder("nasbench101", "path", longest_path=0)
    assert (encoder.transform(rows) == encoder.transform(get_space("nasbench101").canonical(rows))).all()


def test_encodings_are_joined_and_chunks_do_not_show(monkeypatch):
    rows = sampled("nats_topology", 100)
    joined = ArchitectureEncoder("nats_topology", "one_hot+path").transform(rows)
    assert (joined[:, :30] == ArchitectureEncoder("nats_topology").transform(rows)).all()
    assert (joined[:, 30:] == ArchitectureEncoder("nats_topology", "path").transform(rows)).all()
    monkeypatch.setattr("nasbench_suite.surrogates.encodings._ROWS_AT_ONCE", 7)
    assert (ArchitectureEncoder("nats_topology", "one_hot+path").transform(rows) == joined).all()
    assert ArchitectureEncoder("nats_topology").transform(rows[:0]).shape == (0, 30)


def test_it_works_in_pipelines_and_can_be_cloned():
    rows = sampled("nats_topology")
    pipeline = clone(make_pipeline(ArchitectureEncoder("nats_topology", "path"), Ridge()))
    pipeline.fit(rows, (rows == 3).sum(1))
    assert pipeline.score(rows, (rows == 3).sum(1)) > 0.5
    assert pipeline.get_params()["architectureencoder__encoding"] == "path"


@pytest.mark.parametrize(
    ("encoder", "sentence"),
    [
        (
            ArchitectureEncoder("nats_topology", "on_hot"),
            "no encoding 'on_hot'; did you mean one_hot",
        ),
        (ArchitectureEncoder("macro", "path"), "chains of choices, without a cell"),
        (ArchitectureEncoder("nats_topology", "path", longest_path=-1), "longest_path must be at least 0"),
    ],
)
def test_what_cannot_be_encoded_is_refused(encoder, sentence):
    with pytest.raises(NasbenchSuiteError, match=sentence):
        encoder.fit(sampled(encoder.space))


def test_rows_of_another_space_are_refused():
    with pytest.raises(ArchitectureError):
        ArchitectureEncoder("nats_topology").transform(sampled("macro"))
    wrong = sampled("nats_topology")
    wrong[3, 2] = 9
    with pytest.raises(ArchitectureError):
        ArchitectureEncoder("nats_topology").transform(wrong)


def test_every_encoding_says_what_it_is():
    assert all(ENCODINGS.values())
