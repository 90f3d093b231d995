"""Validates a board: what its searches picked is trained from scratch and held against the tables.

**Picks** are the architectures that runs ended with: their last incumbents, chosen by validation. The top of
a strategy on a task are those that most of its runs ended with; what as many ended with goes by the
validation result in the table. Isomorphic architectures are one pick.

**Fresh seeds** are those from 1001 on that no training of the tables has. Trainings, and what the networks
predict, are kept in `validation/` in the board's folder, so that an interrupted validation goes on.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.agreement import compare, mean_of_present
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.outcomes import open_table
from nasbench_suite.leaderboards.pick_latencies import PickLatencies, pick_latencies
from nasbench_suite.leaderboards.picks import RECORDS, Picks, read_picks
from nasbench_suite.leaderboards.rules import Judging, Rules
from nasbench_suite.leaderboards.validation import (
    Choice,
    ColumnValidation,
    EnsembleGain,
    Measured,
    Pick,
    Split,
    Validation,
)
from nasbench_suite.spaces import Genes, SearchSpace
from nasbench_suite.training.ensemble import ensemble_of_best
from nasbench_suite.training.kept import KeptTrainings, Trained
from nasbench_suite.training.task import TrainingTask, fresh_seeds, training_task

TRAININGS = "validation"
"""The folder of the trainings, in the board's."""
_SPLITS: tuple[Split, Split] = ("valid", "test")
_SMALLEST_ENSEMBLE = 2

_Values = NDArray[np.float64]
Progress = Callable[[int, int], None]


def validate(
    board: Board,
    folder: Path,
    choice: Choice,
    progress: Progress | None = None,
    *,
    executor: Executor | None = None,
) -> Validation:
    """Train the top picks of every strategy from scratch and hold the results against the tables.

    Parameters
    ----------
    board, folder
        A board that was played, and where it lies; trainings are kept there.
    choice
        What to train.
    progress
        Called with the number of trainings done, and of all, of the column at work.
    executor
        Whose workers train networks on signals where the device is a CPU; None: this process does.

    Raises
    ------
    NasbenchSuiteError
        When no column can be trained, or nothing says what the board's runs ended with; says why.
    """
    rules = board.rules
    played = board.picks or read_picks(folder / RECORDS, rules.tasks, board.labels)
    asked = board.by_rank()[: choice.best] if choice.best else board.labels
    picks = {task: {label: of[label] for label in of if label in asked} for task, of in played.items()}
    columns, skipped = [], {}
    for column in rules.columns:
        try:
            work = _Work.of(column, choice, folder / TRAININGS, executor)
            columns.append(_validated(work, rules, picks[column.search], progress))
        except NasbenchSuiteError as problem:
            skipped[column.name] = str(problem)
    if not columns:
        why = " ".join(dict.fromkeys(skipped.values()))
        raise NasbenchSuiteError(f"no column of the board can be validated. {why}")
    return Validation(rules.title, choice, rules.confidence, columns, skipped)


@dataclass(frozen=True)
class _Work:
    """What one column trains, and where the results go; `tasks` names the task of each split."""

    column: Judging
    choice: Choice
    tasks: Mapping[Split, str]
    trainings: Mapping[str, KeptTrainings]

    @classmethod
    def of(cls, column: Judging, choice: Choice, folder: Path, executor: Executor | None) -> "_Work":
        tasks: dict[Split, str] = {"valid": column.valid, "test": column.test}
        trainings = {}
        for name in dict.fromkeys(tasks.values()):
            task = training_task(name).changed(recipe=choice.recipe, data=choice.data)
            keep = name == column.valid  # of these networks ensembles are made
            trainings[name] = KeptTrainings(task, folder=folder, device=choice.device, predictions=keep)
            trainings[name].executor = executor
        return cls(column, choice, tasks, trainings)

    def of_split(self, split: Split) -> KeptTrainings:
        return self.trainings[self.tasks[split]]

    @property
    def space(self) -> SearchSpace:
        return self.of_split("test").space

    @property
    def seeds(self) -> list[int]:
        taken = [seed for trainings in self.trainings.values() for seed in trainings.task.seeds]
        return fresh_seeds(self.choice.seeds, taken)


def _validated(
    work: _Work, rules: Rules, picks: Mapping[str, Picks], progress: Progress | None
) -> ColumnValidation:
    for trainings in work.trainings.values():
        trainings.data  # noqa: B018  # one that is not there is said before anything is trained
    genes, picked_by = _union(work, picks)
    trained = _train(work, genes, progress)
    table, missing = {}, []
    for split in _SPLITS:
        table[split], reason = table_results(work.tasks[split], genes, split)
        missing += [reason] if reason else []
    found = {split: _results(work.of_split(split), trained[work.tasks[split]], split) for split in _SPLITS}
    latencies, why_not = _latencies(work, genes)
    missing += [why_not] if why_not else []
    statistics = partial(compare, confidence=rules.confidence, resamples=rules.resamples, seed=rules.seed)
    task = work.of_split("test").task
    return ColumnValidation(
        column=work.column.name,
        trained_for=list(work.trainings),
        recipe=task.recipe,
        data=work.of_split("test").data.provenance,
        seeds=work.seeds,
        differences=_differences([trainings.task for trainings in work.trainings.values()]),
        missing=list(dict.fromkeys(missing)),
        picks=[
            Pick(
                architecture=text,
                picked_by=picked_by[row],
                table={split: Measured.of(table[split][row]) for split in _SPLITS},
                trained={split: Measured.of(found[split][row]) for split in _SPLITS},
                failures=_failures(trained, row),
            )
            for row, text in enumerate(work.space.format(genes))
        ],
        agreement={split: statistics(table[split], found[split]) for split in _SPLITS},
        ensembles=_ensembles(work.of_split("valid"), trained[work.tasks["valid"]]),
        latencies=latencies,
    )


