"""Finds a strategy by the name of its card, or in a user's own file `FILE.py:CLASS`."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.strategies.base import Strategy
from nasbench_suite.strategies.card import StrategyCard, strategy_cards
from nasbench_suite.strategies.single_run import SideBySide, SingleRunStrategy

StrategyClass = type[Strategy] | type[SingleRunStrategy]

_USER_MODULE = "_user_strategy_"


def strategy_names() -> list[str]:
    """Return the names of all strategies that have a card."""
    return sorted(strategy_cards())


def get_strategy(spec: str) -> StrategyClass:
    """Return the class of a strategy by the name of its card or as `FILE.py:CLASS`.

    Raises
    ------
    UnknownNameError
        When no card or no class has this name; the message lists the nearest names.
    NasbenchSuiteError
        When the file is absent, does not run, or the class is no strategy.
    """
    if ".py:" in spec:
        return _from_file(spec)
    if spec.endswith(".py"):
        raise NasbenchSuiteError(f"{spec!r} names a file but no class; write {spec}:CLASS.")
    cards = strategy_cards()
    if spec not in cards:
        raise UnknownNameError("strategy", spec, cards)
    module, _, name = cards[spec].implementation.partition(":")
    found: StrategyClass = getattr(importlib.import_module(module), name)
    return found


def _from_file(spec: str) -> StrategyClass:
    file, _, name = spec.rpartition(":")
    path = Path(file).resolve()
    if not path.is_file():
        raise NasbenchSuiteError(f"there is no file {file}; --strategy takes a name or FILE.py:CLASS.")
    module = _load_file(path)
    found = getattr(module, name, None)
    if found is None:
        classes = [n for n, c in vars(module).items() if _is_strategy(c) and c.__module__ == module.__name__]
        raise UnknownNameError(f"strategy class in {file} called", name, classes)
    return _checked(found, f"{name} in {file}")


def _checked(found: object, what: str) -> StrategyClass:
    """Return what is given for a strategy's class if it is one that can be played."""
    if not _is_strategy(found):
        raise NasbenchSuiteError(f"{what} is no subclass of Strategy or SingleRunStrategy.")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise NasbenchSuiteError(f"{what} lacks {missing}; define it.")
    return found


def file_spec(strategy: str | StrategyClass) -> str | StrategyClass:
    """Return `FILE.py:CLASS` for a class that came from a user's file, anything else as it is."""
    if isinstance(strategy, type) and strategy.__module__.startswith(_USER_MODULE):
        return f"{inspect.getfile(strategy)}:{strategy.__name__}"
    return strategy


def _load_file(path: Path) -> ModuleType:
    name = f"{_USER_MODULE}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise NasbenchSuiteError(f"{path} cannot be loaded as Python.")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[name]
        raise NasbenchSuiteError(f"{path} does not run: {type(problem).__name__}: {problem}.") from problem
    return module


def _is_strategy(found: object) -> TypeGuard[StrategyClass]:
    return isinstance(found, type) and issubclass(found, Strategy | SingleRunStrategy)


def constructor(cls: StrategyClass) -> Callable[..., Strategy]:
    """Return what builds a lock-step strategy from a class of either kind."""
    return partial(SideBySide, cls) if issubclass(cls, SingleRunStrategy) else cls


@dataclass(frozen=True)
class StrategySource:
    """What is known of a strategy without building it; of one with a card, without importing it.

    Attributes
    ----------
    name
        Name of the card, or of the class without one.
    path
        The file that defines the class; None for a class typed at a prompt.
    card
        The strategy's card, if it has one.
    """

    name: str
    path: Path | None
    card: StrategyCard | None

    @classmethod
    def of(cls, strategy: str | StrategyClass) -> "StrategySource":
        """Return the source of a strategy given by name, as `FILE.py:CLASS`, or as a class."""
        cards = strategy_cards()
        if isinstance(strategy, str) and strategy in cards:
            card = cards[strategy]
            found = importlib.util.find_spec(card.implementation.partition(":")[0])
            return cls(strategy, Path(found.origin) if found and found.origin else None, card)
        found_class = (
            get_strategy(strategy)
            if isinstance(strategy, str)
            else _checked(strategy, getattr(strategy, "__name__", repr(strategy)))
        )
        try:
            path = Path(inspect.getfile(found_class))
        except (OSError, TypeError):
            path = None
        return cls(found_class.name or found_class.__name__, path, cards.get(found_class.name))

    def sha256(self) -> str:
        """Return the SHA-256 of the defining file, so that records tell which code made them."""
        if self.path is None or not self.path.is_file():
            return "unknown"
        return hashlib.sha256(self.path.read_bytes()).hexdigest()
