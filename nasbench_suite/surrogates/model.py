"""What stands in for a table: regressors of its learning curves, with members that disagree."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sklearn.pipeline import Pipeline

from nasbench_suite.benchmark import Metric
from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.surrogates.curve_basis import CurveBasis
from nasbench_suite.surrogates.model_file import read_model, software, write_model
from nasbench_suite.tabular.row_index import RowMeaning

KIND = Kind("surrogate", 1, "fit it again with nasbench-suite fit, or get the file again")
_METRICS = TypeAdapter(dict[str, Metric])
Values = NDArray[np.float64]


@dataclass(frozen=True)
class SurrogateModel:
    """Predicts metrics of architectures after every epoch.

    Attributes
    ----------
    task
        The task whose table it was fitted on.
    space
        Name of its space.
    metrics
        What is predicted, by name: the validation metric first.
    epochs
        Training epochs of the columns of metrics that are recorded each epoch; empty: fully trained only.
    logarithmic
        Names of metrics that are predicted as logarithms.
    basis
        Curves of all metrics, one behind the other, as components.
    noise
        Deviation of results that the members do not account for, in the units of the columns (logarithms
        where these are), `[columns]`.
    predictors
        One per component, all with the same encoder and number of members.
    about
        How it was fitted, on what, with which figures.
    rows
        Whether isomorphic architectures have the same predictions (`class`), or each string its own
        (`string`).
    """

    task: str
    space: str
    metrics: Mapping[str, Metric]
    epochs: tuple[int, ...]
    logarithmic: tuple[str, ...]
    basis: CurveBasis
    noise: Values
    predictors: Sequence[Pipeline]
    about: Mapping[str, Any]
    rows: RowMeaning = "class"

    def columns(self) -> dict[str, slice]:
        """Return where the curve of each metric lies among the columns of the basis."""
        found, place = {}, 0
        for name, metric in self.metrics.items():
            length = max(1, len(self.epochs)) if metric.recorded == "each epoch" else 1
            found[name] = slice(place, place + length)
            place += length
        return found

    def curves(self, genes: Genes) -> Values:
        """Return what every member predicts of all columns, some of them logarithms: `[members, n, columns]`.

        Parameters
        ----------
        genes
            uint8 `[n, n_genes]`.

        Raises
        ------
        ArchitectureError
            When a row is no architecture of the space.
        """
        if self.rows == "class":
            genes = get_space(self.space).canonical(genes)
        features = self.predictors[0]["encoder"].transform(genes)
        parts = [predictor["surrogate"].predict_members(features) for predictor in self.predictors]
        return self.basis.rebuild(np.stack(parts, axis=2))

    def deviation(self, members: Values, column: int) -> Values:
        """Return the deviation of results of a column, `[n]`: that of the members and the noise together."""
        found: Values = np.sqrt(members.var(axis=0) + self.noise[column] ** 2)
        return found

    def save(self, path: Path) -> None:
        """Write the model, whole or not at all.

        Raises
        ------
        NasbenchSuiteError
            When the folder is not writable or the disk is full.
        """

        def fill(file: h5py.File) -> None:
            file.attrs["task"], file.attrs["space"] = self.task, self.space
            file.attrs["metrics"] = json.dumps(
                {name: asdict(metric) for name, metric in self.metrics.items()}
            )
            file.attrs["logarithmic"], file.attrs["rows"] = json.dumps(self.logarithmic), self.rows
            file.attrs["about"] = json.dumps({**self.about, "software": software()}, sort_keys=True)
            file["epochs"] = np.array(self.epochs, dtype=np.int64)
            for name in ("center", "scale", "components"):
                file[f"basis/{name}"] = getattr(self.basis, name)
            file["noise"] = self.noise
            for place, predictor in enumerate(self.predictors):
                write_model(file.create_group(f"predictors/{place}"), predictor)

        write_sealed(path, KIND, fill)


def load_surrogate(path: Path) -> SurrogateModel:
    """Read a model.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, or of another kind or schema.
    NasbenchSuiteError
        When there is no such file.
    """
    with open_sealed(path, KIND) as file:
        return SurrogateModel(
            task=str(file.attrs["task"]),
            space=get_space(str(file.attrs["space"])).name,
            metrics=_METRICS.validate_json(file.attrs["metrics"]),
            epochs=tuple(file["epochs"][()].tolist()),
            logarithmic=tuple(json.loads(file.attrs["logarithmic"])),
            basis=CurveBasis(*(file[f"basis/{name}"][()] for name in ("center", "scale", "components"))),
            noise=file["noise"][()],
            predictors=[read_model(file[f"predictors/{place}"]) for place in range(len(file["predictors"]))],
            about=json.loads(file.attrs["about"]),
            rows="string" if file.attrs.get("rows") == "string" else "class",
        )
