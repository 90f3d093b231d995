"""Regression trees of any origin as an XGBoost booster, which is the fastest way to ask them here."""

import json
from typing import Any

import numpy as np
import xgboost as xgb

from nasbench_suite.foreign.regression_trees import NO_CHILD, RegressionTrees

_NO_PARENT = 2**31 - 1


def booster_of(trees: RegressionTrees) -> xgb.Booster:
    """Return a booster that predicts the sum of the trees, in single precision as XGBoost does.

    Parameters
    ----------
    trees
        What `foreign` read and checked.

    Notes
    -----
    The booster is made by way of XGBoost's JSON schema for models, as its releases 2 to 3 take it. They take
    what follows a left child for the right one.
    """
    parts = [_tree(trees, number) for number in range(len(trees))]
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": list(range(len(trees) + 1)),
        "tree_info": [0] * len(trees),
        "trees": parts,
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": repr(float(np.float32(trees.base))),
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": str(trees.columns),
            "num_target": "1",
        },
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    }
    text = json.dumps({"learner": learner, "version": [2, 0, 0]})
    return xgb.Booster(model_file=bytearray(text.encode()))


def _tree(trees: RegressionTrees, number: int) -> dict[str, Any]:
    """Return a tree in the schema's form; leaves keep their value where inner nodes keep their threshold."""
    part = slice(trees.starts[number], trees.starts[number + 1])
    left, right, feature = trees.left[part], trees.right[part], trees.feature[part]
    leaf = left == NO_CHILD
    conditions = np.where(leaf, trees.value[part].astype(np.float32), trees.below[part]).astype(np.float64)
    parents = np.full(len(left), _NO_PARENT)
    inner = np.flatnonzero(~leaf)
    parents[left[inner]] = parents[right[inner]] = inner
    nothing = [0.0] * len(left)
    return {
        "base_weights": nothing,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": [0] * len(left),
        "id": number,
        "left_children": left.tolist(),
        "loss_changes": nothing,
        "parents": parents.tolist(),
        "right_children": right.tolist(),
        "split_conditions": conditions.tolist(),
        "split_indices": feature.tolist(),
        "split_type": [0] * len(left),
        "sum_hessian": nothing,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(trees.columns),
            "num_nodes": str(len(left)),
            "size_leaf_vector": "1",
        },
    }
