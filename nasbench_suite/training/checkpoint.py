"""The state of one training between two epochs, as a file."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.storage import write_whole
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.environment import Environment, continued, environment

_ARRAYS = tuple(field.name for field in fields(LearningCurves) if field.name != "failures")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after some of its epochs.

    Attributes
    ----------
    request
        What the training is of: network, data, recipe, seed, precision; another one does not take it up.
    epochs
        Those that are done.
    network, optimizer
        Their `state_dict`.
    curves
        As far as they go, one row.
    ran_on
        What it ran on so far; empty in files that do not say.
    """

    request: str
    epochs: int
    network: dict[str, Any]
    optimizer: dict[str, Any]
    curves: LearningCurves
    ran_on: Environment


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the file cannot be written.
    """
    content = io.BytesIO()
    arrays = {name: torch.from_numpy(getattr(checkpoint.curves, name)) for name in _ARRAYS}
    of = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    torch.save(of | {"curves": arrays}, content)
    write_whole(path, content.getvalue())


def read_checkpoint(path: Path, device: torch.device, request: str) -> Checkpoint | None:
    """Return the checkpoint of a file with its tensors on a device; None where there is no file.

    Raises
    ------
    DamagedFileError
        When it is no checkpoint.
    NasbenchSuiteError
        When it is one of another training.
    """
    if not path.exists():
        return None
    found = _read(path, device)
    if found.request != request:
        raise NasbenchSuiteError(
            f"{path} is the checkpoint of another training (network, data, recipe, seed or precision "
            "differ); remove it, or name another file."
        )
    return found


def runs_on(device: str, path: Path | None, *, compiled: bool = False) -> Environment:
    """Return what a training runs on here, and on what it ran before if it goes on from a checkpoint.

    `compiled` says whether its network is.

    Raises
    ------
    DamagedFileError
        When there is a file which is no checkpoint.
    """
    here = environment(device, compiled=compiled)
    if path is None or not path.exists():
        return here
    earlier = _read(path, torch.device("cpu"))
    return continued(earlier.ran_on, earlier.epochs, here)


def _read(path: Path, device: torch.device) -> Checkpoint:
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        arrays = {name: state["curves"][name].numpy(force=True) for name in _ARRAYS}
        return Checkpoint(
            request=str(state["request"]),
            epochs=int(state["epochs"]),
            network=dict(state["network"]),
            optimizer=dict(state["optimizer"]),
            curves=LearningCurves(**arrays, failures=("",)),
            ran_on={str(name): str(text) for name, text in state.get("ran_on", {}).items()},
        )
    except Exception as problem:  # whatever a damaged file makes torch raise
        raise DamagedFileError(
            f"{path} is no checkpoint, or damaged; remove it to train from the beginning."
        ) from problem
