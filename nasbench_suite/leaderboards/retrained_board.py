"""Published trainings made again: every architecture with every seed, held against what was published.

Trainings are kept in `trainings.json` beside the rules, each as soon as it is done, so that a run that was
stopped goes on, and so that a page can be written again where there is no GPU.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.leaderboards.published_curves import PublishedCurves, curves_of
from nasbench_suite.leaderboards.retrained_rules import Loss, PublishedTrainings, RetrainedRules, Study
from nasbench_suite.spaces import get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.training.checkpoint import runs_on
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.environment import Environment
from nasbench_suite.training.machine import check_device
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.task import TrainingTask, training_task
from nasbench_suite.training.trainer import Trainer

TRAININGS = "trainings.json"
_CURVES = [field.name for field in fields(LearningCurves) if field.name not in ("peak_bytes", "failures")]

Progress = Callable[[int, int], None]
Record = dict[str, Any]
Records = Mapping[tuple[str, str, int], Record]


@dataclass(frozen=True)
class Retrained:
    """One architecture: published and ours, accuracies in percent.

    Attributes
    ----------
    architecture, string
        As the rules have it, and in the published string form.
    published, ours
        After the last epoch, one for each training; ours lacks those that were not made yet or failed.
    standard_error
        Of the difference of the means, by the study's `deviation`; NaN without trainings.
    curves, train_curves
        Ours by epoch, of the split and of the training data, one for each training; NaN where it was not
        evaluated.
    published_curves
        Of published trainings, where they are at hand.
    failures
        Why trainings ended early.
    """

    architecture: str
    string: str
    published: list[float]
    ours: list[float]
    standard_error: float
    curves: list[list[float]]
    train_curves: list[list[float]]
    published_curves: list[PublishedCurves]
    failures: list[str]

    @property
    def difference(self) -> float:
        """Our mean less the published one, in points; NaN without trainings of ours."""
        return float(np.mean(self.ours) - np.mean(self.published)) if self.ours else float("nan")

    @property
    def agrees(self) -> bool | None:
        """Whether the means lie within two standard errors; None where that cannot be said."""
        if np.isnan(self.standard_error) or np.isnan(self.difference):
            return None
        return abs(self.difference) <= 2 * self.standard_error

    def agrees_less(self, loss: Loss) -> bool | None:
        """Return whether ours, and what the data lose, are as published; None where that cannot be said."""
        if self.agrees is None:
            return None
        allowed = 2 * self.standard_error
        return -loss.most - allowed <= self.difference <= -loss.least + allowed


@dataclass(frozen=True)
class StudyResult:
    """A study and its architectures.

    Attributes
    ----------
    deviation
        Between seeds, in points: pooled over all architectures, published and ours, of the studies with its
        task, recipe and split; NaN if none has two.
    data
        What the networks were trained on.
    seconds
        Of every training, with its evaluations.
    ran_on
        Devices and versions.
    """

    study: Study
    rows: list[Retrained]
    deviation: float
    data: str
    seconds: list[float]
    ran_on: list[Environment]


@dataclass(frozen=True)
class RetrainedBoard:
    """All studies of a page."""

    rules: RetrainedRules
    studies: list[StudyResult]


def retrain(
    rules: RetrainedRules,
    folder: Path,
    *,
    device: str = "cpu",
    compiled: bool = False,
    progress: Progress | None = None,
) -> None:
    """Make the trainings that are not in the folder yet; one that was cut off goes on where it was.

    Parameters
    ----------
    rules, folder
        What to train, and where `trainings.json` lies, and the state of a training until it is done.
    device
        `cpu` or `cuda`.
    compiled
        Whether networks are compiled, as `Trainer` says.
    progress
        Called with the number of epochs done, and of all.

    Raises
    ------
    NasbenchSuiteError
        When the device, a data set or a compiler is not there, or the file cannot be written.
    """
    records, asked = read_trainings(folder), _asked(rules)
    have = {_name(record) for record in records}
    total = sum(map(_epochs, asked))
    tell, done = progress or (lambda done, total: None), 0
    tell(0, total)
    for one in asked:
        name = _key(one.study), one.architecture, one.seed
        if name not in have:
            check_device(device)
            state = folder / f"unfinished-{hashlib.sha256(repr(name).encode()).hexdigest()[:16]}.checkpoint"
            told = partial(_tell_from, tell, done, total)
            trainer = Trainer(
                precision=one.study.precision,
                judged_every=one.study.judged_every,
                compiled=compiled,
                checkpoint=state,
                progress=told,
            )
            records.append(_trained(one, device, trainer))
            write_whole(folder / TRAININGS, json.dumps(records, indent=0).encode() + b"\n")
            state.unlink(missing_ok=True)
        done += _epochs(one)
        tell(done, total)


def _tell_from(tell: Progress, done: int, total: int, epoch: int, epochs: int) -> None:
    tell(done + epoch, total)


@dataclass(frozen=True)
class _Asked:
    """One training."""

    study: Study
    architecture: str
    seed: int


def _epochs(one: _Asked) -> int:
    return _task(one.study).training_recipe.epochs


def _asked(rules: RetrainedRules) -> list[_Asked]:
    """Return all trainings: every study with its first seed, then with its second, and so on."""
    return [
        _Asked(study, entry.architecture, study.seeds[place])
        for place in range(max(len(study.seeds) for study in rules.studies))
        for study in rules.studies
        if place < len(study.seeds)
        for entry in study.published
    ]


def _task(study: Study) -> TrainingTask:
    return training_task(study.task).changed(recipe=study.recipe, data=study.data)


def _key(study: Study) -> str:
    """Return what determines a training, but for architecture, seed and machine, as a short name."""
    task = _task(study)
    text = f"{task.space} {task.skeleton} {task.data} {task.training_recipe} {study.precision}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _name(record: Record) -> tuple[str, str, int]:
    return record["key"], record["architecture"], record["seed"]


def _trained(one: _Asked, device: str, trainer: Trainer) -> Record:
    task = _task(one.study)
    space, data = get_space(task.space), task.load_data(device)
    row = space.canonical(space.parse(one.architecture)[None])[0]
    network = initial_network(task.space, row, task.network_skeleton(data), one.seed)
    ran_on = runs_on(device, trainer.checkpoint, compiled=trainer.compiled)
    curves = trainer.train(network, data, task.training_recipe, seed=one.seed)
    kept = {name: np.round(getattr(curves, name)[0], 6).tolist() for name in _CURVES}
    return {
        "key": _key(one.study),
        "architecture": one.architecture,
        "seed": one.seed,
        "data": data.provenance,
        "failure": curves.failures[0],
        "peak_bytes": int(curves.peak_bytes[0]),
        "ran_on": ran_on,
        "curves": {name: [None if np.isnan(v) else v for v in values] for name, values in kept.items()},
    }


def read_trainings(folder: Path) -> list[Record]:
    """Return the trainings that a folder holds.

    Raises
    ------
    DamagedFileError
        When the file is no such list.
    """
    path = folder / TRAININGS
    if not path.exists():
        return []
    try:
        records = json.loads(path.read_bytes())
        for record in records:
            _name(record), record["failure"], record["ran_on"], record["data"]
            if {len(record["curves"][name]) for name in _CURVES} == {0}:
                raise ValueError("curves without an epoch")
    except (ValueError, TypeError, KeyError) as problem:
        raise DamagedFileError(f"{path} is damaged; remove it to train everything again.") from problem
    return list(records)


def judge_retrained(
    rules: RetrainedRules, folder: Path, published: Sequence[PublishedCurves] = ()
) -> RetrainedBoard:
    """Return what the trainings of a folder say of the published ones, of which curves may be at hand."""
    records = {_name(record): record for record in read_trainings(folder)}
    found = [_result(study, rules.studies, records, published) for study in rules.studies]
    return RetrainedBoard(rules, found)


def _result(
    study: Study, studies: Sequence[Study], records: Records, published: Sequence[PublishedCurves]
) -> StudyResult:
    found = _made(study, records)
    deviation = _between_seeds(study, studies, records)
    every = [record for of in found.values() for record in of]
    return StudyResult(
        study=study,
        rows=[
            _row(study, entry, found[entry.architecture], deviation, curves_of(published, study, entry))
            for entry in study.published
        ],
        deviation=deviation,
        data=every[0]["data"] if every else study.data,
        seconds=[_seconds(record) for record in every],
        ran_on=[
            dict(items) for items in dict.fromkeys(tuple(sorted(one["ran_on"].items())) for one in every)
        ],
    )


def _made(study: Study, records: Records) -> dict[str, list[Record]]:
    """Return a study's trainings, of every architecture in the order of the seeds."""
    key = _key(study)
    return {
        entry.architecture: [
            records[name] for seed in study.seeds if (name := (key, entry.architecture, seed)) in records
        ]
        for entry in study.published
    }


