"""`nasbench-suite fit`: surrogates that stand in for tables."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.cli.settings import parse_settings
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError

if TYPE_CHECKING:  # scikit-learn, XGBoost and torch load when something is fitted, not for --help
    from nasbench_suite.surrogates.card import SurrogateCard

_COLUMNS = ("kendall", "spearman", "r2", "mae", "within_1_sd", "calibration_error")


def fit(
    names: list[str] = typer.Argument(
        None, metavar="TASK|SURROGATE...", help="A task to fit a new one to, or surrogates to fit again."
    ),
    surrogate: str = typer.Option(
        "", help="Kind of a new one: xgboost, random_forest, gaussian_process, nu_svr, mlp, gin or blend."
    ),
    encoding: str = typer.Option(
        "one_hot", help="one_hot, adjacency, path, ordinal or columns; several with +."
    ),
    columns_of: str = typer.Option(
        "", metavar="TASK[:METRIC,...]", help="The table with zero-cost columns, for encoding columns."
    ),
    longest_path: int = typer.Option(3, min=0, help="Operations of a path; 0 for all."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="A hyperparameter."),
    samples: int = typer.Option(0, min=0, help="Rows to learn from; 0 for 80 % of the classes."),
    seed: int = typer.Option(0, min=0, help="Of the split."),
    name: str = typer.Option("", help="What to call it; TASK-SURROGATE without it."),
    out: Path | None = typer.Option(
        None, metavar="DIR", help="Folder for it; your data folder without it.", show_default=False
    ),
    every: bool = typer.Option(False, "--all", help="Fit all surrogates again whose tables are here."),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    """Fit a surrogate to a table and judge it on architectures that it has not seen.

    Writes a model and a card. Then `surrogate:NAME` is a task like any other, which predicts: with `search`,
    `query` and boards.

    Examples
    --------
        nasbench-suite fit graph/cora --surrogate xgboost

        nasbench-suite search surrogate:graph-cora-xgboost --strategy regularized_evolution --evaluations 500

        nasbench-suite fit nats_topology/mnist1d --surrogate gin --set epochs=100 --samples 1000

        nasbench-suite fit --all
    """
    if every == bool(names):
        raise NasbenchSuiteError("name a task with --surrogate, or surrogates to fit again, or give --all.")
    if surrogate and len(names) != 1:
        raise NasbenchSuiteError("--surrogate fits one task at a time; name one.")

    from nasbench_suite.surrogates.card import (
        FitEntry,
        find_surrogate,
        new_card,
        surrogate_card,
        surrogate_folders,
    )
    from nasbench_suite.surrogates.shipped import fit_into, refit

    found = []
    with interruptible("surrogates that were finished are kept."), progress("fitting", quiet) as advance:
        if surrogate:
            entry = FitEntry(
                task=names[0],
                surrogate=surrogate,
                encoding=encoding,
                longest_path=longest_path,
                columns_of=columns_of,
                samples=samples,
                seed=seed,
                settings=parse_settings(settings),
            )
            called = name or f"{names[0].replace('/', '-')}-{surrogate}"
            folder = (out or data_root() / "surrogates") / called
            found.append((folder, fit_into(folder, new_card(called, entry), entry)))
        else:
            folders = [find_surrogate(n) for n in names]
            if every:
                folders = [one for one in surrogate_folders().values() if surrogate_card(one).fit is not None]
            for done, folder in enumerate(folders):
                advance(done, len(folders))
                found.append((folder, refit(folder)))
    if as_json:
        print_json([{"folder": str(folder), **card.model_dump()} for folder, card in found])
        return
    for folder, card in found:
        _print(card)
        note(f"{folder}; ask it as the task surrogate:{card.name}")


def _print(card: "SurrogateCard") -> None:
    assert card.fitted is not None
    rows: list[list[Any]] = [
        [metric, *(f"{figures[column]:.4g}" if column in figures else "–" for column in _COLUMNS)]
        for metric, figures in card.fitted.figures.items()
    ]
    title = f"{card.name}: fitted on {card.fitted.train:,} rows, judged by {card.fitted.test:,} others"
    print_table([title, *_COLUMNS], rows)
