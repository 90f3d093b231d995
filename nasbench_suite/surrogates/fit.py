"""Fits a surrogate to a table: which rows learn, which judge, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Metric
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.surrogates.catalogue import PredictorChoice
from nasbench_suite.surrogates.curve_basis import CurveBasis
from nasbench_suite.surrogates.model import SurrogateModel
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.scores import Scores, scores, unexplained
from nasbench_suite.tabular.benchmark import TabularBenchmark

Values = NDArray[np.float64]
Rows = NDArray[np.intp]
_FEWEST = 10


@dataclass(frozen=True)
class Recipe(PredictorChoice):
    """How a surrogate is fitted.

    Attributes
    ----------
    train_share, noise_share
        Parts of the classes of isomorphic architectures that it learns from, and by which the noise is
        estimated; the others judge it.
    samples
        At most so many rows learn; 0 for all.
    seed
        Of the split.
    """

    train_share: float = 0.8
    noise_share: float = 0.1
    samples: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Samples:
    """What a table holds for a surrogate.

    Attributes
    ----------
    genes
        Canonical, uint8 `[n, n_genes]`.
    curves
        Metrics one behind the other, float64 `[n, columns]`; means over the trainings, logarithms of costs.
    metrics
        By name, in the order of the columns.
    logarithmic
        Those that are logarithms.
    incomplete
        Rows of the table that were left out, because a result is missing.
    """

    genes: Genes
    curves: Values
    metrics: Mapping[str, Metric]
    logarithmic: tuple[str, ...]
    incomplete: int


def samples_of(benchmark: TabularBenchmark) -> Samples:
    """Return validation results, test results and costs of all rows of a table that have them.

    Raises
    ------
    NasbenchSuiteError
        When it has no validation results.
    """
    benchmark.valid_column()  # says what to do where there are none
    table = benchmark.table
    names = [benchmark.valid_metric]
    names += [name for name in (benchmark.test_metric, benchmark.cost_metric) if name and name not in names]
    metrics = {name: benchmark.metrics[name] for name in names}
    parts, logarithmic = [], []
    for name, metric in metrics.items():
        values = table.columns[name]
        present = ~np.isnan(values)
        total, count = np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1)
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        if metric.role == "cost" and (mean[~np.isnan(mean)] > 0).all():
            mean = np.log(mean)
            logarithmic.append(name)
        parts.append(mean)
    curves = np.concatenate(parts, axis=1)
    complete = ~np.isnan(curves).any(axis=1)
    genes = benchmark.space.canonical(table.genes[complete])
    return Samples(genes, curves[complete], metrics, tuple(logarithmic), int((~complete).sum()))


def fit_surrogate(benchmark: TabularBenchmark, recipe: Recipe) -> tuple[SurrogateModel, dict[str, Scores]]:
    """Fit a surrogate to a table.

    Isomorphic architectures are on the same side of the split, so that none is judged by what another name
    of it has taught.

    Returns
    -------
    model
        Fitted on the rows that learn.
    judged
        Figures by metric, of full training, on the others.

    Raises
    ------
    FitError
        When too few rows are complete, or a value is constant.
    NasbenchSuiteError
        When the table has no validation results, or the recipe names something that is not there.
    """
    samples = samples_of(benchmark)
    learns, held, judges = split(benchmark.space.key(samples.genes), recipe)
    if min(map(len, (learns, held, judges))) < _FEWEST:
        raise FitError(
            f"{benchmark.id} leaves {len(learns)} rows to learn from, {len(held)} for the noise and "
            f"{len(judges)} to judge by; at least {_FEWEST} of each are needed."
        )
    basis = CurveBasis.fit(samples.curves[learns])
    components = basis.project(samples.curves[learns])
    predictors = [
        recipe.make(benchmark.space.name).fit(samples.genes[learns], column) for column in components.T
    ]
    description = benchmark.table.description
    model = SurrogateModel(
        task=benchmark.id,
        space=benchmark.space.name,
        metrics=samples.metrics,
        epochs=tuple(benchmark.table.epochs.tolist()) if _has_epochs(samples) else (),
        logarithmic=samples.logarithmic,
        basis=basis,
        noise=np.zeros(samples.curves.shape[1]),
        predictors=predictors,
        about={
            "table_sha256": benchmark.table.sha256,
            "table_source": description.source,
            "split": {
                "train": len(learns),
                "noise": len(held),
                "test": len(judges),
                "incomplete": samples.incomplete,
            },
            "components": len(predictors),
        },
    )
    members = model.curves(samples.genes[held])
    noise = unexplained(samples.curves[held] - members.mean(axis=0), members.std(axis=0))
    model = replace(model, noise=noise)
    return model, judge(model, samples, judges)


def _has_epochs(samples: Samples) -> bool:
    return any(metric.recorded == "each epoch" for metric in samples.metrics.values())


def split(keys: NDArray[np.uint64], recipe: Recipe) -> tuple[Rows, Rows, Rows]:
    """Return the rows that learn, that are for the noise, and that judge; equal keys stay together."""
    learning, both = recipe.train_share, recipe.train_share + recipe.noise_share
    if not 0 < learning < both < 1:
        raise NasbenchSuiteError(
            "train_share and noise_share must be above 0 and leave something to judge by, not "
            f"{recipe.train_share} and {recipe.noise_share}."
        )
    _, group = np.unique(keys, return_inverse=True)
    rng = np.random.default_rng(recipe.seed)
    place = rng.permutation(int(group.max(initial=-1)) + 1)[group] / max(1, group.max(initial=0) + 1)
    learns = np.flatnonzero(place < learning)
    if 0 < recipe.samples < len(learns):
        learns = np.sort(rng.choice(learns, recipe.samples, replace=False))
    return learns, np.flatnonzero((place >= learning) & (place < both)), np.flatnonzero(place >= both)


def judge(model: SurrogateModel, samples: Samples, rows: Rows) -> dict[str, Scores]:
    """Return the figures of every metric on some rows, fully trained; logarithms where the model has them."""
    found, judged = model.curves(samples.genes[rows]), {}
    for name, own in model.columns().items():
        last = own.stop - 1
        members = found[:, :, last]
        judged[name] = scores(
            samples.curves[rows, last], members.mean(axis=0), model.deviation(members, last)
        )
    return judged
