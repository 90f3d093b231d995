"""`leaderboards/NAME/scaling.toml`: on which tasks errors are held against which cost, beside which board."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, Text
from nasbench_suite.leaderboards.board_folders import folders_with, rules_in

SCALING = "scaling.toml"


class ScalingEntry(Card):
    """A task and a cost.

    Attributes
    ----------
    task
        Whose table has the results.
    cost
        What `compute_of` takes: a metric, a cost of a device, or a count.
    board
        A board that was played, by name or folder, whose picks are held against the curve; none if empty.
    """

    task: Text
    cost: Text
    board: str = ""


class ScalingRules(Card):
    """Rules of a page of scaling.

    Attributes
    ----------
    tasks
        What is fitted, in the order of the page; a task may have several costs.
    confidence, resamples, seed
        Of all bootstrap intervals.
    observations
        Sentences that the page shows, of what its numbers say.
    """

    title: Text
    about: Text
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=20)] = 500
    seed: Annotated[int, Field(ge=0)] = 0
    tasks: Annotated[list[ScalingEntry], Field(min_length=1)]
    observations: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for entry in self.tasks:
            if (entry.task, entry.cost) in seen:
                raise ValueError(f"{entry.task} by {entry.cost} is there twice")
            seen.add((entry.task, entry.cost))
        return self


def scaling_boards() -> dict[str, Path]:
    """Return the folders that ship with rules of scaling, by name."""
    return folders_with(SCALING)


def read_scaling_rules(folder: Path | str) -> tuple[Path, ScalingRules]:
    """Return the folder and rules of a page of scaling, by its folder or its name.

    Raises
    ------
    CardError
        When the rules cannot be read or do not fit together.
    NasbenchSuiteError
        When there are none.
    """
    return rules_in(folder, SCALING, ScalingRules, "folders that do")
