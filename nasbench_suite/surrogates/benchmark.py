"""A fitted surrogate behind the Benchmark protocol, with a noise model after NAS-Bench-301's.

Siems et al.: "NAS-Bench-301" (arXiv 2008.09777), section 4.3: an answer is the mean of the members, with
noise a draw from the normal distribution around it whose deviation is theirs. Members that agree and are
wrong together would make that noise too small; so as much is added as brings 68.3 % of held-out architectures
within one deviation.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric, Repeat, TestMetrics
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, NumberedSpace, get_space
from nasbench_suite.surrogates.model import SurrogateModel
from nasbench_suite.tabular.row_index import row_keys
from nasbench_suite.tasks import SURROGATE

_REMEMBERED_CODES = 1_000_000
"""The largest numbered space whose answers are remembered."""
_ROWS_AT_ONCE = 16384
_Values = NDArray[np.float64]


class SurrogateBenchmark:
    """Answers queries by predictions.

    `repeat="mean"` is without noise; a generator draws one training per architecture from the noise model; a
    position asks a single member. In a space that is small enough to number, what was predicted once is
    looked up from then on.

    Parameters
    ----------
    model
        The fitted model.
    name
        What it is called; its id is `surrogate:NAME`.
    """

    def __init__(self, model: SurrogateModel, name: str):
        self.model, self.name = model, name
        self.id = SURROGATE + name
        self.space = get_space(model.space)
        self.metrics: dict[str, Metric] = dict(model.metrics)
        self.fidelities: Sequence[int] = model.epochs
        self._roles = {metric.role: metric for metric in reversed(self.metrics.values())}
        self._columns = model.columns()
        self._known: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        return f"<SurrogateBenchmark {self.id}: {self.repeats} members in space {self.space.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return SurrogateBenchmark, (self.model, self.name)

    @cached_property
    def repeats(self) -> int:
        """Number of members."""
        return int(self.model.curves(self._any()).shape[0])

    def _any(self) -> Genes:
        return self.space.sample(np.random.default_rng(0), 1)

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Predict validation results.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`.
        epochs
            One of `fidelities`; None for full training.
        repeat
            See the class.
        info
            Names of further metrics to bring; test metrics are not to be had here.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        UnknownNameError
            When `info` names a metric that is not there or not visible to a search.
        NasbenchSuiteError
            When there is no such epoch or member.
        """
        draws = repeat.standard_normal(len(genes)) if isinstance(repeat, np.random.Generator) else None
        valid, cost = self._roles["valid"], self._roles.get("cost")
        asked = [metric for metric in (valid, cost, *map(self._visible, info)) if metric is not None]
        column_of = {metric.name: self._column(metric, epochs) for metric in asked}
        predicted = self._members(genes, list(column_of.values()))

        def values(metric: Metric) -> _Values:
            column = column_of[metric.name]
            members = predicted[column]
            found: _Values = members.mean(axis=0)
            if draws is not None and metric is valid:
                found += self.model.deviation(members, column) * draws
            elif repeat != "mean" and draws is None:
                found = members[self._position(repeat)]
            return np.exp(found) if metric.name in self.model.logarithmic else found

        return Evaluations(
            valid=values(valid),
            seconds=values(cost) if cost else None,
            info={name: values(self._visible(name)) for name in info},
            maximise=valid.direction == "max",
        )

    def reveal(self, genes: Genes) -> TestMetrics:
        """Predict test results of full training, without noise; for leaderboards only.

        Raises
        ------
        NasbenchSuiteError
            When the model predicts none.
        """
        test = self._roles.get("test")
        if test is None:
            raise NasbenchSuiteError(f"{self.id} predicts no test results, so nothing can be judged there.")
        column = self._column(test, None)
        found: _Values = self._members(genes, [column])[column].mean(axis=0)
        return TestMetrics(np.exp(found) if test.name in self.model.logarithmic else found)

    def predictions(self, genes: Genes, *, epochs: int | None = None) -> dict[str, _Values]:
        """Return all metrics by name, `[n]` each, and behind each its deviation, as `NAME_sd`.

        Test results are of full training whatever `epochs` is. A metric that is predicted as its logarithm
        has the deviation of that.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        NasbenchSuiteError
            When there is no such epoch.
        """
        found = {}
        column_of = {
            name: self._column(metric, None if metric.role == "test" else epochs)
            for name, metric in self.metrics.items()
        }
        predicted = self._members(genes, list(column_of.values()))
        for name, column in column_of.items():
            members = predicted[column]
            logarithmic = name in self.model.logarithmic
            found[name] = np.exp(members.mean(axis=0)) if logarithmic else members.mean(axis=0)
            found[f"{'log_' * logarithmic}{name}_sd"] = self.model.deviation(members, column)
        return found

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return a number for what has predictions of its own, `[n]`; see `SurrogateModel.rows`."""
        return row_keys(self.space, genes, self.model.rows).view(np.int64)

    def _members(self, genes: Genes, columns: Sequence[int]) -> dict[int, _Values]:
        """Return predictions of all members, `[members, n]` by column.

        Only the columns that are asked for are gathered: a million architectures with all of theirs are
        gigabytes.
        """
        if not isinstance(self.space, NumberedSpace) or self.space.n_codes > _REMEMBERED_CODES:
            return self._predicted(genes, columns)
        codes = self.space.encode(genes)
        representatives = self.space.representative_of_code[codes].astype(np.int64)
        if representatives.min(initial=0) < 0:
            self.space.key(genes)  # says which row is none of the space's
        if self.model.rows == "class":
            codes = representatives
        if self._known is None:
            members, _, length = self.model.curves(self._any()).shape
            self._known = np.full((length, self.space.n_codes, members), np.nan, dtype=np.float32)
        new = np.unique(codes[np.isnan(self._known[0, codes, 0])])
        if len(new):
            self._known[:, new] = self.model.curves(self.space.decode(new)).transpose(2, 1, 0)
        return {column: self._known[column][codes].T.astype(np.float64) for column in columns}

    def _predicted(self, genes: Genes, columns: Sequence[int]) -> dict[int, _Values]:
        parts = [
            self.model.curves(genes[start : start + _ROWS_AT_ONCE])[:, :, list(columns)]
            for start in range(0, max(1, len(genes)), _ROWS_AT_ONCE)
        ]
        found = np.concatenate(parts, axis=1).astype(np.float32).astype(np.float64)  # as those remembered
        return {column: found[:, :, place] for place, column in enumerate(columns)}

    def _column(self, metric: Metric, epochs: int | None) -> int:
        """Return the column of a metric after `epochs`."""
        own = self._columns[metric.name]
        if epochs is None or metric.recorded != "each epoch":
            return int(own.stop) - 1
        if epochs not in self.fidelities:
            offered = ", ".join(map(str, self.fidelities)) or "full training only (leave epochs out)"
            raise NasbenchSuiteError(f"{self.id} has no results after {epochs} epochs; it offers {offered}.")
        return int(own.start) + list(self.fidelities).index(epochs)

    def _visible(self, name: str) -> Metric:
        visible = {metric.name for metric in self.metrics.values() if metric.role != "test"}
        if name not in visible:
            raise UnknownNameError(f"metric visible to a search in {self.id} called", name, visible)
        return self.metrics[name]

    def _position(self, repeat: object) -> int:
        if isinstance(repeat, bool) or not isinstance(repeat, int) or not 0 <= repeat < self.repeats:
            raise NasbenchSuiteError(
                f"{self.id} has {self.repeats} member(s); repeat must be 'mean', a number from 0 to "
                f"{self.repeats - 1} or a random generator, not {repeat!r}."
            )
        return repeat
