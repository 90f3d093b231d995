"""Learning curves of published trainings, read from the benchmark's own archive and kept beside a board.

They say more than the last epoch: when trainings part that should be alike.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.leaderboards.retrained_rules import PublishedTrainings, RetrainedRules, Study
from nasbench_suite.spaces import get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.importers.nats_archive import Archive, open_archive
from nasbench_suite.tabular.importers.nats_bench import decompress
from nasbench_suite.tabular.importers.nats_records import SPLITS
from nasbench_suite.tabular.importers.nats_tables import architectures
from nasbench_suite.training.task import training_task

PUBLISHED = "published.json"
_RECIPES = {"nasbench201-12": "12", "nasbench201-200": "200"}
_ROUNDED = 0.01  # results in rules have two decimals


@dataclass(frozen=True)
class PublishedCurves:
    """One published training.

    Attributes
    ----------
    task, recipe, split, architecture
        As a study has them.
    seed
        The authors'.
    epochs
        Those that are kept, from 1: where ours are evaluated, too.
    train_accuracy, accuracy
        In percent, after each of them; `accuracy` is that of the split.
    """

    task: str
    recipe: str
    split: str
    architecture: str
    seed: int
    epochs: list[int]
    train_accuracy: list[float]
    accuracy: list[float]


def keep_published(rules: RetrainedRules, archive: Path, folder: Path) -> list[PublishedCurves]:
    """Read the curves of a board's trainings from NATS-Bench's archive, and write them into a folder.

    Parameters
    ----------
    rules, folder
        Of which trainings, and where `published.json` is to lie.
    archive
        The folder or `.tar` of the topology space, whole or a part of its records.

    Raises
    ------
    DamagedFileError
        When it is no such archive, or a record is damaged.
    NasbenchSuiteError
        When it has none of these trainings, or its results are not those of the rules.
    """
    opened = open_archive(archive)
    found = [curves for study in rules.studies for curves in _curves_of(study, opened)]
    found = list({(c.task, c.recipe, c.split, c.architecture, c.seed): c for c in found}.values())
    if not found:
        raise NasbenchSuiteError(f"{archive} has no record of the trainings of this board.")
    lines = ",\n".join(json.dumps(asdict(curves)) for curves in found)
    write_whole(folder / PUBLISHED, f"[\n{lines}\n]\n".encode())
    return found


def read_published(folder: Path) -> list[PublishedCurves]:
    """Return the curves that a folder holds; none where it has no file of them.

    Raises
    ------
    DamagedFileError
        When the file is no such list.
    """
    path = folder / PUBLISHED
    if not path.exists():
        return []
    try:
        found = [PublishedCurves(**entry) for entry in json.loads(path.read_bytes())]
        for one in found:
            lengths = {len(one.epochs), len(one.accuracy), len(one.train_accuracy)}
            if not one.epochs or len(lengths) > 1:
                raise ValueError("curves without an epoch, or of different lengths")
            sum(one.epochs + one.accuracy + one.train_accuracy)  # all are numbers
    except (ValueError, TypeError) as problem:
        raise DamagedFileError(f"{path} is damaged; write it again from the official archive.") from problem
    return found


def curves_of(
    published: Sequence[PublishedCurves], study: Study, entry: PublishedTrainings
) -> list[PublishedCurves]:
    """Return those curves that are of an architecture of a study."""
    asked = (study.task, study.recipe, study.split, entry.architecture)
    return [one for one in published if (one.task, one.recipe, one.split, one.architecture) == asked]


def _curves_of(study: Study, archive: Archive) -> list[PublishedCurves]:
    task = training_task(study.task)
    schedule, dataset = _RECIPES.get(study.recipe), study.task.partition("/")[2]
    if task.space != "nats_topology" or schedule is None or dataset not in SPLITS:
        return []  # the archive is of other trainings
    space, where = get_space(task.space), f"{archive.name}: {archive.meta.name}"
    texts = architectures(read_pickle(decompress(archive.meta.read(), where), where), task.space, where)
    found = []
    for entry in study.published:
        index = texts.index(space.format(space.parse(entry.architecture)[None])[0])
        if index not in archive.records:
            continue
        member = archive.records[index]
        record = read_pickle(decompress(member.read(), member.name), member.name)
        curves = _read(record, schedule, dataset, study, entry.architecture, member.name)
        _check_ends(curves, entry.results, member.name)
        found += curves
    return found


def _read(
    record: Any, schedule: str, dataset: str, study: Study, architecture: str, where: str
) -> list[PublishedCurves]:
    evaluation = SPLITS[dataset][study.split]
    try:
        trainings = record[schedule]
        last, step = int(schedule), study.judged_every
        epochs = [epoch for epoch in range(1, last + 1) if epoch % step == 0 or epoch == last]
        return [
            PublishedCurves(
                task=study.task,
                recipe=study.recipe,
                split=study.split,
                architecture=architecture,
                seed=int(seed),
                epochs=epochs,
                train_accuracy=[_percent(result["train_acc1es"][epoch - 1]) for epoch in epochs],
                accuracy=[_percent(result["eval_acc1es"][f"{evaluation}@{epoch - 1}"]) for epoch in epochs],
            )
            for seed in sorted(trainings["dataset_seed"][dataset])
            for result in [trainings["all_results"][dataset, seed]]
        ]
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        raise DamagedFileError(f"record {where} is damaged; fetch the official archive again.") from problem


def _percent(value: float) -> float:
    return round(float(value), 3)


def _check_ends(curves: list[PublishedCurves], results: list[float], where: str) -> None:
    """Check that the trainings end as the rules say, which may have their mean alone."""
    ends, asked = sorted(one.accuracy[-1] for one in curves), sorted(results)
    if len(asked) == 1:
        ends = [mean(ends)]
    if len(ends) != len(asked) or any(abs(a - b) > _ROUNDED for a, b in zip(ends, asked, strict=True)):
        raise NasbenchSuiteError(
            f"record {where} ends at {', '.join(f'{end:.2f}' for end in ends)} %, but the rules of the board "
            f"say {', '.join(f'{result:.2f}' for result in asked)}; correct the rules, or fetch the archive."
        )
