"""A table behind the Benchmark protocol: a batched query is a numbering, a gather and a gather."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric, MissingResultWarning, Repeat, TestMetrics
from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.tabular.row_index import Rows
from nasbench_suite.tabular.table import Table

_Column = NDArray[np.float64]


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
        self.space = get_space(table.description.space)
        self.metrics: Mapping[str, Metric] = dict(table.metrics)
        self.repeats = len(table.description.repeats)
        self.valid_metric = table.description.valid
        self.test_metric = table.description.test
        self.cost_metric = next((m.name for m in self.metrics.values() if m.role == "cost"), None)
        steering = table.metrics.get(self.valid_metric)
        epochs = tuple(int(e) for e in table.epochs)
        self.fidelities: Sequence[int] = (
            epochs[-1:] if steering is not None and steering.recorded == "last epoch" else epochs
        )
        self._epochs = epochs
        self._maximise = steering is None or steering.direction == "max"
        self._visible = {m.name for m in table.metrics.values() if m.role != "test"}
        self._prepared: dict[tuple[str, int, str | int], tuple[_Column, bool]] = {}

    def __repr__(self) -> str:
        return f"<TabularBenchmark {self.id}: {len(self.table)} rows in space {self.space.name}>"

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
            Names of further metrics to bring; test metrics are not to be had here. A table without a
            validation metric (latencies of a device) answers these alone, and NaN for validation.

        Raises
        ------
        ArchitectureError
            When a row is out of range or not in the table.
        UnknownNameError
            When `info` names a metric that is not there or not visible to a search.
        NasbenchSuiteError
            When `epochs` or `repeat` is not in the table, or it has no validation metric and no `info` is
            asked for.

        Warns
        -----
        MissingResultWarning
            When a result is missing; it is NaN in what is returned.
        """
        rows = self.rows(genes)
        if not self.valid_metric and not info:
            raise NasbenchSuiteError(self._no_validation())
        if not isinstance(repeat, np.random.Generator):
            if repeat != "mean":
                self._check_repeat(repeat)

            def look_up(name: str) -> _Column:
                column, has_missing = self._column(name, self._position(name, epochs), repeat)
                values = column.take(rows)
                return self._warn_missing(name, values) if has_missing else values

        else:
            draws = self._draw_repeats(rows, epochs, repeat)

            def look_up(name: str) -> _Column:
                values = self.table.columns[name]
                drawn = draws if values.shape[1] > 1 else 0
                return self._warn_missing(name, values[rows, drawn, self._position(name, epochs)])

        return Evaluations(
            valid=look_up(self.valid_metric) if self.valid_metric else np.full(len(rows), np.nan),
            seconds=look_up(self.cost_metric) if self.cost_metric else None,
            info={name: look_up(self._visible_name(name)) for name in info} if info else {},
            maximise=self._maximise,
        )

    def reveal(self, genes: Genes) -> TestMetrics:
        """Look up test results, fully trained, the mean over all trainings; for leaderboards only.

        Raises
        ------
        NasbenchSuiteError
            When the table holds no test results.
        """
        if not self.test_metric:
            raise NasbenchSuiteError(self._no_test())
        column, has_missing = self._column(self.test_metric, self._position(self.test_metric, None), "mean")
        values = column.take(self.rows(genes))
        return TestMetrics(self._warn_missing(self.test_metric, values) if has_missing else values)

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return the table row of every architecture; see `rows`."""
        return self.rows(genes).astype(np.int64)

    def rows(self, genes: Genes) -> Rows:
        """Return the table row of every architecture, int32 `[n]`.

        Raises
        ------
        ArchitectureError
            When a row is out of range, invalid, or not in the table.
        """
        rows = self.table.row_index.rows(genes)
        if rows.min(initial=0) < 0:
            self._raise_absent(genes[int(rows.argmin())])
        return rows

    def _raise_absent(self, row: Genes) -> None:
        self.space.key(row[None])  # says what is wrong with an invalid architecture
        whole = self.space.size if self.table.description.rows == "string" else self.space.distinct
        raise ArchitectureError(
            f"architecture {self.space.format(row[None])[0]} is not in table {self.id}, which holds "
            f"{len(self.table):,} of {whole:,}; a surrogate answers for all: nasbench-suite fit {self.id}."
        )

    def _no_test(self) -> str:
        return f"{self.id} holds no test results, so nothing can be judged there."

    def _no_validation(self) -> str:
        if self.test_metric:
            return (
                f"{self.id} has no validation results, so nothing can be searched there; nasbench-suite show "
                f"{self.id.partition('/')[0]} lists the tasks that have them."
            )
        known = ", ".join(sorted(self._visible))
        return f"{self.id} has no validation results; ask for some of its metrics by name: {known}."

    def valid_column(self) -> _Column:
        """Return the mean, fully trained validation result of every row, float64 `[rows]`.

        Raises
        ------
        NasbenchSuiteError
            When the table has none.
        """
        if not self.valid_metric:
            raise NasbenchSuiteError(self._no_validation())
        return self._column(self.valid_metric, self._position(self.valid_metric, None), "mean")[0]

    def test_column(self) -> _Column:
        """Return the mean, fully trained test result of every row, `[rows]`; for leaderboards only.

        Raises
        ------
        NasbenchSuiteError
            When the table has none.
        """
        if not self.test_metric:
            raise NasbenchSuiteError(self._no_test())
        return self._column(self.test_metric, self._position(self.test_metric, None), "mean")[0]

    def _column(self, name: str, at: int, repeat: str | int) -> tuple[_Column, bool]:
        """Return one value per row, contiguous, and whether any is missing."""
        key = (name, at, repeat)
        prepared = self._prepared.get(key)
        if prepared is None:
            values = self.table.columns[name][:, :, at]
            if repeat == "mean":
                column = _mean_of_present(values)
            else:
                column = values[:, int(repeat) if values.shape[1] > 1 else 0].copy()
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

    def _position(self, name: str, epochs: int | None) -> int:
        """Return the place on the epoch axis of a metric after `epochs` (None: the last)."""
        recorded = self.metrics[name].recorded
        if epochs is None or recorded == "once":
            return -1
        if epochs not in self._epochs:
            offered = ", ".join(map(str, self.fidelities)) or "full training only (leave epochs out)"
            raise NasbenchSuiteError(f"{self.id} has no results after {epochs} epochs; it offers {offered}.")
        if recorded == "last epoch" and epochs != self._epochs[-1]:
            reason = self.table.description.partial_epochs
            raise NasbenchSuiteError(
                f"{self.id} has {name} after {self._epochs[-1]} epochs only, not after {epochs}"
                f"{': ' + reason if reason else ''}."
            )
        return -1 if recorded == "last epoch" else self._epochs.index(epochs)

    def _check_repeat(self, repeat: object) -> None:
        if isinstance(repeat, bool) or not isinstance(repeat, int) or not 0 <= repeat < self.repeats:
            raise NasbenchSuiteError(
                f"{self.id} holds {self.repeats} training(s) per architecture; repeat must be 'mean', a "
                f"number from 0 to {self.repeats - 1} or a random generator, not {repeat!r}."
            )

    def _draw_repeats(self, rows: Rows, epochs: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw for each row one training among those whose validation result is present."""
        name = self.valid_metric
        if not name or self.table.columns[name].shape[1] == 1:
            return rng.integers(self.repeats, size=len(rows))
        present = ~np.isnan(self.table.columns[name][rows, :, self._position(name, epochs)])
        count = np.maximum(present.sum(axis=1), 1)
        drawn = rng.integers(count)
        draws: NDArray[np.int64] = (np.cumsum(present, axis=1) > drawn[:, None]).argmax(axis=1)
        return draws


def _mean_of_present(values: _Column) -> _Column:
    """Average over axis 1 what is present; NaN where nothing is."""
    present = ~np.isnan(values)
    total = np.where(present, values, 0.0).sum(axis=1)
    count = present.sum(axis=1)
    mean: _Column = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean
