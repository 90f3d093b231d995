"""Benchmark neural-architecture-search algorithms in seconds.

    from nasbench_suite import load_benchmark, search
    runs = search("regularized_evolution", load_benchmark("graph/cora"), evaluations=500, runs=100, seed=0)
    print(runs.frame())

The public names load on first use: importing the package loads neither torch nor xgboost.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasbench_suite.benchmark import (
        Benchmark,
        Evaluations,
        Metric,
        TestMetrics,
    )
    from nasbench_suite.clock import Budget
    from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
    from nasbench_suite.jobs import search
    from nasbench_suite.runs import Runs
    from nasbench_suite.spaces import SearchSpace, get_space
    from nasbench_suite.strategies import Proposals, SingleRunStrategy, Strategy, get_strategy
    from nasbench_suite.tasks import load_benchmark, task_names

__version__ = "0.1.0"

_HOMES = {
    "ArchitectureError": "errors",
    "Benchmark": "benchmark",
    "Budget": "clock",
    "Evaluations": "benchmark",
    "Metric": "benchmark",
    "NasbenchSuiteError": "errors",
    "Proposals": "strategies",
    "Runs": "runs",
    "SearchSpace": "spaces",
    "SingleRunStrategy": "strategies",
    "Strategy": "strategies",
    "TestMetrics": "benchmark",
    "get_space": "spaces",
    "get_strategy": "strategies",
    "load_benchmark": "tasks",
    "search": "jobs",
    "task_names": "tasks",
}

__all__ = [
    "ArchitectureError",
    "Benchmark",
    "Budget",
    "Evaluations",
    "Metric",
    "NasbenchSuiteError",
    "Proposals",
    "Runs",
    "SearchSpace",
    "SingleRunStrategy",
    "Strategy",
    "TestMetrics",
    "get_space",
    "get_strategy",
    "load_benchmark",
    "search",
    "task_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nasbench_suite' has no attribute {name!r}")
    return getattr(import_module(f"nasbench_suite.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
