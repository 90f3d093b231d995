"""What a build of generators trained: one sealed HDF5 file, `tabular/NAME/gan.h5`.

/                        attribute: description (JSON), see `GanDescription`
/genes                   uint8 [rows, genes]            every architecture that was trained
/ran_on                  int8  [seeds, rows]            place in `environments`; -1: it was not trained
/NAME                    float32 [seeds, checkpoints, rows]   for every name in `CURVES`; NaN where missing
/train_seconds           float32 [seeds, rows]          each model's share of the training
/samples                 float16 [rows, samples, length]   of the first seed, of the same noise for all; of
                         images [rows, samples, height, width], or [.., channels, height, width] in colour
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nasbench_suite.sealed import Kind, open_sealed, write_sealed_arrays
from nasbench_suite.spaces import Genes, get_space

FILE_NAME = "gan.h5"
KIND = Kind("gan", 1, "get it again from where it came, or build it again")
CURVES = ("frechet_valid", "frechet_test", "inception", "generator_loss", "critic_loss")
_NOT_NEGATIVE = ("frechet_valid", "frechet_test", "inception", "train_seconds")

Array = NDArray[Any]


class GanDescription(BaseModel):
    """What was trained, and by what; stored as JSON in the file.

    Attributes
    ----------
    request
        What determines a training besides its architecture and seed, JSON; builds that differ in it do not
        mix.
    space
        Name of the search space.
    seeds, asked
        The seeds of the trainings, and how many architectures the plan has trained with each.
    steps
        Of the generators at every checkpoint.
    data, classifier
        What is made, and how accurate the classifier is that judges, in words.
    environments
        The machines and versions that it ran on.
    failures
        Why trainings are worth nothing, by seed and by the row's text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: str
    space: str
    seeds: list[int]
    asked: list[int]
    steps: list[int]
    data: str
    classifier: str
    environments: list[dict[str, str]]
    failures: dict[str, dict[str, str]] = {}

    @property
    def data_name(self) -> str:
        """What is made: `mnist1d`, unless the request says otherwise."""
        return str(json.loads(self.request).get("data", "mnist1d"))


@dataclass(frozen=True, eq=False)
class GanFile:
    """The content of the file; see the module for what each array is."""

    description: GanDescription
    genes: Genes
    ran_on: NDArray[np.int8]
    curves: Mapping[str, NDArray[np.float32]]
    train_seconds: NDArray[np.float32]
    samples: NDArray[np.float16]

    def __post_init__(self) -> None:
        _check(self)

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


def write_gan_file(content: GanFile, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """
    write_sealed_arrays(path, KIND, content.description.model_dump_json(), _arrays(content))


def read_gan_file(path: Path) -> GanFile:
    """Read the file.

    Raises
    ------
    DamagedFileError
        When it is truncated, corrupt, of another schema, or its arrays disagree with its description.
    NasbenchSuiteError
        When there is no such file.
    """
    with open_sealed(path, KIND) as file:
        return GanFile(
            description=GanDescription.model_validate_json(str(file.attrs["description"])),
            genes=file["genes"][:],
            ran_on=file["ran_on"][:],
            curves={name: file[name][:] for name in CURVES},
            train_seconds=file["train_seconds"][:],
            samples=file["samples"][:],
        )


def _arrays(content: GanFile) -> dict[str, Array]:
    return {
        "genes": content.genes,
        "ran_on": content.ran_on,
        **content.curves,
        "train_seconds": content.train_seconds,
        "samples": content.samples,
    }


def _check(content: GanFile) -> None:
    """Check shapes, types and ranges; ValueError where something is not as the module says."""
    described = content.description
    rows, seeds = len(content.genes), len(described.seeds)
    curve = (seeds, len(described.steps), rows)
    shapes: dict[str, tuple[str, tuple[int, ...]]] = dict.fromkeys(CURVES, ("f4", curve))
    shapes |= {
        "genes": ("u1", (rows, get_space(described.space).n_genes)),
        "ran_on": ("i1", (seeds, rows)),
        "train_seconds": ("f4", (seeds, rows)),
        "samples": ("f2", (rows, *content.samples.shape[1:])),
    }
    for name, array in _arrays(content).items():
        kind, shape = shapes[name]
        if array.shape != shape or f"{array.dtype.kind}{array.dtype.itemsize}" != kind:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not {kind} {shape}")
    if len(described.asked) != seeds or len(set(described.seeds)) != seeds:
        raise ValueError("a seed is there twice, or it is not said how much is asked of it")
    if not described.steps or described.steps != sorted(set(described.steps)) or described.steps[0] < 1:
        raise ValueError("the checkpoints are not in order")
    if content.ran_on.min(initial=0) < -1 or content.ran_on.max(initial=-1) >= len(described.environments):
        raise ValueError("a training has no environment")
    for name in _NOT_NEGATIVE:
        values = _arrays(content)[name]
        if np.isinf(values).any() or np.nanmin(values, initial=0) < 0:
            raise ValueError(f"{name} is infinite or negative")
