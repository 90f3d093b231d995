"""The shortest way to bring an algorithm: write one search, the suite plays as many as are asked for."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.base import Proposals, Seed, Strategy, resolve_hyperparameters
from nasbench_suite.strategies.card import Setting

if TYPE_CHECKING:  # it loads torch
    from nasbench_suite.training.gan.setting import GanSetting
    from nasbench_suite.training.setting import Setting as TrainingSetting


Admission = Callable[[Genes], NDArray[np.bool_]]
"""Tells of architectures `[n, n_genes]` which of them keep to constraints, bool `[n]`."""
_SHARED = frozenset({"space", "training", "admits"})
"""What searches share and never change."""


class SingleRunStrategy(ABC):
    """One search. Override `propose` and `observe`, and `setup` if there is state to prepare.

    Hyperparameters are annotated class attributes with a default (`population: int = 20`); they can be
    replaced with `--set population=50`. Use `self.rng`, never a global generator, and `self.space`.

        class Climber(SingleRunStrategy):
            best = None

            def propose(self):
                if self.best is None:
                    return self.space.sample(self.rng, 1)[0]
                return self.space.mutate(self.rng, self.best[1][None])[0]

            def observe(self, genes, score):
                if self.best is None or score > self.best[0]:
                    self.best = (score, genes)
    """

    name: ClassVar[str] = ""
    uses_results: ClassVar[bool] = True
    """See `Strategy.uses_results`."""
    multi_objective: ClassVar[bool] = False
    """Whether it wants all objectives, by `observe_values`, instead of one score."""
    trains: ClassVar[bool] = False
    """Whether it trains networks itself: it is then told how those of the task are trained, as
    `self.training`, and refused where nothing says so; and which architectures keep to constraints, as
    `self.admits`, None without constraints."""
    ending: str = ""
    """Why the search has ended of itself; set it, and nothing more is asked."""
    billed_seconds: float | None = None
    """What the last proposal took, if the search bills its work."""

    def __init__(
        self,
        space: SearchSpace,
        rng: np.random.Generator,
        hyperparameters: Mapping[str, Setting],
        training: "TrainingSetting | GanSetting | None" = None,
        admits: Admission | None = None,
    ):
        self.space = space
        self.rng = rng
        self.training = training
        self.admits = admits
        for key, value in hyperparameters.items():
            setattr(self, key, value)
        self.setup()

    def setup(self) -> None:  # noqa: B027  # optional
        """Prepare the state of the search."""

    @abstractmethod
    def propose(self) -> Genes:
        """Return the architecture to evaluate next: uint8 `[n_genes]`."""

    def findings(self) -> dict[str, NDArray[Any]]:
        """Return what else was found, by name; of the same shapes in every run."""
        return {}

    @abstractmethod
    def observe(self, genes: Genes, score: float) -> None:
        """Take the result of the last proposal; larger is better, a missing result is minus infinity."""

    def observe_values(self, genes: Genes, values: NDArray[np.float64], violation: float) -> None:
        """Take the result of the last proposal, of a class that is `multi_objective`.

        Parameters
        ----------
        genes
            uint8 `[n_genes]`.
        values
            Objectives, `[objectives]`, each to be maximised; minus infinity where missing.
        violation
            By how much constraints are missed; 0 where all are met.

        Raises
        ------
        NasbenchSuiteError
            When the class does not define it.
        """
        raise NasbenchSuiteError(
            f"{type(self).__name__} is multi_objective, so it is told by observe_values; define it."
        )


class SideBySide(Strategy):
    """Plays many searches of a `SingleRunStrategy` class as one `Strategy`, each with its own generator."""

    def __init__(
        self,
        single_run_class: type[SingleRunStrategy],
        space: SearchSpace,
        *,
        runs: int = 1,
        seed: Seed = 0,
        reward: str = "",
        objectives: Sequence[str] = (),
        constraints: Sequence[str] = (),
        training: "TrainingSetting | GanSetting | None" = None,
        admits: Admission | None = None,
        **hyperparameters: Setting,
    ):
        self.single_run_class = single_run_class
        self.multi_objective = single_run_class.multi_objective
        self.uses_results = single_run_class.uses_results
        super().__init__(
            space, runs=runs, seed=seed, reward=reward, objectives=objectives, constraints=constraints
        )
        if single_run_class.trains and training is None:
            raise NasbenchSuiteError(
                f"{single_run_class.name or single_run_class.__name__} trains networks, and nothing says how "
                "those of this benchmark are trained; search a task that `nasbench-suite train` knows, such "
                "as nats_topology/mnist1d."
            )
        self.hyperparameters = resolve_hyperparameters(single_run_class, hyperparameters)
        self.searches = [
            single_run_class(space, rng, self.hyperparameters, training, admits)
            for rng in self.rng.spawn(runs)
        ]

    def ask(self) -> Proposals:
        """Ask every search for its proposal."""
        genes = np.stack([np.asarray(search.propose()) for search in self.searches])
        billed = [search.billed_seconds for search in self.searches]
        if all(seconds is None for seconds in billed):
            return Proposals(genes)
        return Proposals(genes, search_seconds=np.array([seconds or 0.0 for seconds in billed]))

    def endings(self) -> list[str]:
        """Return why searches have ended."""
        return [search.ending for search in self.searches]

    def findings(self) -> dict[str, NDArray[Any]]:
        """Return what the searches have found besides, `[runs, ...]` by name."""
        found = [search.findings() for search in self.searches]
        return {name: np.stack([of_run[name] for of_run in found]) for name in found[0]}

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Give every search its result."""
        if self.multi_objective:
            values, violations = self.values(evaluations), self.violations(evaluations)
            rows = proposals.genes.copy()
            for search, row, own, missed in zip(self.searches, rows, values, violations, strict=True):
                search.observe_values(row, own, float(missed))
            return
        scores = self.rewards(evaluations).tolist()
        for search, genes, score in zip(self.searches, proposals.genes.copy(), scores, strict=True):
            search.observe(genes, score)

    def state(self) -> dict[str, Any]:
        """Return a deep copy of every search's attributes, the space and the data excepted."""
        return copy.deepcopy(
            {
                "searches": [{k: v for k, v in vars(s).items() if k not in _SHARED} for s in self.searches],
                "_floor": self._floor,
            }
        )

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state()` returned."""
        self._floor = state["_floor"].copy()
        for search, saved in zip(self.searches, copy.deepcopy(state["searches"]), strict=True):
            vars(search).update(saved)
