"""What an architecture costs, as a sum over the operations of its genes."""

from functools import lru_cache
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.training.counting import ADDITIVE, ManyCounts, count_many
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.setting import Setting

Kind = Literal["flops_millions", "params_millions"]
"""What is counted, in millions: multiply-adds of one input, or trainable numbers."""

_COLUMNS = {"flops_millions": "multiply_adds", "params_millions": "parameters"}
_MILLION = 1e6


class LayerCosts:
    """A cost that is a constant plus one entry for every gene.

    Parameters
    ----------
    entries
        Cost of every operation, float64 `[n_genes, operations]`; NaN where a gene has fewer operations.
    constant
        What every architecture costs besides, in the same unit.
    """

    def __init__(self, entries: NDArray[np.float64], constant: float):
        self.entries = entries
        self.constant = constant

    def of(self, genes: Genes) -> NDArray[np.float64]:
        """Return the cost of every architecture, `[n]` for uint8 `[n, n_genes]`; NaN for what is none."""
        chosen = self.entries[np.arange(len(self.entries)), genes]
        return cast("NDArray[np.float64]", self.constant + chosen.sum(axis=1))

    def expected(self, probabilities: Tensor) -> Tensor:
        """Return the mean cost of architectures whose genes are drawn apart, a scalar with a gradient.

        Parameters
        ----------
        probabilities
            `[n_genes, operations]`; zero where there is no operation.
        """
        entries = torch.from_numpy(np.nan_to_num(self.entries))
        return self.constant + (probabilities * entries.to(probabilities)).sum()

    def mean(self) -> float:
        """Return the mean cost of architectures whose genes are drawn uniformly."""
        return float(self.constant + np.nanmean(self.entries, axis=1).sum())


def layer_costs(setting: Setting, kind: Kind) -> LayerCosts:
    """Return the costs of a setting's networks, counted.

    An entry is what an operation costs more than the cheapest of its gene; the constant is the cost of the
    cheapest architecture.

    Raises
    ------
    UnknownNameError
        When there is no such kind.
    NasbenchSuiteError
        When the genes of the space do not add numbers of their own.
    """
    if kind not in _COLUMNS:
        raise UnknownNameError("cost called", kind, _COLUMNS)
    if setting.space not in ADDITIVE:
        raise NasbenchSuiteError(
            f"the cost of a network of {setting.space} is no sum over its genes; it is one in "
            f"{', '.join(sorted(ADDITIVE))}."
        )
    counts = _counts(setting.space, setting.skeleton, setting.data.shape)
    return _apart(getattr(counts, _COLUMNS[kind]), get_space(setting.space).cardinalities)


@lru_cache(maxsize=16)  # many searches of one setting, and both kinds, need the same
def _counts(space: str, skeleton: Skeleton, shape: tuple[int, ...]) -> ManyCounts:
    """Return the counts of the zero row, then those of every operation of every gene in place of a zero."""
    cardinalities = get_space(space).cardinalities
    rows = [np.zeros((1, len(cardinalities)), dtype=np.uint8)]
    for gene, limit in enumerate(cardinalities):
        changed = np.zeros((limit, len(cardinalities)), dtype=np.uint8)
        changed[:, gene] = np.arange(limit)
        rows.append(changed)
    return count_many(space, np.concatenate(rows), skeleton, shape)


def _apart(counts: NDArray[np.int64], cardinalities: tuple[int, ...]) -> LayerCosts:
    """Return costs in millions, given counts in the order of `_counts`."""
    entries = np.full((len(cardinalities), max(cardinalities)), np.nan)
    constant, start = int(counts[0]), 1
    for gene, limit in enumerate(cardinalities):
        more = counts[start : start + limit] - counts[0]
        entries[gene, :limit] = (more - more.min()) / _MILLION
        constant += int(more.min())
        start += limit
    return LayerCosts(entries, constant / _MILLION)
