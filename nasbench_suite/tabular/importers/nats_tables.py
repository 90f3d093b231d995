"""The tables that NATS-Bench's and NAS-Bench-201's records are written into, a few rows at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, DamagedFileError
from nasbench_suite.mapped import Place
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.tabular.importers.assembly import Source, describe
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.nats_records import ResultLayout, results
from nasbench_suite.tabular.table import create_table

ROWS_AT_ONCE = 32
"""Records that are read before they are written: enough that a column's writes are not single numbers."""


class Record(NamedTuple):
    """A record, its row in the tables, the architecture that it is to be of, and what errors call it."""

    row: int
    text: str
    source: str
    content: Any


@dataclass(frozen=True)
class Tables:
    """Tables under construction; picklable, so that worker processes can fill rows of them.

    Attributes
    ----------
    plan
        What lies in them: the layouts of the data sets under their schedules.
    places
        Where the columns lie, by task and metric.
    """

    plan: tuple[ResultLayout, ...]
    places: Mapping[str, Mapping[str, Place]]

    def write(self, records: Iterable[Record]) -> int:
        """Write up to `ROWS_AT_ONCE` records into their rows of all tables; return how many they were.

        Raises
        ------
        DamagedFileError
            When a record has another structure than the official files, or is of another architecture.
        """
        plan = {(layout.schedule.name, layout.dataset): layout for layout in self.plan}
        buffers = {layout.task: layout.buffers(ROWS_AT_ONCE) for layout in self.plan}
        rows: list[int] = []
        for record in islice(records, ROWS_AT_ONCE):
            _fill_row(plan, buffers, len(rows), record)
            rows.append(record.row)
        for task, columns in buffers.items():
            for name, values in columns.items():
                _map(self.places[task][name])[:, :, rows] = values[:, :, : len(rows)]
        return len(rows)


def _fill_row(
    plan: Mapping[tuple[str, str], ResultLayout],
    buffers: Mapping[str, dict[str, NDArray[np.float64]]],
    row: int,
    record: Record,
) -> None:
    try:
        for layout, trainings in results(record.content, plan, record.text):
            layout.fill(buffers[layout.task], row, trainings)
    except DamagedFileError as problem:
        raise DamagedFileError(f"{record.source}: {problem}; use the official file.") from problem
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise DamagedFileError(
            f"{record.source} has not the structure of a record; use the official file."
        ) from problem


@lru_cache(maxsize=512)
def _map(place: Place) -> NDArray[Any]:
    return place.open("r+")


@contextmanager
def created(job: ImportJob, genes: Genes, plan: Sequence[ResultLayout], source: Source) -> Iterator[Tables]:
    """Create one table per layout, of these architectures, to be filled within the block."""
    places = {}
    with ExitStack() as stack:
        for layout in plan:
            description = describe(
                job.sheet,
                job.task(layout.task),
                source,
                rows="string",
                repeats=[f"seed {seed}" for seed in layout.schedule.seeds],
            )
            metrics = {
                name: job.sheet.metrics[name].metric(name, recorded)
                for name, (_, _, recorded) in layout.columns.items()
            }
            shapes = {name: (repeats, epochs) for name, (repeats, epochs, _) in layout.columns.items()}
            epochs = np.arange(1, layout.schedule.epochs + 1, dtype=np.int32)
            places[layout.task] = stack.enter_context(
                create_table(job.path(layout.task), description, genes, epochs, metrics, shapes)
            )
        try:
            yield Tables(tuple(plan), places)
        finally:
            _map.cache_clear()  # maps would hold the disk space of files that are deleted


def architectures(content: Any, space: str, where: str) -> list[str]:
    """Return the architecture strings under `meta_archs`, in the official order.

    Raises
    ------
    DamagedFileError
        When they are not there, or are not as many different ones as the space has.
    """
    texts = content.get("meta_archs") if isinstance(content, dict) else None
    expected = get_space(space).size
    if not isinstance(texts, list) or not all(type(text) is str for text in texts):
        raise DamagedFileError(f"{where} lists no architectures; use the official file.")
    if len(texts) != expected or len(set(texts)) != expected:
        raise DamagedFileError(
            f"{where} lists {len(set(texts))} different architectures; space {space!r} has {expected}. Use "
            "the official file of this space."
        )
    return texts


def parse_all(texts: Iterable[str], space: str, where: str) -> Genes:
    """Return the architectures that the strings describe, uint8 `[rows, n_genes]`.

    Raises
    ------
    DamagedFileError
        When a string describes none.
    """
    parse = get_space(space).parse
    try:
        return np.array([parse(text) for text in texts], dtype=np.uint8)
    except ArchitectureError as problem:
        raise DamagedFileError(f"{where}: {problem}") from problem


def check_indices(indices: Sequence[int], expected: int, where: str, *, partial: bool) -> None:
    """Check that there is a record of every architecture, or of some of them and `partial` is set.

    Parameters
    ----------
    indices
        Of the records that are there, ascending.

    Raises
    ------
    DamagedFileError
        When an index is none of the benchmark's, or records are lacking: names the first.
    """
    if indices and not 0 <= indices[0] <= indices[-1] < expected:
        wrong = indices[0] if indices[0] < 0 else indices[-1]
        raise DamagedFileError(
            f"{where} has record {wrong:06d}, but lists {expected} architectures; use the official file."
        )
    missing = expected - len(indices)
    if missing and (not partial or not indices):
        first = next(place for place in range(expected) if place >= len(indices) or indices[place] != place)
        raise DamagedFileError(
            f"{where} lacks {missing} of {expected} records, the first {first:06d}; fetch the whole of it, "
            "or add --partial to import what is there."
        )
