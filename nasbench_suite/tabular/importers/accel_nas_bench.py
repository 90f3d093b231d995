"""Accel-NASBench: MnasNet-space networks trained on ImageNet and measured on six accelerators, as one CSV.

Ahmad, Du, Xie, Zhang: "Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS" (DAC 2024). A line
per training: `block0_e` ... `block6_se` (expansion, kernel size, layers, squeeze-and-excitation), `val_top1`
and `val_top5` (per cent), `train_time` (s), `macs`, `params` (millions), and per device `throughput_DEVICE`
(images/s), `latency_DEVICE` (ms) and their `_std`. Empty cells are missing measurements. Some networks were
trained twice.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.cells import Cells, read_cells, shown
from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.mnasnet import CHOICES
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.table import Column

DATASET = "imagenet"
ENTRIES = 5138
_THROUGHPUT_DEVICES = ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190")
_LATENCY_DEVICES = ("zcu102", "vck190")
_GROUPS = ("e", "k", "l", "se")
_SQUEEZES = {"False": "0", "True": "1"}
_REPEATS = ("first training", "second training")
_PER_CENT = ("top1_accuracy", "top5_accuracy")
_OF_TRAINING = (*_PER_CENT, "training_seconds")
_OF_THE_NETWORK = ("macs_millions", "params_millions")


def _measurements() -> Iterator[tuple[str, str]]:
    """Yield what a table calls each column, and the column."""
    yield from (("top1_accuracy", "val_top1"), ("top5_accuracy", "val_top5"))
    yield from (("training_seconds", "train_time"), ("macs_millions", "macs"), ("params_millions", "params"))
    for device in _LATENCY_DEVICES:
        yield f"latency_ms_{device}", f"latency_{device}"
        yield f"latency_std_ms_{device}", f"latency_{device}_std"
    for device in _THROUGHPUT_DEVICES:
        yield f"throughput_images_per_second_{device}", f"throughput_{device}"
        yield f"throughput_std_images_per_second_{device}", f"throughput_{device}_std"


COLUMNS = dict(_measurements())
"""The file's column of every metric."""


def convert(job: ImportJob) -> None:
    """Convert the CSV to one table with a row per network.

    Raises
    ------
    DamagedFileError
        When columns or lines are lacking, a network is outside the space or there a third time, an entry is
        there twice, or a value is no measurement: names the line.
    """
    file = job.one_file()
    cells = read_cells(file)
    _check_columns(cells)
    if len(cells) != ENTRIES and not (len(cells) and "partial" in job.options):
        raise DamagedFileError(
            f"{file.name} has {len(cells):,} entries, not {ENTRIES:,}; fetch the file again"
            f"{', or add --partial to import what is there' if len(cells) else ''}."
        )
    values = {metric: _values(cells, metric, column) for metric, column in COLUMNS.items()}
    genes = _genes(cells)
    row, repeat = _places(genes, values, cells)
    columns = {
        metric: Column(_spread(of_entries, row, repeat), "each epoch" if metric in _OF_TRAINING else "once")
        for metric, of_entries in values.items()
        if metric not in _OF_THE_NETWORK and not np.isnan(of_entries).all()
    }
    first = np.flatnonzero(repeat == 0)
    columns |= {metric: Column(values[metric][first, None, None], "once") for metric in _OF_THE_NETWORK}
    table = assemble(
        job.sheet,
        job.task(DATASET),
        Source.of([file]),
        genes[first],
        {metric: columns[metric] for metric in COLUMNS if metric in columns},
        rows="string",
        repeats=_REPEATS[: 1 + int(repeat.max())],
    )
    job.save(table)


def _check_columns(cells: Cells) -> None:
    genes = [f"block{block}_{group}" for block in range(len(CHOICES)) for group in _GROUPS]
    lacking = [name for name in (*genes, *COLUMNS.values()) if name not in cells.names]
    if lacking:
        raise DamagedFileError(
            f"{cells.file} has no column {lacking[0]} ({len(lacking)} are lacking); it is no export of "
            "Accel-NASBench."
        )


def _genes(cells: Cells) -> Genes:
    """Return the network of every line: uint8 `[lines, 28]`."""
    genes = np.empty((len(cells), len(CHOICES) * len(_GROUPS)), dtype=np.uint8)
    for block, choices in enumerate(CHOICES):
        for place, (group, known) in enumerate(zip(_GROUPS, choices, strict=True)):
            name = f"block{block}_{group}"
            gene_of = {str(value): gene for gene, value in enumerate(known)}
            if group == "se":
                gene_of |= {text: gene_of[digit] for text, digit in _SQUEEZES.items()}
            texts = cells.texts(name)
            wrong = next((line for line, text in enumerate(texts) if text not in gene_of), None)
            if wrong is not None:
                raise DamagedFileError(
                    f"{cells.file}, {cells.place(wrong)}, column {name!r}: {shown(texts[wrong])} is not "
                    f"one of {', '.join(gene_of)}; use the published file."
                )
            genes[:, len(_GROUPS) * block + place] = [gene_of[text] for text in texts]
    return genes


def _values(cells: Cells, metric: str, column: str) -> NDArray[np.float64]:
    """Return a metric of every line, in its own unit, NaN where missing: float64 `[lines]`."""
    values = cells.numbers(column)
    most = 100.0 if metric in _PER_CENT else np.inf
    bad = (values < 0) | (values > most)
    if metric in (*_OF_TRAINING, *_OF_THE_NETWORK):
        bad |= np.isnan(values)
    if bad.any():
        line = int(bad.argmax())
        raise DamagedFileError(
            f"{cells.file}, {cells.place(line)}, column {column!r}: {values[line]:g} is no result; use the "
            "published file."
        )
    return values / 100 if metric in _PER_CENT else values


def _places(
    genes: Genes, values: dict[str, NDArray[np.float64]], cells: Cells
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row of every line and whether it is its network's first or second, int64 `[lines]` each."""
    row = np.zeros(len(genes), dtype=np.int64)
    repeat = np.zeros(len(genes), dtype=np.int64)
    lines_of: dict[bytes, list[int]] = {}
    row_of: dict[bytes, int] = {}
    for line, network in enumerate(genes):
        name = network.tobytes()
        before = lines_of.setdefault(name, [])
        row[line] = row_of.setdefault(name, len(row_of))
        repeat[line] = len(before)
        if before:
            _check_again(line, before, values, cells)
        before.append(line)
    return row, repeat


def _check_again(line: int, before: list[int], values: dict[str, NDArray[np.float64]], cells: Cells) -> None:
    """Check that a further line of a network is a second training of it."""
    there = f"{cells.file}, {cells.place(line)}: the network is there already in {cells.place(before[0])}"
    if len(before) >= len(_REPEATS):
        raise DamagedFileError(f"{there} and {cells.place(before[1])}; use the published file.")
    found = {metric: (column[before[0]], column[line]) for metric, column in values.items()}
    if any(found[metric][0] != found[metric][1] for metric in _OF_THE_NETWORK):
        raise DamagedFileError(f"{there}, with other {' or '.join(_OF_THE_NETWORK)}; use the published file.")
    if found["training_seconds"][0] == found["training_seconds"][1]:
        raise DamagedFileError(f"{there}, with the same training; each must be there once.")


def _spread(
    values: NDArray[np.float64], row: NDArray[np.int64], repeat: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Put the values of lines into rows and repeats, NaN where there is no line: `[rows, repeats, 1]`."""
    spread = np.full((int(row.max()) + 1, int(repeat.max()) + 1, 1), np.nan)
    spread[row, repeat, 0] = values
    return spread
