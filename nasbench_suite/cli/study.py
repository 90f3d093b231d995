"""`nasbench-suite study`: how well predictors predict, by how much they were taught."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, note, print_json, print_table, progress
from nasbench_suite.errors import NasbenchSuiteError

if TYPE_CHECKING:  # scikit-learn, XGBoost and torch load when something is fitted, not for --help
    from nasbench_suite.surrogates.study import Entrant, Study


def study(
    task: str = typer.Argument(metavar="TASK", help="A task whose table is here."),
    surrogates: str = typer.Option(
        "", help="Names with commas, each alone or as NAME:ENCODING; five families without it."
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
    """Hold predictors against each other on a table: the protocol of White et al. (NeurIPS 2021).

    Every trial draws architectures that teach and others that judge. The page has Kendall's tau and more by
    number of architectures that teach, fit and query times, and a figure. Interrupted, it continues when the
    same command is given again.

    Examples
    --------
        nasbench-suite study nats_topology/mnist1d --out study

        nasbench-suite study graph/cora --surrogates xgboost,xgboost:path,gin --sizes 20,100 --trials 10

        nasbench-suite study graph/cora --leave-out random_search,regularized_evolution,local_search
    """
    from nasbench_suite.surrogates.leave_out import leave_one_out
    from nasbench_suite.surrogates.shipped import table_of
    from nasbench_suite.surrogates.study import DEFAULT_ENTRANTS, SIZES, Plan, play_study
    from nasbench_suite.surrogates.study_page import PAGE, write_study
    from nasbench_suite.workers import available_cores, workers

    plan = Plan(
        task=task,
        entrants=[_entrant(text) for text in surrogates.split(",")] if surrogates else DEFAULT_ENTRANTS,
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


def _entrant(text: str) -> "Entrant":
    from nasbench_suite.surrogates.catalogue import get_surrogate
    from nasbench_suite.surrogates.study import DEFAULT_ENTRANTS, Entrant

    name, _, encoding = text.strip().partition(":")
    get_surrogate(name)  # a sentence where there is none
    usual = next((e for e in DEFAULT_ENTRANTS if e.surrogate == name), Entrant(name))
    return Entrant(name, encoding or "one_hot", settings=usual.settings, label=text.strip())


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
