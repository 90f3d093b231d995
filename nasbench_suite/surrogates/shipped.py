"""Surrogates in folders: fitted by their card, written, verified and opened."""

import hashlib
from pathlib import Path

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.surrogates.benchmark import SurrogateBenchmark
from nasbench_suite.surrogates.card import (
    CARD,
    MODEL,
    FitEntry,
    FittedEntry,
    SurrogateCard,
    find_surrogate,
    surrogate_card,
    write_card,
)
from nasbench_suite.surrogates.fit import Recipe, fit_surrogate
from nasbench_suite.surrogates.model import SurrogateModel, load_surrogate
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tasks import load_benchmark


def table_of(task: str) -> TabularBenchmark:
    """Return the table of a task that a surrogate can be fitted to.

    Raises
    ------
    NasbenchSuiteError
        When it is not here, or no table of rows.
    """
    benchmark = load_benchmark(task)
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(f"{task} is no table of architectures; a surrogate is fitted to one.")
    return benchmark


def recipe_of(entry: FitEntry) -> Recipe:
    """Return the recipe that a card asks for."""
    return Recipe(**entry.model_dump(exclude={"task"}))


def fit_into(folder: Path, text: str, entry: FitEntry) -> SurrogateCard:
    """Fit a surrogate and write its model and its card into a folder.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    text
        The card, of which the part above `[fitted]` is kept.
    entry
        What to fit.

    Raises
    ------
    FitError
        When the table teaches nothing.
    NasbenchSuiteError
        When the table is not here, or the folder is not writable.
    """
    model, judged = fit_surrogate(table_of(entry.task), recipe_of(entry))
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / MODEL)
    about = model.about
    fitted = FittedEntry(
        table_sha256=about["table_sha256"],
        model_sha256=sha256_of_file(folder / MODEL),
        **about["split"],
        components=about["components"],
        software=load_surrogate(folder / MODEL).about["software"],
        figures={metric: found.rounded() for metric, found in judged.items()},
    )
    write_card(folder, text, fitted)
    return surrogate_card(folder)


def refit(folder: Path) -> SurrogateCard:
    """Fit a surrogate again by its card, in place."""
    card = surrogate_card(folder)
    return fit_into(folder, (folder / CARD).read_text(encoding="utf-8"), card.fit_entry())


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_surrogate(name: str) -> SurrogateBenchmark:
    """Return the benchmark of a surrogate by name or folder.

    Raises
    ------
    UnknownNameError
        When there is no such surrogate.
    DamagedFileError
        When the model is damaged, or not the one that its card describes.
    NasbenchSuiteError
        When it has not been fitted yet.
    """
    folder = find_surrogate(name)
    return SurrogateBenchmark(verified_model(folder), surrogate_card(folder).name)


def verified_model(folder: Path) -> SurrogateModel:
    """Return the model in a folder, which is the one that its card describes; raises as `open_surrogate`."""
    card = surrogate_card(folder)
    again = "import it again" if card.imported else f"fit it again: nasbench-suite fit {card.name}"
    if not card.model_sha256 or not (folder / MODEL).is_file():
        raise NasbenchSuiteError(f"surrogate {card.name} has not been fitted yet; {again}.")
    model = load_surrogate(folder / MODEL)
    if sha256_of_file(folder / MODEL) != card.model_sha256:
        raise DamagedFileError(f"{folder / MODEL} is not the model that its card describes; {again}.")
    return model


def is_of_this_table(card: SurrogateCard) -> bool:
    """Tell whether the table of a surrogate's task is still the one that it was fitted on."""
    return (
        card.fitted is not None and table_of(card.fit_entry().task).table.sha256 == card.fitted.table_sha256
    )
