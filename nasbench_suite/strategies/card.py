"""Cards of strategies, `strategies/NAME.toml`."""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from nasbench_suite.cards import Card, NamedCard, Paper, Text, by_name, read_card
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError

Setting = bool | int | float | str
"""The value of a hyperparameter."""


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
                f"hyperparameter {name} is of type {expected.__name__} (card: {self.value!r}), not {value!r}."
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


class StrategyCard(NamedCard):
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

    title: Text
    summary: Text
    implementation: Text
    learns_on: Text
    paper: Paper
    hyperparameters: dict[str, Hyperparameter] = Field(default_factory=dict)
    reward: str = ""
    trains: bool = False
    spaces: list[Text] = Field(default_factory=list)
    tuned_on: list[Text] = Field(default_factory=list)
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


def strategy_cards() -> dict[str, StrategyCard]:
    """Return every strategy card under `strategies/` by name."""
    return _strategy_cards(content_root())


@lru_cache(maxsize=4)
def _strategy_cards(root: Path) -> dict[str, StrategyCard]:
    paths = sorted((root / "strategies").glob("*.toml"))
    return by_name((path, path.stem, read_card(path, StrategyCard)) for path in paths)
