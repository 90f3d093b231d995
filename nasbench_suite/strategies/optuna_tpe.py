"""Optuna's own tree-structured Parzen estimator, behind the suite's door.

Akiba, Sano, Yanase, Ohta, Koyama: "Optuna: A Next-generation Hyperparameter Optimization Framework" (KDD
2019). `tpe` is the same method for all runs at once; this one is what Optuna's users have.
"""

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.single_run import SingleRunStrategy

if TYPE_CHECKING:  # an optional package
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import Trial

_SEEDS = 2**31
_MOST_REDRAWS = 100


class OptunaTpe(SingleRunStrategy):
    """Every gene is a categorical parameter of an Optuna study.

    Attributes
    ----------
    study
        What has been tried.
    """

    name = "optuna_tpe"
    initial: int
    candidates: int
    multivariate: bool

    def setup(self) -> None:
        """Begin an empty study."""
        self.study = StudyOfGenes(self.space)

    def propose(self) -> Genes:
        """Ask the sampler; what is no architecture is told as failed and asked again."""
        import optuna

        self.study.sample_with(
            optuna.samplers.TPESampler(
                seed=int(self.rng.integers(_SEEDS)),
                n_startup_trials=self.initial,
                n_ei_candidates=self.candidates,
                multivariate=self.multivariate,
            )
        )
        for _ in range(_MOST_REDRAWS):
            genes = self.study.ask()
            if self.space.valid(genes[None])[0]:
                return genes
            self.study.tell(math.nan)
        drawn: Genes = self.space.sample(self.rng, 1)[0]
        return drawn

    def observe(self, genes: Genes, score: float) -> None:
        """Tell the study."""
        self.study.tell(score)


class StudyOfGenes:
    """An Optuna study in memory, which can be copied and goes on from the copy.

    Parameters
    ----------
    space
        Of the genes.

    Raises
    ------
    NasbenchSuiteError
        When Optuna is not installed.
    """

    def __init__(self, space: SearchSpace):
        try:
            import optuna
        except ModuleNotFoundError as problem:
            raise NasbenchSuiteError(
                "strategy optuna_tpe needs the package optuna; run: pip install 'nasbench-suite[optuna]'; "
                "strategy tpe is the same method without it."
            ) from problem
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        optuna.logging.disable_default_handler()
        self.space = space
        self.study = optuna.create_study(direction="maximize")
        self.waiting: int | None = None

    @property
    def parameters(self) -> "dict[str, CategoricalDistribution]":
        """A categorical parameter for every gene."""
        from optuna.distributions import CategoricalDistribution

        return {
            f"gene_{gene:03d}": CategoricalDistribution(list(range(limit)))
            for gene, limit in enumerate(self.space.cardinalities)
        }

    def sample_with(self, sampler: Any) -> None:
        """Draw what is asked for next with a sampler."""
        self.study.sampler = sampler

    def ask(self) -> Genes:
        """Return the genes to try next, `[n_genes]`."""
        names = self.parameters
        trial: Trial = self.study.ask(names)  # type: ignore[arg-type]  # invariant dict
        self.waiting = trial.number
        return np.array([trial.params[name] for name in names], dtype=np.uint8)

    def tell(self, score: float) -> None:
        """Take the result of what was asked; one that is not finite has failed."""
        from optuna.trial import TrialState

        if self.waiting is None:
            return  # drawn without the study
        if math.isfinite(score):
            self.study.tell(self.waiting, score)
        else:
            self.study.tell(self.waiting, state=TrialState.FAIL)
        self.waiting = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "StudyOfGenes":
        """Copy the trials; a study itself holds locks, which cannot be."""
        new = StudyOfGenes(self.space)
        new.study.add_trials(self.study.get_trials(deepcopy=True))
        new.waiting = copy.copy(self.waiting)
        return new
