"""`surrogates/NAME/card.toml`: what a shipped surrogate is, how it was fitted, and how good it is.

The text above `[fitted]` is written by people; `nasbench-suite fit` writes what follows.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from nasbench_suite.cards import Card, CardError, Setting, Text, read_card
from nasbench_suite.content import content_root, data_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.storage import write_whole

CARD, MODEL = "card.toml", "model.h5"
Share = Annotated[float, Field(gt=0, lt=1)]
_FITTED = "[fitted]"


class FitEntry(Card):
    """`[fit]`: what `nasbench-suite fit` does; see `surrogates.fit.Recipe`."""

    task: Text
    surrogate: Text
    encoding: Text = "one_hot"
    longest_path: Annotated[int, Field(ge=0)] = 3
    columns_of: str = ""
    train_share: Share = 0.8
    noise_share: Share = 0.1
    samples: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0)] = 0
    settings: dict[str, Setting] = Field(default={})


class FittedEntry(Card):
    """`[fitted]`: what came of it.

    Attributes
    ----------
    table_sha256, model_sha256
        Checksums of the table that it was fitted on, and of the model's file.
    train, noise, test, incomplete
        Rows that it learnt from, that the noise was estimated by, that judged it, and that were left out
        because a result is missing.
    components
        Regressors: one per component of the learning curves.
    software
        Versions it was fitted with.
    figures
        By metric, of full training, on the rows that judged it.
    """

    table_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    train: int
    noise: int
    test: int
    incomplete: int
    components: int
    software: dict[str, str]
    figures: dict[str, dict[str, float]]


class SurrogateCard(Card):
    """The card of a surrogate."""

    name: Text
    title: Text
    summary: Text
    licence: Text
    defects: list[Text]
    fit: FitEntry
    fitted: FittedEntry | None = None


def surrogate_folders() -> dict[str, Path]:
    """Return the folders of all surrogates by name: those that ship, and those that the user has fitted."""
    roots = (data_root() / "surrogates", content_root() / "surrogates")
    return {path.parent.name: path.parent for root in roots for path in sorted(root.glob(f"[!.]*/{CARD}"))}


def find_surrogate(name: str) -> Path:
    """Return the folder of a surrogate by its name, or by its path.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    known = surrogate_folders()
    if name in known:
        return known[name]
    if (Path(name) / CARD).is_file():
        return Path(name)
    raise UnknownNameError("surrogate", name, known)


def surrogate_card(folder: Path) -> SurrogateCard:
    """Read the card of a surrogate.

    Raises
    ------
    CardError
        When it cannot be read, has a wrong key or value, or bears another name than its folder.
    """
    path = folder / CARD
    if not path.is_file():
        raise NasbenchSuiteError(f"{folder} holds no {CARD}; nasbench-suite fit makes one.")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int) -> SurrogateCard:
    card = read_card(path, SurrogateCard)
    if card.name != path.resolve().parent.name:
        raise CardError(f"{path}: name is {card.name!r}; it must be that of its folder.")
    return card


def new_card(name: str, entry: FitEntry) -> str:
    """Return the text of a card above `[fitted]`, for people to complete."""
    lines = [
        f"name = {_toml(name)}",
        f"title = {_toml(f'{entry.surrogate} for {entry.task}')}",
        f"summary = {_toml(f'Predicts what the table of {entry.task} would say, at every recorded epoch.')}",
        'licence = "that of the table"',
        "defects = []",
        "",
        "[fit]",
        *(f"{key} = {_toml(value)}" for key, value in entry.model_dump(exclude={"settings"}).items()),
        *(["", "[fit.settings]"] if entry.settings else []),
        *(f"{key} = {_toml(value)}" for key, value in entry.settings.items()),
    ]
    return "\n".join(lines) + "\n"


def write_card(folder: Path, text: str, fitted: FittedEntry) -> None:
    """Write a card: `text` up to its `[fitted]`, and what came of the fit.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    above = text.split(f"\n{_FITTED}", 1)[0].rstrip() + "\n"
    values = fitted.model_dump(exclude={"software", "figures"})
    sections: Mapping[str, Mapping[str, object]] = {
        "fitted": values,
        "fitted.software": fitted.software,
        **{f"fitted.figures.{metric}": figures for metric, figures in fitted.figures.items()},
    }
    parts = [
        "\n".join([f"[{name}]", *(f"{_key(key)} = {_toml(value)}" for key, value in entries.items())])
        for name, entries in sections.items()
    ]
    write_whole(folder / CARD, (above + "\n" + "\n\n".join(parts) + "\n").encode())


def _toml(value: object) -> str:
    """Write a string, number or truth value as TOML, where JSON's form is TOML's too."""
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else _toml(name)
