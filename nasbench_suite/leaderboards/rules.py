"""`leaderboards/NAME/rules.toml`: which strategies meet on which tasks, with what budget and seed."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, Text, read_card
from nasbench_suite.clock import Budget, Duplicates, Overshoot
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.jobs import RepeatChoice, Search
from nasbench_suite.strategies.card import Setting

Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
ReadOff = Literal["end", "interpolated"]


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
    optional
        Whether the board is played without the strategy where a table lacks what it needs (the epochs of a
        schedule); the board then says so.
    """

    strategy: Text
    label: Annotated[str, Field(pattern=r"^[\w][\w .,+-]*$|^$")] = ""
    runs: Positive | None = None
    settings: dict[str, Setting] = Field(default_factory=dict)
    reward: str = ""
    optional: bool = False

    @property
    def name(self) -> str:
        """The label; without one the strategy's name, or that of its class."""
        return self.label or self.strategy.rpartition(":")[2]


class Judging(Card):
    """By which tables the incumbents of a search are judged, where not by the one that was searched.

    Attributes
    ----------
    name
        What the board calls it.
    search
        The task that is searched, such as a short schedule: one of the board's tasks.
    valid, test
        The tasks whose fully trained validation and test results are shown.
    """

    name: Text
    search: Text
    valid: Text
    test: Text


class PublishedResult(Card):
    """A row of a published table, accuracies in percent: mean and standard deviation over runs.

    Attributes
    ----------
    strategy
        Label of the strategy that is the published one.
    judged
        The column: name of a `Judging`, or a task.
    valid, test
        `[mean, standard deviation]`, or the mean alone; empty where the publication has none.
    note
        Why ours differs, where it does.
    """

    strategy: Text
    judged: Text
    valid: list[float] = Field(default_factory=list)
    test: list[float] = Field(default_factory=list)
    note: str = ""


class Published(Card):
    """A published comparison that the board is held against.

    Attributes
    ----------
    source
        Paper and table.
    certainty
        How sure the numbers are.
    runs
        Runs behind each published row.
    protocol
        What of the paper's protocol is kept, and how.
    differences
        Known differences between the paper's setting and this one.
    chosen_by
        Which result of the visited architectures the paper reports: that of the incumbent by `valid`, or the
        best by `test`.
    mean_tolerance
        Distance between the means, in percentage points, up to which they agree; by column, or one for all.
    sd_tolerance
        The same for standard deviations, as a share of the published one; not compared without it.
    """

    source: Text
    certainty: Text
    runs: Positive
    protocol: Text
    differences: list[Text] = Field(default_factory=list)
    chosen_by: Literal["valid", "test"] = "valid"
    mean_tolerance: float | dict[str, float]
    sd_tolerance: float | None = None
    results: Annotated[list[PublishedResult], Field(min_length=1)]

    def tolerance(self, judged: str) -> float:
        """Return the tolerance of the means of a column, in percentage points."""
        return self.mean_tolerance if isinstance(self.mean_tolerance, float) else self.mean_tolerance[judged]


class Rules(Card):
    """What a leaderboard compares and how.

    Attributes
    ----------
    title, summary
        Heading and first paragraph of the board.
    tasks
        Task names.
    evaluations, seconds, overshoot
        The budget of every run; exactly one of the first two, seconds perhaps by task. See `Budget`.
    runs, seed
        Independent runs of each strategy on each task, and the seed of them all.
    duplicates, repeat
        See `play`.
    confidence, resamples
        Level and number of resamples of the bootstrap intervals.
    judging
        By which tables incumbents are judged; every task by its own where this is empty.
    read_off
        Where a run's final result is read off: at its `end`, or, as NATS-Bench's code does, by linear
        interpolation between the two evaluations that ended nearest to the budget's seconds.
    clock
        What seconds are on the board's curves: `simulated` ones, of evaluations, or the `total` of these and
        of what strategies bill for their own work, which were then measured on machines of one speed; a
        budget in seconds counts simulated ones alone.
    published
        The published comparison that the board reproduces.
    rope
        Differences of test results within which two strategies are as good, in the metric's own unit; a tenth
        of a percentage point, of metrics that are no fractions a hundredth of the best result, if None.
    observations
        What people saw on the board once it was played, in sentences; they change nothing.
    """

    title: Text
    summary: Text
    tasks: Annotated[list[Text], Field(min_length=1)]
    strategies: Annotated[list[Entry], Field(min_length=1)]
    evaluations: Positive | None = None
    seconds: Seconds | dict[str, Seconds] | None = None
    overshoot: Overshoot = "finish"
    runs: Positive = 100
    seed: Annotated[int, Field(ge=0)] = 0
    duplicates: Duplicates = "count"
    repeat: RepeatChoice = "mean"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    resamples: Positive = 2000
    judging: list[Judging] = Field(default_factory=list)
    read_off: ReadOff = "end"
    clock: Literal["simulated", "total"] = "simulated"
    published: Published | None = None
    rope: Annotated[float, Field(gt=0)] | None = None
    observations: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.evaluations is None) == (self.seconds is None):
            raise ValueError("give exactly one of evaluations and seconds")
        for what, names in (
            ("label", [entry.name for entry in self.strategies]),
            ("task", self.tasks),
            ("judging", [entry.name for entry in self.judging]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what} {sorted(twice)[0]!r} is there twice")
        _same("judging searches", {j.search for j in self.judging}, self.tasks if self.judging else [])
        if isinstance(self.seconds, dict):
            _same("seconds are for", set(self.seconds), self.tasks)
        if self.read_off == "interpolated" and self.seconds is None:
            raise ValueError("results are interpolated in time only where the budget is in seconds")
        if self.published is not None:
            self._check_published(self.published)
        return self

    def _check_published(self, published: Published) -> None:
        for row in published.results:
            if row.strategy not in [entry.name for entry in self.strategies]:
                raise ValueError(f"published strategy {row.strategy!r} is not one of the board's labels")
            if row.judged not in [entry.name for entry in self.columns]:
                raise ValueError(f"published column {row.judged!r} is not one of the board's")
            if any(len(pair) > 2 for pair in (row.valid, row.test)):
                raise ValueError("a published result is [mean, standard deviation], or [mean]")
        if isinstance(published.mean_tolerance, dict):
            _same("tolerances are for", set(published.mean_tolerance), [c.name for c in self.columns])

    @property
    def columns(self) -> list[Judging]:
        """What the board shows results of: the judgings, or every task judged by its own table."""
        return self.judging or [Judging(name=t, search=t, valid=t, test=t) for t in self.tasks]

    def budget(self, task: str) -> Budget:
        """Return the budget of every run on a task."""
        seconds = self.seconds[task] if isinstance(self.seconds, dict) else self.seconds
        return Budget(self.evaluations, seconds, self.overshoot)

    def search(self, entry: Entry, task: str, folder: Path) -> Search:
        """Return the search of one strategy on one task; `folder` holds the rules."""
        strategy = entry.strategy
        if ".py:" in strategy:
            strategy = str((folder / strategy).resolve())
        return Search(
            strategy,
            task,
            self.budget(task),
            runs=entry.runs or self.runs,
            seed=self.seed,
            settings=entry.settings,
            reward=entry.reward,
            duplicates=self.duplicates,
            repeat=self.repeat,
        )


def _same(what: str, found: set[str], expected: list[str]) -> None:
    if found != set(expected):
        wrong = sorted(found ^ set(expected))[0]
        raise ValueError(f"{what} the board's tasks, each of them and no other; see {wrong!r}")


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
