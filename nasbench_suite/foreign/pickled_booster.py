"""Pickled boosters of XGBoost and LightGBM as trees, without either library and without running anything.

A pickle of a booster is its class's name and the dictionary of its attributes, in which `handle` is the model
in the library's own form. LightGBM predicts by the trees up to `best_iteration`; XGBoost's `Booster.predict`
by all of them. Sources: `Booster.__getstate__` and `Booster.predict` of xgboost 1.0 and lightgbm 2.3.
"""

import pickle
from collections.abc import Mapping
from typing import Any

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.lightgbm_text import read_lightgbm
from nasbench_suite.foreign.pickle_depth import check
from nasbench_suite.foreign.pickle_stand_ins import CONTAINERS, NUMPY, Constructor, Meter, Metered
from nasbench_suite.foreign.regression_trees import RegressionTrees
from nasbench_suite.foreign.restricted_pickle import RestrictedUnpickler, refusing
from nasbench_suite.foreign.xgboost_json import read_xgboost_json
from nasbench_suite.foreign.xgboost_legacy import PICKLED, read_xgboost


class _Booster:
    """Stands in for a booster and takes its attributes, nothing else."""

    __slots__ = ("state",)
    state: dict[str, Any]

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("a booster has no attributes")
        self.state = state


class _XGBoost(_Booster):
    __slots__ = ()


class _LightGBM(_Booster):
    __slots__ = ()


def _bytearray(meter: Meter, content: Any = b"", encoding: Any = "latin-1") -> bytes:
    if isinstance(content, str) and encoding == "latin-1":
        content = content.encode("latin-1")
    if not isinstance(content, bytes):
        raise pickle.UnpicklingError("an array of bytes is made of none")
    meter.spend(len(content))
    return content


def _defaultdict(factory: Any = None) -> dict[Any, Any]:
    return {}


_ADMITTED: Mapping[tuple[str, str], Any] = {
    **CONTAINERS,
    **NUMPY,
    **{(module, "bytearray"): Metered(_bytearray) for module in ("builtins", "__builtin__")},
    ("collections", "defaultdict"): Constructor(_defaultdict),
    ("xgboost.core", "Booster"): _XGBoost,
    ("lightgbm.basic", "Booster"): _LightGBM,
}


def read_pickled_booster(content: bytes, source: str) -> RegressionTrees:
    """Return the trees by which a pickled booster predicts.

    Parameters
    ----------
    content
        What `pickle.dump` wrote of an `xgboost.Booster` (releases 1.0 to 1.5) or a `lightgbm.Booster`.
    source
        What messages call it.

    Raises
    ------
    DamagedFileError
        When it is something else, cut off, asks for anything else to be built, or holds no such trees.
    """
    with refusing(source):
        check(content)
        found = RestrictedUnpickler(content, _ADMITTED).read()
        state = found.state if isinstance(found, _Booster) else {}
        handle, best = state.get("handle"), state.get("best_iteration", 0)
    if isinstance(found, _LightGBM) and isinstance(handle, str):
        trees = read_lightgbm(handle, source)
        return trees.first(best) if isinstance(best, int) and 0 < best < len(trees) else trees
    if isinstance(found, _XGBoost) and isinstance(handle, bytes | bytearray):
        if handle.startswith(PICKLED):
            return read_xgboost(handle, source)
        if handle.startswith(b'{"'):
            return read_xgboost_json(bytes(handle), source)
    raise DamagedFileError(
        f"{source} is no pickled booster of LightGBM, or of XGBoost releases 1.0 to 1.5; pickle it with such "
        "a release."
    )
