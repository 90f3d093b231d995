"""`surrogates/NAME/card.toml`: what a shipped surrogate is, how it was fitted, and how good it is.

The text above `[fitted]` is written by people; `nasbench-suite fit` writes what follows.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, CardError, Text, read_card
from nasbench_suite.content import content_root, data_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.storage import write_whole
from nasbench_suite.strategies.card import Setting

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


class ImportedEntry(Card):
    """`[imported]`: which files of others a surrogate was made of.

    Attributes
    ----------
    source
        What the files are.
    model_sha256
        Checksum of the model's file here.
    members, trees
        Number of models of the validation metric, and of their trees.
    files
        SHA-256 by file.
    """

    source: Text
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    members: int
    trees: int
    files: dict[str, str]


class SurrogateCard(Card):
    """The card of a surrogate: one that is fitted here, or one that was imported."""

    name: Text
    title: Text
    summary: Text
    licence: Text
    defects: list[Text]
    fit: FitEntry | None = None
    fitted: FittedEntry | None = None
    imported: ImportedEntry | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if (self.fit is None) == (self.imported is None):
            raise ValueError("a surrogate has either [fit] or [imported]")
        return self

    @property
    def model_sha256(self) -> str:
        """Checksum of the model's file; empty where it has not been fitted yet."""
        made = self.fitted or self.imported
        return made.model_sha256 if made else ""

    def fit_entry(self) -> FitEntry:
        """Return `[fit]`.

        Raises
        ------
        NasbenchSuiteError
            When the surrogate was imported.
        """
        if self.fit is None:
            raise NasbenchSuiteError(f"surrogate {self.name} was imported; there is no table to fit it to.")
        return self.fit


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


def write_imported_card(folder: Path, heads: Mapping[str, object], imported: ImportedEntry) -> None:
    """Write the card of an imported surrogate; `heads` are the entries above its tables.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    tables = {"imported": imported.model_dump(exclude={"files"}), "imported.files": imported.files}
    lines = [f"{key} = {_toml(value)}" for key, value in heads.items()]
    write_whole(folder / CARD, ("\n".join(lines) + "\n\n" + _tables(tables)).encode())


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
    write_whole(folder / CARD, (above + "\n" + _tables(sections)).encode())


def _tables(tables: Mapping[str, Mapping[str, object]]) -> str:
    parts = [
        "\n".join([f"[{name}]", *(f"{_key(key)} = {_toml(value)}" for key, value in entries.items())])
        for name, entries in tables.items()
    ]
    return "\n\n".join(parts) + "\n"


def _toml(value: object) -> str:
    """Write a string, number or truth value as TOML, where JSON's form is TOML's too."""
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else _toml(name)
