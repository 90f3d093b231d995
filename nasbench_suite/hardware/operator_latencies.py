"""Latency as a sum of operators that were measured one by one on a machine, and the file that holds them.

ProxylessNAS (Cai, Zhu, Han: ICLR 2019, section 3.3) predicts a network's latency by the sum of its blocks'.
The format of HW-NAS-Bench's operators (`tabular/operator_table.py`) is for layers that all choose from the
same operations, and for tasks; here a gene may have fewer values, stand in several places, and what counts is
the machine. So the file is of its own kind, sealed, with an attribute and two arrays:

    /          attribute: description (JSON)
    /entries   float64 [genes, values]   milliseconds; NaN beyond the values that a gene has
    /rest      float64 []                milliseconds of all that no gene chooses
"""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.spaces import Genes, get_space

KIND = Kind(
    "operator-latencies", 1, "measure it again: nasbench-suite device operators SPACE --name NAME --out FILE"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class OperatorDescription(BaseModel):
    """What was measured, where and how; stored as JSON in the file.

    Attributes
    ----------
    space
        Name of the space.
    name
        What the device is called: costs are `latency_ms@NAME`.
    machine
        The device and the engine with its version, in words.
    skeleton
        The fields of the `Skeleton` of the networks.
    shape
        Of one input.
    batch, device, threads, precision, engine
        See `network_latency.Conditions`.
    variation
        The largest spread or drift of an entry, over its median.
    created_with
        The program that wrote the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str
    name: str
    machine: str
    skeleton: dict[str, Any]
    shape: tuple[int, ...]
    batch: int
    device: str
    threads: int
    precision: str
    engine: str
    variation: float
    created_with: str


class OperatorLatencies(CostModel):
    """Adds up measured operators, in milliseconds.

    What runs between operators is in `rest`; what a machine gains by running several as one, and what a block
    loses when another one has just used the cache, is in no sum.

    Parameters
    ----------
    description
        What was measured, where and how.
    entries
        What a value of a gene adds, float64 `[n_genes, values]`; NaN beyond the values that a gene has.
    rest
        What all networks have in common.

    Raises
    ------
    ValueError
        When shapes disagree, or a number is missing or negative.
    """

    quantity = "latency_ms"

    def __init__(self, description: OperatorDescription, entries: NDArray[np.float64], rest: float):
        self.description, self.entries, self.rest = description, entries, rest
        self.space, self.device = get_space(description.space), description.name
        limits = np.array(self.space.cardinalities)
        there = np.arange(limits.max()) < limits[:, None]
        if entries.shape != there.shape or entries.dtype != np.float64:
            raise ValueError(f"entries are {entries.dtype} {entries.shape}, not float64 {there.shape}")
        if not (entries[there] >= 0).all() or not np.isnan(entries[~there]).all() or not rest >= 0:
            raise ValueError("an entry is missing or negative, or where there is no operator")
        if not np.isfinite(np.nansum(entries) + rest):
            raise ValueError("an entry is not finite")

    def predict(self, genes: Genes) -> Costs:
        """Return the sums, in milliseconds; see `CostModel.predict`."""
        self.space.key(genes)  # says which row is none of the space's
        found: Costs = self.rest + self.entries[np.arange(self.space.n_genes), genes].sum(axis=1)
        return found


def check_device_name(name: str) -> None:
    """Check that a machine can be called so in `latency_ms@NAME`.

    Raises
    ------
    NasbenchSuiteError
        When it cannot.
    """
    if not _NAME.fullmatch(name):
        raise NasbenchSuiteError(
            f"a device's name begins with a letter or digit, and _ . - may follow, too; not {name!r}."
        )


def save_operator_latencies(model: OperatorLatencies, path: Path) -> None:
    """Write measured operators, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """

    def fill(file: h5py.File) -> None:
        file.attrs["description"] = model.description.model_dump_json()
        file["entries"], file["rest"] = model.entries, model.rest

    write_sealed(path, KIND, fill)


def read_operator_latencies(path: Path, space: str = "") -> OperatorLatencies:
    """Read measured operators and verify them.

    Parameters
    ----------
    path
        The file.
    space
        Whose operators are wanted; empty for any.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another schema or holds something else.
    NasbenchSuiteError
        When there is no such file, or its operators are of another space.
    """
    with open_sealed(path, KIND) as file:  # what goes wrong in here is damage
        description = OperatorDescription.model_validate_json(file.attrs["description"])
        model = OperatorLatencies(description, file["entries"][()], float(file["rest"][()]))
    if space and description.space != space:
        raise NasbenchSuiteError(
            f"{path} holds operators of space {description.space}, not of {space}; measure these: "
            f"nasbench-suite device operators {space} --name {description.name} --out FILE."
        )
    return model
