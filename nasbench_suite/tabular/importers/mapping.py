"""What the columns of a user's CSV or Parquet file mean: read from a TOML file or put together by a command.

    [benchmark]
    name = "mine"
    licence = "MIT"

    [metrics.valid_accuracy]
    unit = "fraction"
    direction = "max"
    role = "valid"
    description = "accuracy on 5,000 held-out images"

    [tasks.cifar10]
    space = "nats_topology"
    arch = "index"
    repeats = ["seed 777", "seed 888"]
    [tasks.cifar10.columns]
    valid_accuracy = { 12 = "val12 / 100", 200 = ["val200_s777 / 100", "val200_s888 / 100"] }

What a metric is read from is a formula over columns; a list of them, one per training; or a table from
training epochs to either. A column whose name is no plain word stands between backticks in a formula.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from nasbench_suite.cards import Card, CardError, Paper, Text
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.tabular.datasheet import Datasheet, MetricEntry, TaskEntry, datasheets
from nasbench_suite.tabular.importers.job import checked_name
from nasbench_suite.tabular.row_index import RowMeaning

_NOT_STATED = "not stated in the mapping that the table was imported with"
_UNKNOWN_PAPER = Paper(title=_NOT_STATED, authors=_NOT_STATED, venue=_NOT_STATED, year=0)

UNKNOWN_SPACE = "grid"
"""Stands in a datasheet for the space of settings, whose values only the file tells."""

Formulas = Text | Annotated[list[Text], Field(min_length=1)]
"""One formula for all trainings, or one per training."""
Epoch = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,6}$")]
ByEpoch = Annotated[dict[Epoch, Formulas], Field(min_length=1)]
"""Formulas by number of training epochs."""


class BenchmarkEntry(Card):
    """`[benchmark]` of a mapping: what is known about the data; whatever is left out is called not stated.

    Attributes
    ----------
    name
        What the tasks start with.
    version
        Version of the publication that the file is taken from.
    """

    name: Text
    title: str = ""
    version: str = ""
    summary: Text = _NOT_STATED
    licence: Text = _NOT_STATED
    source: Text = _NOT_STATED
    paper: Paper = _UNKNOWN_PAPER
    rows: Text = _NOT_STATED
    training: Text = _NOT_STATED
    hardware: Text = _NOT_STATED
    splits: Text = _NOT_STATED
    defects: list[Text] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        return checked_name(name)


class TaskMapping(Card):
    """`[tasks.NAME]` of a mapping.

    Attributes
    ----------
    space
        Name of the search space.
    arch
        The column with the architecture in the space's published text form, or with its official index.
    settings
        Columns with hyperparameters, which are searched too: rows are then architectures with settings, or,
        without `space` and `arch`, settings alone.
    rows
        What a row is; see `TableDescription`.
    valid, test
        The metrics that steer and judge a search; the only one of that role if empty.
    repeats
        What the trainings of a list are, for example `["seed 777", "seed 888"]`.
    partial_epochs
        See `TableDescription`.
    columns
        What every metric is read from.
    """

    title: str = ""
    space: str = ""
    arch: str = ""
    settings: list[Text] = Field(default_factory=list)
    rows: RowMeaning = "string"
    valid: str = ""
    test: str = ""
    repeats: list[Text] = Field(default_factory=list)
    partial_epochs: str = ""
    columns: Annotated[dict[Text, Formulas | ByEpoch], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_rows(self) -> "TaskMapping":
        if bool(self.space) != bool(self.arch):
            raise ValueError("space and arch go together")
        if not self.space and not self.settings:
            raise ValueError("give space and arch, or settings, or all three")
        return self


class TableMapping(Card):
    """A whole mapping; see the module.

    Attributes
    ----------
    benchmark
        What is known about the data.
    metrics
        Metrics by name; those of the suite's datasheet with the benchmark's name need not be described again.
    tasks
        Tasks by name of the data set.
    """

    benchmark: BenchmarkEntry
    metrics: dict[Text, MetricEntry] = Field(default_factory=dict)
    tasks: Annotated[dict[Text, TaskMapping], Field(min_length=1)]

    @field_validator("tasks")
    @classmethod
    def _check_names(cls, tasks: dict[str, TaskMapping]) -> dict[str, TaskMapping]:
        for name in tasks:
            checked_name(name)
        return tasks

    def datasheet(self) -> Datasheet:
        """Return what is known about the data as a datasheet.

        Raises
        ------
        UnknownNameError
            When a task has a metric that is not described.
        CardError
            When a task has several metrics of one role and does not say which counts.
        """
        about = self.benchmark
        metrics = self._described()
        return Datasheet(
            **about.model_dump(exclude={"title", "version", "paper"}),
            title=about.title or about.name,
            importer="table",
            paper=about.paper,
            metrics=metrics,
            tasks={
                name: TaskEntry(
                    title=task.title or name,
                    space=task.space or UNKNOWN_SPACE,
                    valid=_chosen(name, task, metrics, "valid"),
                    test=_chosen(name, task, metrics, "test"),
                    partial_epochs=task.partial_epochs,
                )
                for name, task in self.tasks.items()
            },
        )

    def _described(self) -> dict[str, MetricEntry]:
        """Return all metrics of the tasks, described here or in the datasheet of the same name."""
        sheet = datasheets().get(self.benchmark.name)
        known = (sheet.metrics if sheet is not None else {}) | self.metrics
        used = dict.fromkeys(metric for task in self.tasks.values() for metric in task.columns)
        for metric in used:
            if metric not in known:
                raise UnknownNameError("metric in the mapping called", metric, known)
        return {metric: known[metric] for metric in used}


def _chosen(
    name: str, task: TaskMapping, metrics: dict[str, MetricEntry], role: Literal["valid", "test"]
) -> str:
    """Return the metric that plays a role in a task; empty where none does."""
    named = task.valid if role == "valid" else task.test
    if named and named not in task.columns:
        raise UnknownNameError(f"metric among the columns of task {name} called", named, task.columns)
    candidates = [named] if named else [m for m in task.columns if metrics[m].role == role]
    if len(candidates) > 1:
        raise CardError(
            f"task {name} has several metrics of role {role} ({', '.join(candidates)}); say which counts: "
            f'{role} = "{candidates[0]}".'
        )
    return candidates[0] if candidates else ""
