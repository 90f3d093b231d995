"""A table behind the Benchmark protocol: a batched query is a numbering, a gather and a gather."""

import warnings
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric, MissingResultWarning, Repeat, TestMetrics
from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import CategoricalSpace, Genes, get_space
from nasbench_suite.tabular.table import Table

_Column = NDArray[np.float64]
_Rows = NDArray[np.int32]


class TabularBenchmark:
    """Answers queries from a table.

    Parameters
    ----------
    table
        The task's results. The benchmark keeps no other state but columns it has already averaged.
    """

    def __init__(self, table: Table):
        self.table = table
        self.id = table.description.task
        self.space = cast(CategoricalSpace, get_space(table.description.space))
        self.metrics: Mapping[str, Metric] = dict(table.metrics)
        self.fidelities: Sequence[int] = tuple(int(e) for e in table.epochs)
        self.repeats = len(table.description.repeats)
        self.valid_metric = cast(str, table.metric_of_role("valid"))
        self.test_metric = cast(str, table.metric_of_role("test"))
        self.cost_metric = table.metric_of_role("cost")
        self._maximise = table.metrics[self.valid_metric].direction == "max"
        self._visible = {m.name for m in table.metrics.values() if m.role != "test"}
        self._prepared: dict[tuple[str, int, str | int], tuple[_Column, bool]] = {}

    def __repr__(self) -> str:
        return f"<TabularBenchmark {self.id}: {len(self.table.genes)} rows in space {self.space.name}>"

    def __reduce__(self) -> tuple[object, tuple[Table]]:
        return TabularBenchmark, (self.table,)

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Look up validation results.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`.
        epochs
            One of `fidelities`; None for full training.
        repeat
            `"mean"` over the trainings that the table holds, the position of one of them, or a generator
            that draws one per architecture among those present.
        info
            Names of further metrics to bring; test metrics are not to be had here.

        Raises
        ------
        ArchitectureError
            When a row is out of range or not in the table.
        UnknownNameError
            When `info` names a metric that is not there or not visible to a search.
        NasbenchSuiteError
            When `epochs` or `repeat` is not in the table.

        Warns
        -----
        MissingResultWarning
            When a result is missing; it is NaN in what is returned.
        """
        rows = self.rows(genes)
        at = -1 if epochs is None else self._epoch_position(epochs)
        if isinstance(repeat, np.random.Generator):
            draws = self._draw_repeats(rows, at, repeat)

            def look_up(name: str) -> _Column:
                return self._warn_missing(name, self.table.columns[name][rows, draws, at])
        else:
            if repeat != "mean":
                self._check_repeat(repeat)

            def look_up(name: str) -> _Column:
                column, has_missing = self._column(name, at, repeat)
                values = column.take(rows)
                return self._warn_missing(name, values) if has_missing else values

        return Evaluations(
            valid=look_up(self.valid_metric),
            seconds=look_up(self.cost_metric) if self.cost_metric else None,
            info={name: look_up(self._visible_name(name)) for name in info} if info else {},
            maximise=self._maximise,
        )

    def reveal(self, genes: Genes) -> TestMetrics:
        """Look up test results, fully trained, the mean over all trainings; for leaderboards only."""
        column, has_missing = self._column(self.test_metric, -1, "mean")
        values = column.take(self.rows(genes))
        return TestMetrics(self._warn_missing(self.test_metric, values) if has_missing else values)

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return the table row of every architecture; see `rows`."""
        return self.rows(genes).astype(np.int64)

    def rows(self, genes: Genes) -> _Rows:
        """Return the table row of every architecture, int32 `[n]`.

        Raises
        ------
        ArchitectureError
            When a row is out of range, invalid, or not in the table.
        """
        if getattr(genes, "shape", None) == (1, self.space.n_genes) and genes.dtype == np.uint8:
            return np.array([self._row(genes)], dtype=np.int32)
        rows = self.table.index.take(self.space.encode(genes))
        if rows.min(initial=0) < 0:
            self._raise_absent(genes[int(rows.argmin())])
        return rows

    def _row(self, genes: Genes) -> int:
        """Return the row of a batch of one without array operations."""
        row = self.table.index.item(self.space.encode_one(genes))
        if row < 0:
            self._raise_absent(genes[0])
        return row

    def _raise_absent(self, row: Genes) -> None:
        self.space.key(row[None])  # says what is wrong with an invalid architecture
        raise ArchitectureError(f"architecture {self.space.format(row[None])[0]} is not in table {self.id}.")

    def valid_column(self) -> _Column:
        """Return the mean, fully trained validation result of every row, float64 `[rows]`."""
        return self._column(self.valid_metric, -1, "mean")[0]

    def test_column(self) -> _Column:
        """Return the mean, fully trained test result of every row, `[rows]`; for leaderboards only."""
        return self._column(self.test_metric, -1, "mean")[0]

    def _column(self, name: str, at: int, repeat: str | int) -> tuple[_Column, bool]:
        """Return one value per row, contiguous, and whether any is missing."""
        key = (name, at, repeat)
        prepared = self._prepared.get(key)
        if prepared is None:
            values = self.table.columns[name][:, :, at]
            column = _mean_of_present(values) if repeat == "mean" else values[:, int(repeat)].copy()
            column.setflags(write=False)
            prepared = self._prepared[key] = (column, bool(np.isnan(column).any()))
        return prepared

    def _warn_missing(self, name: str, values: _Column) -> _Column:
        missing = int(np.count_nonzero(np.isnan(values)))
        if missing:
            warnings.warn(
                f"{missing} of {len(values)} results of {name} are missing in {self.id}; they are NaN.",
                MissingResultWarning,
                stacklevel=4,
            )
        return values

    def _visible_name(self, name: str) -> str:
        if name not in self._visible:
            raise UnknownNameError(f"metric visible to a search in {self.id} called", name, self._visible)
        return name

    def _epoch_position(self, epochs: int) -> int:
        if epochs not in self.fidelities:
            offered = ", ".join(map(str, self.fidelities)) or "full training only (leave epochs out)"
            raise NasbenchSuiteError(f"{self.id} has no results after {epochs} epochs; it offers {offered}.")
        return self.fidelities.index(epochs)

    def _check_repeat(self, repeat: object) -> None:
        if isinstance(repeat, bool) or not isinstance(repeat, int) or not 0 <= repeat < self.repeats:
            raise NasbenchSuiteError(
                f"{self.id} holds {self.repeats} training(s) per architecture; repeat must be 'mean', a "
                f"number from 0 to {self.repeats - 1} or a random generator, not {repeat!r}."
            )

    def _draw_repeats(self, rows: _Rows, at: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw for each row one training among those whose validation result is present."""
        present = ~np.isnan(self.table.columns[self.valid_metric][rows, :, at])
        count = np.maximum(present.sum(axis=1), 1)
        drawn = rng.integers(count)
        return cast(NDArray[np.int64], (np.cumsum(present, axis=1) > drawn[:, None]).argmax(axis=1))


def _mean_of_present(values: _Column) -> _Column:
    """Average over axis 1 what is present; NaN where nothing is."""
    present = ~np.isnan(values)
    total = np.where(present, values, 0.0).sum(axis=1)
    count = present.sum(axis=1)
    return cast(_Column, np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0))
