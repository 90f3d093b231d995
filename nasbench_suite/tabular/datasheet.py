"""Datasheets, `tabular/NAME/datasheet.toml`: what a benchmark is, and which tasks it has."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from nasbench_suite.benchmark import Direction, Metric, Recorded, Role
from nasbench_suite.cards import Card, CardError, NamedCard, Paper, Text, by_name, read_card
from nasbench_suite.content import content_root


class MetricEntry(Card):
    """A metric of a datasheet.

    Attributes
    ----------
    cost
        What cost models call it, `QUANTITY@DEVICE`; empty for what is no cost of a device.
    """

    unit: Text
    direction: Direction
    role: Role
    description: Text
    cost: Annotated[str, Field(pattern=r"^$|^[a-z][a-z_]*@[A-Za-z0-9_]+$")] = ""

    def metric(self, name: str, recorded: Recorded = "each epoch") -> Metric:
        """Return the metric that a table has under this name."""
        return Metric(name, self.unit, self.direction, self.role, self.description, recorded)


class TrainingEntry(Card):
    """`[tasks.X.training]`: how a published table was made, for training its architectures once more.

    Networks have the authors' skeleton.

    Attributes
    ----------
    data
        What `load_data` calls the data set.
    classes
        How many it has.
    recipe
        Name of a training recipe.
    seeds
        Seeds of the table's own trainings, as far as they are known.
    differences
        In what a training here differs from theirs, as far as that is known.
    """

    data: Text
    classes: Annotated[int, Field(ge=2)] = 10
    recipe: Text
    seeds: list[int] = Field(default_factory=list)
    differences: list[Text] = Field(default_factory=list)


class TaskEntry(Card):
    """A task of a datasheet: its space and which metrics steer and judge the search.

    Attributes
    ----------
    valid, test
        Names of metrics; empty where the publication has none. See `TableDescription`.
    partial_epochs
        Why results after fewer epochs are not to be had, where they are not; completes a sentence.
    training
        How its architectures are trained for real, where that can be done here.
    """

    title: Text
    space: Text
    valid: str = ""
    test: str = ""
    partial_epochs: str = ""
    training: TrainingEntry | None = None


class Download(Card):
    """`[[downloads]]` of a datasheet: an official file with a stable, direct address.

    Attributes
    ----------
    url
        Where it lies.
    file
        What it is called on disk; what the importer reads.
    sha256, md5
        Checksums as the authors publish them; both empty where they publish none.
    bytes
        Its size; 0 where it is not known.
    wanted
        Whether it is fetched when no file is named: False for alternatives to another file.
    note
        What it holds, and where its checksum is from.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_@.+-]*$")]
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    md5: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""
    bytes: int = 0
    wanted: bool = True
    note: str = ""


class Datasheet(NamedCard):
    """`tabular/NAME/datasheet.toml`: what a benchmark is, how it was made, on what, with what defects.

    Attributes
    ----------
    benchmark
        What its tasks' names start with; its own name without it. Several datasheets may share one.
    figures
        What `nasbench-suite show NAME --figures` says of tables, by data set; rounded to four decimals.
    """

    benchmark: str = ""
    title: Text
    summary: Text
    importer: Text
    licence: Text
    source: Text
    paper: Paper
    rows: Text
    training: Text
    hardware: Text
    splits: Text
    defects: list[Text]
    metrics: dict[str, MetricEntry]
    tasks: dict[str, TaskEntry]
    figures: dict[str, dict[str, float]] = Field(default_factory=dict)
    downloads: list[Download] = Field(default_factory=list)

    def task(self, dataset: str) -> str:
        """Return the name of the task of a data set, `BENCHMARK/DATASET`."""
        return f"{self.benchmark or self.name}/{dataset}"


def datasheets() -> dict[str, Datasheet]:
    """Return every datasheet under `tabular/` by name."""
    return _datasheets(content_root())


def described_tasks() -> dict[str, Datasheet]:
    """Return the datasheet of every task that one describes, by the task's name.

    Raises
    ------
    CardError
        When two datasheets describe the same task.
    """
    found: dict[str, Datasheet] = {}
    for name, sheet in datasheets().items():
        for task in map(sheet.task, sheet.tasks):
            if task in found:
                raise CardError(f"datasheets {found[task].name} and {name} both describe the task {task}.")
            found[task] = sheet
    return found


@lru_cache(maxsize=4)
def _datasheets(root: Path) -> dict[str, Datasheet]:
    paths = sorted((root / "tabular").glob("*/datasheet.toml"))
    return by_name((path, path.parent.name, read_card(path, Datasheet)) for path in paths)
