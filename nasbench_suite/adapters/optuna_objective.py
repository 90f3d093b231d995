"""A benchmark as the objective of an Optuna study: every gene is a categorical parameter.

    study = optuna.create_study(direction="maximize")
    study.optimize(OptunaObjective(load_benchmark("graph/cora")), n_trials=100)

Akiba, Sano, Yanase, Ohta, Koyama: "Optuna" (KDD 2019).
"""

from typing import TYPE_CHECKING

import numpy as np

from nasbench_suite.adapters.needed import needed
from nasbench_suite.benchmark import Benchmark
from nasbench_suite.spaces import Genes, SearchSpace

if TYPE_CHECKING:  # an optional package
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import BaseTrial


class OptunaObjective:
    """Returns the validation result of the architecture that a trial suggests, in the benchmark's direction.

    What is no architecture, or has no result, prunes the trial. Simulated seconds are kept as the trial's
    user attribute `seconds`, the architecture's text as `architecture`.

    Parameters
    ----------
    benchmark
        What scores.
    epochs
        Training epochs; full training if None.

    Raises
    ------
    NasbenchSuiteError
        When Optuna is not installed.
    """

    def __init__(self, benchmark: Benchmark, epochs: int | None = None):
        self._pruned = needed("optuna", "optuna").TrialPruned
        self.benchmark, self.epochs = benchmark, epochs

    @property
    def direction(self) -> str:
        """`maximize` or `minimize`, for the study."""
        metric = next(m for m in self.benchmark.metrics.values() if m.role == "valid")
        return "maximize" if metric.direction == "max" else "minimize"

    def __call__(self, trial: "BaseTrial") -> float:
        """Evaluate a trial.

        Raises
        ------
        optuna.TrialPruned
            When the suggestion is no architecture, or has no result.
        """
        space = self.benchmark.space
        genes = suggested(trial, space)
        if not space.valid(genes[None])[0]:
            raise self._pruned("no architecture of the space")
        found = self.benchmark.query(genes[None], epochs=self.epochs)
        trial.set_user_attr("architecture", space.format(genes[None])[0])
        if found.seconds is not None:
            trial.set_user_attr("seconds", float(found.seconds[0]))
        if np.isnan(found.valid[0]):
            raise self._pruned("the benchmark has no result")
        return float(found.valid[0])


def suggested(trial: "BaseTrial", space: SearchSpace) -> Genes:
    """Return the genes that a trial suggests, uint8 `[n_genes]`; they need be no architecture."""
    values = [
        trial.suggest_categorical(_name(gene), range(limit)) for gene, limit in enumerate(space.cardinalities)
    ]
    return np.array(values, dtype=np.uint8)


def distributions(space: SearchSpace) -> "dict[str, CategoricalDistribution]":
    """Return the parameters of a space, for `study.ask` and samplers that want them beforehand."""
    distribution = needed("optuna.distributions", "optuna").CategoricalDistribution
    return {_name(gene): distribution(range(limit)) for gene, limit in enumerate(space.cardinalities)}


def _name(gene: int) -> str:
    return f"gene_{gene}"
