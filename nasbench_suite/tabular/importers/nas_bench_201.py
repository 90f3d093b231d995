"""NAS-Bench-201's own files, `NAS-Bench-201-v1_0-e61699.pth` and `NAS-Bench-201-v1_1-096897.pth`.

Dong, Yang: "NAS-Bench-201" (ICLR 2020). A file of torch.save, without tensors, holding the dictionary that
`nats_full` describes; its records are those of NATS-Bench but that the schedules are called `full` (200
epochs) and `less` (12 epochs). So say AutoDL-Projects' `nas_201_api` and, for v1.1, programs that read the
real file. Guessed is that v1.0, too, has the legacy layout of torch.save, and which seeds its `less` has:
both layouts and all seeds of the other files are read. Times of v1.0's 200-epoch schedule are not on record,
and its 12-epoch schedule covers `cifar10-valid` alone: what is lacking is NaN, and there is no table of a
data set that is lacking altogether.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.torch_file import stream_torch
from nasbench_suite.tabular.importers.assembly import Source
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.nats_full import RECORDS, convert_stream
from nasbench_suite.tabular.importers.nats_records import TOPOLOGY, ResultLayout, layouts

SPACE = "nats_topology"
SCHEDULES = (replace(TOPOLOGY[0], name="full"), replace(TOPOLOGY[1], name="less"))
"""The schedules as this file calls them."""


def convert(job: ImportJob) -> None:
    """Convert the file to a table for each data set under each schedule.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt or of another structure, or lacks records although the option
        `partial` is not set.
    """
    file = job.one_file()

    def plan(record: Any) -> list[ResultLayout]:
        return _tables_of(record, file.name)

    convert_stream(
        job,
        lambda: stream_torch(file, RECORDS),
        SPACE,
        Source.of([file], _version(file)),
        plan,
    )


def _version(file: Path) -> str:
    """Return the version that the official name states."""
    found = re.search(r"v([0-9]+)_([0-9]+)", file.name)
    return ".".join(found.groups()) if found else ""


def _tables_of(record: Any, where: str) -> list[ResultLayout]:
    """Return all data sets under both schedules, less those whose short training this version has not."""
    try:
        present = {name: set(record[name]["dataset_seed"]) for name in ("full", "less")}
    except (LookupError, TypeError) as problem:
        raise DamagedFileError(
            f"{where}: the first record has not the schedules 'full' and 'less'; use the official file of "
            "NAS-Bench-201 (importer nats-topology reads those of NATS-Bench)."
        ) from problem
    return [
        layout
        for layout in layouts(SCHEDULES)
        if layout.schedule.name == "full" or layout.dataset in present["less"]
    ]
