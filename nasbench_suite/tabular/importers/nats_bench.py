"""NATS-Bench's official files, topology and size: records in a folder or `.tar`, or all in one pickle.

Dong, Liu, Musial, Gabrys: "NATS-Bench" (TPAMI 2021). Each record goes from its file into its row of the
tables, which are mapped into memory; every core takes a share, and only a few records are in memory at once.
"""

import bz2
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.tabular.importers import nats_full
from nasbench_suite.tabular.importers.assembly import Source
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.nats_archive import Member, open_archive
from nasbench_suite.tabular.importers.nats_records import SIZE, TOPOLOGY, Schedule, layouts
from nasbench_suite.tabular.importers.nats_tables import (
    ROWS_AT_ONCE,
    Record,
    Tables,
    architectures,
    check_indices,
    created,
    parse_all,
)
from nasbench_suite.workers import workers

_MOST_BYTES = 1 << 28
"""A record decompresses to less than a megabyte; a file made to grow without end is stopped here."""


def convert_topology(job: ImportJob) -> None:
    """Convert the files of the topology space: eight tables, four data sets under two schedules."""
    _convert(job, "nats_topology", TOPOLOGY)


def convert_size(job: ImportJob) -> None:
    """Convert the files of the size space: twelve tables, four data sets under three schedules."""
    _convert(job, "nats_size", SIZE)


def _convert(job: ImportJob, space: str, schedules: Sequence[Schedule]) -> None:
    file = job.one_file()
    if file.suffix in (".pickle", ".pbz2"):
        nats_full.convert(job, file, space, schedules)
        return
    archive = open_archive(file)
    where = f"{archive.name}: {archive.meta.name}"
    meta = read_pickle(decompress(archive.meta.read(), where), where)
    texts = architectures(meta, space, where)
    indices = sorted(archive.records)
    check_indices(indices, len(texts), archive.name, partial="partial" in job.options)
    genes = parse_all((texts[i] for i in indices), space, where)
    source = Source.of_parts([archive.meta, *archive.records.values()], archive.name)
    with created(job, genes, layouts(schedules), source) as tables, workers(job.jobs) as executor:
        chunks = [
            _Chunk(
                first=start,
                members=tuple(archive.records[i] for i in indices[start : start + ROWS_AT_ONCE]),
                texts=tuple(texts[i] for i in indices[start : start + ROWS_AT_ONCE]),
            )
            for start in range(0, len(indices), ROWS_AT_ONCE)
        ]
        done = 0
        job.progress(done, len(indices))
        for written in _written(chunks, tables, executor):
            done += written
            job.progress(done, len(indices))


def decompress(content: bytes, source: str) -> bytes:
    """Return what a bz2 file holds.

    Raises
    ------
    DamagedFileError
        When it is truncated, corrupt, or larger than any record.
    """
    machine = bz2.BZ2Decompressor()
    try:
        plain = machine.decompress(content, _MOST_BYTES)
    except (OSError, ValueError, EOFError) as problem:
        raise DamagedFileError(f"{source} is no bz2 file or corrupt; fetch it again.") from problem
    if not machine.eof:
        state = "is truncated" if machine.needs_input else "holds far more than a record"
        raise DamagedFileError(f"{source} {state}; fetch it again.")
    return plain


@dataclass(frozen=True)
class _Chunk:
    """Records of consecutive rows: a worker's share at one time."""

    first: int
    members: tuple[Member, ...]
    texts: tuple[str, ...]

    def write(self, tables: Tables) -> int:
        """Read the records and write them into their rows; return how many they were."""
        return tables.write(self._records())

    def _records(self) -> Iterator[Record]:
        for row, (member, text) in enumerate(zip(self.members, self.texts, strict=True), start=self.first):
            source = f"record {member.name}"
            yield Record(row, text, source, read_pickle(decompress(member.read(), source), source))


def _written(chunks: list[_Chunk], tables: Tables, executor: Executor | None) -> Iterator[int]:
    if executor is None:
        for chunk in chunks:
            yield chunk.write(tables)
        return
    futures = [executor.submit(chunk.write, tables) for chunk in chunks]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
