"""Sums of regression trees as arrays, whatever library fitted them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError

Places = NDArray[np.int64]
NO_CHILD = -1
"""What stands for the children of a leaf."""


@dataclass(frozen=True)
class RegressionTrees:
    """What a row gets: `base`, and from every tree the value of the leaf that it comes to.

    Attributes
    ----------
    columns
        Number of features.
    base
        What the sum begins with.
    starts
        Where the nodes of each tree begin, and where the last one's end, `[trees + 1]`; a tree's first node
        is its root.
    feature
        The column that an inner node asks for, `[nodes]`.
    below
        Rows with less than this in that column go left, float32 `[nodes]`.
    left, right
        Children, counted from the tree's root; `NO_CHILD` in leaves, `[nodes]`.
    value
        What leaves give, float64 `[nodes]`.
    """

    columns: int
    base: float
    starts: Places
    feature: Places
    below: NDArray[np.float32]
    left: Places
    right: Places
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def first(self, trees: int) -> "RegressionTrees":
        """Return the first so many trees."""
        end = int(self.starts[trees])
        return replace(
            self,
            starts=self.starts[: trees + 1],
            feature=self.feature[:end],
            below=self.below[:end],
            left=self.left[:end],
            right=self.right[:end],
            value=self.value[:end],
        )


def checked(trees: RegressionTrees, source: str) -> RegressionTrees:
    """Return trees that are ones, without nodes that no row can come to; a right child follows the left one.

    Raises
    ------
    DamagedFileError
        When a node has a child outside its tree or that another has too, asks for a column that is not there,
        or has a value that is not finite.
    """
    wrong = f"{source} does not hold regression trees that a row could be led through; fetch the file again."
    sizes = np.diff(trees.starts)
    if not len(trees) or sizes.min() < 1 or trees.starts[-1] != len(trees.left):
        raise DamagedFileError(wrong)
    tree = np.repeat(np.arange(len(trees)), sizes)
    inner = trees.left != NO_CHILD
    children = np.stack([trees.left, trees.right])[:, inner]
    number = trees.starts[tree[inner]] + children
    parents = np.bincount(number.ravel()[(children.ravel() > 0)], minlength=len(tree)) if len(tree) else tree
    if (
        not inner[trees.right != NO_CHILD].all()
        or (children < 1).any()
        or (children >= sizes[tree[inner]]).any()
        or parents.max(initial=0) > 1
        or (trees.feature[inner] < 0).any()
        or (trees.feature[inner] >= trees.columns).any()
        or not np.isfinite(trees.below[inner]).all()
        or not np.isfinite(trees.value[~inner]).all()
        or not np.isfinite(trees.base)
    ):
        raise DamagedFileError(wrong)
    return _reachable(trees, tree, inner)


def _reachable(trees: RegressionTrees, tree: Places, inner: NDArray[np.bool_]) -> RegressionTrees:
    """Drop nodes that were pruned away, and number the others level by level, siblings next to each other.

    As no node has two parents, the walk from the roots ends.
    """
    level = trees.starts[:-1]
    found = [level]
    while len(level):
        level = level[inner[level]]
        begins = trees.starts[tree[level], None]
        level = (begins + np.stack([trees.left[level], trees.right[level]], axis=1)).ravel()
        found.append(level)
    walked = np.concatenate(found)
    kept = walked[np.argsort(tree[walked], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(tree[kept], minlength=len(trees)))])
    new = np.full(len(tree), NO_CHILD)
    new[kept] = np.arange(len(kept)) - starts[tree[kept]]

    def moved(child: Places) -> Places:
        there = new[trees.starts[tree[kept]] + np.maximum(child[kept], 0)]
        renumbered: Places = np.where(inner[kept], there, NO_CHILD)
        return renumbered

    return RegressionTrees(
        columns=trees.columns,
        base=trees.base,
        starts=starts,
        feature=np.where(inner, trees.feature, 0)[kept],
        below=trees.below[kept],
        left=moved(trees.left),
        right=moved(trees.right),
        value=trees.value[kept],
    )
