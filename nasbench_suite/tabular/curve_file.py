"""What a build trained: one sealed HDF5 file per table of our own, `tabular/NAME/curves.h5`.

    /                        attribute: description (JSON), see `CurveDescription`
    /genes                   uint8 [rows, genes]            one architecture of each class
    /ran_on                  int8  [seeds, rows]            place in `environments`; -1: it was not trained
    /counts/NAME             int64 [rows]                   parameters, multiply_adds, bias_additions
    /peak_bytes              int64 [seeds, rows]            most device memory; -1 where it is not known
    /correct/SPLIT           int16 or int32 [seeds, epochs, rows]   inputs classified rightly; -1: missing
    /loss/SPLIT              float32 [seeds, epochs, rows]  mean cross entropy, nats; NaN where missing
    /seconds/train, eval     float32 [seeds, epochs, rows]  of an epoch's training, and of its evaluations

Accuracies are kept as counts, which are exact and short. Not every architecture need be trained with every
seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nasbench_suite.sealed import Kind, open_sealed, write_sealed_arrays
from nasbench_suite.spaces import Genes, get_space

FILE_NAME = "curves.h5"
KIND = Kind("curves", 1, "get it again from where it came, or build it again")
SPLITS = ("train", "valid", "test")
COUNTS = ("parameters", "multiply_adds", "bias_additions")
SECONDS = ("train", "eval")

Array = NDArray[Any]


class CurveDescription(BaseModel):
    """What was trained, and by what; stored as JSON in the file.

    Attributes
    ----------
    plan
        The whole build plan, JSON.
    request
        What determines a training besides its architecture and seed, JSON; builds that differ in it do not
        mix.
    space
        Name of the search space.
    seeds
        The seeds of the trainings.
    asked
        How many architectures the plan has trained with each seed.
    epochs
        Of every training.
    inputs
        How many inputs a result of each split counts: `train`, `valid`, `test`.
    data
        What the data are, in words.
    environments
        The machines and versions that it ran on.
    failures
        Why trainings ended early, by seed and by the row's text: `{"0": {"|none~0|+...|": "the loss became
        nan"}}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: str
    request: str
    space: str
    seeds: list[int]
    asked: list[int]
    epochs: int
    inputs: dict[str, int]
    data: str
    environments: list[dict[str, str]]
    failures: dict[str, dict[str, str]] = {}


@dataclass(frozen=True, eq=False)
class CurveFile:
    """The content of a file of curves; see the module for what each array is."""

    description: CurveDescription
    genes: Genes
    ran_on: NDArray[np.int8]
    counts: Mapping[str, NDArray[np.int64]]
    peak_bytes: NDArray[np.int64]
    correct: Mapping[str, Array]
    loss: Mapping[str, NDArray[np.float32]]
    seconds: Mapping[str, NDArray[np.float32]]

    def __post_init__(self) -> None:
        _check(self)

    def accuracy(self, split: str) -> NDArray[np.float64]:
        """Return the fraction of a split classified rightly, `[seeds, epochs, rows]`; NaN where missing."""
        correct, inputs = self.correct[split], self.description.inputs[split]
        if not inputs:
            return np.full(correct.shape, np.nan)
        return np.where(correct < 0, np.nan, correct / inputs)

    def trained(self) -> list[int]:
        """Return how many architectures were trained with each seed."""
        return [int(count) for count in (self.ran_on >= 0).sum(axis=1)]

    @property
    def is_complete(self) -> bool:
        """Whether everything was trained that the plan asks for."""
        return self.trained() == self.description.asked

    def progress(self) -> str:
        """Return in words how much was trained, seed by seed."""
        parts = zip(self.description.seeds, self.trained(), self.description.asked, strict=True)
        return "; ".join(f"seed {seed}: {done:,} of {asked:,} trainings" for seed, done, asked in parts)


def count_correct(accuracy: NDArray[np.float64], inputs: int) -> Array:
    """Return accuracies as numbers of inputs, int16 or int32 of the same shape; -1 where they are NaN.

    Raises
    ------
    ValueError
        When an accuracy is none of `inputs` inputs.
    """
    counts = np.where(np.isnan(accuracy), -1.0, accuracy * inputs)
    whole = np.rint(counts)
    if np.abs(counts - whole).max(initial=0) > 0.25 or whole.max(initial=0) > inputs:
        raise ValueError(f"an accuracy is no fraction of {inputs} inputs")
    return whole.astype(np.int16 if inputs <= np.iinfo(np.int16).max else np.int32)


def write_curve_file(content: CurveFile, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    write_sealed_arrays(path, KIND, content.description.model_dump_json(), _arrays(content))


def read_curve_file(path: Path) -> CurveFile:
    """Read the file.

    Raises
    ------
    DamagedFileError
        When it is truncated, corrupt, of another schema, or its arrays disagree with its description.
    NasbenchSuiteError
        When there is no such file.
    """
    with open_sealed(path, KIND) as file:
        description = CurveDescription.model_validate_json(str(file.attrs["description"]))
        return CurveFile(
            description=description,
            genes=file["genes"][:],
            ran_on=file["ran_on"][:],
            counts={name: file["counts"][name][:] for name in COUNTS},
            peak_bytes=file["peak_bytes"][:],
            correct={split: file["correct"][split][:] for split in SPLITS},
            loss={split: file["loss"][split][:] for split in SPLITS},
            seconds={name: file["seconds"][name][:] for name in SECONDS},
        )


def _arrays(content: CurveFile) -> dict[str, Array]:
    arrays: dict[str, Array] = {"genes": content.genes, "ran_on": content.ran_on}
    arrays["peak_bytes"] = content.peak_bytes
    for group in ("counts", "correct", "loss", "seconds"):
        arrays |= {f"{group}/{name}": array for name, array in getattr(content, group).items()}
    return arrays


def _check(content: CurveFile) -> None:
    """Check shapes, types and ranges; ValueError where something is not as the module says."""
    description = content.description
    rows, seeds, epochs = len(content.genes), len(description.seeds), description.epochs
    curve, pair = (seeds, epochs, rows), (seeds, rows)
    shapes = {"genes": (rows, get_space(description.space).n_genes), "ran_on": pair, "peak_bytes": pair}
    kinds = {"genes": "u1", "ran_on": "i1", "peak_bytes": "i8"}
    for name, array in _arrays(content).items():
        group = name.partition("/")[0]
        shape = shapes.get(name, (rows,) if group == "counts" else curve)
        kind = kinds.get(name, {"counts": "i8", "correct": "i2 i4"}.get(group, "f4"))
        if array.shape != shape or f"{array.dtype.kind}{array.dtype.itemsize}" not in kind.split():
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {kind} {shape}")
    if len(description.asked) != seeds or len(set(description.seeds)) != seeds:
        raise ValueError("a seed is there twice, or it is not said how much is asked of it")
    if description.epochs < 1 or sorted(description.inputs) != sorted(SPLITS):
        raise ValueError("there are no epochs, or it is not said what a result counts")
    _check_ranges(content)


def _check_ranges(content: CurveFile) -> None:
    if content.ran_on.min(initial=0) < -1 or content.ran_on.max(initial=-1) >= len(
        content.description.environments
    ):
        raise ValueError("a training has no environment")
    for split, correct in content.correct.items():
        if correct.min(initial=0) < -1 or correct.max(initial=0) > content.description.inputs[split]:
            raise ValueError(f"{split} counts more inputs than there are")
    for name, values in (*content.loss.items(), *content.seconds.items()):
        if np.isinf(values).any() or np.nanmin(values, initial=0) < 0:
            raise ValueError(f"{name} is infinite or negative")
