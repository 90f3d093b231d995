"""Models of XGBoost in its JSON form, as files hold it and pickles of releases 1.3 to 1.6.

Source: XGBoost's "JSON schema for the model", and the members `Model` and `Config` that its pickles add.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.regression_trees import NO_CHILD, RegressionTrees, checked

_LISTS = ("split_indices", "split_conditions", "left_children", "right_children")


def read_xgboost_json(content: bytes, source: str) -> RegressionTrees:
    """Return the trees of a model.

    Parameters
    ----------
    content
        The JSON text.
    source
        What messages call it.

    Raises
    ------
    DamagedFileError
        When it is cut off, no such model, or one of another booster than `gbtree`, for another objective than
        `reg:squarederror`, or with categorical columns.
    """
    try:
        whole = json.loads(content)
        learner = whole.get("Model", whole)["learner"]
        booster = learner["gradient_booster"]
        if learner["objective"]["name"] != "reg:squarederror" or booster["name"] != "gbtree":
            raise ValueError("it is no sum of trees for reg:squarederror")
        trees = booster["model"]["trees"]
        feature, number, left, right = (_joined(trees, name) for name in _LISTS)
        if any(tree.get("categories") for tree in trees):
            raise ValueError("a tree has categorical columns")
        found = RegressionTrees(
            columns=int(learner["learner_model_param"]["num_feature"]),
            base=float(learner["learner_model_param"]["base_score"]),
            starts=np.cumsum([0, *(len(tree["left_children"]) for tree in trees)]),
            feature=feature.astype(np.int64),
            below=number.astype(np.float32),
            left=left.astype(np.int64),
            right=np.where(left == NO_CHILD, NO_CHILD, right).astype(np.int64),
            value=number.astype(np.float32).astype(np.float64),
        )
        if not len(feature) == len(number) == len(left) == len(right):
            raise ValueError("a tree has lists of different lengths")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        raise DamagedFileError(
            f"{source} is no XGBoost model that can be read here: it must be whole, of trees (gbtree), for "
            "reg:squarederror and without categorical columns."
        ) from problem
    return checked(found, source)


def _joined(trees: list[dict[str, Any]], name: str) -> NDArray[np.float64]:
    """Return a list of all trees, one behind the other."""
    return np.array([number for tree in trees for number in tree[name]], dtype=np.float64)
