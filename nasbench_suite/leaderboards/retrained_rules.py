"""`leaderboards/NAME/retrained.toml`: published trainings that are made again, and what was published."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, Text
from nasbench_suite.leaderboards.board_folders import folders_with, rules_in

RETRAINED = "retrained.toml"


class PublishedTrainings(Card):
    """What was published of one architecture.

    Attributes
    ----------
    architecture
        In a form that its space reads.
    results
        Accuracies in percent, one for each training.
    """

    architecture: Text
    results: Annotated[list[Annotated[float, Field(ge=0, le=100)]], Field(min_length=1)]


class Study(Card):
    """Trainings of one kind.

    Attributes
    ----------
    title
        What the page calls them.
    task, data, recipe
        How they are trained; `data` instead of the task's own.
    split
        Of what the results are the accuracy, after the last epoch.
    seeds
        Ours, for every architecture.
    precision
        See `Trainer`.
    judged_every
        Epochs from one evaluation to the next; the last is always evaluated.
    published
        What is compared with, and which architectures.
    """

    title: Text
    task: Text
    data: Text
    recipe: Text
    split: Literal["valid", "test"]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    precision: Literal["float32", "bfloat16"] = "float32"
    judged_every: Annotated[int, Field(ge=1)] = 1
    published: Annotated[list[PublishedTrainings], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        texts = [entry.architecture for entry in self.published]
        for what, entries in (("architecture", texts), ("seed", list(map(str, self.seeds)))):
            for entry, times in Counter(entries).items():
                if times > 1:
                    raise ValueError(f"{what} {entry} is there twice")
        return self


class Loss(Card):
    """What is reported to be lost because the data are not those of the published trainings.

    Attributes
    ----------
    least, most
        By how many points accuracies fall.
    source
        Who found that, and where it stands.
    """

    least: Annotated[float, Field(ge=0, le=100)]
    most: Annotated[float, Field(ge=0, le=100)]
    source: Text

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"the least loss, {self.least}, is above the most, {self.most}")
        return self


class RetrainedRules(Card):
    """Rules of a page of trainings made again.

    Attributes
    ----------
    source
        Where the published results stand.
    loss
        Of the data, where they are not those that were published with.
    studies
        In the order of the page; trained are all with their first seed, then all with their second.
    observations
        Sentences that the page shows, of what its numbers say.
    """

    title: Text
    about: Text
    source: Text
    loss: Loss | None = None
    studies: Annotated[list[Study], Field(min_length=1)]
    observations: list[Text] = Field(default_factory=list)


def retrained_boards() -> dict[str, Path]:
    """Return the folders that ship with such rules, by name."""
    return folders_with(RETRAINED)


def read_retrained_rules(folder: Path | str) -> tuple[Path, RetrainedRules]:
    """Return the folder and rules of a page of trainings made again, by its folder or its name.

    Raises
    ------
    CardError
        When the rules cannot be read or do not fit together.
    NasbenchSuiteError
        When there are none.
    """
    return rules_in(folder, RETRAINED, RetrainedRules, "folders that do")
