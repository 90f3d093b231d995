"""The official NATS-Bench sample read without the importer, and the official answers computed from it."""

import bz2
import io
import pickle
import tarfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDERS = {"nats-topology": "NATS-tss-v1_0-3ffb9-simple", "nats-size": "NATS-sss-v1_0-50262-simple"}
BENCHMARKS = {"nats-topology": "nats_topology", "nats-size": "nats_size"}
INDICES = (0, 11, 284)
SCHEDULES = {"nats-topology": {"200": 200, "12": 12}, "nats-size": {"90": 90, "12": 12, "01": 1}}
SUFFIX = {"200": "", "90": "", "12": "@12", "01": "@1"}
SPLITS = {
    "cifar10-valid": {"valid": "x-valid", "test": "ori-test"},
    "cifar10": {"test": "ori-test"},
    "cifar100": {"valid": "x-valid", "test": "x-test", "ori_test": "ori-test"},
    "ImageNet16-120": {"valid": "x-valid", "test": "x-test", "ori_test": "ori-test"},
}
"""What the files call the images that a table calls valid, test and ori_test."""


class _Reader(pickle.Unpickler):
    """Admits what NATS-Bench's records name, with the real constructors."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return np._core.multiarray.scalar
        raise pickle.UnpicklingError(f"{module}.{name}")


@cache
def read(path: Path) -> Any:
    return _Reader(io.BytesIO(bz2.decompress(path.read_bytes()))).load()


def meta(folder: Path) -> dict[str, Any]:
    return read(folder / "meta.pickle.pbz2")


def records(folder: Path) -> dict[int, Any]:
    return {index: read(folder / f"{index:06d}.pickle.pbz2") for index in INDICES}


def seeds(importer: str, schedule: str) -> tuple[int, ...]:
    """The repeats of a table."""
    return (111, 777, 888, 999) if (importer, schedule) == ("nats-topology", "12") else (777, 888, 999)


def answers(trial: dict[str, Any], dataset: str, epoch: int) -> dict[str, float]:
    """What `get_more_info(iepoch=epoch)` answers for one seed, in a table's names and units.

    Only what the record holds after this epoch is there.
    """
    n, times = epoch + 1, trial["eval_times"]
    found = {
        "train_accuracy": trial["train_acc1es"][epoch] / 100,
        "train_loss": trial["train_losses"][epoch],
    }
    if trial["train_acc5es"] is not None:
        found["train_top5_accuracy"] = trial["train_acc5es"][epoch] / 100
    if trial["train_times"] is not None:
        found["train_seconds"] = sum(trial["train_times"][i] for i in range(n))
    for split, name in SPLITS[dataset].items():
        if f"{name}@{epoch}" in trial["eval_acc1es"]:
            found[f"{split}_accuracy"] = trial["eval_acc1es"][f"{name}@{epoch}"] / 100
            found[f"{split}_loss"] = trial["eval_losses"][f"{name}@{epoch}"]
        if times:
            found[f"{split}_seconds"] = sum(times[f"{name}@{i}"] for i in range(n)) / n
    if {"train_seconds", "valid_seconds"} <= set(found):  # what `simulate_train_eval` charges
        found["evaluation_seconds"] = found["train_seconds"] + found["valid_seconds"]
    return found


def costs(record: dict[str, Any], dataset: str) -> dict[str, float]:
    """What `get_cost_info` answers, for records whose seeds agree on all of it."""
    trials = [record["all_results"][dataset, seed] for seed in record["dataset_seed"][dataset]]
    named = {"params_millions": "params", "flops_millions": "flop"}
    found = {name: sum(trial[key] for trial in trials) / len(trials) for name, key in named.items()}
    latencies = [sum(trial["latency"]) / len(trial["latency"]) for trial in trials if trial["latency"]]
    if latencies:
        found["latency_seconds"] = sum(latencies) / len(latencies)
    return found


def expected(table: Any, records: Any, dataset: str, seeds: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The columns that a table is to have, by plain arithmetic on the records of its rows, in order."""
    columns = {name: np.full(values.shape, np.nan) for name, values in table.columns.items()}
    for row, record in enumerate(records):
        for name, value in costs(record, dataset).items():
            columns[name][row] = value
        for repeat, seed in enumerate(seeds):
            trial = record["all_results"].get((dataset, seed))
            for epoch in range(len(table.epochs)) if trial else ():
                for name, value in answers(trial, dataset, epoch).items():
                    # A column without an epoch axis keeps what is written last: the answer after all epochs.
                    if name in columns:
                        at = epoch if columns[name].shape[2] > 1 else 0
                        columns[name][row, repeat, at] = value
    return columns


def as_tar(folder: Path, path: Path) -> Path:
    """The folder as the archive that the authors publish."""
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, arcname=f"{folder.name}/{file.name}")
    return path


def full(folder: Path) -> dict[str, Any]:
    """All records in one dictionary, in the official order of keys."""
    found = records(folder)
    named = {key: meta(folder)[key] for key in ("meta_archs", "total_archs")}
    return {**named, "arch2infos": found, "evaluated_indexes": set(found)}


def as_full(folder: Path, path: Path, protocol: int = 4) -> Path:
    """The single pickle, compressed where the name says so."""
    written = pickle.dumps(full(folder), protocol)
    path.write_bytes(bz2.compress(written, 1) if path.suffix == ".pbz2" else written)
    return path
