"""What an adapter needs, and what to do where it is not installed."""

from importlib import import_module
from types import ModuleType

from nasbench_suite.errors import NasbenchSuiteError


def needed(module: str, package: str) -> ModuleType:
    """Import a library of an optional package.

    Raises
    ------
    NasbenchSuiteError
        When it is not installed; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as problem:
        raise NasbenchSuiteError(
            f"{package} is not installed; pip install {package}, or all of them: "
            'pip install "nasbench-suite[adapters]".'
        ) from problem
