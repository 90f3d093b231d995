"""What it takes to train an architecture of a task for real: data, skeleton, recipe, seeds.

A table that the suite builds says so in its `build.toml`, a published one in `[tasks.X.training]` of its
datasheet.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from itertools import count, islice
from typing import Annotated, Literal

import torch
from pydantic import Field

from nasbench_suite.cards import Card, Text, read_card
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular.catalogue import table_tasks
from nasbench_suite.tabular.datasheet import TaskEntry, datasheets
from nasbench_suite.training.data import TrainingData, load_data
from nasbench_suite.training.groups import REVISION
from nasbench_suite.training.networks import Skeleton, official_skeleton
from nasbench_suite.training.plan import BuildPlan, SkeletonEntry
from nasbench_suite.training.recipes import Recipe, get_recipe

Positive = Annotated[int, Field(gt=0)]
Validation = Literal["held out", "none", "test images"]
"""On what an architecture is validated: inputs of their own, none, or, as some do, those that test."""

FIRST_FRESH_SEED = 1001
"""Trainings that check a table have seeds from here on; tables of the suite and of others lie below."""


class DataChoice(Card):
    """Which data set, and how many inputs of each part: without a number, all that the protocol gives it."""

    name: Text
    train: Positive | None = None
    valid: Positive | None = None
    test: Positive | None = None
    seed: int = 42


class TrainingTask(Card):
    """How the architectures of a task are trained.

    Attributes
    ----------
    task
        `BENCHMARK/DATASET`.
    space
        Name of its space.
    data, skeleton
        What is learnt, and what surrounds the searched part of a network.
    recipe
        Name of a training recipe.
    seeds
        Those of the task's own trainings; there is at least one.
    validation
        On what an architecture is validated.
    differences
        In what a training differs from those that made the task's table; sentences.
    other_data
        Whether the data set is another than that of the task's table.
    """

    task: Text
    space: Text
    data: DataChoice
    skeleton: SkeletonEntry
    recipe: Text
    seeds: Annotated[list[int], Field(min_length=1)]
    validation: Validation = "held out"
    differences: list[Text] = Field(default_factory=list)
    other_data: bool = False

    @classmethod
    def of_plan(cls, plan: BuildPlan) -> "TrainingTask":
        """Return how a table that the suite builds is trained."""
        return cls(
            task=plan.task,
            space=plan.space,
            data=DataChoice(**plan.data.model_dump()),
            skeleton=plan.skeleton,
            recipe=plan.recipe,
            seeds=plan.seeds,
        )

    @classmethod
    def of_entry(cls, task: str, entry: TaskEntry) -> "TrainingTask":
        """Return how a published table was trained, as its datasheet has it."""
        training = entry.training
        assert training is not None
        skeleton = official_skeleton(entry.space, classes=training.classes)
        fields = {name: getattr(skeleton, name) for name in SkeletonEntry.model_fields}
        same: Validation = "test images" if entry.valid == entry.test else "held out"
        return cls(
            task=task,
            space=entry.space,
            data=DataChoice(name=training.data),
            skeleton=SkeletonEntry(**fields),
            recipe=training.recipe,
            seeds=training.seeds or [0],
            validation=same if entry.valid else "none",
            differences=training.differences,
        )

    @property
    def training_recipe(self) -> Recipe:
        """The recipe itself.

        Raises
        ------
        UnknownNameError
            When there is none of that name.
        """
        return get_recipe(self.recipe)

    def changed(self, *, recipe: str = "", data: str = "") -> "TrainingTask":
        """Return the task with another recipe or data set; networks take its inputs and have its classes.

        Raises
        ------
        UnknownNameError
            When there is no such recipe.
        """
        update: dict[str, object] = {}
        differences = list(self.differences)
        if recipe and recipe != self.recipe:
            get_recipe(recipe)
            update["recipe"] = recipe
            differences.append(f"The recipe is {recipe}; the table's is {self.recipe}.")
        if data and data != self.data.name:
            update |= {"data": DataChoice(name=data), "other_data": True}
            differences.append(f"The data set is {data}; the table's is {self.data.name}.")
        return self.model_copy(update={**update, "differences": differences})

    def load_data(self, device: str = "cpu") -> TrainingData:
        """Return the data set on a device; the same object for the same data.

        Raises
        ------
        NasbenchSuiteError
            When its files are not there; says where they were looked for and how to get them.
        """
        return _load(self.data.model_dump_json(), device)

    def network_skeleton(self, data: TrainingData) -> Skeleton:
        """Return the skeleton for the inputs and classes of `data`.

        Raises
        ------
        NasbenchSuiteError
            When the skeleton is for others though the data set is the task's own.
        """
        skeleton = self.skeleton.skeleton()
        fitted = replace(skeleton, inputs=data.shape[0], classes=data.classes, dims=data.dims)  # type: ignore[arg-type]
        if fitted != skeleton and not self.other_data:
            raise NasbenchSuiteError(
                f"the skeleton of {self.task} takes {skeleton.inputs} channels in {skeleton.dims} dimensions "
                f"and has {skeleton.classes} classes, but {data.name} has {fitted.inputs}, {fitted.dims} and "
                f"{fitted.classes}; correct its card."
            )
        return fitted

    def validated_on(self, data: TrainingData) -> Validation:
        """Return on what an architecture is validated with these data.

        Images that test are none to validate on, but where the publication itself does so.
        """
        if not len(data.valid):
            return "none"
        if self.validation == "held out" and torch.equal(data.valid, data.test):
            return "none"
        return self.validation

    def request(self, data: TrainingData) -> str:
        """Return everything but seed and architecture that determines a training, as text."""
        return json.dumps(
            {
                "space": self.space,
                "data": data.provenance,
                "device": data.inputs.device.type,
                "skeleton": asdict(self.network_skeleton(data)),
                "recipe": asdict(self.training_recipe),
                "revision": REVISION,
            },
            sort_keys=True,
        )


def fresh_seeds(number: int, taken: Collection[int]) -> list[int]:
    """Return the first seeds from `FIRST_FRESH_SEED` on that are not taken."""
    return list(islice((seed for seed in count(FIRST_FRESH_SEED) if seed not in taken), number))


@lru_cache(maxsize=2)
def _load(choice: str, device: str) -> TrainingData:
    return load_data(**DataChoice.model_validate_json(choice).model_dump(), device=device)


def training_tasks() -> Mapping[str, TrainingTask]:
    """Return every task whose architectures can be trained, by name.

    Raises
    ------
    CardError
        When a card is wrong; names the key and the line.
    """
    found = {
        sheet.task(dataset): TrainingTask.of_entry(sheet.task(dataset), entry)
        for sheet in datasheets().values()
        for dataset, entry in sheet.tasks.items()
        if entry.training is not None
    }
    for path in sorted((content_root() / "tabular").glob("*/build.toml")):
        plan = read_card(path, BuildPlan)
        found[plan.task] = TrainingTask.of_plan(plan)
    return dict(sorted(found.items()))


def training_task(task: str) -> TrainingTask:
    """Return how the architectures of a task are trained.

    Raises
    ------
    UnknownNameError
        When there is no such task; the message lists the nearest names.
    NasbenchSuiteError
        When there is, but nothing says how its architectures are trained.
    """
    found = training_tasks()
    if task in found:
        return found[task]
    if task in table_tasks():
        raise NasbenchSuiteError(
            f"{task} cannot be trained here: neither a build.toml nor [tasks.X.training] in its datasheet "
            f"says how; what can are {_those_that_can(task, found)}."
        )
    raise UnknownNameError("task to train for", task, found)


def _those_that_can(task: str, known: Collection[str]) -> str:
    """Name the tasks of the same benchmark that can be trained, or the benchmarks that have such."""
    benchmark = task.partition("/")[0]
    own = [name for name in known if name.startswith(f"{benchmark}/")]
    return ", ".join(own or [f"tasks of {name}" for name in sorted({n.partition("/")[0] for n in known})])
