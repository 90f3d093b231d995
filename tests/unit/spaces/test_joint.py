"""Cells and hyperparameters in one row: what the genes mean, which rows are the same, and their text."""

import itertools

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space

JOINT, CELLS = get_space("joint_topology"), get_space("nats_topology")


def test_a_row_is_a_setting_and_a_cell():
    row = np.array([[2, 0, 1, 0, 1, 2, 0, 2]], dtype=np.uint8)
    cell = "|skip_connect~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    assert JOINT.format(row) == [f"learning_rate=0.2 batch=50 weight_decay=0.0005 {cell}"]
    assert CELLS.format(JOINT.cells(row)) == [cell]
    found = JOINT.settings(row)
    assert {name: values.item() for name, values in found.items()} == {
        "learning_rate": 0.2,
        "batch": 50,
        "weight_decay": 0.0005,
    }
    assert (JOINT.parse(JOINT.format(row)[0]) == row[0]).all()


def test_all_cells_meet_all_settings():
    rows = np.array(list(itertools.product(range(3), repeat=8)), dtype=np.uint8)
    classes = len(np.unique(CELLS.key(JOINT.cells(rows))))
    assert (JOINT.size, JOINT.distinct) == (243 * 27, classes * 27) == (6561, 4860)
    assert len(np.unique(JOINT.setting_number(rows))) == 27


def test_rows_are_isomorphic_when_cells_are_and_settings_equal():
    rows = JOINT.sample(np.random.default_rng(0), 3000)
    same_cell = CELLS.key(JOINT.cells(rows))[:, None] == CELLS.key(JOINT.cells(rows))
    same_setting = (rows[:, None, :3] == rows[:, :3]).all(axis=2)
    keys = JOINT.key(rows)
    assert ((keys[:, None] == keys) == (same_cell & same_setting)).all()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "must have the words learning_rate=VALUE batch=VALUE",
        ),
        (
            "learning_rate=0.3 batch=100 weight_decay=0.0005 11472",
            "learning_rate is one of 0.0125, 0.05, 0.2, not 0.3",
        ),
        (
            "learning_rate=0.2 batch=100 weight_decay=0.0005 "
            "|none~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            "must have nor_conv_3x3 on its last edge, and skip_connect, nor_conv_1x1, nor_conv_3x3 on the",
        ),
    ],
)
def test_other_texts_are_refused(text, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        JOINT.parse(text)
