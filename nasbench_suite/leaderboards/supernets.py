"""What strategies that train a supernet are asked besides: how it ranks architectures, and what it drifts to.

What an architecture is worth with the shared weights (its accuracy; of a generator its inception score)
stands in for the result of its own training. How well it does is what limits a search that chooses by it: the
rank correlation, over architectures drawn at random, between the two.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.runs import Runs
from nasbench_suite.spaces import Genes
from nasbench_suite.tabular.benchmark import TabularBenchmark

_Values = NDArray[np.float64]
FINDINGS = ("supernet_genes", "supernet_accuracy", "step_bytes")
"""What a record must hold."""


@dataclass(frozen=True)
class Supernets:
    """The supernets of all runs of one strategy, judged by the tables of one column.

    Attributes
    ----------
    test
        The table's test result of the architecture derived after each epoch, float64 `[runs, epochs]`; NaN
        after a run's end.
    operations
        How many genes of that architecture have each operation, float64 `[runs, epochs, operations]`.
    seconds
        What the search billed in all, float64 `[runs]`.
    kendall, spearman
        Rank correlation between the worth with the shared weights and the validation result in the table,
        float64 `[runs]`, positive where both like the same; NaN where all are worth the same.
    step_bytes
        Memory that a step of training holds, float64 `[runs]`.
    failed
        Whether the run ended before its epochs were done, for a loss that was no number, bool `[runs]`.
    """

    test: _Values
    operations: _Values
    seconds: _Values
    kendall: _Values
    spearman: _Values
    step_bytes: _Values
    failed: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Runs, by_valid: TabularBenchmark, by_test: TabularBenchmark) -> "Supernets | None":
        """Return what a record tells of its supernets; None where the strategy trains none."""
        if not all(name in runs.findings for name in FINDINGS) or runs.search_seconds is None:
            return None
        genes = runs.findings["supernet_genes"]
        column = by_valid.valid_column()
        if by_valid.metrics[by_valid.valid_metric].direction == "min":
            column = -column
        table = np.array([column[by_valid.rows(row)] for row in genes])
        kendall, spearman = _correlations(runs.findings["supernet_accuracy"], table)
        endings = runs.endings if runs.endings is not None else np.full(len(runs.length), b"")
        return cls(
            test=_test_by_epoch(runs, by_test),
            operations=_operations(runs.genes, runs.present, max(by_valid.space.cardinalities)),
            seconds=np.where(runs.present, np.nan_to_num(runs.search_seconds), 0.0).sum(axis=1),
            kendall=kendall,
            spearman=spearman,
            step_bytes=runs.findings["step_bytes"].astype(np.float64),
            failed=(endings != b"") & ~np.char.startswith(endings, b"all "),
        )

    @staticmethod
    def concatenate(blocks: "list[Supernets]") -> "Supernets":
        """Join the runs of all blocks of a search; those that ended earlier are NaN from there on."""
        epochs = max(block.test.shape[1] for block in blocks)
        parts = {
            field.name: np.concatenate([_padded(getattr(b, field.name), epochs) for b in blocks])
            for field in fields(Supernets)
        }
        return Supernets(**parts)


def _padded(values: NDArray[np.generic], epochs: int) -> NDArray[np.generic]:
    if values.ndim == 1 or values.shape[1] == epochs:
        return values
    more = [(0, 0), (0, epochs - values.shape[1])] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, more, constant_values=np.nan)


def _test_by_epoch(runs: Runs, by_test: TabularBenchmark) -> _Values:
    column = by_test.test_column()
    test = np.full(runs.valid.shape, np.nan)
    test[runs.present] = column[by_test.rows(runs.genes[runs.present])]
    return test


def _operations(genes: Genes, present: NDArray[np.bool_], operations: int) -> _Values:
    counts: _Values = (genes[..., None] == np.arange(operations)).sum(axis=2).astype(np.float64)
    counts[~present] = np.nan
    return counts


def _correlations(supernet: _Values, table: _Values) -> tuple[_Values, _Values]:
    """Return Kendall's tau-b and Spearman's coefficient of every row."""
    found = np.full((2, len(supernet)), np.nan)
    for run, (a, b) in enumerate(zip(supernet, table, strict=True)):
        known = ~np.isnan(a) & ~np.isnan(b)
        if known.sum() > 1 and np.ptp(a[known]) > 0 and np.ptp(b[known]) > 0:
            found[0, run] = stats.kendalltau(a[known], b[known]).statistic
            found[1, run] = stats.spearmanr(a[known], b[known]).statistic
    return found[0], found[1]
