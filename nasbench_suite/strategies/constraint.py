"""A bound on a metric that architectures have to keep to, such as `latency_ms@raspi4 <= 5 ms`."""

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations, Metric, MissingResultWarning
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.strategies.objective import VALID

_MOST_ASKED = 200_000
"""The largest space all of whose architectures are asked."""
_FORM = re.compile(r"^\s*(?P<name>\S+?)\s*(?P<sign><=|>=)\s*(?P<limit>[-+.\deE]+)\s*(?P<unit>[^\s<>=]*)\s*$")


@dataclass(frozen=True)
class Constraint:
    """`NAME <= NUMBER` or `NAME >= NUMBER`, perhaps with the unit after the number.

    Attributes
    ----------
    name
        `valid` for the metric that steers the search, or another visible one.
    at_most
        Whether the limit is an upper one.
    limit
        In the metric's unit.
    unit
        As written; empty where none is.
    """

    name: str
    at_most: bool
    limit: float
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Read a constraint.

        Raises
        ------
        NasbenchSuiteError
            When it is no name, `<=` or `>=`, and a number.
        """
        match = _FORM.match(text)
        try:
            limit = float(match["limit"]) if match else math.nan
        except ValueError:
            limit = math.nan
        if match is None or not math.isfinite(limit):
            raise NasbenchSuiteError(
                f"constraint {text!r} is not understood; write a metric's name, <= or >= and a number, such "
                "as 'params_millions <= 0.5'."
            )
        return cls(match["name"], match["sign"] == "<=", limit, match["unit"])

    @property
    def text(self) -> str:
        """What `parse` reads."""
        sign = "<=" if self.at_most else ">="
        return f"{self.name} {sign} {self.limit!r} {self.unit}".rstrip()

    def check(self, metrics: Mapping[str, Metric]) -> None:
        """Refuse what a benchmark cannot answer.

        Raises
        ------
        UnknownNameError
            When there is no such metric, or none that a search may see.
        NasbenchSuiteError
            When the unit is not the metric's.
        """
        visible = {name: metric for name, metric in metrics.items() if metric.role != "test"}
        if self.name == VALID:
            return
        if self.name not in visible:
            raise UnknownNameError("constraint on a metric called", self.name, [*visible, VALID])
        unit = visible[self.name].unit
        if self.unit and self.unit != unit:
            raise NasbenchSuiteError(
                f"constraint {self.text!r} is in {self.unit}, but {self.name} is in {unit}; convert the "
                "limit."
            )

    def values(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return what is bounded, `[n]`."""
        return evaluations.valid if self.name == VALID else evaluations.info[self.name]

    def violations(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much values miss the limit, as a share of it, `[n]`; 0 where they meet it.

        The excess itself where the limit is 0; infinity where a value is missing, since nobody knows.
        """
        excess = values - self.limit if self.at_most else self.limit - values
        scale = abs(self.limit) if self.limit else 1.0
        return np.where(np.isnan(excess), np.inf, np.maximum(excess, 0.0) / scale)


def total_violation(constraints: tuple[Constraint, ...], evaluations: Evaluations) -> NDArray[np.float64]:
    """Return the sum of violations, `[n]`: 0 where all constraints are met, or where there are none."""
    total = np.zeros(len(evaluations.valid))
    for constraint in constraints:
        total += constraint.violations(constraint.values(evaluations))
    return total


@dataclass(frozen=True)
class CostBounds:
    """Constraints on what is known of architectures without training them; tells which keep to them."""

    constraints: tuple[Constraint, ...]
    benchmark: Benchmark

    def __call__(self, genes: Genes) -> NDArray[np.bool_]:
        """Return who keeps to all, bool `[n]`."""
        found = self.benchmark.query(genes, info=sorted({one.name for one in self.constraints}))
        return np.asarray(total_violation(self.constraints, found) == 0)


def check_reachable(constraints: tuple[Constraint, ...], benchmark: Benchmark) -> None:
    """Refuse constraints that no architecture keeps to.

    Looked up for all rows of a table and for spaces that can be numbered; others are given the benefit of the
    doubt.

    Raises
    ------
    NasbenchSuiteError
        When none does; the message names the smallest (or largest) value that there is.
    """
    genes = _all_genes(benchmark)
    if genes is None:
        return
    names = sorted({one.name for one in constraints} - {VALID})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingResultWarning)
        found = benchmark.query(genes, info=names)
    if (total_violation(constraints, found) == 0).any():
        return
    for one in constraints:
        values = one.values(found)
        if (one.violations(values) > 0).all():
            word, best = ("smallest", np.nanmin) if one.at_most else ("largest", np.nanmax)
            raise NasbenchSuiteError(
                f"no architecture of {benchmark.id} keeps to {one.text!r}; the {word} value there is "
                f"{best(values):.6g}."
            )
    raise NasbenchSuiteError(
        f"no architecture of {benchmark.id} keeps to {' and '.join(one.text for one in constraints)} at "
        "once, though some keep to each; loosen one."
    )


def _all_genes(benchmark: Benchmark) -> Genes | None:
    inner = getattr(benchmark, "benchmark", benchmark)  # of a benchmark with cost models beside it
    table, space = getattr(inner, "table", None), benchmark.space
    if table is not None:
        return cast(Genes, table.genes)
    if not isinstance(space, CategoricalSpace) or math.prod(space.cardinalities) > _MOST_ASKED:
        return None
    genes = space.decode(np.arange(math.prod(space.cardinalities)))
    return genes[space.valid(genes)]
