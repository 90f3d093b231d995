"""Random forests by scikit-learn (Breiman, 2001), with the settings of White et al. (NeurIPS 2021)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values

_ROWS_AT_ONCE = 8192


class RandomForest(Surrogate):
    """A forest; every tree is a member.

    Parameters
    ----------
    trees, max_features, min_leaf, bootstrap
        scikit-learn's `n_estimators`, `max_features`, `min_samples_leaf`, `bootstrap`.
    seed
        Of all draws.

    Attributes
    ----------
    roots_
        The first node of every tree, `[trees]`.
    feature_, threshold_, left_, right_, value_
        Of every node: the column it looks at, what a value must not exceed to go left, the nodes behind it,
        and what it predicts, standardised. A leaf leads to itself.
    """

    name = "random_forest"

    def __init__(
        self,
        trees: int = 116,
        max_features: float = 0.17,
        min_leaf: int = 2,
        bootstrap: bool = False,
        seed: int = 0,
    ):
        self.trees = trees
        self.max_features = max_features
        self.min_leaf = min_leaf
        self.bootstrap = bootstrap
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Grow the trees and keep their nodes; see `Surrogate.fit_standardised`."""
        forest = RandomForestRegressor(
            n_estimators=self.trees,
            max_features=self.max_features,
            min_samples_leaf=self.min_leaf,
            bootstrap=self.bootstrap,
            random_state=self.seed,
        ).fit(features, targets)
        grown = [tree.tree_ for tree in forest.estimators_]
        self.roots_ = np.cumsum([0, *(tree.node_count for tree in grown[:-1])])
        parts: dict[str, list[NDArray[np.float64]]] = {"feature": [], "threshold": [], "value": []}
        left, right = [], []
        for tree, root in zip(grown, self.roots_, strict=True):
            own = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            left.append(np.where(leaf, own, tree.children_left) + root)
            right.append(np.where(leaf, own, tree.children_right) + root)
            parts["feature"].append(np.where(leaf, 0, tree.feature))
            parts["threshold"].append(np.where(leaf, 0.0, tree.threshold))
            parts["value"].append(tree.value[:, 0, 0])
        self.left_, self.right_ = np.concatenate(left), np.concatenate(right)
        self.feature_ = np.concatenate(parts["feature"])
        self.threshold_ = np.concatenate(parts["threshold"])
        self.value_ = np.concatenate(parts["value"])

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Walk down all trees at once; see `Surrogate.members_standardised`."""
        found = np.empty((len(self.roots_), len(features)))
        for start in range(0, len(features), _ROWS_AT_ONCE):
            rows = features[start : start + _ROWS_AT_ONCE]
            found[:, start : start + _ROWS_AT_ONCE] = self.value_[self._leaves(rows)]
        return found

    def _leaves(self, features: NDArray[np.float32]) -> NDArray[np.intp]:
        """Return the node in which every row ends in every tree, `[trees, n]`."""
        rows = np.arange(len(features))
        nodes = np.repeat(self.roots_[:, None], len(features), axis=1)
        while True:
            goes_left = features[rows, self.feature_[nodes]] <= self.threshold_[nodes]
            below = np.where(goes_left, self.left_[nodes], self.right_[nodes])
            if (below == nodes).all():
                return nodes
            nodes = below

    def state(self) -> Arrays:
        """Return the nodes of all trees."""
        names = ("roots", "feature", "threshold", "left", "right", "value")
        return {name: getattr(self, f"{name}_") for name in names}

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        for name in ("roots", "feature", "threshold", "left", "right", "value"):
            setattr(self, f"{name}_", np.asarray(arrays[name]))
