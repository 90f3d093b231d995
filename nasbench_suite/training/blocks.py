"""Blocks of a build: trained in a worker, stored whole, read back with suspicion."""

import io
import json
import struct
import sys
import warnings
import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import Genes
from nasbench_suite.storage import write_whole
from nasbench_suite.training.curves import SPLITS, LearningCurves
from nasbench_suite.training.environment import Environment, environment
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.machine import check_device
from nasbench_suite.training.many import CPU_GROUP
from nasbench_suite.training.plan import Block, BuildPlan
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.threads import one_thread

_ARRAYS = tuple(field.name for field in fields(LearningCurves) if field.name != "failures")
_WHAT_DAMAGE_RAISES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    SyntaxError,  # the header of an array is a Python literal
    NotImplementedError,  # a compression of another kind
    RuntimeError,  # encrypted
    OverflowError,
    MemoryError,  # an array that claims to be huge
    UserWarning,
)


@dataclass(frozen=True, eq=False)
class StoredBlock:
    """What a block's file holds; `ran_on` is empty in files that do not say."""

    curves: LearningCurves
    ran_on: Environment


def train_block(block: Block, folder: Path, device: str) -> int:
    """Train one block, store it, and return how many architectures it has; runs in a worker."""
    curves = _train(block.plan, block.genes, block.seed, device)
    store_block(block, curves, folder, environment(device))
    return len(block.rows)


def is_repeated(block: Block, folder: Path, device: str) -> bool:
    """Train the first group of a stored block again and tell whether that gives the same accuracies.

    Networks that train together round together, so only a whole group gives the same bytes again.
    """
    stored = read_block(block, folder)
    assert stored is not None
    order = np.lexsort(block.genes.T[::-1])  # as `train_all` has it
    group = order[:CPU_GROUP] if device == "cpu" else order
    again = _train(block.plan, block.genes[group], block.seed, device)
    before = stored.curves.take(group)
    names = [f"{split}_accuracy" for split in SPLITS]
    return all(np.array_equal(getattr(before, n), getattr(again, n), equal_nan=True) for n in names)


def store_block(block: Block, curves: LearningCurves, folder: Path, ran_on: Environment) -> None:
    """Write a block's curves, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    content = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {name: getattr(curves, name) for name in _ARRAYS}
    arrays |= {"request": np.array(block.request), "failures": np.array(curves.failures)}
    arrays["ran_on"] = np.array(json.dumps(ran_on))
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # it takes any names
    write_whole(folder / block.file, content.getvalue())


def read_block(block: Block, folder: Path) -> StoredBlock | None:
    """Return what is stored of a block; None if there is nothing.

    Raises
    ------
    DamagedFileError
        When the file there is damaged, or of another build.
    """
    path = folder / block.file
    if not path.exists():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            request, stored = _parsed(path)
    except _WHAT_DAMAGE_RAISES as problem:
        raise DamagedFileError(
            f"{path} is damaged; remove it, and the same command trains its block again."
        ) from problem
    epochs = get_recipe(block.plan.recipe).epochs
    if request != block.request or not _is_of(stored.curves, len(block.rows), epochs):
        raise DamagedFileError(
            f"{path} is of another build (another plan, recipe, device or revision of the trainer); give "
            "--work another folder, or remove this one to train everything again."
        )
    return stored


def _parsed(path: Path) -> tuple[str, StoredBlock]:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name]) for name in _ARRAYS}
        failures = tuple(map(str, file["failures"]))
        ran_on = json.loads(str(file["ran_on"])) if "ran_on" in file else {}
        request = str(file["request"])
    environment = {str(key): str(value) for key, value in dict(ran_on).items()}
    return request, StoredBlock(LearningCurves(**arrays, failures=failures), environment)


def _is_of(curves: LearningCurves, rows: int, epochs: int) -> bool:
    """Tell whether all arrays have the shapes and types that a block's have."""
    expected = dict.fromkeys(_ARRAYS, ((rows, epochs), "float64")) | {"peak_bytes": ((rows,), "int64")}
    arrays = {name: getattr(curves, name) for name in _ARRAYS}
    found = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
    return len(curves) == rows and found == expected


def _train(plan: BuildPlan, genes: Genes, seed: int, device: str) -> LearningCurves:
    check_device(device)  # a worker's machine may have others than this one
    data = plan.load_data(device)
    with one_thread():
        return train_all(
            plan.space,
            genes,
            plan.skeleton.skeleton(),
            data,
            get_recipe(plan.recipe),
            seed=seed,
            notice=_say,
        )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # what goes to the output stream may be read by a program
