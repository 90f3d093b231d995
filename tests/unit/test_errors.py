"""Errors reach the person at the keyboard whole, also out of a worker process."""

import importlib
import pickle
import pkgutil

import pytest

import nasbench_suite
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.workers import workers


def every_kind() -> set[type[NasbenchSuiteError]]:
    for module in pkgutil.walk_packages(nasbench_suite.__path__, "nasbench_suite."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as problem:
            if problem.name != "triton":  # kernels, where it is not installed
                raise
    found, waiting = set(), [NasbenchSuiteError]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += kind.__subclasses__()
    return found


def test_every_kind_of_error_survives_pickling() -> None:
    kinds = every_kind()
    assert len(kinds) > 5
    for kind in kinds:
        error = kind("thing", "corra", ["cora"]) if kind is UnknownNameError else kind("a sentence")
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is kind
        assert str(copy) == str(error) != ""


def ask_for_what_is_not_there() -> None:
    raise UnknownNameError("task", "graph/corra", ["graph/cora"])


def test_a_wrong_name_in_a_worker_is_a_sentence_here() -> None:
    with (
        workers(2) as pool,
        pytest.raises(UnknownNameError, match="there is no task 'graph/corra'; did you mean graph/cora"),
    ):
        pool.submit(ask_for_what_is_not_there).result()


def test_a_name_that_two_kinds_share_is_offered_once() -> None:
    assert str(UnknownNameError("thing", "corra", ["cora", "cora"])).endswith("did you mean cora?")
    assert str(UnknownNameError("thing", "x", ["cora", "cora"])).endswith("known: cora.")
