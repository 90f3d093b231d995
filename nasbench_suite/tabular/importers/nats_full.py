"""NATS-Bench in one pickle, `NATS-tss-v1_0-3ffb9.pickle.pbz2` or decompressed: records one after another.

The pickle is a dictionary: `meta_archs`, `total_archs`, `arch2infos` (a record per index) and
`evaluated_indexes`, in this order (the authors' package `nats_bench`; AutoDL-Projects, `merge_all`). Its
15,625 or 32,768 records are read in the memory of a few, by one process: a pickle is read from its beginning.
"""

import bz2
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.pickle_stream import StreamedItems, stream_items
from nasbench_suite.tabular.importers.assembly import Source
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.nats_records import ResultLayout, Schedule, layouts
from nasbench_suite.tabular.importers.nats_tables import (
    Record,
    architectures,
    check_indices,
    created,
    parse_all,
)

RECORDS = "arch2infos"
"""Where in the outermost dictionary the records are."""
_BZ2 = b"BZh"


def convert(job: ImportJob, file: Path, space: str, schedules: Sequence[Schedule]) -> None:
    """Convert the pickle of all records; see `nats_bench`.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another structure or space, or lacks records although the
        option `partial` is not set.
    """

    @contextmanager
    def opened() -> Iterator[StreamedItems]:
        with file.open("rb") as plain:
            is_compressed = plain.read(len(_BZ2)) == _BZ2
            plain.seek(0)
            content = cast(BinaryIO, bz2.BZ2File(plain)) if is_compressed else plain
            yield stream_items(content, RECORDS, file.name)

    convert_stream(job, opened, space, Source.of([file]), lambda record: layouts(schedules))


def convert_stream(
    job: ImportJob,
    opened: Callable[[], AbstractContextManager[StreamedItems]],
    space: str,
    source: Source,
    plan: Callable[[Any], list[ResultLayout]],
) -> None:
    """Convert records that come one after another.

    Parameters
    ----------
    opened
        Opens the records, from the first on; called a second time where it takes two readings to know which
        records there are.
    plan
        Says from the first record which tables there are.
    """
    texts, indices = _survey(job, opened, space, source.name)
    genes = parse_all((texts[index] for index in indices), space, source.name)
    rows = {index: row for row, index in enumerate(indices)}
    with opened() as items:
        first = next(items, None)
        if first is None:
            check_indices([], len(texts), source.name, partial=False)
            return
        records = _records(chain([first], items), rows, texts, source.name)
        with created(job, genes, plan(first[1]), source) as tables:
            done = 0
            job.progress(done, len(indices))
            while written := tables.write(records):
                done += written
                job.progress(done, len(indices))
            if rows:  # no record of these came
                check_indices(sorted(set(indices) - set(rows)), len(texts), source.name, partial=False)


def _survey(
    job: ImportJob, opened: Callable[[], AbstractContextManager[StreamedItems]], space: str, where: str
) -> tuple[list[str], Sequence[int]]:
    """Return the architectures, and the indices of the records that will come, ascending."""
    with opened() as items:
        if "meta_archs" in items.before and "partial" not in job.options:
            texts = architectures(items.before, space, where)
            return texts, range(len(texts))  # that all come is seen at the end
        indices = sorted({_index(index, where) for index, _ in items})
        texts = architectures({**items.before, **items.rest}, space, where)
    check_indices(indices, len(texts), where, partial="partial" in job.options)
    return texts, indices


def _index(index: Any, where: str) -> int:
    if type(index) is not int:
        raise DamagedFileError(f"{where} has a record of number {index!r:.40}; use the official file.")
    return index


def _records(
    items: Iterator[tuple[Any, Any]], rows: dict[int, int], texts: Sequence[str], where: str
) -> Iterator[Record]:
    """Yield the records with their rows, taking each out of `rows`."""
    for index, content in items:
        row = rows.pop(_index(index, where), None)
        if row is None:
            raise DamagedFileError(
                f"{where} has record {index:06d} twice, or it is none of {len(texts)}; use the official file."
            )
        yield Record(row, texts[index], f"{where}: record {index:06d}", content)
