"""An operator table behind the Benchmark protocol: a query is a gather per layer and a sum."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations, Metric, Repeat, TestMetrics
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.tabular.operator_table import OperatorCosts, OperatorTable

_ROWS_AT_ONCE = 1 << 13
"""Networks whose indices and sums stay in the processor's cache."""


class OperatorSumBenchmark:
    """Answers queries for costs by adding up operators, one after the other in the order of the network.

    The order is part of the result: another one rounds differently.

    Parameters
    ----------
    table
        The costs of the operators.
    """

    def __init__(self, table: OperatorTable):
        self.table = table
        self.id = table.description.task
        self.space = get_space(table.description.space)
        self.metrics: Mapping[str, Metric] = dict(table.metrics)
        self.fidelities: Sequence[int] = ()
        self.repeats = 1

    def __repr__(self) -> str:
        return f"<OperatorSumBenchmark {self.id}: sums for all networks of space {self.space.name}>"

    def __reduce__(self) -> tuple[object, tuple[OperatorTable]]:
        return OperatorSumBenchmark, (self.table,)

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Add up the costs of the networks' operators.

        Parameters
        ----------
        genes
            uint8 `[n, layers]`.
        epochs
            Of no effect: what an inference costs does not depend on training.
        repeat
            Which figure of an operator; there is one, so `"mean"`, 0 and a generator answer the same.
        info
            Names of the metrics to bring; at least one. Validation is NaN.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        UnknownNameError
            When `info` names a metric that is not there.
        NasbenchSuiteError
            When no `info` is asked for, or there is no such `repeat`.
        """
        networks = self.space.canonical(genes)  # checked; in a product every row stands for itself
        if not info:
            known = ", ".join(sorted(self.metrics))
            raise NasbenchSuiteError(
                f"{self.id} has no validation results; ask for some of its metrics by name: {known}."
            )
        for name in info:
            if name not in self.metrics:
                raise UnknownNameError(f"metric of {self.id} called", name, self.metrics)
        if not isinstance(repeat, np.random.Generator) and repeat != "mean":
            self._check_repeat(repeat)
        return Evaluations(valid=np.full(len(networks), np.nan), info=self._sums(networks, info))

    def _check_repeat(self, repeat: object) -> None:
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat != 0:
            raise NasbenchSuiteError(
                f"{self.id} holds one figure per operator; repeat must be 'mean', 0 or a random generator, "
                f"not {repeat!r}."
            )

    def _sums(self, networks: Genes, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return the sums of every metric in `names`, float64 `[n]` each."""
        sums = {name: np.empty(len(networks)) for name in names}
        for start in range(0, len(networks), _ROWS_AT_ONCE):
            chunk = slice(start, start + _ROWS_AT_ONCE)
            choices = networks[chunk].T.astype(np.intp)
            for name, total in sums.items():
                _add_up(self.table.costs[name], choices, total[chunk])
        return sums

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return the space's key of every network, as int64 `[n]`.

        Raises
        ------
        ArchitectureError
            When the array has another shape or type, or a gene is out of range.
        """
        return self.space.key(genes).view(np.int64)

    def reveal(self, genes: Genes) -> TestMetrics:
        """Refuse: costs judge nothing.

        Raises
        ------
        NasbenchSuiteError
            Always.
        """
        raise NasbenchSuiteError(f"{self.id} holds no test results, so nothing can be judged there.")


def _add_up(costs: OperatorCosts, choices: NDArray[np.intp], total: NDArray[np.float64]) -> None:
    """Write the sums of networks into `total` `[n]`; `choices` is `[layers, n]`."""
    total[:] = 0.0
    for part in costs.before:
        total += part
    for operators, choice in zip(costs.operators, choices, strict=True):
        total += operators.take(choice)
    for part in costs.after:
        total += part
