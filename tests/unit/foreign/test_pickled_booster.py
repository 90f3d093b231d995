"""Boosters that XGBoost 1.0, 1.3, 1.5 and LightGBM 2.3 pickled, and files that only look like them."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.lightgbm_text import read_lightgbm
from nasbench_suite.foreign.pickled_booster import read_pickled_booster
from nasbench_suite.foreign.regression_trees import NO_CHILD, RegressionTrees, checked
from nasbench_suite.foreign.xgboost_json import read_xgboost_json
from nasbench_suite.foreign.xgboost_legacy import read_xgboost
from nasbench_suite.surrogates.tree_booster import booster_of

SMALL = Path(__file__).parents[2] / "golden" / "nasbench301" / "small"
NAMES = sorted(path.stem for path in SMALL.glob("*.model"))


def walked(trees, features):
    """Predictions by walking every tree for every row."""
    found = np.full(len(features), trees.base)
    for row, values in enumerate(features.astype(np.float32)):
        for start in trees.starts[:-1]:
            node = 0
            while trees.left[start + node] != NO_CHILD:
                goes_left = values[trees.feature[start + node]] < trees.below[start + node]
                node = (trees.left if goes_left else trees.right)[start + node]
            found[row] += trees.value[start + node]
    return found


def stump(**changes):
    """Two leaves below a root."""
    arrays = {
        "starts": np.array([0, 3]),
        "feature": np.array([1, 0, 0]),
        "below": np.array([0.5, 0, 0], dtype=np.float32),
        "left": np.array([1, NO_CHILD, NO_CHILD]),
        "right": np.array([2, NO_CHILD, NO_CHILD]),
        "value": np.array([0.0, -1.0, 1.0]),
    }
    return RegressionTrees(columns=2, base=0.0, **{**arrays, **changes})


@pytest.mark.parametrize("name", NAMES)
def test_trees_predict_what_the_library_that_wrote_them_predicted(name):
    expected = json.loads((SMALL / f"{name}.json").read_text())
    trees = read_pickled_booster((SMALL / f"{name}.model").read_bytes(), name)
    assert len(trees) == 2  # of LightGBM's three, those up to best_iteration
    assert walked(trees, np.array(expected["features"])) == pytest.approx(expected["predicted"], rel=1e-6)
    assert len({round(value, 3) for value in expected["predicted"]}) > 4


def test_there_is_a_booster_of_every_form():
    assert NAMES == ["lightgbm-2.3.1", "xgboost-1.0.2", "xgboost-1.3.3", "xgboost-1.5.2"]


@pytest.mark.parametrize("name", NAMES)
def test_a_booster_that_is_cut_off_is_refused(name):
    content = (SMALL / f"{name}.model").read_bytes()
    for length in range(0, len(content) - 1, len(content) // 40):
        with pytest.raises(DamagedFileError, match=r"x\.model"):
            read_pickled_booster(content[:length], "x.model")


def test_other_pickles_are_refused_and_not_run(tmp_path):
    class Runs:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    for content in (pickle.dumps(Runs()), pickle.dumps({"handle": b"CONFIG-offset:"})):
        with pytest.raises(DamagedFileError):
            read_pickled_booster(content, "x.model")
    assert not (tmp_path / "ran").exists()


def test_a_booster_takes_nothing_but_attributes():
    """A state that is no dictionary, and one set on the class itself."""
    named = b"\x80\x03cxgboost.core\nBooster\n"
    for program in (named + b")\x81K\x01b.", named + b"}b."):
        with pytest.raises(DamagedFileError):
            read_pickled_booster(program, "x.model")


@pytest.mark.parametrize(
    "changes",
    [
        {"left": np.array([3, NO_CHILD, NO_CHILD])},
        {"left": np.array([0, NO_CHILD, NO_CHILD])},
        {"left": np.array([2, NO_CHILD, NO_CHILD])},
        {"left": np.array([-2, NO_CHILD, NO_CHILD])},
        {"left": np.array([1, 2, NO_CHILD]), "right": np.array([2, 1, NO_CHILD])},
        {"right": np.array([NO_CHILD, NO_CHILD, NO_CHILD])},
        {"feature": np.array([2, 0, 0])},
        {"feature": np.array([-1, 0, 0])},
        {"below": np.array([np.nan, 0, 0], dtype=np.float32)},
        {"value": np.array([0.0, np.inf, 1.0])},
        {"starts": np.array([0])},
        {"starts": np.array([0, 0, 3])},
    ],
)
def test_what_is_no_tree_is_refused(changes):
    with pytest.raises(DamagedFileError, match="regression trees"):
        checked(stump(**changes), "x")


def test_a_tree_stays_as_it_is_and_pruned_nodes_are_dropped():
    assert np.array_equal(checked(stump(), "x").left, stump().left)
    pruned = {
        "starts": np.array([0, 5]),
        "feature": np.array([1, 0, 0, 0, 0]),
        "below": np.zeros(5, dtype=np.float32),
        "left": np.array([3, 2, NO_CHILD, NO_CHILD, NO_CHILD]),
        "right": np.array([4, 1, NO_CHILD, NO_CHILD, NO_CHILD]),
        "value": np.arange(5.0),
    }
    kept = checked(stump(**pruned), "x")  # nodes 1 and 2 hang on nothing, in a circle
    assert kept.left.tolist() == [1, NO_CHILD, NO_CHILD]
    assert kept.right.tolist() == [2, NO_CHILD, NO_CHILD]
    assert kept.value.tolist() == [0.0, 3.0, 4.0]


def test_siblings_stand_next_to_each_other_as_xgboost_expects_them():
    apart = {
        "starts": np.array([0, 5]),
        "feature": np.array([0, 1, 0, 0, 0]),
        "below": np.array([0.5, 0.5, 0, 0, 0], dtype=np.float32),
        "left": np.array([2, 4, NO_CHILD, NO_CHILD, NO_CHILD]),
        "right": np.array([1, 3, NO_CHILD, NO_CHILD, NO_CHILD]),
        "value": np.array([0.0, 0.0, 1.0, 2.0, 3.0]),
    }
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    trees = checked(stump(**apart), "x")
    assert booster_of(trees).inplace_predict(rows).tolist() == [1.0, 3.0, 2.0] == walked(trees, rows).tolist()


def test_models_for_other_objectives_are_refused():
    name = b"binary:logistic"
    head = struct.pack("<fIi124x", 0.5, 2, 0) + struct.pack("<Q", len(name)) + name
    with pytest.raises(DamagedFileError, match="binary:logistic"):
        read_xgboost(head + struct.pack("<Q", 6) + b"gbtree" + bytes(160), "x")
    text = "tree\nmax_feature_idx=1\nobjective=binary sigmoid:1\n\nend of trees\n"
    with pytest.raises(DamagedFileError, match="objective"):
        read_lightgbm(text, "x")
    model = {"learner": {"gradient_booster": {"name": "dart"}, "objective": {"name": "reg:squarederror"}}}
    with pytest.raises(DamagedFileError, match="gbtree"):
        read_xgboost_json(json.dumps(model).encode(), "x")


def test_rows_go_left_up_to_and_with_the_threshold_of_lightgbm():
    """Thresholds that float32 cannot hold, and rows on them as far as float32 can be."""
    for threshold in (0.1, 0.25, -3.7, 1e-35):
        text = (
            "tree\nmax_feature_idx=0\nobjective=regression\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n"
            f"threshold={threshold!r}\ndecision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n\n"
            "end of trees\n"
        )
        trees = read_lightgbm(text, "x")
        near = np.nextafter(np.float32(threshold), np.float32([-np.inf, np.inf, 0, 9]))
        rows = np.append(near, np.float32(threshold))
        expected = np.where(rows.astype(np.float64) <= threshold, 1.0, 2.0)
        assert walked(trees, rows[:, None]).tolist() == expected.tolist()


def test_zero_is_below_a_threshold_of_zero_in_xgboost_too():
    """What is next to zero is subnormal, and XGBoost takes that for zero."""
    text = (
        "tree\nmax_feature_idx=0\nobjective=regression\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n"
        "threshold=0\ndecision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n\nend of trees\n"
    )
    booster = booster_of(read_lightgbm(text, "x"))
    rows = np.array([[-1.0], [0.0], [1e-30]], dtype=np.float32)
    assert booster.inplace_predict(rows).tolist() == [1.0, 1.0, 2.0]


def test_lightgbm_trees_of_other_kinds_are_refused():
    text = (
        "tree\nmax_feature_idx=0\nobjective=regression\n\nTree=0\nnum_leaves=2\nnum_cat={cat}\nsplit_feature=0\n"
        "threshold=1\ndecision_type={kind}\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n\nend of trees\n"
    )
    assert len(read_lightgbm(text.format(cat=0, kind=2), "x")) == 1
    for cat, kind in ((1, 2), (0, 1), (0, 6)):
        with pytest.raises(DamagedFileError, match="categorical"):
            read_lightgbm(text.format(cat=cat, kind=kind), "x")
