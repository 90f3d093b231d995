"""The estimators by name, and what turns genes into a fitted predictor."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sklearn.pipeline import Pipeline

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.surrogates.encodings import ArchitectureEncoder
from nasbench_suite.surrogates.regressor import Surrogate

_CLASSES: Mapping[str, tuple[str, str]] = {
    "blend": ("blend", "Blend"),
    "gaussian_process": ("gaussian_process", "GaussianProcess"),
    "gin": ("graph_network", "GraphNetwork"),
    "mlp": ("mlp_ensemble", "MlpEnsemble"),
    "nu_svr": ("nu_svr", "NuSupportVectors"),
    "random_forest": ("random_forest", "RandomForest"),
    "xgboost": ("boosted_trees", "BoostedTrees"),
}
"""Module and class of every estimator: loaded when asked for, since they load XGBoost or torch."""
_READS_GENES = ("gin",)
"""Estimators whose features are gene rows, and which know their space."""


def surrogate_names() -> list[str]:
    """Return the names that `get_surrogate` answers to."""
    return sorted(_CLASSES)


def get_surrogate(name: str) -> Callable[..., Surrogate]:
    """Return the class of an estimator by name.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    if name not in _CLASSES:
        raise UnknownNameError("surrogate", name, _CLASSES)
    module, cls = _CLASSES[name]
    found: Callable[..., Surrogate] = getattr(import_module(f"nasbench_suite.surrogates.{module}"), cls)
    return found


def settings_of(name: str) -> dict[str, Any]:
    """Return the hyperparameters of an estimator and their defaults; None where there is no default."""
    parameters = inspect.signature(get_surrogate(name)).parameters
    return {
        key: None if p.default is inspect.Parameter.empty else p.default
        for key, p in parameters.items()
        if key != "space"
    }


@dataclass(frozen=True)
class PredictorChoice:
    """Which predictor to make.

    Attributes
    ----------
    surrogate, encoding, longest_path, settings, columns_of
        See `make_predictor`.
    """

    surrogate: str
    encoding: str = "one_hot"
    longest_path: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict)
    columns_of: str = ""

    def make(self, space: str) -> Pipeline:
        """Return it, unfitted; raises what `make_predictor` does."""
        return make_predictor(
            space,
            self.surrogate,
            encoding=self.encoding,
            longest_path=self.longest_path,
            columns_of=self.columns_of,
            **self.settings,
        )


def make_surrogate(name: str, **settings: Any) -> Surrogate:
    """Return an unfitted estimator by name.

    Raises
    ------
    UnknownNameError
        When there is no such estimator or hyperparameter.
    """
    known = settings_of(name)
    for key in settings:
        if key not in known and key != "space":
            raise UnknownNameError(f"hyperparameter of surrogate {name}", key, known)
    return get_surrogate(name)(**settings)


def make_predictor(
    space: str,
    name: str,
    *,
    encoding: str = "one_hot",
    longest_path: int = 3,
    columns_of: str = "",
    **settings: Any,
) -> Pipeline:
    """Return an unfitted predictor from genes `[n, n_genes]` to values: an encoder and an estimator.

    Parameters
    ----------
    space
        Name of the space.
    name
        One of `surrogate_names()`.
    encoding, longest_path, columns_of
        See `ArchitectureEncoder`; estimators that read graphs have gene rows instead.
    settings
        Hyperparameters of the estimator.

    Raises
    ------
    UnknownNameError
        When there is no such estimator or hyperparameter.
    NasbenchSuiteError
        When an encoding is given to an estimator that reads graphs.
    """
    if name in _READS_GENES:
        if encoding not in ("one_hot", "ordinal") or columns_of:
            beside = f" and columns_of={columns_of}" if columns_of else ""
            raise NasbenchSuiteError(
                f"surrogate {name} reads the graphs of architectures; leave out encoding={encoding}{beside}."
            )
        encoder = ArchitectureEncoder(space, "ordinal")
        return Pipeline([("encoder", encoder), ("surrogate", make_surrogate(name, space=space, **settings))])
    encoder = ArchitectureEncoder(space, encoding, longest_path, columns_of)
    return Pipeline([("encoder", encoder), ("surrogate", make_surrogate(name, **settings))])
