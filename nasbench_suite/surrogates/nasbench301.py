"""The official models of NAS-Bench-301, XGBoost's and LightGBM's, as surrogates of this suite.

Siems et al.: "NAS-Bench-301" (arXiv 2008.09777), and the code at automl/nasbench301: an ensemble is a folder
whose members lie in folders of their own, each with `surrogate_model.model` (a pickled booster),
`model_config.json` (`model`: `xgb`, `lgb`, and `xgb_time` or `lgb_time` for the runtime) and
`data_config.json`. An answer is the mean of the members; with noise, a normal draw around it with their
deviation. There are no test accuracies: what a search found is judged by the mean without noise, as in the
paper's trajectories.

Members see an architecture as its genotype is written, so isomorphic ones have different predictions, as in
the official code. What LightGBM predicts in double precision is summed up in single precision here.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

from nasbench_suite.benchmark import Metric
from nasbench_suite.content import data_root
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.pickled_booster import read_pickled_booster
from nasbench_suite.foreign.regression_trees import RegressionTrees
from nasbench_suite.surrogates.boosted_trees import BoostedTrees
from nasbench_suite.surrogates.card import (
    MODEL,
    ImportedEntry,
    SurrogateCard,
    surrogate_card,
    write_imported_card,
)
from nasbench_suite.surrogates.catalogue import make_predictor
from nasbench_suite.surrogates.configspace_columns import SPACE, hyperparameters
from nasbench_suite.surrogates.curve_basis import CurveBasis
from nasbench_suite.surrogates.model import SurrogateModel
from nasbench_suite.surrogates.tree_booster import booster_of
from nasbench_suite.tabular.importers.job import checked_name, no_progress

_MEMBER, _CONFIG = "surrogate_model.model", "model_config.json"
_KINDS = ("xgb", "lgb")
_TIME = "_time"
_VALID = Metric(
    name="valid_accuracy",
    unit="fraction",
    direction="max",
    role="valid",
    description="predicted accuracy on 10,000 validation images of CIFAR-10 after training",
    recorded="last epoch",
)
_JUDGED = Metric(
    name="noise_free_valid_accuracy",
    unit="fraction",
    direction="max",
    role="test",
    description="valid_accuracy, always without noise",
    recorded="last epoch",
)
_COST = Metric(
    name="runtime_seconds",
    unit="s",
    direction="min",
    role="cost",
    description="predicted seconds of the whole training, on the authors' machines",
    recorded="last epoch",
)


@dataclass(frozen=True)
class Ensemble:
    """The members of a model.

    Attributes
    ----------
    folder
        Where they lie.
    kind
        What `model_config.json` calls them.
    members
        Their files.
    """

    folder: Path
    kind: str
    members: tuple[Path, ...]

    def trees(self) -> list[RegressionTrees]:
        """Read the members.

        Raises
        ------
        DamagedFileError
            When a file is no such model, or has other columns than NAS-Bench-301's configuration space.
        """
        found = [read_pickled_booster(path.read_bytes(), str(path)) for path in self.members]
        columns = len(hyperparameters())
        for path, trees in zip(self.members, found, strict=True):
            if trees.columns != columns:
                raise DamagedFileError(
                    f"{path} takes {trees.columns} columns, not the {columns} of NAS-Bench-301's "
                    "configuration space; models with BANANAS's path encoding cannot be asked."
                )
        return found


def find_ensembles(folders: Sequence[Path]) -> list[Ensemble]:
    """Return the ensembles below some folders, in the order of their paths.

    Raises
    ------
    NasbenchSuiteError
        When there is none, or a member lacks its configuration.
    """
    members = sorted({path for folder in folders for path in folder.rglob(_MEMBER)})
    if not members:
        raise NasbenchSuiteError(
            f"no {_MEMBER} lies below {', '.join(map(str, folders))}; name the folder of the official "
            "models, such as nb_models_1.0 or xgb_v1.0."
        )
    by_folder: dict[tuple[Path, str], list[Path]] = {}
    for path in members:
        by_folder.setdefault((path.parent.parent, _kind_of(path)), []).append(path)
    return [Ensemble(folder, kind, tuple(paths)) for (folder, kind), paths in by_folder.items()]


def _kind_of(member: Path) -> str:
    path = member.parent / _CONFIG
    try:
        config = json.loads(path.read_bytes())
        return str(config["model"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise NasbenchSuiteError(
            f"{path} does not say what model {_MEMBER} beside it is; fetch the folder again."
        ) from problem


def model_of(accuracy: Ensemble, runtime: Ensemble | None) -> SurrogateModel:
    """Return a surrogate of an ensemble for accuracies, and one for seconds if there is one.

    Where the two differ in their number of members, every member predicts the mean of the seconds.

    Raises
    ------
    DamagedFileError
        When a file is no model that can be read.
    """
    members = [accuracy.trees()]
    if runtime:
        seconds = runtime.trees()
        same = len(seconds) == len(members[0])
        members.append(seconds if same else [_mean_of(seconds)] * len(members[0]))
    metrics = (_VALID, _JUDGED, _COST)[: 1 + len(members)]
    columns = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])[: len(members), : len(metrics)]
    return SurrogateModel(
        task="nasbench301/cifar10",
        space=SPACE,
        metrics={metric.name: metric for metric in metrics},
        epochs=(),
        logarithmic=(),
        basis=CurveBasis(np.zeros(len(metrics)), np.array([0.01, 0.01, 1.0])[: len(metrics)], columns),
        noise=np.zeros(len(metrics)),
        predictors=[_predictor(trees) for trees in members],
        about={"trees": [sum(map(len, trees)) for trees in members]},
        rows="string",
    )


def _mean_of(members: Sequence[RegressionTrees]) -> RegressionTrees:
    """Return all trees as one sum that is the mean of the members."""
    sizes = [trees.starts[-1] for trees in members]
    shifts = np.cumsum([0, *sizes[:-1]])
    ends = [trees.starts[1:] + shift for trees, shift in zip(members, shifts, strict=True)]
    return RegressionTrees(
        columns=members[0].columns,
        base=float(np.mean([trees.base for trees in members])),
        starts=np.concatenate([[0], *ends]),
        feature=np.concatenate([trees.feature for trees in members]),
        below=np.concatenate([trees.below for trees in members]),
        left=np.concatenate([trees.left for trees in members]),
        right=np.concatenate([trees.right for trees in members]),
        value=np.concatenate([trees.value for trees in members]) / len(members),
    )


def _predictor(members: Sequence[RegressionTrees]) -> Pipeline:
    """Return a fitted predictor whose members are these."""
    predictor = make_predictor(SPACE, BoostedTrees.name, encoding="configspace", members=len(members))
    surrogate: BoostedTrees = predictor["surrogate"]
    surrogate.n_features_in_, surrogate.center_, surrogate.scale_ = members[0].columns, 0.0, 1.0
    surrogate.boosters_ = [booster_of(trees) for trees in members]
    surrogate.lines_ = np.tile([1.0, 0.0], (len(members), 1))
    return predictor


def import_models(
    folders: Sequence[Path], name: str = "nasbench301", progress: Callable[[int, int], None] = no_progress
) -> tuple[list[tuple[Path, SurrogateCard]], list[Ensemble]]:
    """Make surrogates `NAME-FOLDER` of the official ensembles below some folders, in the user's data folder.

    Parameters
    ----------
    folders
        `nb_models_1.0`, or the folders of an ensemble for accuracies and of one for runtimes.
    name
        What their names begin with.
    progress
        To be called with ensembles done and all ensembles.

    Returns
    -------
    made, left_out
        Folder and card of every surrogate, and the ensembles that cannot be read: those of graph networks.

    Raises
    ------
    DamagedFileError
        When a file is no model that can be read; nothing of it was run.
    NasbenchSuiteError
        When there is no ensemble for accuracies, or the data folder is not writable.
    """
    found = find_ensembles(folders)
    runtimes = [ensemble for ensemble in found if ensemble.kind in [kind + _TIME for kind in _KINDS]]
    accuracies = [ensemble for ensemble in found if ensemble.kind in _KINDS]
    if not accuracies:
        raise NasbenchSuiteError(
            f"the models below {', '.join(map(str, folders))} are of kind "
            f"{', '.join(sorted({e.kind for e in found}))}; name a folder with an ensemble for accuracies "
            "by XGBoost or LightGBM (xgb, lgb)."
        )
    runtime = runtimes[0] if runtimes else None
    made = []
    for done, ensemble in enumerate(accuracies):
        progress(done, len(accuracies))
        folder = data_root() / "surrogates" / checked_name(f"{name}-{ensemble.folder.name}")
        made.append((folder, _write(folder, ensemble, runtime)))
    progress(len(accuracies), len(accuracies))
    return made, [ensemble for ensemble in found if ensemble not in (*accuracies, *runtimes)]


def _write(folder: Path, accuracy: Ensemble, runtime: Ensemble | None) -> SurrogateCard:
    model = model_of(accuracy, runtime)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / MODEL)
    files = [*accuracy.members, *(runtime.members if runtime else ())]
    defects = [
        "isomorphic cells have different predictions",
        "test accuracies are not predicted: searches are judged by the validation accuracy without noise",
    ]
    if runtime is None:
        defects.append("no ensemble of runtimes was beside it, so that an evaluation costs nothing")
    heads = {
        "name": folder.name,
        "title": f"NAS-Bench-301, {accuracy.folder.name}",
        "summary": "The official models of NAS-Bench-301: validation accuracy and training time on CIFAR-10.",
        "licence": "Apache-2.0, as the code at automl/nasbench301",
        "defects": defects,
    }
    imported = ImportedEntry(
        source="official models of NAS-Bench-301 (automl/nasbench301)",
        model_sha256=hashlib.sha256((folder / MODEL).read_bytes()).hexdigest(),
        members=len(accuracy.members),
        trees=model.about["trees"][0],
        files={
            str(path.relative_to(path.parent.parent.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    )
    write_imported_card(folder, heads, imported)
    return surrogate_card(folder)