def _between_seeds(study: Study, studies: Sequence[Study], records: Records) -> float:
    """Return the deviation between seeds of all that is trained and judged like a study, on any data."""
    alike = [
        one for one in studies if (one.task, one.recipe, one.split) == (study.task, study.recipe, study.split)
    ]
    # What was published of an architecture counts once, however many studies compare with it.
    theirs = {(entry.architecture, *entry.results): entry.results for one in alike for entry in one.published}
    ours = [
        [_last(record, one.split) for record in of if not record["failure"]]
        for one in alike
        for of in _made(one, records).values()
    ]
    return _pooled_deviation([*theirs.values(), *ours])


def _row(
    study: Study,
    entry: PublishedTrainings,
    records: list[Record],
    deviation: float,
    published: list[PublishedCurves],
) -> Retrained:
    space = get_space(training_task(study.task).space)
    ours = [_last(record, study.split) for record in records if not record["failure"]]
    number = 1 / len(entry.results) + 1 / len(ours) if ours else float("nan")
    return Retrained(
        architecture=entry.architecture,
        string=space.format(space.parse(entry.architecture)[None])[0],
        published=entry.results,
        ours=ours,
        standard_error=deviation * number**0.5,
        curves=[_percent(record["curves"][f"{study.split}_accuracy"]) for record in records],
        train_curves=[_percent(record["curves"]["train_accuracy"]) for record in records],
        published_curves=published,
        failures=[record["failure"] for record in records if record["failure"]],
    )


def _last(record: Record, split: str) -> float:
    return _percent(record["curves"][f"{split}_accuracy"])[-1]


def _percent(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else 100 * value for value in values]


def _seconds(record: Record) -> float:
    both = (record["curves"]["train_seconds"], record["curves"]["eval_seconds"])
    return float(sum(value or 0.0 for values in both for value in values))


def _pooled_deviation(groups: list[list[float]]) -> float:
    """Return the deviation within groups of two and more, in which every degree of freedom counts alike."""
    several = [np.array(group) for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return float("nan")
    return float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in several) / freedom))
