"""Whether the hashes in a file of NAS-Bench-101's layout are those of its cells."""

from typing import cast

import numpy as np

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import NasBench101Space, get_space
from nasbench_suite.tabular.importers.nasbench101_records import damaged
from nasbench_suite.tabular.importers.trainings import SortedTrainings

_RECOMPUTED = 5000
"""How many hashes are recomputed, at 0.1 ms each: all of a small file, evenly spread ones of the full one."""


def check_hashes(trainings: SortedTrainings, source: str) -> None:
    """Check that each cell has one hash and each hash one cell, and recompute up to 5,000 of them.

    Raises
    ------
    DamagedFileError
        When a hash is another cell's.
    """
    of_row = trainings.hashes[trainings.first_record]
    differing = np.flatnonzero((trainings.hashes != of_row[trainings.row]).any(axis=1))
    if differing.size:
        raise damaged(source, int(differing[0]) + 1, "its hash is not the one of earlier records of its cell")
    if len(np.unique(of_row, axis=0)) < len(of_row):
        raise DamagedFileError(f"{source} has two cells with the same hash; use the official file.")
    rows = np.unique(np.linspace(0, len(of_row) - 1, min(len(of_row), _RECOMPUTED)).astype(np.int64))
    space = cast(NasBench101Space, get_space("nasbench101"))
    expected = space.module_hash(space.decode(trainings.codes[rows]))
    for row, module_hash in zip(rows.tolist(), expected, strict=True):
        found = "".join(f"{half:016x}" for half in of_row[row].tolist())
        if found != module_hash:
            record = int(trainings.first_record[row]) + 1
            raise damaged(source, record, f"its hash is {found}, its cell's is {module_hash}")
