"""What tables say of architectures without training them, as features: proxies, parameters, operations.

Krishnakumar, White, Zela, Tu, Safari, Hutter: "NAS-Bench-Suite-Zero" (NeurIPS 2022) put such columns beside
encodings and found that predictors with few samples gain most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, SearchSpace, get_space
from nasbench_suite.tabular.benchmark import TabularBenchmark

Features = NDArray[np.float32]


@dataclass(frozen=True)
class TableColumns:
    """Columns of a table by class of isomorphic architectures.

    Attributes
    ----------
    task
        Whose table it is.
    space
        Its space.
    keys
        Of the classes, ascending, `[classes]`.
    values
        Means over the architectures of a class, `[classes, columns]`.
    """

    task: str
    space: SearchSpace
    keys: NDArray[np.uint64]
    values: Features

    def of(self, genes: Genes) -> Features:
        """Return the columns of architectures, float32 `[n, columns]`.

        Raises
        ------
        ArchitectureError
            When the table holds neither an architecture nor one that is isomorphic to it.
        """
        keys = self.space.key(genes)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        absent = np.flatnonzero(self.keys[places] != keys)
        if len(absent):
            shown = self.space.format(genes[absent[:1]])[0]
            raise ArchitectureError(
                f"{len(absent)} of {len(genes)} architectures are not in {self.task}, whose columns are "
                f"features here; the first is {shown}."
            )
        found: Features = self.values[places]
        return found


def table_columns(text: str, space: str) -> TableColumns:
    """Return columns of a table.

    Parameters
    ----------
    text
        `TASK`, for everything it says once of an architecture without training it, or `TASK:NAME,NAME`.
    space
        The space that architectures will be of.

    Raises
    ------
    NasbenchSuiteError
        When the table is not here, is of another space, or says nothing of the kind.
    UnknownNameError
        When a metric is not there, or depends on training.
    """
    found = read_columns(text)
    if found.space.name != get_space(space).name:
        raise NasbenchSuiteError(
            f"{found.task} is of space {found.space.name}, not {space}; its columns are no features there."
        )
    return found


@lru_cache(maxsize=8)
def read_columns(text: str) -> TableColumns:
    """Return columns of a table, whatever its space; raises what `table_columns` does."""
    from nasbench_suite.tasks import load_benchmark  # which opens surrogates, which have encoders

    task, _, names = text.partition(":")
    benchmark = load_benchmark(task)
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(f"{task} is no table of architectures; its columns cannot be features.")
    values = _values(benchmark, _wanted(benchmark, names.split(",") if names else []))
    keys, group, count = np.unique(
        benchmark.space.key(benchmark.table.genes), return_inverse=True, return_counts=True
    )
    totals = np.zeros((len(keys), values.shape[1]))
    np.add.at(totals, group, values)
    return TableColumns(task, benchmark.space, keys, (totals / count[:, None]).astype(np.float32))


def _wanted(benchmark: TabularBenchmark, names: Sequence[str]) -> list[str]:
    usable = [m.name for m in benchmark.metrics.values() if m.role == "info" and m.recorded == "once"]
    if not usable:
        raise NasbenchSuiteError(
            f"{benchmark.id} says nothing of architectures that were not trained; name a table that does."
        )
    for name in names:
        if name not in usable:
            raise UnknownNameError(f"metric of {benchmark.id} that needs no training called", name, usable)
    return list(names) or sorted(usable)


def _values(benchmark: TabularBenchmark, names: Sequence[str]) -> NDArray[np.float64]:
    """Return columns `[rows, names]` with the sign of each and the logarithm of 1 and its size.

    Proxies are products over layers, and range over ten orders of magnitude.
    """
    columns = [np.nanmean(benchmark.table.columns[name], axis=(1, 2)) for name in names]
    raw = np.stack(columns, axis=1)
    found: NDArray[np.float64] = np.sign(raw) * np.log1p(np.abs(raw))
    return found
