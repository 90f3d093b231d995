"""NAS-Bench-101: `nasbench_full.tfrecord` and `nasbench_only108.tfrecord`.

Ying, Klein, Christiansen, Real, Murphy, Hutter: "NAS-Bench-101: Towards Reproducible Neural Architecture
Search" (ICML 2019). Every record is one of three trainings of one of 423,624 cells for 4, 12, 36 or 108
epochs. Its message `ModelMetrics` holds three evaluations: before, half-way through and after the training;
the official API (`NASBench.get_metrics_from_spec`) gives the latter two, as is done here.
"""

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.protobuf_columns import Path
from nasbench_suite.spaces import NasBench101Space, get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.completeness import check_complete
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.module_hashes import check_hashes
from nasbench_suite.tabular.importers.nasbench101_records import Batch, damaged, read_batches
from nasbench_suite.tabular.importers.trainings import SortedTrainings, Trainings
from nasbench_suite.tabular.table import Column

DATASET = "cifar10"
EPOCHS = (4, 12, 36, 108)
RUNS = 3
EVALUATION = 1
"""Field of `ModelMetrics` that holds the evaluations."""
PARAMETERS: Path = ((2, 0),)
RESULTS = {"training_seconds": 2, "train_accuracy": 3, "valid_accuracy": 4, "test_accuracy": 5}
"""Fields of an evaluation."""
_HALFWAY, _LAST = 1, 2
_MILLION = 1e6
_CURRENT_EPOCH = 1

FIELDS: dict[str, Path] = {
    prefix + name: ((EVALUATION, place), (field, 0))
    for prefix, place in (("halfway_", _HALFWAY), ("", _LAST))
    for name, field in RESULTS.items()
}
"""Where in a record's message each metric is."""


def convert(job: ImportJob) -> None:
    """Convert the file to one table with a row per cell.

    Raises
    ------
    DamagedFileError
        When the file is truncated or has another structure, a cell is lacking, has more than three trainings
        of a length or fewer, carries another cell's hash, or a number is none: names the record.
    """
    file = job.one_file()
    trainings = read_trainings(job, FIELDS)
    space = cast(NasBench101Space, get_space("nasbench101"))
    genes = space.decode(trainings.codes)
    check_complete(job, file.name, space, genes)
    check_repeats(job, trainings, file.name, RUNS)
    check_hashes(trainings, file.name)
    columns = {"params_millions": parameters(trainings, file.name)}
    columns |= {name: Column(trainings.take(name)) for name in FIELDS}
    table = assemble(
        job.sheet,
        job.task(DATASET),
        Source.of([file]),
        genes,
        columns,
        rows="class",
        repeats=[f"training {number}" for number in range(1, RUNS + 1)][: trainings.repeats],
        epochs=trainings.epochs.tolist(),
    )
    job.save(table)


def read_trainings(
    job: ImportJob, fields: Mapping[str, Path], place: int = 0, optional: frozenset[str] = frozenset()
) -> SortedTrainings:
    """Read file number `place` of the job.

    Parameters
    ----------
    fields
        Where each number is, besides parameters and epochs.
    optional
        Names of those that a record may lack.

    Raises
    ------
    DamagedFileError
        When a record is damaged or a number is none: names the record.
    """
    file = job.files[place]
    size = file.stat().st_size
    trainings = Trainings([*fields, "parameters"])
    wanted = {**fields, "parameters": PARAMETERS, "current": ((EVALUATION, _LAST), (_CURRENT_EPOCH, 0))}
    for batch in read_batches(file, wanted):
        _check_batch(batch, file.name, optional)
        trainings.add(batch)
        job.progress(min(batch.bytes_read, size), size)
    job.progress(size, size)
    return trainings.sorted()


def _check_batch(batch: Batch, source: str, optional: frozenset[str]) -> None:
    """Check that lengths of training are the benchmark's and that all numbers are numbers."""
    if (place := _first(~np.isin(batch.epochs, EPOCHS))) is not None:
        raise damaged(source, batch.first + place, f"no cell was trained for {batch.epochs[place]} epochs")
    if (place := _first(np.abs(batch.numbers["current"] - batch.epochs) > 1 / 2)) is not None:
        found = batch.numbers["current"][place]
        reason = f"its last evaluation is after {found:g} epochs, not {batch.epochs[place]}"
        raise damaged(source, batch.first + place, reason)
    for name, values in batch.numbers.items():
        most = 1.0 if name.endswith("accuracy") else np.inf
        bad = ~((values >= 0) & (values <= most) & (values < np.inf))
        if name in optional:
            bad &= ~np.isnan(values)
        if (place := _first(bad)) is not None:
            reason = f"{name} is {'not there' if np.isnan(values[place]) else format(values[place], 'g')}"
            raise damaged(source, batch.first + place, reason)


def _first(bad: NDArray[np.bool_]) -> int | None:
    return int(bad.argmax()) if bad.any() else None


def check_repeats(job: ImportJob, trainings: SortedTrainings, source: str, runs: int) -> None:
    """Check that every cell was trained `runs` times for each number of epochs.

    Raises
    ------
    DamagedFileError
        When there are more; when there are fewer and the option `partial` is not set.
    """
    bad = trainings.counts > runs if "partial" in job.options else trainings.counts != runs
    if bad.any():
        epoch, row = np.argwhere(bad)[0].tolist()
        space = cast(NasBench101Space, get_space("nasbench101"))
        text = space.format(space.decode(trainings.codes[[row]]))[0]
        found = int(trainings.counts[epoch, row])
        raise DamagedFileError(
            f"{source} has {found} training(s) of {text} for {trainings.epochs[epoch]} epochs, not {runs}; "
            f"fetch the file again{', or add --partial to import what is there' if found < runs else ''}."
        )


def parameters(trainings: SortedTrainings, source: str) -> Column:
    """Return every cell's number of parameters, in millions, the same for all its trainings: `[rows, 1, 1]`.

    Raises
    ------
    DamagedFileError
        When two records of a cell disagree.
    """
    values = trainings.flat("parameters")
    of_row = values[trainings.first_record]
    if (place := _first(values != of_row[trainings.row])) is not None:
        reason = f"its cell has {values[place]:.0f} parameters, but {of_row[trainings.row[place]]:.0f} before"
        raise damaged(source, place + 1, reason)
    return Column(of_row[:, None, None] / _MILLION, "once")
