"""Fixtures of the tests that train."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest


@pytest.fixture
def tiny_recipe(monkeypatch) -> Callable[..., Any]:
    """A factory of recipes of two epochs in batches of 50; each is known by its name, `tiny` without one."""
    from nasbench_suite.training import recipes  # loads torch, so only for tests that train

    def make(**changes: Any) -> recipes.Recipe:
        recipe = replace(recipes.RECIPES["short"], **{"name": "tiny", "epochs": 2, "batch": 50, **changes})
        monkeypatch.setitem(recipes.RECIPES, recipe.name, recipe)
        return recipe

    make()
    return make


@pytest.fixture
def tiny_task(tiny_recipe) -> Callable[..., Any]:
    """A factory of trainings that take a fraction of a second: small cells on 200 signals, seeds 3 and 5."""
    from nasbench_suite.training.plan import SkeletonEntry
    from nasbench_suite.training.task import DataChoice, TrainingTask

    def make(**changes: Any) -> TrainingTask:
        known = {
            "task": "made/up",
            "space": "nats_topology",
            "data": DataChoice(name="mnist1d", train=200, valid=100, test=120),
            "skeleton": SkeletonEntry(inputs=1, classes=10, dims=1, width=4, depth=1, style="light"),
            "recipe": "tiny",
            "seeds": [3, 5],
        }
        return TrainingTask(**{**known, **changes})

    return make
