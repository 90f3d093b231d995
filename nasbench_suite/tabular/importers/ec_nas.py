"""EC-NAS: tables in NAS-Bench-101's layout with the energy and the carbon emissions of every training.

Bakhtiarifard, Igel, Selvan: "EC-NAS: Energy Consumption Aware Tabular Benchmarks for Neural Architecture
Search" (ICASSP 2024). `energy_4V9E.tfrecord` and `energy_5V9E.tfrecord` hold all cells of at most four and
five vertices. The message is `ModelMetricsEnergy` (`model_metrics_energy.proto`): NAS-Bench-101's with
further fields. Its evaluations are before the training, on the way (after 1 epoch in the first file, 2 of 4
in the second) and after it. Energies and emissions of an evaluation are sums from the beginning.
"""

from typing import cast

import numpy as np

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.protobuf_columns import Path
from nasbench_suite.spaces import NasBench101Space, get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.module_hashes import check_hashes
from nasbench_suite.tabular.importers.nas_bench_101 import (
    EVALUATION,
    RESULTS,
    check_repeats,
    parameters,
    read_trainings,
)
from nasbench_suite.tabular.importers.trainings import SortedTrainings
from nasbench_suite.tabular.table import Column

CELLS = {4: 91, 5: 2532}
"""How many cells have at most so many vertices; they are the first ones in the space's numbering."""
_STAGES = {"initial": 0, "intermediate": 1, "": 2}
_ENERGY = {"energy_kwh": 6, "co2eq_grams": 7, "carbon_intensity_grams_per_kwh": 8}
_PREDICTED = {
    "energy_kwh": 11,
    "co2eq_grams": 12,
    "training_seconds": 13,
    "carbon_intensity_grams_per_kwh": 14,
}
_TOTAL = {"seconds": 3, "energy_kwh": 4, "co2eq_grams": 5, "carbon_intensity_grams_per_kwh": 8}
_POWER, _GPU, _CPU = 9, 1, 2
_USAGE = {"power_watts": 1, "energy_joules": 2}


def _fields() -> dict[str, Path]:
    """Return where each metric is in a record's message."""
    fields: dict[str, Path] = {}
    for stage, place in _STAGES.items():
        prefix = f"{stage}_" if stage else ""
        for name, field in {**RESULTS, **_ENERGY}.items():
            fields[prefix + name] = ((EVALUATION, place), (field, 0))
    fields["intermediate_epochs"] = ((EVALUATION, _STAGES["intermediate"]), (1, 0))
    for name, field in _PREDICTED.items():
        fields[f"predicted_{name}"] = ((EVALUATION, _STAGES[""]), (field, 0))
    for name, field in _TOTAL.items():
        fields[f"total_{name}"] = ((field, 0),)
    for device, part in (("gpu", _GPU), ("cpu", _CPU)):
        for name, field in _USAGE.items():
            fields[f"{device}_{name}"] = ((_POWER, 0), (part, 0), (field, 0), (1, 0))
    return fields


FIELDS = _fields()
_OPTIONAL = frozenset(name for name in FIELDS if name not in RESULTS)


def convert(job: ImportJob) -> None:
    """Convert one file or several, each of another size of cells: a table with a row per cell each.

    Raises
    ------
    DamagedFileError
        When a file is truncated or has another structure, a cell is lacking or has another number of
        trainings than the others, carries another cell's hash, or a number is none: names the record.
    NasbenchSuiteError
        When two files are of the same size, or one has larger cells.
    """
    done: set[int] = set()
    for place, file in enumerate(job.files):
        trainings = read_trainings(job, FIELDS, place, _OPTIONAL)
        vertices = _vertices(trainings, file.name)
        if vertices in done:
            raise NasbenchSuiteError(
                f"two files are of cells with {vertices} vertices; import them one by one."
            )
        done.add(vertices)
        _check_cells(job, trainings, vertices, file.name)
        check_repeats(job, trainings, file.name, trainings.repeats)
        check_hashes(trainings, file.name)
        columns = {"params_millions": parameters(trainings, file.name)}
        columns |= {name: Column(trainings.take(name)) for name in FIELDS}
        table = assemble(
            job.sheet,
            job.task(f"cifar10-{vertices}v"),
            Source.of([file]),
            _space().decode(trainings.codes),
            columns,
            rows="class",
            repeats=[f"training {number}" for number in range(1, trainings.repeats + 1)],
            epochs=trainings.epochs.tolist(),
        )
        job.save(table)


def _space() -> NasBench101Space:
    return cast(NasBench101Space, get_space("nasbench101"))


def _vertices(trainings: SortedTrainings, source: str) -> int:
    """Return the vertices that the largest cell of a file has, 4 or 5."""
    if not len(trainings.codes):
        raise DamagedFileError(f"{source} has no records; fetch the file again.")
    largest = int(trainings.codes[-1])
    vertices = next((vertices for vertices, cells in CELLS.items() if largest < cells), None)
    if vertices is None:
        text = _space().format(_space().decode(np.array([largest])))[0]
        raise NasbenchSuiteError(
            f"{source} has {text}, a cell of more than 5 vertices; the importer reads tables of cells with "
            "at most 4 and 5, such as energy_4V9E.tfrecord."
        )
    return vertices


def _check_cells(job: ImportJob, trainings: SortedTrainings, vertices: int, source: str) -> None:
    lacking = np.setdiff1d(np.arange(CELLS[vertices]), trainings.codes)
    if lacking.size and "partial" not in job.options:
        text = _space().format(_space().decode(lacking[:1]))[0]
        raise DamagedFileError(
            f"{source} lacks {lacking.size:,} of {CELLS[vertices]:,} cells of at most {vertices} "
            f"vertices, one of them {text}; fetch the file again, or add --partial to import what is there."
        )
