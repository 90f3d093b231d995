"""`leaderboards/NAME/fronts.toml`: which strategies look for which fronts, with what budget and seed."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, Text
from nasbench_suite.clock import Budget
from nasbench_suite.jobs import Handling, Search
from nasbench_suite.leaderboards.board_folders import folders_with, rules_in
from nasbench_suite.leaderboards.rules import Entry, Positive
from nasbench_suite.strategies.catalogue import get_strategy

FRONTS = "fronts.toml"


class Problem(Card):
    """What is optimised at once, on which task.

    Attributes
    ----------
    name
        What the board calls it.
    task
        A table.
    objectives
        See `Objective`; those that are compared in figures come first.
    constraints
        See `Constraint`.
    """

    name: Text
    task: Text
    objectives: Annotated[list[Text], Field(min_length=2)]
    constraints: list[Text] = Field(default_factory=list)


class FrontRules(Card):
    """Rules of a board of fronts.

    Attributes
    ----------
    title, about
        Heading and first paragraph.
    problems, strategies
        What is optimised, and by whom. A strategy for one objective maximises its reward; its front is that
        of all it has seen.
    evaluations, runs, seed
        Of each strategy on each problem.
    handling
        What happens to architectures that miss a constraint.
    confidence, resamples
        Of the bootstrap intervals.
    transfer
        Whether every problem's front is judged in every other problem of the same space.
    observations
        What people saw on the board once it was played, in sentences; they change nothing.
    """

    title: Text
    about: Text
    problems: Annotated[list[Problem], Field(min_length=1)]
    strategies: Annotated[list[Entry], Field(min_length=1)]
    evaluations: Positive = 200
    runs: Positive = 100
    seed: Annotated[int, Field(ge=0)] = 0
    handling: Handling = "penalty"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    resamples: Positive = 2000
    transfer: bool = False
    observations: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for what, names in (
            ("problem", [problem.name for problem in self.problems]),
            ("label", [entry.name for entry in self.strategies]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what} {sorted(twice)[0]!r} is there twice")
        return self

    def search(self, entry: Entry, problem: Problem, folder: Path) -> Search:
        """Return the search of one strategy on one problem; `folder` holds the rules."""
        strategy = entry.strategy
        if ".py:" in strategy:
            strategy = str((folder / strategy).resolve())
        several = get_strategy(strategy).multi_objective
        return Search(
            strategy,
            problem.task,
            Budget(self.evaluations),
            runs=entry.runs or self.runs,
            seed=self.seed,
            settings=entry.settings,
            reward=entry.reward,
            objectives=tuple(problem.objectives) if several else (),
            constraints=tuple(problem.constraints),
            handling=self.handling,
        )


def front_boards() -> dict[str, Path]:
    """Return the folders of the boards of fronts that ship, by name."""
    return folders_with(FRONTS)


def read_front_rules(folder: Path | str) -> tuple[Path, FrontRules]:
    """Return the folder and rules of a board of fronts, by its folder or its name.

    Raises
    ------
    CardError
        When the rules cannot be read or do not fit together.
    NasbenchSuiteError
        When there are none.
    """
    return rules_in(folder, FRONTS, FrontRules, "boards of fronts")