def _latencies(work: _Work, genes: Genes) -> tuple[PickLatencies | None, str]:
    """Return the latencies that were asked for or, where they cannot be had, why."""
    if not work.choice.latency:
        return None, ""
    trainings = work.of_split("test")
    task, data = trainings.task, trainings.data
    try:
        skeleton = task.network_skeleton(data)
        return pick_latencies(task.space, genes, skeleton, data.shape, work.choice.device), ""
    except NasbenchSuiteError as problem:
        return None, f"No latencies: {problem}"


def _differences(tasks: list[TrainingTask]) -> list[str]:
    return list(dict.fromkeys(sentence for task in tasks for sentence in task.differences))


def _union(work: _Work, picks: Mapping[str, Picks]) -> tuple[Genes, list[dict[str, int]]]:
    """Return the top picks of all strategies, each once, best by the table first, and who picked them."""
    rows: list[Genes] = []
    picked_by: dict[int, dict[str, int]] = {}
    for label, found in picks.items():
        top = found.top(work.choice.top, work.space, _score(work, found.genes))
        for row, key, runs in zip(top.genes, work.space.key(top.genes).tolist(), top.runs, strict=True):
            if key not in picked_by:
                rows.append(row)
            picked_by.setdefault(key, {})[label] = int(runs)
    if not rows:
        raise NasbenchSuiteError(f"no run on {work.column.search} found an architecture, so none is trained.")
    genes = np.stack(rows)
    order = np.argsort(-np.nan_to_num(_score(work, genes), nan=-np.inf), kind="stable")
    return genes[order], [picked_by[key] for key in work.space.key(genes[order]).tolist()]


def _score(work: _Work, genes: Genes) -> _Values:
    return mean_of_present(table_results(work.tasks["valid"], genes, "valid")[0])


def table_results(task: str, genes: Genes, split: Split) -> tuple[_Values, str]:
    """Return a table's fully trained results of architectures and, where some are missing, why.

    Parameters
    ----------
    task
        Whose table.
    genes
        uint8 `[n, n_genes]`.
    split
        Whether its validation or its test results.

    Returns
    -------
    results
        Fractions, float64 `[n, trainings]`, NaN where the table has none; `[n, 1]` without a table.
    reason
        A sentence; empty if every architecture has a result.
    """
    nothing = np.full((len(genes), 1), np.nan)
    try:
        benchmark = open_table(task)
    except NasbenchSuiteError as problem:
        return nothing, f"No table to compare with: {problem}"
    metric = benchmark.valid_metric if split == "valid" else benchmark.test_metric
    what = "validation" if split == "valid" else "test"
    if not metric:
        return nothing, f"The table of {task} has no {what} results."
    if benchmark.metrics[metric].unit != "fraction":
        return nothing, f"{metric} of {task} is no accuracy, so it is not compared."
    rows = benchmark.table.row_index.rows(genes)
    results = np.where(rows[:, None] >= 0, benchmark.table.columns[metric][rows, :, -1], np.nan)
    lacking = int(np.isnan(results).all(axis=1).sum())
    reason = f"The table of {task} lacks the {what} results of {lacking} of {len(genes)} picks."
    return results, reason if lacking else ""


def _train(work: _Work, genes: Genes, progress: Progress | None) -> dict[str, list[list[Trained]]]:
    """Return the trainings of every pick, by task and seed; taken up where an earlier call has stopped."""
    total, done = len(work.trainings) * len(work.seeds) * len(genes), 0
    found: dict[str, list[list[Trained]]] = {}
    for name, trainings in work.trainings.items():

        def advance(number: int, before: int = done) -> None:
            if progress is not None:
                progress(before + number, total)

        found[name] = trainings.train_all([(genes, seed) for seed in work.seeds], progress=advance)
        done += len(work.seeds) * len(genes)
        advance(len(work.seeds) * len(genes))
    return found


def _results(trainings: KeptTrainings, trained: list[list[Trained]], split: Split) -> _Values:
    """Return the results of every pick as its recipe reports them, float64 `[picks, seeds]`."""
    recipe, data = trainings.task.training_recipe, trainings.data
    if split == "valid" and trainings.task.validated_on(data) == "none":
        return np.full((len(trained[0]), len(trained)), np.nan)
    return np.array([[one.reported(f"{split}_accuracy", recipe) for one in of_seed] for of_seed in trained]).T


def _failures(trained: Mapping[str, list[list[Trained]]], row: int) -> list[str]:
    reasons = [of_seed[row].curves.failures[0] for seeds in trained.values() for of_seed in seeds]
    return [reason for reason in dict.fromkeys(reasons) if reason]


def _ensembles(trainings: KeptTrainings, trained: list[list[Trained]]) -> list[EnsembleGain]:
    """Return ensembles of two networks and more, up to all picks whose trainings went well."""
    data = trainings.data
    if trainings.task.validated_on(data) != "held out":
        return []
    valid, test = (data.labels[part].numpy(force=True) for part in (data.valid, data.test))
    sound = [row for row in range(len(trained[0])) if not any(s[row].curves.failures[0] for s in trained)]
    predicted = [[of_seed[row].predictions for row in sound] for of_seed in trained]
    return [
        EnsembleGain(
            size,
            [
                ensemble_of_best(
                    [one.valid for one in of_seed if one],
                    [one.test for one in of_seed if one],
                    valid,
                    test,
                    size,
                )
                for of_seed in predicted
            ],
        )
        for size in range(_SMALLEST_ENSEMBLE, len(sound) + 1)
    ]
