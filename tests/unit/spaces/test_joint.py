"""Parts of spaces, grids of hyperparameters, and both in one row."""

import itertools

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces import GridSpace, JointSpace, NatsTopologySpace, Subspace

JOINT, CELLS, NETWORKS = get_space("joint_topology"), get_space("nats_topology"), get_space("macro")
CELL = "|skip_connect~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
WORDS = "|".join(map(str, range(40)))


# -- the joint space of ours ---------------------------------------------------------------------


def test_a_row_is_a_setting_and_a_cell():
    row = np.array([[2, 0, 1, 0, 1, 2, 0, 2]], dtype=np.uint8)
    assert JOINT.format(row) == [f"learning_rate=0.2 batch=50 weight_decay=0.0005 {CELL}"]
    assert CELLS.format(JOINT.architectures(row)) == [CELL]
    found = JOINT.settings(row)
    assert {name: values.item() for name, values in found.items()} == {
        "learning_rate": 0.2,
        "batch": 50,
        "weight_decay": 0.0005,
    }
    assert (JOINT.parse(JOINT.format(row)[0]) == row[0]).all()
    assert (JOINT.parse(f"learning_rate=2e-1 batch=50.0 weight_decay=5e-4 {CELL}") == row[0]).all()


def test_all_cells_meet_all_settings():
    rows = np.array(list(itertools.product(range(3), repeat=8)), dtype=np.uint8)
    classes = len(np.unique(CELLS.key(JOINT.architectures(rows))))
    assert (JOINT.size, JOINT.distinct) == (243 * 27, classes * 27) == (6561, 4860)
    assert len(np.unique(JOINT.setting_number(rows))) == 27


def test_rows_are_isomorphic_when_cells_are_and_settings_equal():
    rows = JOINT.sample(np.random.default_rng(0), 3000)
    cells = CELLS.key(JOINT.architectures(rows))
    same_setting = (rows[:, None, :3] == rows[:, :3]).all(axis=2)
    keys = JOINT.key(rows)
    assert ((keys[:, None] == keys) == ((cells[:, None] == cells) & same_setting)).all()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be a setting of learning_rate, batch, weight_decay and then an architecture, for"),
        (CELL, "must be a setting of learning_rate, batch, weight_decay and then an architecture, for"),
        (
            f"learning_rate=0.2 weight_decay=0.0005 batch=100 {CELL}",
            "must name learning_rate, batch, weight_decay, for example learning_rate=0.0125 batch=50",
        ),
        (
            f"learning_rate=0.3 batch=100 weight_decay=0.0005 {CELL}",
            "learning_rate is one of 0.0125, 0.05, 0.2, not 0.3",
        ),
        (
            f"learning_rate=fast batch=100 weight_decay=0.0005 {CELL}",
            "learning_rate is one of 0.0125, 0.05, 0.2, not fast",
        ),
        (
            f"learning_rate=0.2 batch=100 weight_decay=0.0005 {CELL.replace('3x3~2', '1x1~2')}",
            "choice 6 is nor_conv_1x1, and may be nor_conv_3x3",
        ),
        (
            "learning_rate=0.2 batch=100 weight_decay=0.0005 "
            + CELL.replace("|skip_connect~0|+", "|none~0|+"),
            "choice 1 is none, and may be skip_connect, nor_conv_1x1, nor_conv_3x3",
        ),
    ],
)
def test_other_texts_are_refused(text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        JOINT.parse(text)


# -- parts of spaces -----------------------------------------------------------------------------


def test_a_part_has_the_classes_of_the_whole():
    part = Subspace("some_cells", NatsTopologySpace(), [[0, 3], [1], [0, 1, 3, 4], [2, 0], [3], [3, 1]])
    assert part.cardinalities == (2, 4, 2, 2)
    rows = np.array(list(itertools.product(*map(range, part.cardinalities))), dtype=np.uint8)
    whole = part.within(rows)
    assert set(map(tuple, whole[:, [0, 2, 3, 5]].tolist())) == set(
        itertools.product([0, 3], [0, 1, 3, 4], [2, 0], [3, 1])
    )
    assert (whole[:, 1] == 1).all()
    keys = CELLS.key(whole)
    assert ((part.key(rows)[:, None] == part.key(rows)) == (keys[:, None] == keys)).all()
    assert part.distinct == len(np.unique(keys))
    for row, text in zip(rows, part.format(rows), strict=True):
        assert text == CELLS.format(part.within(row[None]))[0]
        assert (part.parse(text) == row).all()


def test_what_is_invalid_in_the_whole_is_so_in_a_part():
    graph = get_space("graph")
    part = Subspace("some_graphs", graph, [range(limit) for limit in graph.cardinalities])
    assert (part.size, part.distinct) == (graph.size, graph.distinct)


# -- spaces whose names say what they are -----------------------------------------------------------


def test_a_grid_is_its_name():
    grid = get_space("grid(lr=0.1|0.01,act=relu|gelu|tanh)")
    assert isinstance(grid, GridSpace)
    assert (grid.n_genes, grid.size) == (2, 6)
    assert get_space(grid.name) is grid
    assert grid.format(np.array([[1, 2]], dtype=np.uint8)) == ["lr=0.01 act=tanh"]
    assert grid.parse("lr=1e-2 act=tanh").tolist() == [1, 2]
    assert list(grid.numbers) == ["lr"]
    with pytest.raises(ArchitectureError, match="act is one of relu, gelu, tanh, not sine"):
        grid.parse("lr=0.1 act=sine")


def test_a_star_joins_a_space_with_a_grid():
    joint = get_space("macro*grid(lr=0.1|0.01)")
    assert isinstance(joint, JointSpace)
    assert (joint.size, joint.distinct) == (2 * NETWORKS.size, 2 * NETWORKS.distinct)
    row = joint.parse("lr=0.01 02012100")
    assert (joint.architectures(row[None])[0] == NETWORKS.parse("02012100")).all()
    assert joint.settings(row[None])["lr"].tolist() == [0.01]
    assert joint.format(row[None]) == ["lr=0.01 02012100"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("grid(lr)", "needs a name and different values of one word each"),
        ("grid(lr=0.1|0.1)", "needs a name and different values of one word each"),
        ("grid(lr=0.1,lr=0.2)", "has another form than grid"),
        ("macro*lr=0.1", "has another form than grid"),
        ("darts_cell*grid(lr=0.1|0.2)", "of space darts_cell cannot be joined with hyperparameters"),
        (f"grid(lr={'|'.join(map(str, range(300)))})", "has 300 values; a gene has at most 255"),
        (f"grid({','.join(f'h{i}=1|2|3' for i in range(20))})", "settings are too many for a grid"),
        (
            f"nats_topology*grid(lr={'|'.join(map(str, range(200)))},b={'|'.join(map(str, range(9)))})",
            "too many",
        ),
    ],
)
def test_names_that_describe_no_space_are_refused(name, sentence):
    with pytest.raises(NasbenchSuiteError, match=sentence):
        get_space(name)


def test_an_unknown_base_is_named():
    with pytest.raises(UnknownNameError, match="no search space 'makro'; did you mean macro"):
        get_space("makro*grid(lr=0.1|0.2)")
