"""How well predictors predict, by how much they were taught: the protocol of White et al.

White, Zela, Ru, Liu, Hutter: "How Powerful are Performance Predictors in Neural Architecture Search?"
(NeurIPS 2021), section 3, with the sizes and numbers of the authors' code (NASLib, branch `predictors`).
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.storage import write_whole
from nasbench_suite.surrogates.catalogue import PredictorChoice
from nasbench_suite.surrogates.fit import samples_of
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.scores import Scores, scores
from nasbench_suite.tabular.benchmark import TabularBenchmark

Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Overlap = Literal["without", "with"]
Progress = Callable[[int, int], None]

SIZES = (5, 8, 14, 24, 42, 71, 121, 205, 347, 589, 1000)
"""Numbers of architectures that teach: eleven, evenly spaced on a logarithmic axis."""
TESTED = 200
"""Architectures that judge."""
TRIALS = 100
_TRIALS_PER_BLOCK = 5


@dataclass(frozen=True)
class Entrant(PredictorChoice):
    """A predictor of a study.

    Attributes
    ----------
    label
        What the study calls it; the surrogate's name if empty.
    """

    label: str = ""

    @property
    def title(self) -> str:
        """What the study calls it."""
        return self.label or self.surrogate


DEFAULT_ENTRANTS = (
    Entrant("xgboost", settings={"members": 3, "rounds": 150, "learning_rate": 0.1}),
    Entrant("random_forest"),
    Entrant("gaussian_process", settings={"restarts": 0, "chosen": 400}),
    Entrant("nu_svr", settings={"members": 3, "cost": 10.0}),
    Entrant("mlp", settings={"members": 3, "epochs": 100}),
)
"""Five families, with settings that fit a few hundred samples within a fraction of a second."""


@dataclass(frozen=True)
class Plan:
    """What a study does.

    Attributes
    ----------
    task
        Whose fully trained validation results are predicted.
    entrants
        The predictors.
    sizes
        Numbers of architectures that teach, ascending; those of a trial contain the smaller ones.
    trials
        Draws of teaching and judging architectures.
    tested
        Architectures that judge.
    overlap
        Whether architectures that teach may judge too, as in the authors' code; `without` draws apart, and
        isomorphic ones are on the same side.
    seed
        Of all draws.
    """

    task: str
    entrants: Sequence[Entrant] = DEFAULT_ENTRANTS
    sizes: Sequence[int] = SIZES
    trials: int = TRIALS
    tested: int = TESTED
    overlap: Overlap = "without"
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the plan in a form that JSON keeps."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


@dataclass(frozen=True)
class Study:
    """What came of a study.

    Attributes
    ----------
    plan
        What was done.
    scores
        By name of a figure of `Scores`, float64 `[entrants, sizes, trials]`.
    fit_seconds, query_seconds
        Processor seconds of a fit, and of a prediction per architecture: `[entrants, sizes, trials]`.
    train_seconds
        Seconds that training the teaching architectures took, by the table, `[sizes, trials]`; NaN where
        the table knows none.
    """

    plan: Plan
    scores: Mapping[str, Values]
    fit_seconds: Values
    query_seconds: Values
    train_seconds: Values


@dataclass(frozen=True)
class Material:
    """What a study draws from: canonical genes `[n, n_genes]`; results, seconds, class keys, `[n]` each."""

    space: str
    genes: NDArray[np.uint8]
    results: Values
    seconds: Values
    keys: NDArray[np.uint64]

    @classmethod
    def of(cls, benchmark: TabularBenchmark) -> "Material":
        """Return all rows of a table that have results.

        Raises
        ------
        NasbenchSuiteError
            When it has no validation results.
        """
        found = samples_of(benchmark)
        names = list(found.metrics)
        ends = np.cumsum([benchmark.table.columns[name].shape[2] for name in names]) - 1
        seconds = np.full(len(found.genes), np.nan)
        if benchmark.cost_metric:
            seconds = found.curves[:, ends[names.index(benchmark.cost_metric)]]
            seconds = np.exp(seconds) if benchmark.cost_metric in found.logarithmic else seconds
        keys = benchmark.space.key(found.genes)
        return cls(benchmark.space.name, found.genes, found.curves[:, ends[0]], seconds, keys)


def draw(material: Material, plan: Plan, trial: int) -> tuple[Rows, Rows]:
    """Return the rows that judge and those that teach, in the order in which they are taken.

    Raises
    ------
    FitError
        When there are too few.
    """
    rng = np.random.default_rng([plan.seed, trial])
    rows = rng.permutation(len(material.keys))
    judges = rows[: plan.tested]
    others = rng.permutation(len(material.keys))
    if plan.overlap == "without":
        others = others[~np.isin(material.keys[others], material.keys[judges])]
    if len(others) < max(plan.sizes) or len(judges) < plan.tested:
        raise FitError(
            f"{plan.task} has {len(material.keys)} architectures with results, too few for {plan.tested} "
            f"that judge and {max(plan.sizes)} others that teach; take fewer."
        )
    return judges, others[: max(plan.sizes)]


def study_trials(material: Material, plan: Plan, entrant: int, trials: Sequence[int]) -> list[dict[str, Any]]:
    """Fit one entrant at all sizes of some trials; return one record per fit, in a form that JSON keeps."""
    records = []
    chosen = plan.entrants[entrant]
    for trial in trials:
        judges, teachers = draw(material, plan, trial)
        for place, size in enumerate(plan.sizes):
            rows = teachers[:size]
            predictor = chosen.make(material.space)
            began = time.process_time()
            try:
                predictor.fit(material.genes[rows], material.results[rows])
            except FitError:  # a few equal results teach nothing
                records.append({"trial": trial, "size": place, "scores": {}, "fit": 0.0, "query": 0.0})
                continue
            fitted = time.process_time()
            mean, deviation = predictor.predict(material.genes[judges], return_std=True)
            asked = time.process_time()
            found = scores(material.results[judges], mean, deviation if deviation.any() else None)
            records.append(
                {
                    "trial": trial,
                    "size": place,
                    "scores": {key: value for key, value in asdict(found).items() if value == value},
                    "fit": fitted - began,
                    "query": (asked - fitted) / len(judges),
                }
            )
    return records


def play_study(
    benchmark: TabularBenchmark,
    plan: Plan,
    folder: Path,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Study:
    """Play a study, or go on with one that was interrupted.

    Parameters
    ----------
    benchmark
        The table of the plan's task.
    plan
        What to do.
    folder
        Where finished blocks of trials are kept.
    executor
        Where fits run; here without it. The results do not depend on it.
    progress
        Is told how many blocks are done, and of how many.

    Raises
    ------
    FitError
        When the table has too few architectures.
    NasbenchSuiteError
        When an entrant cannot be made for the table's space, or `folder` holds another study or is not
        writable.
    """
    material = Material.of(benchmark)
    draw(material, plan, 0)
    for entrant in plan.entrants:  # says now what is wrong with one
        entrant.make(material.space)["encoder"].fit_transform(material.genes[:1])
    _claim(folder, plan, benchmark.table.sha256)
    blocks = list(_blocks(plan))
    waiting = {block: folder / f"entrant-{block[0]}-trials-{block[1]}.json" for block in blocks}
    futures = {}
    for block, path in waiting.items():
        if not path.is_file():
            trials = range(block[1], min(block[1] + _TRIALS_PER_BLOCK, plan.trials))
            job = (material, plan, block[0], trials)
            futures[block] = executor.submit(study_trials, *job) if executor else job
    done = len(blocks) - len(futures)
    for block, future in futures.items():
        records = study_trials(*future) if isinstance(future, tuple) else future.result()
        write_whole(waiting[block], json.dumps(records).encode())
        done += 1
        if progress is not None:
            progress(done, len(blocks))
    return _collected(plan, material, waiting)


def _blocks(plan: Plan) -> Iterator[tuple[int, int]]:
    for first in range(0, plan.trials, _TRIALS_PER_BLOCK):
        for entrant in range(len(plan.entrants)):
            yield entrant, first


def _claim(folder: Path, plan: Plan, table: str) -> None:
    """Write what the folder's blocks are of, or check that it is this study."""
    path, asked = folder / "plan.json", {**plan.as_json(), "table_sha256": table}
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != asked:
            raise NasbenchSuiteError(
                f"{folder} holds another study, or one of another table; choose another folder or remove it."
            )
        return
    write_whole(path, json.dumps(asked, indent=1).encode())


def _collected(plan: Plan, material: Material, blocks: Mapping[tuple[int, int], Path]) -> Study:
    shape = (len(plan.entrants), len(plan.sizes), plan.trials)
    names = [entry.name for entry in fields(Scores) if entry.name != "samples"]
    found = {name: np.full(shape, np.nan) for name in names}
    fit_seconds, query_seconds = np.full(shape, np.nan), np.full(shape, np.nan)
    for (entrant, _), path in blocks.items():
        try:
            for record in json.loads(path.read_text(encoding="utf-8")):
                at = entrant, record["size"], record["trial"]
                for name in names:
                    found[name][at] = record["scores"].get(name, np.nan)
                fit_seconds[at], query_seconds[at] = record["fit"], record["query"]
        except (ValueError, LookupError, TypeError) as problem:
            raise DamagedFileError(
                f"{path} is damaged; remove it and give the same command again."
            ) from problem
    train_seconds = np.array(
        [
            np.cumsum(material.seconds[draw(material, plan, trial)[1]])[np.array(plan.sizes) - 1]
            for trial in range(plan.trials)
        ]
    ).T
    return Study(plan, found, fit_seconds, query_seconds, train_seconds)
