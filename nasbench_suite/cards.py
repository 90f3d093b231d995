"""Cards: the typed TOML files that describe what the content folders hold.

A card is found by lying in its folder; there is no list to edit. A wrong key or value is an error that
names the file, the key and the line.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nasbench_suite.errors import NasbenchSuiteError, shorten

Text = Annotated[str, Field(min_length=1)]


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


class NamedCard(Card):
    """A card that says its own name."""

    name: Text


AnyCard = TypeVar("AnyCard", bound=BaseModel)
Named = TypeVar("Named", bound=NamedCard)


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


def by_name(found: Iterable[tuple[Path, str, Named]]) -> dict[str, Named]:
    """Return cards by name: each with its file, and the name that it has to have.

    Raises
    ------
    CardError
        When one has another.
    """
    cards = {}
    for path, name, card in found:
        if card.name != name:
            raise CardError(f"{path}: name is {card.name!r}; it must be {name!r}, after the file.")
        cards[name] = card
    return cards
