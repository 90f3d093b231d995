"""Cards and datasheets: the typed TOML files that describe what the content folders hold.

A card is found by lying in its folder; there is no list to edit. A wrong key or value is an error that
names the file, the key and the line.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nasbench_suite.benchmark import Direction, Metric, Recorded, Role
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError, shorten

Text = Annotated[str, Field(min_length=1)]
Setting = bool | int | float | str
"""The value of a hyperparameter."""


class CardError(NasbenchSuiteError):
    """A card, datasheet or rules file with a wrong key or value."""


class Card(BaseModel):
    """What all cards share: unknown keys are errors, and a card does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Paper(Card):
    """Where a method or a data set was published."""

    title: Text
    authors: Text
    venue: Text
    year: int
    url: str = ""


class Hyperparameter(Card):
    """One setting of a strategy: its value, where the value comes from, and what is allowed."""

    value: Setting
    source: Text
    meaning: Text
    minimum: float | None = None
    maximum: float | None = None
    choices: list[Setting] | None = None

    def check(self, name: str, value: Setting) -> Setting:
        """Return `value` as the type of the card's own value.

        Raises
        ------
        NasbenchSuiteError
            When it has another type or is out of range.
        """
        expected = type(self.value)
        if expected is float and type(value) is int:
            value = float(value)
        if type(value) is not expected:
            raise NasbenchSuiteError(
                f"hyperparameter {name} is a {expected.__name__} (card: {self.value!r}), not {value!r}."
            )
        if self.choices is not None and value not in self.choices:
            raise NasbenchSuiteError(f"hyperparameter {name} is one of {self.choices}, not {value!r}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise NasbenchSuiteError(f"hyperparameter {name} is {value!r}; it must be a number.")
        if not isinstance(value, str):
            if self.minimum is not None and value < self.minimum:
                raise NasbenchSuiteError(
                    f"hyperparameter {name} is {value!r}; it must be at least {self.minimum:g}."
                )
            if self.maximum is not None and value > self.maximum:
                raise NasbenchSuiteError(
                    f"hyperparameter {name} is {value!r}; it must be at most {self.maximum:g}."
                )
        return value


class StrategyCard(Card):
    """`strategies/NAME.toml`: the class, its paper, its hyperparameters and how it departs from the paper.

    Attributes
    ----------
    implementation
        `module:Class`.
    learns_on
        `numpy` or `torch`: what the strategy's step runs on.
    reward
        What the strategy maximises, for example `valid - 0.02 * log(params_millions)`; the validation metric
        if empty. A search or a leaderboard may ask for another.
    trains
        Whether the strategy trains networks itself, so that it needs a task whose networks can be trained.
    spaces
        Names of the only spaces that it can search; all if empty.
    tuned_on
        Tasks on which a hyperparameter was chosen by trial; boards mark the strategy there.
    """

    name: Text
    title: Text
    summary: Text
    implementation: Text
    learns_on: Text
    paper: Paper
    hyperparameters: dict[str, Hyperparameter] = {}
    reward: str = ""
    trains: bool = False
    spaces: list[Text] = []
    tuned_on: list[Text] = []
    deviations: list[Text]

    def resolve(self, given: Mapping[str, Setting]) -> dict[str, Setting]:
        """Return all hyperparameters, the card's values replaced by those given.

        Raises
        ------
        NasbenchSuiteError
            When one is unknown, of the wrong type or out of range.
        """
        for key in given:
            if key not in self.hyperparameters:
                raise UnknownNameError(f"hyperparameter of {self.name} called", key, self.hyperparameters)
        return {
            key: entry.check(key, given[key]) if key in given else entry.value
            for key, entry in self.hyperparameters.items()
        }


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
    seeds: list[int] = []
    differences: list[Text] = []


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


class Datasheet(Card):
    """`tabular/NAME/datasheet.toml`: what a benchmark is, how it was made, on what, with what defects.

    Attributes
    ----------
    benchmark
        What its tasks' names start with; its own name without it. Several datasheets may share one.
    figures
        What `nasbench-suite show NAME --figures` says of tables, by data set; rounded to four decimals.
    """

    name: Text
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
    figures: dict[str, dict[str, float]] = {}
    downloads: list[Download] = []

    def task(self, dataset: str) -> str:
        """Return the name of the task of a data set, `BENCHMARK/DATASET`."""
        return f"{self.benchmark or self.name}/{dataset}"


AnyCard = TypeVar("AnyCard", bound=BaseModel)


def read_card(path: Path, model: type[AnyCard]) -> AnyCard:
    """Read and check a TOML file.

    Raises
    ------
    CardError
        When the file cannot be read, is no TOML, or has a wrong key or value; names the key and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as problem:
        raise CardError(f"{path} cannot be read: {problem}.") from problem
    except tomllib.TOMLDecodeError as problem:
        raise CardError(f"{path} is no valid TOML: {problem}.") from problem
    except RecursionError as problem:
        raise CardError(f"{path} is no valid TOML: it is nested too deeply.") from problem
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        raise CardError(_explain(path, text, problem, model)) from problem


def _explain(path: Path, text: str, problem: ValidationError, model: type[BaseModel]) -> str:
    # A misspelt key is reported as unknown, not as the missing one that it was meant to be.
    first = min(problem.errors(), key=lambda error: error["type"] != "extra_forbidden")
    location = first["loc"]
    line = line_of_key(text, location)
    where = f"{path}, line {line}" if line else str(path)
    key = shorten(".".join(map(str, location)))
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        near = get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}."
        return f"{where}: key {key!r} is not known; {hint}"
    if first["type"] == "missing":
        return f"{where}: key {key!r} is missing."
    return f"{where}: key {key!r}: {first['msg']}, not {shorten(repr(first['input']))}."


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the model knows at a place, following lists and dictionaries of models."""
    for step in location:
        if isinstance(step, str) and step in model.model_fields:
            annotation = model.model_fields[step].annotation
            nested = [t for t in (annotation, *get_args(annotation)) if isinstance(t, type)]
            model = next((t for t in nested if issubclass(t, BaseModel)), model)
    return list(model.model_fields)


def line_of_key(text: str, location: tuple[int | str, ...]) -> int | None:
    """Return the line (from 1) on which a TOML key stands, or that of its innermost table header."""
    best, depth = None, 0
    for number, path in _key_lines(text):
        if len(path) > depth and path == tuple(location[: len(path)]):
            best, depth = number, len(path)
    return best


def _key_lines(text: str) -> Iterator[tuple[int, tuple[int | str, ...]]]:
    """Yield the line (from 1) and full path of every table header and key of a TOML text."""
    table: tuple[int | str, ...] = ()
    entries: dict[tuple[int | str, ...], int] = {}
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if inside:
            inside = "" if inside in line else inside
        elif header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            table = _with_entries(_parts(header.group(2)), entries)
            if header.group(1) == "[[":
                entries[table] = entries.get(table, -1) + 1
                table = (*table, entries[table])
            yield number, table
        elif assignment := re.match(r"\s*([\w.\"'-]+)\s*=(.*)", line):
            yield number, (*table, *_parts(assignment.group(1)))
            inside = next((q for q in ('"""', "'''") if assignment.group(2).count(q) == 1), "")


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _with_entries(parts: list[str], entries: Mapping[tuple[int | str, ...], int]) -> tuple[int | str, ...]:
    """Insert, after each list of tables on the way, the number of its last entry."""
    path: tuple[int | str, ...] = ()
    for place, part in enumerate(parts):
        path = (*path, part)
        if place < len(parts) - 1 and path in entries:
            path = (*path, entries[path])
    return path


def datasheets() -> dict[str, Datasheet]:
    """Return every datasheet under `tabular/` by name."""
    return _datasheets(content_root())


def strategy_cards() -> dict[str, StrategyCard]:
    """Return every strategy card under `strategies/` by name."""
    return _strategy_cards(content_root())


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
    return _named((path, path.parent.name, read_card(path, Datasheet)) for path in paths)


@lru_cache(maxsize=4)
def _strategy_cards(root: Path) -> dict[str, StrategyCard]:
    paths = sorted((root / "strategies").glob("*.toml"))
    return _named((path, path.stem, read_card(path, StrategyCard)) for path in paths)


def _named(found: Any) -> dict[str, Any]:
    cards = {}
    for path, name, card in found:
        if card.name != name:
            raise CardError(f"{path}: name is {card.name!r}; it must be {name!r}, after the file.")
        cards[name] = card
    return cards
