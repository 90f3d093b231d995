"""Architectures as numbers that regressors learn from.

The encodings are those of White, Neiswanger, Nolen, Savani: "A Study on Encodings for Neural Architecture
Search" (NeurIPS 2020), section 3: one-hot genes, adjacency matrices with one-hot operations, and paths.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.spaces.cell_graphs import CellGraphs
from nasbench_suite.surrogates.configspace_columns import SPACE as CONFIGSPACE
from nasbench_suite.surrogates.configspace_columns import configspace_columns
from nasbench_suite.surrogates.table_columns import table_columns

Features = NDArray[np.float32]
ENCODINGS: Mapping[str, str] = {
    "one_hot": "a column for every value of every gene",
    "adjacency": "edges between nodes, and a column for every operation of every node",
    "path": "a column for every sequence of operations on a way from an input to the output",
    "configspace": "DARTS cells as the official models of NAS-Bench-301 take them",
    "columns": "what a table says of architectures without training them: zero-cost proxies, for example",
    "ordinal": "the genes themselves, as a number each",
}
"""Names of the encodings, and what their columns stand for."""
_ROWS_AT_ONCE = 4096


class ArchitectureEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Gene rows in, features out; nothing is learnt, so that it may stand in any pipeline.

    Parameters
    ----------
    space
        Name of a space.
    encoding
        One of `ENCODINGS`, or several with `+` between them.
    longest_path
        Operations that a path may have; longer ones are left out (the truncation of BANANAS). 0: all.
    columns_of
        The table that encoding `columns` reads: see `table_columns`.
    """

    def __init__(self, space: str, encoding: str = "one_hot", longest_path: int = 3, columns_of: str = ""):
        self.space = space
        self.encoding = encoding
        self.longest_path = longest_path
        self.columns_of = columns_of

    def fit(self, genes: Genes, y: Any = None) -> Self:
        """Check the parameters; there is nothing to learn."""
        self._check()
        self.n_features_in_ = get_space(self.space).n_genes
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, genes: Genes) -> Features:
        """Return features, float32 `[n, columns]`.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]` of the space.

        Raises
        ------
        ArchitectureError
            When a row is none of the space's.
        NasbenchSuiteError
            When the space has no such encoding, or the table of columns is not here.
        """
        parts, genes = self._check(), np.asarray(genes)
        get_space(self.space).key(genes)  # says what is wrong with rows of another space
        chunks = [
            genes[start : start + _ROWS_AT_ONCE] for start in range(0, max(1, len(genes)), _ROWS_AT_ONCE)
        ]
        return np.concatenate(
            [np.concatenate([self._columns(chunk, part) for part in parts], axis=1) for chunk in chunks]
        )

    def _check(self) -> list[str]:
        parts = self.encoding.split("+")
        for part in parts:
            if part not in ENCODINGS:
                raise UnknownNameError("encoding", part, ENCODINGS)
        if {"adjacency", "path"} & set(parts) and not get_space(self.space).has_cells:
            raise NasbenchSuiteError(
                f"architectures of space {self.space!r} are chains of choices, without a cell whose edges or "
                "paths could be encoded; take encoding one_hot or ordinal."
            )
        if "configspace" in parts and self.space != CONFIGSPACE:
            raise NasbenchSuiteError(
                f"encoding configspace is that of space {CONFIGSPACE}, not of {self.space!r}; take one_hot."
            )
        if ("columns" in parts) != bool(self.columns_of):
            raise NasbenchSuiteError(
                "encoding columns needs the task whose table has them, and no other encoding does; not "
                f"encoding={self.encoding!r}, columns_of={self.columns_of!r}."
            )
        if self.longest_path < 0:
            raise NasbenchSuiteError(f"longest_path must be at least 0, not {self.longest_path}.")
        return parts

    def _columns(self, genes: Genes, encoding: str) -> Features:
        space = get_space(self.space)
        if encoding == "columns":
            return table_columns(self.columns_of, self.space).of(genes)
        if encoding == "configspace":
            return configspace_columns(genes)
        if encoding == "ordinal":
            return genes.astype(np.float32)
        if encoding == "one_hot":
            return np.concatenate(
                [_one_hot(genes[:, g], n) for g, n in enumerate(space.cardinalities)], axis=1
            )
        columns = path_columns if encoding == "path" else _adjacency_columns
        return np.concatenate([columns(cells, self.longest_path) for cells in space.graphs(genes)], axis=1)


def _one_hot(values: NDArray[np.uint8], limit: int) -> Features:
    hot: Features = (values[:, None] == np.arange(limit)).astype(np.float32)
    return hot


def _adjacency_columns(cells: CellGraphs, _: int) -> Features:
    above = np.triu_indices(cells.adjacency.shape[1], 1)
    inside = [n for n in range(cells.labels.shape[1]) if n not in (*cells.inputs, cells.output)]
    operations = [_one_hot(cells.labels[:, node], len(cells.operations)) for node in inside]
    return np.concatenate([cells.adjacency[:, *above].astype(np.float32), *operations], axis=1)


def path_columns(cells: CellGraphs, longest: int) -> Features:
    """Tell which sequences of operations lead from each input to the output, float32 `[n, columns]`.

    Parameters
    ----------
    cells
        Graphs.
    longest
        Operations of a path; 0 for as many as there can be.

    Returns
    -------
    columns
        For every input and every length from 0, `len(operations) ** length` columns in the order of their
        number in that base, the first operation weighing most.
    """
    longest = min(longest or cells.depth, cells.depth)
    return np.concatenate(
        [
            found.astype(np.float32)
            for source in cells.inputs
            for found in _paths_from(cells, source, longest)
        ],
        axis=1,
    )


def _paths_from(cells: CellGraphs, source: int, longest: int) -> list[NDArray[np.bool_]]:
    """Return, by length, which sequences lead from one input to the output: bool `[n, operations^length]`.

    A node is reached by the sequences that reach any node it reads, with its own operation behind them.
    """
    n, base = len(cells), len(cells.operations)
    reached: dict[int, list[NDArray[np.bool_]]] = {source: [np.ones((n, 1), dtype=bool)]}
    for node in range(cells.labels.shape[1]):
        if node in cells.inputs:
            continue
        before = [np.zeros((n, base**length), dtype=bool) for length in range(longest + 1)]
        for earlier, ways in reached.items():
            edge = cells.adjacency[:, earlier, node, None]
            for length, way in enumerate(ways):
                before[length] |= way & edge
        if node == cells.output:
            return before
        own = np.arange(base) == cells.labels[:, node, None]
        longer = [(way[:, :, None] & own[:, None]).reshape(n, -1) for way in before[:longest]]
        reached[node] = [np.zeros((n, 1), dtype=bool), *longer]
    raise AssertionError("a graph has an output")
