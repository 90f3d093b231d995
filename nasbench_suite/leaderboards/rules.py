"""`leaderboards/NAME/rules.toml`: which strategies meet on which tasks, with what budget and seed."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, Setting, Text, read_card
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.jobs import RepeatChoice, Search
from nasbench_suite.loop import Budget, Duplicates, Overshoot

Positive = Annotated[int, Field(ge=1)]


class Entry(Card):
    """A strategy in a leaderboard.

    Attributes
    ----------
    strategy
        Name of a card or `FILE.py:CLASS`, the file relative to the rules.
    label
        What the board calls it and the folder of its records; the strategy's name if empty. Labels are
        unique.
    runs
        Number of runs if not the board's.
    settings, reward
        Hyperparameters that replace those of the card, and the formula to maximise.
    """

    strategy: Text
    label: Annotated[str, Field(pattern=r"^[\w][\w .+-]*$|^$")] = ""
    runs: Positive | None = None
    settings: dict[str, Setting] = Field(default_factory=dict)
    reward: str = ""

    @property
    def name(self) -> str:
        """The label; without one the strategy's name, or that of its class."""
        return self.label or self.strategy.rpartition(":")[2]


class Rules(Card):
    """What a leaderboard compares and how.

    Attributes
    ----------
    title, summary
        Heading and first paragraph of the board.
    tasks
        Task names.
    evaluations, seconds, overshoot
        The budget of every run; exactly one of the first two. See `Budget`.
    runs, seed
        Independent runs of each strategy on each task, and the seed of them all.
    duplicates, repeat
        See `play`.
    confidence, resamples
        Level and number of resamples of the bootstrap intervals.
    """

    title: Text
    summary: Text
    tasks: Annotated[list[Text], Field(min_length=1)]
    strategies: Annotated[list[Entry], Field(min_length=1)]
    evaluations: Positive | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    overshoot: Overshoot = "finish"
    runs: Positive = 100
    seed: Annotated[int, Field(ge=0)] = 0
    duplicates: Duplicates = "count"
    repeat: RepeatChoice = "mean"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    resamples: Positive = 2000

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.evaluations is None) == (self.seconds is None):
            raise ValueError("give exactly one of evaluations and seconds")
        for what, names in (
            ("label", [entry.name for entry in self.strategies]),
            ("task", self.tasks),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what} {sorted(twice)[0]!r} is there twice")
        return self

    @property
    def budget(self) -> Budget:
        """The budget of every run."""
        return Budget(self.evaluations, self.seconds, self.overshoot)

    def search(self, entry: Entry, task: str, folder: Path) -> Search:
        """Return the search of one strategy on one task; `folder` holds the rules."""
        strategy = entry.strategy
        if ".py:" in strategy:
            strategy = str((folder / strategy).resolve())
        return Search(
            strategy,
            task,
            self.budget,
            runs=entry.runs or self.runs,
            seed=self.seed,
            settings=entry.settings,
            reward=entry.reward,
            duplicates=self.duplicates,
            repeat=self.repeat,
        )


def read_rules(folder: Path) -> Rules:
    """Read `rules.toml` in a leaderboard's folder.

    Raises
    ------
    CardError
        When a key or value is wrong; names the key and the line.
    NasbenchSuiteError
        When there are no rules in the folder.
    """
    path = folder / "rules.toml" if folder.is_dir() else folder
    if not path.is_file():
        raise NasbenchSuiteError(
            f"there is no {path}; give the folder of a leaderboard, with its rules.toml."
        )
    return read_card(path, Rules)


def leaderboard_folders() -> dict[str, Path]:
    """Return the folder of every leaderboard of the suite by name."""
    found = sorted((content_root() / "leaderboards").glob("*/rules.toml"))
    return {path.parent.name: path.parent for path in found}


def find_leaderboard(place: str) -> Path:
    """Return the folder of a leaderboard given by path or by name.

    Raises
    ------
    UnknownNameError
        When there is neither; the message lists the nearest names.
    """
    if (Path(place) / "rules.toml").is_file():
        return Path(place)
    known = leaderboard_folders()
    if place in known:
        return known[place]
    if Path(place).is_dir():
        raise NasbenchSuiteError(f"there is no rules.toml in {place}; write one or give another folder.")
    raise UnknownNameError("leaderboard", place, known)
