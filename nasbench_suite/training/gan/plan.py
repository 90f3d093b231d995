"""`tabular/NAME/gan.toml`: which generators make a task, what they learn to make, how they are trained."""

import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nasbench_suite.cards import Card, Text, read_card
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.training.gan.data import get_gan_data
from nasbench_suite.training.gan.generator import gan_space
from nasbench_suite.training.gan.recipe import get_gan_recipe

PLAN = "gan.toml"
REVISION = 1
"""Raised when a training of the same request may give other numbers."""
Rows = NDArray[np.int64]


class GanPlan(Card):
    """What is trained, how.

    Attributes
    ----------
    benchmark, task
        Name of the folder, and the task that the table answers for.
    space
        Every architecture of it is trained with the first seed.
    recipe
        Name of a GAN recipe.
    data
        What is made: `mnist1d` or `fashion_mnist`.
    seeds
        One training of each architecture by each.
    sample
        How many architectures, drawn at random with seed 1, are trained with each seed after the first; 0
        for all.
    limit
        How many are trained at all, drawn at random with seed 0; 0 for all. For a pilot.
    block
        Architectures of a block on a CPU: what a killed process loses at most.
    cuda_block
        The same on a GPU, where a block trains at once: as many as its memory holds.
    """

    benchmark: Text
    task: Text
    space: Text
    recipe: Text
    data: Text = "mnist1d"
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    sample: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=0)] = 0
    block: Annotated[int, Field(gt=0)] = 10
    cuda_block: Annotated[int, Field(gt=0)] = 1296

    @cached_property
    def architectures(self) -> Genes:
        """All of the space, by number, uint8 `[n, n_genes]`."""
        space = gan_space(self.space)
        return space.decode(np.arange(space.n_codes))

    def rows(self, seed: int) -> Rows:
        """Return which architectures are trained with a seed of the plan, ascending."""
        rows = np.arange(len(self.architectures))
        if self.limit:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[: self.limit])
        if seed != self.seeds[0] and self.sample:
            rows = np.sort(np.random.default_rng(1).permutation(rows)[: self.sample])
        return rows

    @property
    def request(self) -> str:
        """What determines a training besides architecture and seed, as text."""
        recipe = {key: value for key, value in asdict(get_gan_recipe(self.recipe)).items() if key != "source"}
        request = {"space": self.space, "recipe": recipe, "revision": REVISION}
        if self.data != "mnist1d":  # which files of the first builds do not name
            request["data"] = self.data
        return json.dumps(request, sort_keys=True)


def read_gan_plan(path: Path) -> GanPlan:
    """Read a `gan.toml`.

    Raises
    ------
    CardError
        When it cannot be read or has a wrong key or value.
    NasbenchSuiteError
        When it names a space, recipe or data that there are not, or a seed twice.
    """
    plan = read_card(path, GanPlan)
    gan_space(plan.space)
    get_gan_recipe(plan.recipe)
    get_gan_data(plan.data)
    if len(set(plan.seeds)) != len(plan.seeds):
        raise NasbenchSuiteError(f"{path}: seeds are different numbers, not {plan.seeds}.")
    return plan


def gan_tasks() -> dict[str, GanPlan]:
    """Return the plan of every task whose generators can be trained, by name.

    Raises
    ------
    CardError
        When a plan is wrong; names the key and the line.
    """
    plans = [read_gan_plan(path) for path in sorted((content_root() / "tabular").glob(f"*/{PLAN}"))]
    return {plan.task: plan for plan in plans}
