"""Models of LightGBM in its text form, which its pickles hold and its files are.

Source: `Tree::ToString` and `GBDT::SaveModelToString` of LightGBM 2 to 4. Blocks of `key=value` lines
follow each other, the first about the whole, then one for each tree, and `end of trees`. Inner nodes have a
column, a threshold and two children; a child below 0 is the leaf `-child - 1`. Rows with at most the
threshold go left.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.regression_trees import NO_CHILD, RegressionTrees, checked

_END = "end of trees"
_CATEGORICAL, _MISSING, _ZERO = 1, 0b1100, 0b0100
Numbers = NDArray[np.float64]


def read_lightgbm(text: str, source: str) -> RegressionTrees:
    """Return the trees of a model.

    Thresholds become the least float32 above them, so that float32 rows go where they went; values that
    float32 cannot tell apart are not told apart.

    Parameters
    ----------
    text
        The model.
    source
        What messages call it.

    Raises
    ------
    DamagedFileError
        When the text is cut off or no such model, or is one for another objective than `regression`, with
        categorical columns, linear leaves, zeros that count as missing, or an average in place of a sum.
    """
    whole, end, _ = text.partition(_END)
    head, *blocks = whole.split("\nTree=")
    about = _entries(head)
    try:
        summed = about.get("objective", "").split() == ["regression"] and "average_output" not in head.split()
        if not end or not summed:
            raise ValueError("it is cut off, or no sum of trees for objective 'regression'")
        columns = int(about["max_feature_idx"]) + 1
        trees = [_tree(_entries(block)) for block in blocks]
    except (ValueError, KeyError, OverflowError) as problem:
        raise DamagedFileError(
            f"{source} is no LightGBM model that can be read here ({_shown(problem)}); fetch the file again."
        ) from problem
    sizes = [len(feature) for feature, *_ in trees]
    none = (np.empty(0),) * 5
    feature, threshold, left, right, value = map(np.concatenate, zip(none, *trees, strict=True))
    return checked(
        RegressionTrees(
            columns=columns,
            base=0.0,
            starts=np.cumsum([0, *sizes]),
            feature=feature.astype(np.int64),
            below=_least_above(threshold),
            left=left.astype(np.int64),
            right=right.astype(np.int64),
            value=value,
        ),
        source,
    )


def _tree(entries: Mapping[str, str]) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
    """Return column, threshold, children and value of inner nodes, then leaves."""
    leaves = int(entries["num_leaves"])
    inner = leaves - 1
    value = _numbers(entries["leaf_value"], leaves)
    nothing = np.zeros(max(leaves, 0))
    if int(entries.get("num_cat", "0")) or entries.get("is_linear", "0") != "0":
        raise ValueError("a tree has categorical columns or linear leaves")
    if inner < 1:
        return nothing, nothing, nothing + NO_CHILD, nothing + NO_CHILD, value
    kinds = _numbers(entries["decision_type"], inner).astype(np.int64)
    if (kinds & _CATEGORICAL).any() or ((kinds & _MISSING) == _ZERO).any():
        raise ValueError("a tree has categorical columns or zeros that count as missing")
    feature, threshold = (_numbers(entries[key], inner) for key in ("split_feature", "threshold"))
    left, right = (
        np.concatenate([np.where(child < 0, inner - 1 - child, child), nothing + NO_CHILD])
        for child in (_numbers(entries[key], inner) for key in ("left_child", "right_child"))
    )
    return (
        np.concatenate([feature, nothing]),
        np.concatenate([threshold, nothing]),
        left,
        right,
        np.concatenate([np.zeros(inner), value]),
    )


def _least_above(threshold: Numbers) -> NDArray[np.float32]:
    """Return the least float32 above that is not subnormal: processors may be set to take those for zero."""
    rounded = threshold.astype(np.float32)
    above: NDArray[np.float32] = np.where(
        rounded > threshold, rounded, np.nextafter(rounded, np.float32(np.inf))
    )
    tiny = np.finfo(np.float32).tiny
    return np.where((above > 0) & (above < tiny), tiny, above)


def _numbers(text: str, count: int) -> Numbers:
    found = np.array([float(word) for word in text.split()])
    if len(found) != count:
        raise ValueError("a tree has lists of different lengths")
    return found


def _entries(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines()) if value}


def _shown(problem: Exception) -> str:
    text = str(problem)
    return text[:100] if text.isprintable() else "unreadable"
