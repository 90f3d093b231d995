"""Fitted predictors on disk: sealed HDF5 files of arrays and JSON, never a pickle."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from sklearn.pipeline import Pipeline

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.surrogates.catalogue import make_predictor, settings_of
from nasbench_suite.surrogates.regressor import Surrogate

MODEL = Kind("surrogate model", 1, "fit it again with nasbench-suite fit, or get the file again")
_PACKAGES = ("nasbench-suite", "numpy", "scikit-learn", "torch", "xgboost")


@dataclass(frozen=True)
class Description:
    """What a model is.

    Attributes
    ----------
    space, surrogate, encoding, longest_path, settings
        What `make_predictor` makes it of.
    columns
        Number of features.
    center, scale
        Mean and deviation of the targets that it was fitted on.
    columns_of
        The table that its encoding reads besides.
    """

    space: str
    surrogate: str
    encoding: str
    longest_path: int
    settings: Mapping[str, Any]
    columns: int
    center: float
    scale: float
    columns_of: str = ""


def describe(predictor: Pipeline) -> Description:
    """Return what a fitted predictor is."""
    encoder, surrogate = predictor["encoder"], predictor["surrogate"]
    return Description(
        space=encoder.space,
        surrogate=surrogate.name,
        encoding=encoder.encoding,
        longest_path=encoder.longest_path,
        settings={key: getattr(surrogate, key) for key in settings_of(surrogate.name)},
        columns=surrogate.n_features_in_,
        center=surrogate.center_,
        scale=surrogate.scale_,
        columns_of=encoder.columns_of,
    )


def software() -> dict[str, str]:
    """Return the versions that a fit depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def write_model(file: h5py.Group, predictor: Pipeline) -> None:
    """Write a fitted predictor into a group of an HDF5 file."""
    file.attrs["description"] = json.dumps(asdict(describe(predictor)))
    for name, values in predictor["surrogate"].state().items():
        shaped = {"compression": "gzip", "shuffle": True} if np.ndim(values) else {}
        file.create_dataset(f"arrays/{name}", data=values, **shaped)


def read_model(file: h5py.Group) -> Pipeline:
    """Read a predictor that `write_model` wrote; errors mean that the file is damaged."""
    found = Description(**json.loads(file.attrs["description"]))
    predictor = make_predictor(
        found.space,
        found.surrogate,
        encoding=found.encoding,
        longest_path=found.longest_path,
        columns_of=found.columns_of,
        **found.settings,
    )
    surrogate: Surrogate = predictor["surrogate"]
    surrogate.n_features_in_ = int(found.columns)
    surrogate.center_, surrogate.scale_ = float(found.center), float(found.scale)
    surrogate.restore({name: values[()] for name, values in file["arrays"].items()})
    return predictor


def save_predictors(path: Path, predictors: Mapping[str, Pipeline], about: Mapping[str, Any]) -> None:
    """Write fitted predictors by name into one file, whole or not at all.

    Parameters
    ----------
    path
        The file.
    predictors
        What predicts which metric.
    about
        What else the file says, as JSON.

    Raises
    ------
    NasbenchSuiteError
        When the folder is not writable or the disk is full.
    """

    def fill(file: h5py.File) -> None:
        file.attrs["about"] = json.dumps({**about, "software": software()})
        for name, predictor in predictors.items():
            write_model(file.create_group(f"models/{name}"), predictor)

    write_sealed(path, MODEL, fill)


def load_predictors(path: Path, names: Sequence[str] = ()) -> tuple[dict[str, Pipeline], dict[str, Any]]:
    """Read predictors by name, all or those named, and what else the file says.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, of another schema, or holds no such predictor.
    NasbenchSuiteError
        When there is no such file.
    """
    with open_sealed(path, MODEL) as file:
        wanted = list(names) or sorted(file["models"])
        missing = [name for name in wanted if name not in file["models"]]
        if missing:
            raise DamagedFileError(f"{path} holds no model of {missing[0]}; {MODEL.remedy}.")
        about: dict[str, Any] = json.loads(file.attrs["about"])
        return {name: read_model(file[f"models/{name}"]) for name in wanted}, about
