"""HELP: measured latencies of topology cells and FBNet networks on 27 device settings.

Lee, Lee, Chong, Hwang: "HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via Meta-Learning"
(NeurIPS 2021). There is one sequence of milliseconds per device setting. The 15,625 topology cells are in
NAS-Bench-201's index order; FBNet's networks are listed, 22 block numbers each.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.spaces import FbnetSpace, Genes, NatsTopologySpace, get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.help_files import ARCHITECTURES, Arrays, find
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.table import Column

TOPOLOGY, FBNET = "nats_topology", "fbnet"
_PREFIX = "latency_ms_"
_NETWORKS = 5000
_ALIKE = (
    "essential_ph_1",
    "eyeriss",
    "fpga",
    "gold_6226",
    "gold_6240",
    "pixel2",
    "pixel3",
    "raspi4",
    "samsung_a50",
    "samsung_s7",
    "silver_4114",
    "silver_4210r",
)
_GPUS = ("1080ti", "2080ti", "titan_rtx", "titanx", "titanxp")
_BATCHES = {TOPOLOGY: (1, 32, 256), FBNET: (1, 32, 64)}
DEVICES = {
    dataset: tuple(sorted([f"{gpu}_{batch}" for gpu in _GPUS for batch in batches] + list(_ALIKE)))
    for dataset, batches in _BATCHES.items()
}
"""The device settings of each space; a number after a GPU's name is the batch size."""


def convert(job: ImportJob) -> None:
    """Convert `.npz` files or official folders, one per space: one table each.

    Raises
    ------
    DamagedFileError
        When a file is damaged, or has other devices, other shapes or values that are no latencies.
    NasbenchSuiteError
        When two files are of the same space.
    """
    done: set[str] = set()
    for found in find(job.files):
        arrays = dict(found.arrays)
        dataset = FBNET if ARCHITECTURES in arrays else TOPOLOGY
        if dataset in done:
            raise NasbenchSuiteError(f"two files are of space {dataset}; give one per space.")
        done.add(dataset)
        genes = _networks(arrays.pop(ARCHITECTURES), found.name, job) if dataset == FBNET else _cells()
        _check_devices(arrays, dataset, found.name, job)
        columns = {}
        for device, values in arrays.items():
            latencies = _latencies(values, len(genes), device, found.name)
            columns[_PREFIX + device] = Column(latencies[:, None, None], "once")
        table = assemble(
            job.sheet,
            job.task(dataset),
            Source.of(found.files),
            genes,
            columns,
            rows="string",
            repeats=["one measurement"],
        )
        job.save(table)


def _cells() -> Genes:
    space = cast(NatsTopologySpace, get_space(TOPOLOGY))
    return space.decode(space.code_of_index)


def _networks(blocks: NDArray[np.generic], source: str, job: ImportJob) -> Genes:
    """Return the networks of FBNet's space: uint8 `[rows, 22]`."""
    space = cast(FbnetSpace, get_space(FBNET))
    if blocks.dtype.kind not in "ui" or blocks.ndim != 2 or blocks.shape[1] != space.n_genes:
        raise DamagedFileError(
            f"{source}: {ARCHITECTURES!r} is {blocks.dtype} of shape {blocks.shape}, not integers of shape "
            f"(networks, {space.n_genes}); use the published file."
        )
    wrong = np.flatnonzero(~space.valid(blocks))  # type: ignore[arg-type]  # any integers
    if wrong.size:
        row = int(wrong[0])
        raise DamagedFileError(
            f"{source}: network {row}, {blocks[row].tolist()}, has a block that is not 0 to 8; use the "
            "published file."
        )
    if len(blocks) != _NETWORKS and not (len(blocks) and "partial" in job.options):
        raise DamagedFileError(
            f"{source} has {len(blocks):,} networks, not {_NETWORKS:,}; fetch the file again"
            f"{', or add --partial to import what is there' if len(blocks) else ''}."
        )
    return blocks.astype(np.uint8)


def _check_devices(arrays: Arrays, dataset: str, source: str, job: ImportJob) -> None:
    unknown = sorted(set(arrays) - set(DEVICES[dataset]))
    if unknown or not arrays:
        raise DamagedFileError(
            f"{source} has {unknown[0] if unknown else 'nothing'!r:.60}, which is no device setting of HELP "
            f"in space {dataset}; use the published file."
        )
    lacking = [device for device in DEVICES[dataset] if device not in arrays]
    if lacking and "partial" not in job.options:
        raise DamagedFileError(
            f"{source} lacks {len(lacking)} of {len(DEVICES[dataset])} device settings, one of them "
            f"{lacking[0]}; fetch the file again, or add --partial to import what is there."
        )


def _latencies(values: NDArray[np.generic], rows: int, device: str, source: str) -> NDArray[np.float64]:
    """Return the milliseconds on one device: float64 `[rows]`."""
    if values.dtype.kind not in "iuf" or values.shape != (rows,):
        raise DamagedFileError(
            f"{source}: {device} is {values.dtype} of shape {values.shape}, not one latency for each of "
            f"{rows:,} architectures; use the published file."
        )
    latencies = values.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(latencies) & (latencies > 0)))
    if wrong.size:
        row = int(wrong[0])
        raise DamagedFileError(
            f"{source}: {device} of architecture {row} is {latencies[row]:g}, which is no latency; use the "
            "published file."
        )
    return latencies
