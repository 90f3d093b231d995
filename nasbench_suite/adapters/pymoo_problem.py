"""A benchmark as a problem of pymoo: integers, one or several objectives, constraints.

    problem = benchmark_problem(load_benchmark("graph/cora"), ["valid", "min latency_seconds"])
    minimize(problem, NSGA2(sampling=IntegerRandomSampling(), ...), ("n_gen", 20))

Blank, Deb: "pymoo: Multi-Objective Optimization in Python" (IEEE Access 8, 2020).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.adapters.needed import needed
from nasbench_suite.benchmark import Benchmark
from nasbench_suite.hardware.costed_benchmark import with_costs
from nasbench_suite.strategies.constraint import Constraint, total_violation
from nasbench_suite.strategies.objective import VALID, Objective

if TYPE_CHECKING:  # an optional package
    from pymoo.core.problem import Problem

MISSING = 1e30
"""The objectives of what is no architecture, or has no result; pymoo sorts no infinities."""


def benchmark_problem(
    benchmark: Benchmark, objectives: Sequence[str] = (VALID,), constraints: Sequence[str] = ()
) -> "Problem":
    """Return a problem of pymoo that is evaluated batch by batch.

    All objectives are minimised, as pymoo has it. What is no architecture violates the first constraint by
    one; constraints of one's own follow, as one violation.

    Parameters
    ----------
    benchmark
        What scores.
    objectives
        As in `search`: `valid`, `min latency_ms@raspi4`, ...
    constraints
        As in `search`: `params_millions <= 0.5`, ...

    Raises
    ------
    NasbenchSuiteError
        When pymoo is not installed, or an objective or constraint is unknown.
    """
    library = needed("pymoo.core.problem", "pymoo")
    wanted = [Objective.parse(text) for text in objectives]
    bounds = tuple(Constraint.parse(text) for text in constraints)
    names = sorted({*(one.name for one in wanted), *(one.name for one in bounds)} - {VALID})
    costed = with_costs(benchmark, names)
    space = benchmark.space

    class BenchmarkProblem(library.Problem):  # type: ignore[misc, name-defined]  # the base is optional
        def __init__(self) -> None:
            super().__init__(
                n_var=space.n_genes,
                n_obj=len(wanted),
                n_ieq_constr=1 + bool(bounds),
                xl=0,
                xu=np.array(space.cardinalities) - 1,
                vtype=int,
            )

        def _evaluate(self, x: NDArray[Any], out: dict[str, NDArray[np.float64]], *_: Any, **__: Any) -> None:
            genes = np.asarray(x, dtype=np.uint8)
            valid = space.valid(genes)
            out["F"] = np.full((len(genes), len(wanted)), MISSING)
            out["G"] = np.zeros((len(genes), 1 + bool(bounds)))
            out["G"][:, 0] = np.where(valid, 0.0, 1.0)
            if valid.any():
                found = costed.query(genes[valid], info=names)
                values = np.stack([-one.values(found) for one in wanted], axis=1)
                out["F"][valid] = np.where(np.isfinite(values), values, MISSING)
                if bounds:
                    out["G"][valid, 1] = total_violation(bounds, found)

    problem: Problem = BenchmarkProblem()
    return problem
