"""`nasbench-suite study`: how well predictors predict, by how much they were taught."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.cli.settings import parse_settings
from nasbench_suite.errors import NasbenchSuiteError

if TYPE_CHECKING:  # scikit-learn, XGBoost and torch load when something is fitted, not for --help
    from nasbench_suite.surrogates.study import Entrant, Study


def study(
    task: str = typer.Argument(metavar="TASK", help="A task whose table is here."),
    surrogates: str = typer.Option(
        "", help="Names with commas, each alone or as NAME:ENCODING; five families without it."
    ),
    settings: list[str] = typer.Option([], "--set", metavar="NAME.KEY=VALUE", help="A hyperparameter."),
    columns_of: str = typer.Option(
        "", metavar="TASK[:METRIC,...]", help="The table with zero-cost columns, for encodings with columns."
    ),
    sizes: str = typer.Option("", help="Numbers that teach, with commas; 5 to 1,000 in eleven without it."),
    trials: int = typer.Option(100, min=1, help="Draws of those that teach and judge."),
    tested: int = typer.Option(200, min=2, help="Architectures that judge."),
    overlap: bool = typer.Option(False, "--overlap", help="Let those that judge teach too, as its authors."),
    leave_out: str = typer.Option(
        "", metavar="STRATEGY,...", help="Also: teach by what others visited, judge by what one did."
    ),
    seed: int = typer.Option(0, min=0, help="Of all draws."),
    jobs: int = typer.Option(0, min=0, help="Processes; all cores without it.", show_default=False),
    out: Path = typer.Option(Path("study"), metavar="DIR", help="Where page, table and figure go."),
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    r"""Hold predictors against each other on a table: the protocol of White et al. (NeurIPS 2021).

    Every trial draws architectures that teach and others that judge. The page has Kendall's tau and more by
    number of architectures that teach, fit and query times, and a figure. Interrupted, it continues when the
    same command is given again.

    Examples
    --------
        nasbench-suite study nats_topology/mnist1d --out study

        nasbench-suite study graph/cora --surrogates xgboost,xgboost:path,gin --sizes 20,100 --trials 10

        nasbench-suite study accel_nasbench/imagenet --surrogates blend:ordinal,xgboost:ordinal \
          --set xgboost.rounds=1000 --sizes 4100 --tested 512 --trials 10

        nasbench-suite study graph/cora --leave-out random_search,regularized_evolution,local_search
    """
    from nasbench_suite.surrogates.leave_out import leave_one_out
    from nasbench_suite.surrogates.shipped import table_of
    from nasbench_suite.surrogates.study import SIZES, Plan, play_study
    from nasbench_suite.surrogates.study_page import PAGE, write_study
    from nasbench_suite.workers import available_cores, workers

    plan = Plan(
        task=task,
        entrants=_entrants(surrogates, settings, columns_of),
        sizes=_numbers(sizes) if sizes else SIZES,
        trials=trials,
        tested=tested,
        overlap="with" if overlap else "without",
        seed=seed,
    )
    benchmark = table_of(task)
    kept = f"finished trials are in {out / 'trials'}; give the same command to continue."
    with (
        interruptible(kept),
        progress(f"study of {task}", quiet) as advance,
        workers(jobs or available_cores()) as executor,
    ):
        found = play_study(benchmark, plan, out / "trials", executor=executor, progress=advance)
    left_out = leave_one_out(benchmark, plan.entrants, leave_out.split(","), seed=seed) if leave_out else []
    written = write_study(found, left_out, out / PAGE)
    if as_json:
        print_json(_as_data(found))
    else:
        _print(found)
    note(f"page: {written[-1]}")


def _entrants(surrogates: str, settings: list[str], columns_of: str) -> list["Entrant"]:
    from nasbench_suite.surrogates.study import DEFAULT_ENTRANTS, Entrant

    asked = [text.strip().partition(":") for text in surrogates.split(",")] if surrogates else []
    found = [
        Entrant(name, encoding or "one_hot", label=name + sep + encoding) for name, sep, encoding in asked
    ]
    usual = {entrant.surrogate: entrant.settings for entrant in DEFAULT_ENTRANTS}
    own = _settings_by_name(settings, [entrant.surrogate for entrant in found or DEFAULT_ENTRANTS])
    return [
        replace(
            entrant,
            settings={**usual.get(entrant.surrogate, {}), **own.get(entrant.surrogate, {})},
            columns_of=columns_of if "columns" in entrant.encoding.split("+") else "",
        )
        for entrant in found or DEFAULT_ENTRANTS
    ]


def _settings_by_name(settings: list[str], names: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in settings:
        name, dot, setting = text.partition(".")
        if not dot or name not in names:
            raise NasbenchSuiteError(
                f"--set takes NAME.KEY=VALUE, where NAME is {' or '.join(sorted(set(names)))}; not {text!r}."
            )
        found.setdefault(name, {}).update(parse_settings([setting]))
    return found


def _numbers(text: str) -> list[int]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 2:
        raise NasbenchSuiteError(f"--sizes takes whole numbers of at least 2 with commas, not {text!r}.")
    return found


def _as_data(found: "Study") -> dict[str, object]:
    from nasbench_suite.surrogates.study_page import mean_and_error

    means = {name: mean_and_error(values)[0] for name, values in found.scores.items()}
    return {
        "task": found.plan.task,
        "sizes": list(found.plan.sizes),
        "trials": found.plan.trials,
        "predictors": {
            chosen.title: {
                **{name: _without_nan(values[place]) for name, values in means.items()},
                "fit_seconds": np.nanmedian(found.fit_seconds[place], axis=-1).tolist(),
                "query_seconds": np.nanmedian(found.query_seconds[place], axis=-1).tolist(),
            }
            for place, chosen in enumerate(found.plan.entrants)
        },
    }


def _without_nan(values: np.ndarray) -> list[float | None]:
    return [None if value != value else cast(float, value) for value in values.tolist()]


def _print(found: "Study") -> None:
    from nasbench_suite.surrogates.study_page import mean_and_error

    mean, _ = mean_and_error(found.scores["kendall"])
    rows = [
        [chosen.title, *("–" if value != value else f"{value:.3f}" for value in mean[place].tolist())]
        for place, chosen in enumerate(found.plan.entrants)
    ]
    title = f"Kendall's tau on {found.plan.task}, by number of architectures that teach"
    print_table([title, *map(str, found.plan.sizes)], rows)
