"""The trainings behind NAS-Bench-301, `nb_301_v13`: a folder with a JSON file for each of 46,526 trainings.

Zela, Siems, et al.: "Surrogate NAS Benchmarks" (ICLR 2022; NAS-Bench-301 is arXiv 2008.09777). The files
`results_*.json` lie in eleven folders, named after the optimisers that proposed the architectures; the full
data (`nb_301_v13_lc_iclr_final`) has learning curves, the light data has not. What a file holds is in
`nas_bench_301_files`. A training whose whole configuration has come before in the same folder is left out, as
the official loader does (automl/nasbench301, `ConfigLoader`); the same architecture from another folder, or
an isomorphic one, is another repeat.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.nas_bench_301_files import CURVES, FINAL, Trainings, join, read_files
from nasbench_suite.tabular.table import Column
from nasbench_suite.workers import workers

SPACE, DATASET = "darts_cell", "cifar10"
OPTIMIZERS = (
    "rs",
    "de",
    "tpe",
    "re",
    "darts",
    "bananas",
    "combo",
    "pc_darts",
    "drnas",
    "gdas",
    "random_ws",
)
"""The folders of the official splits, in the order by which `optimizer_index` counts them."""
_EXTRA = ("groundtruths", "lowpar_training_data")
"""Folders that may hold folders of the same names, and belong to no split."""
_RESULT = re.compile(r"results_[0-9]+(_ti)?\.json")
_FILES_AT_ONCE = 256


def convert(job: ImportJob) -> None:
    """Convert the folder to one table.

    Raises
    ------
    DamagedFileError
        When the folder has no results, or lacks those of an optimiser although the option `partial` is not
        set, or a file is truncated, of another structure, or of another training recipe than the first.
    """
    root = job.one_file()
    files = _found(root, partial="partial" in job.options)
    batches: list[Trainings] = []
    done, total = 0, sum(map(len, files.values()))
    job.progress(done, total)
    with workers(job.jobs) as executor:
        for batch in _read(files, executor):
            batches.append(batch)
            done += len(batch.genes)
            job.progress(done, total)
    trainings = join(batches, partial="partial" in job.options)
    digest = hashlib.sha256("".join(trainings.sums).encode()).hexdigest()
    version = re.search(r"nb_301_(v[0-9]+)", str(root.absolute()))
    _save(job, trainings, Source(root.name, version.group(1) if version else "", digest))


def _found(root: Path, *, partial: bool) -> dict[str, list[Path]]:
    """Return the result files of every optimiser, sorted as text, however deep the official folder lies."""
    if not root.is_dir():
        raise DamagedFileError(f"{root.name} is no folder; unpack the official zip file and give its folder.")
    files: dict[str, list[Path]] = {}
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name not in _EXTRA]
        results = sorted(name for name in names if _RESULT.fullmatch(name))
        optimizer = Path(folder).name
        if not results or optimizer not in OPTIMIZERS:
            continue
        if optimizer in files:
            raise DamagedFileError(
                f"{root.name} has two folders {optimizer!r} with results; give the folder of one version."
            )
        files[optimizer] = [Path(folder, name) for name in results]
    lacking = [name for name in OPTIMIZERS if name not in files]
    if lacking and (not partial or not files):
        raise DamagedFileError(
            f"{root.name} has no results_*.json of {', '.join(lacking)}; give the official folder "
            "nb_301_v13, or add --partial to import what is there."
        )
    return {name: files[name] for name in OPTIMIZERS if name in files}


def _read(files: dict[str, list[Path]], executor: Executor | None) -> Iterator[Trainings]:
    """Read all files, a share at a time; the shares come in order."""
    optimizers, shares = [], []
    for name, paths in files.items():
        for start in range(0, len(paths), _FILES_AT_ONCE):
            optimizers.append(OPTIMIZERS.index(name))
            shares.append(paths[start : start + _FILES_AT_ONCE])
    yield from (executor.map if executor else map)(read_files, shares, optimizers)


def _save(job: ImportJob, trainings: Trainings, source: Source) -> None:
    space = get_space(SPACE)
    row, repeat, first = _rows_and_repeats(space.key(trainings.genes))
    repeats = int(repeat.max(initial=0)) + 1
    rows = (len(first), repeats)

    def once(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sorted_ = np.full((*rows, *values.shape[1:]), np.nan)
        sorted_[row, repeat] = values
        return sorted_

    final = {name: once(trainings.final[:, place, None]) for place, name in enumerate(FINAL)}
    columns = {name: Column(values, "last epoch") for name, values in final.items()}
    for place, name in enumerate(CURVES):
        curve = once(trainings.curves[:, place])
        curve[:, :, -1:] = final[name]  # what the benchmark predicts; trainings that ended early have it, too
        columns[name] = Column(curve, "each epoch")
    columns["optimizer_index"] = Column(once(trainings.optimizers[:, None].astype(np.float64)), "once")
    columns["params_millions"] = Column(trainings.params[first, None, None] / 1e6, "once")
    table = assemble(
        job.sheet,
        job.task(DATASET),
        source,
        space.canonical(trainings.genes[first]),
        columns,
        rows="class",
        repeats=[f"training {number}" for number in range(1, repeats + 1)],
        epochs=range(1, trainings.curves.shape[2] + 1) if trainings.has_curves else (),
    )
    job.save(table)


def _rows_and_repeats(keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], ...]:
    """Return row and repeat of every training, and the first training of every row; rows as they come."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    row = rank[group]
    sorted_ = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=len(first))
    repeat = np.empty_like(row)
    repeat[sorted_] = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, repeat, first[order]
