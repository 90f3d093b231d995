"""Records in the structure of NATS-Bench's topology archive, with made-up numbers, to time the import.

What costs time is the number of numbers and how well they compress: 17 trainings (5 of 12 epochs, 12 of 200),
accuracies that are whole numbers of images, losses of full precision, times that repeat.
"""

import bz2
import io
import pickle
import tarfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from nasbench_suite.spaces import get_space

_IMAGES = {"cifar10-valid": 25_000, "cifar10": 10_000, "cifar100": 5_000, "ImageNet16-120": 3_000}
_EVALUATIONS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


def write_archive(path: Path, records: int) -> None:
    """Write a `.tar` with the meta file of all 15,625 cells and the first `records` records."""
    space = get_space("nats_topology")
    texts = space.format(space.decode(space.code_of_index))
    rng = np.random.default_rng(0)
    with tarfile.open(path, "w") as archive:
        _add(archive, "meta", {"meta_archs": texts, "total_archs": len(texts)})
        for index in range(records):
            _add(archive, f"{index:06d}", _record(rng, index, texts[index]))


def _add(archive: tarfile.TarFile, name: str, content: object) -> None:
    packed = bz2.compress(pickle.dumps(content, protocol=4))
    entry = tarfile.TarInfo(f"NATS-tss-made-up-simple/{name}.pickle.pbz2")
    entry.size = len(packed)
    archive.addfile(entry, io.BytesIO(packed))


def _record(rng: np.random.Generator, index: int, text: str) -> OrderedDict[str, object]:
    seeds = {"12": {"cifar10-valid": (777, 111)}, "200": {}}
    record: OrderedDict[str, object] = OrderedDict()
    for schedule, epochs, usual in (("12", 12, (111,)), ("200", 200, (777, 888, 999))):
        trainings = {
            (data, seed): _training(rng, data, seed, epochs, text)
            for data in _IMAGES
            for seed in seeds[schedule].get(data, usual)
        }
        record[schedule] = {
            "arch_index": index,
            "arch_str": text,
            "all_results": trainings,
            "dataset_seed": {},
            "clear_net_done": True,
        }
    return record


def _training(rng: np.random.Generator, data: str, seed: int, epochs: int, text: str) -> dict[str, object]:
    def accuracies(images: int) -> list[float]:
        return (rng.integers(images, size=epochs) / images * 100).tolist()

    places = [(name, e) for name in _EVALUATIONS[data] for e in range(epochs)]
    kept = [(n, e) for n, e in places if epochs == 12 or e == epochs - 1 or (data, n) in _EVERY_EPOCH]
    names = [f"{name}@{epoch}" for name, epoch in kept]
    return {
        "name": data,
        "train_acc1es": dict(enumerate(accuracies(2 * _IMAGES[data]))),
        "train_acc5es": dict(enumerate(accuracies(2 * _IMAGES[data]))) if epochs == 12 else None,
        "train_losses": dict(enumerate(rng.random(epochs).tolist())),
        "train_times": OrderedDict(enumerate([12.462056795756022] * epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": text, "class_num": 10},
        "params": 0.802426,
        "flop": 113.95137,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [0.016163252947623268],
        "eval_names": list(_EVALUATIONS[data]),
        "eval_acc1es": dict(zip(names, (rng.integers(5000, size=len(names)) / 50).tolist(), strict=True)),
        "eval_times": {f"{name}@{epoch}": 4.151251713434855 for name, epoch in places},
        "eval_losses": dict(zip(names, rng.random(len(names)).tolist(), strict=True)),
        "net_state_dict": None,
    }


_EVERY_EPOCH = {
    ("cifar10-valid", "x-valid"),
    ("cifar10", "ori-test"),
    ("cifar100", "ori-test"),
    ("ImageNet16-120", "ori-test"),
}
