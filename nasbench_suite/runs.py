"""What happened in a search: every evaluation of every run, stored compactly and read back."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.spaces import get_space
from nasbench_suite.spaces.base import Genes

if TYPE_CHECKING:
    import pandas as pd

KIND = Kind("record of runs", 1, "delete it and run the search again")
_FINDING = "finding "
"""What the names of findings begin with in a file."""
_FORMS = {
    "genes": ("u", 3),
    "valid": ("f", 2),
    "length": ("i", 1),
    "counted": ("b", 2),
    "seconds": ("f", 2),
    "search_seconds": ("f", 2),
    "epochs": ("i", 2),
    "feasible": ("b", 2),
    "endings": ("S", 1),
}
"""The kind of numbers (NumPy's letter) of every array, and how many dimensions it has."""
_GZIP_LEVEL = 1  # level 9 saves 6 % of the bytes and takes nine times as long


@dataclass(frozen=True)
class Runs:
    """All evaluations of `runs` independent searches, run axis first.

    Attributes
    ----------
    request
        What was asked for (task, table, strategy, settings, budget, seed, versions): JSON values only.
    genes
        uint8 `[runs, steps, n_genes]`; rows beyond a run's `length` are zero.
    valid
        Validation results, float64 `[runs, steps]`; NaN where missing and beyond `length`.
    length
        Number of proposals of each run, int64 `[runs]`.
    counted
        Whether a proposal counted as an evaluation, bool `[runs, steps]`; False for duplicates when these
        are free.
    seconds
        Simulated cost of each evaluation, float64 `[runs, steps]`; None if the benchmark knows none.
    search_seconds
        What the strategy billed, float64 `[runs, steps]`; None if it billed nothing.
    epochs
        Training epochs of each evaluation, int32 `[runs, steps]`; 0 for full training.
    feasible
        Whether an architecture keeps to all constraints, bool `[runs, steps]`; None without constraints.
    endings
        Why each run has ended of itself, UTF-8 bytes `[runs]`, empty where its budget ended it; None where
        no run has.
    findings
        What else the runs have found, by name, `[runs, ...]` each.
    """

    request: dict[str, Any]
    genes: Genes
    valid: NDArray[np.float64]
    length: NDArray[np.int64]
    counted: NDArray[np.bool_]
    seconds: NDArray[np.float64] | None = None
    search_seconds: NDArray[np.float64] | None = None
    epochs: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    feasible: NDArray[np.bool_] | None = None
    endings: NDArray[np.bytes_] | None = None
    findings: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.epochs.size:  # not given: all trainings are full ones
            object.__setattr__(self, "epochs", np.zeros(self.valid.shape, np.int32))

    def __repr__(self) -> str:
        who = f"{self.request.get('strategy', 'a strategy')} on {self.request.get('task', 'a benchmark')}"
        return f"<Runs of {who}: {len(self.length)} runs, up to {self.valid.shape[1]} proposals each>"

    @property
    def maximise(self) -> bool:
        """Whether a larger validation result is better."""
        return bool(self.request["maximise"])

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which entries are proposals, bool `[runs, steps]`."""
        return np.arange(self.valid.shape[1]) < self.length[:, None]

    def incumbents(self) -> NDArray[np.int64]:
        """Return the step of the best validation result so far, int64 `[runs, steps]`.

        The first of equals stays. -1 as long as a run has no result. Beyond a run's end its last incumbent
        goes on. Under constraints only architectures count that keep to them. Of a strategy that does not
        learn from results it is the last proposal, whatever its result.
        """
        if self.request.get("incumbent") == "last":
            steps = np.arange(self.valid.shape[1])
            return np.where(self.present, steps, self.length[:, None] - 1)
        score = self.valid if self.maximise else -self.valid
        allowed = self.present if self.feasible is None else self.present & self.feasible
        score = np.where(np.isnan(score) | ~allowed, -np.inf, score)
        best = np.maximum.accumulate(score, axis=1)
        before = np.concatenate([np.full((len(best), 1), -np.inf), best[:, :-1]], axis=1)
        steps = np.arange(score.shape[1])
        return np.maximum.accumulate(np.where(score > before, steps, -1), axis=1)

    def evaluations(self) -> NDArray[np.int64]:
        """Return the number of counted evaluations up to each step, int64 `[runs, steps]`."""
        return (self.counted & self.present).cumsum(axis=1)

    def clock(self) -> NDArray[np.float64] | None:
        """Return the simulated seconds spent up to the end of each step, `[runs, steps]`; None if unknown."""
        if self.seconds is None:
            return None
        known = self.present & ~np.isnan(self.seconds)  # a missing cost is not billed, as in the budget
        return np.where(known, self.seconds, 0.0).cumsum(axis=1)

    def total_clock(self) -> NDArray[np.float64] | None:
        """Return simulated seconds and those that the strategy billed, added up, `[runs, steps]`.

        That is a sum of like things only where the two were measured on machines of one speed, which is for
        the caller to know. None where neither is known.
        """
        if self.search_seconds is None:
            return self.clock()
        billed = np.where(self.present, np.nan_to_num(self.search_seconds), 0.0).cumsum(axis=1)
        clock = self.clock()
        return billed if clock is None else clock + billed

    def frame(self, *, architectures: bool = True) -> "pd.DataFrame":
        """Return one row per proposal: run, step, evaluation, architecture, valid, incumbent_valid, seconds.

        Parameters
        ----------
        architectures
            Whether to write each architecture as text, which takes most of the time.
        """
        import pandas as pd

        run, step = np.nonzero(self.present)
        incumbent = self.incumbents()[run, step]
        columns: dict[str, Any] = {"run": run, "step": step, "evaluation": self.evaluations()[run, step]}
        if architectures:
            columns["architecture"] = get_space(self.request["space"]).format(self.genes[run, step])
        columns["valid"] = self.valid[run, step]
        columns["incumbent_valid"] = np.where(incumbent >= 0, self.valid[run, incumbent], np.nan)
        clock = self.clock()
        if clock is not None:
            columns["seconds"] = clock[run, step]
        if self.search_seconds is not None:
            columns["search_seconds"] = self.search_seconds[run, step]
        return pd.DataFrame(columns)

    def save(self, path: Path | str) -> None:
        """Write the record to an HDF5 file, whole or not at all.

        Raises
        ------
        NasbenchSuiteError
            When the folder is not writable or the disk is full.
        """

        def fill(file: h5py.File) -> None:
            file.attrs["request"] = json.dumps(self.request, sort_keys=True)
            for name, array in self._arrays():
                packing = {"compression": "gzip", "compression_opts": _GZIP_LEVEL, "shuffle": True}
                file.create_dataset(name, data=array, **(packing if array.size else {}))

        write_sealed(Path(path), KIND, fill)

    @classmethod
    def load(cls, path: Path | str) -> "Runs":
        """Read a record and verify its checksum.

        Raises
        ------
        DamagedFileError
            When the file is truncated, corrupt, of another schema or no record of runs.
        NasbenchSuiteError
            When there is no such file.
        """
        with open_sealed(Path(path), KIND) as file:
            arrays = {name: dataset[:] for name, dataset in file.items() if not name.startswith(_FINDING)}
            findings = {
                name.removeprefix(_FINDING): dataset[:]
                for name, dataset in file.items()
                if name.startswith(_FINDING)
            }
            loaded = cls(request=json.loads(file.attrs["request"]), findings=findings, **arrays)
            loaded._check_form()
            return loaded

    def _check_form(self) -> None:
        """Check types and shapes, since a record that was made by hand can have a seal, too.

        Raises
        ------
        ValueError
            When one is not what the class says.
        """
        if not isinstance(self.request, dict) or not {"space", "maximise"} <= set(self.request):
            raise ValueError("the request is none")
        places = (len(self.length), self.valid.shape[-1])
        for name, array in self._arrays():
            kind, ndim = _FORMS.get(name, (None, 0))
            if kind is None:
                fits = array.dtype.kind in "biufS" and array.shape[:1] == places[:1]
            elif ndim == 1:
                fits = array.dtype.kind == kind and array.shape == places[:1]
            else:
                fits = array.dtype.kind == kind and array.ndim == ndim and array.shape[:2] == places
            if not fits:
                raise ValueError(f"{name} is not what records have")
        if not ((self.length >= 0) & (self.length <= places[1])).all():
            raise ValueError("a run is longer than the record")

    def sha256(self) -> str:
        """Return the SHA-256 of what was asked for and what happened.

        The versions it was made with are left out, and what a strategy billed: measured seconds differ every
        time.
        """
        request = {key: value for key, value in self.request.items() if key != "made_with"}
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode())
        for name, array in self._arrays():
            if name == "search_seconds":
                continue
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _arrays(self) -> list[tuple[str, NDArray[Any]]]:
        own = ((f.name, getattr(self, f.name)) for f in fields(self) if f.name not in ("request", "findings"))
        found = ((_FINDING + name, array) for name, array in sorted(self.findings.items()))
        return [(name, array) for name, array in (*own, *found) if array is not None]

    @staticmethod
    def concatenate(blocks: "Sequence[Runs]") -> "Runs":
        """Join the blocks of one search along the run axis."""
        steps = max(block.valid.shape[1] for block in blocks)
        padded = [block._padded(steps) for block in blocks]
        request = {key: value for key, value in blocks[0].request.items() if key != "block"}
        request["runs"] = sum(len(block.length) for block in blocks)
        if any(block.endings is not None for block in padded):
            none = np.array([b""])
            padded = [
                replace(b, endings=np.repeat(none, len(b.length)) if b.endings is None else b.endings)
                for b in padded
            ]
        arrays = {
            name: np.concatenate([dict(block._arrays())[name] for block in padded])
            for name, _ in padded[0]._arrays()
        }
        found = [name for name in arrays if name.startswith(_FINDING)]
        findings = {name.removeprefix(_FINDING): arrays.pop(name) for name in found}
        return Runs(request=request, findings=findings, **arrays)

    def _padded(self, steps: int) -> "Runs":
        missing = steps - self.valid.shape[1]
        if missing == 0:
            return self
        fill = {"valid": np.nan, "seconds": np.nan, "search_seconds": np.nan}
        arrays: dict[str, Any] = {}
        for name, array in self._arrays():
            if name in ("length", "endings") or name.startswith(_FINDING):
                continue
            width = [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)
            arrays[name] = np.pad(array, width, constant_values=fill.get(name, 0))
        return replace(self, **arrays)
