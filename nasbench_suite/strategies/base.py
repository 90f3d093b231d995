"""The contract of a search strategy: ask for proposals, tell their results, `runs` searches side by side."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.card import Setting, strategy_cards
from nasbench_suite.strategies.constraint import Constraint, total_violation
from nasbench_suite.strategies.objective import VALID, Objective
from nasbench_suite.strategies.reward import Reward

Seed = int | np.random.SeedSequence

_RESERVED = frozenset(
    {"name", "space", "runs", "seed", "reward", "objectives", "constraints", "rng", "hyperparameters"}
)
"""Names that cannot be hyperparameters, since they are parameters or attributes of every strategy."""
_TRAITS = frozenset(
    {"name", "uses_results", "resumes", "trains", "multi_objective", "ending", "billed_seconds"}
)
"""What the contract itself declares with a default; no hyperparameters either."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """One architecture per run to evaluate next.

    Attributes
    ----------
    genes
        uint8 `[runs, n_genes]`.
    epochs
        Training epochs asked for: the same for all runs, or int `[runs]`; None for full training.
    search_seconds
        Measured seconds that the strategy itself spent on each proposal, float64 `[runs]`; None if it
        does not bill its work.
    """

    genes: Genes
    epochs: int | NDArray[np.integer] | None = None
    search_seconds: NDArray[np.float64] | None = None


class Strategy(ABC):
    """`runs` independent searches, played in lock step.

    A subclass with a card gets its hyperparameters from there; one without a card declares them as class
    attributes with a default. Either way they are set as attributes before `setup` is called.

    Parameters
    ----------
    space
        The space to search.
    runs
        Number of independent searches.
    seed
        An integer or a `SeedSequence`; the same seed gives the same proposals.
    reward
        What to maximise, for example `valid - 0.02 * log(params_millions)`; the card's if empty, which is the
        validation metric unless the card says otherwise.
    objectives
        What to optimise at once, for example `valid` and `min latency_ms@raspi4`; the reward alone if empty.
    constraints
        What architectures have to keep to, for example `params_millions <= 0.5`: those that do not are worth
        less than any that do (see `rewards`).
    hyperparameters
        Values that replace those of the card.

    Raises
    ------
    NasbenchSuiteError
        When a hyperparameter is unknown, of the wrong type or out of range; when there are objectives and the
        strategy has room for one.
    """

    name: ClassVar[str] = ""
    """The name of the strategy's card; empty for a class without one."""
    uses_results: bool = True
    """Whether it learns from what `tell` brings. One that does not has its proposals scored for the record
    only: they cost nothing, and what it proposed last is what it found."""
    multi_objective: bool = False
    """Whether it can optimise several objectives at once, or does not care what they are."""
    resumes: bool = False
    """Whether trainings are paused and go on: an architecture that a run has evaluated after fewer epochs
    before then costs the difference."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        runs: int = 1,
        seed: Seed = 0,
        reward: str = "",
        objectives: Sequence[str] = (),
        constraints: Sequence[str] = (),
        **hyperparameters: Setting,
    ):
        if runs < 1:
            raise NasbenchSuiteError(f"runs must be at least 1, not {runs}.")
        self.space = space
        self.runs = runs
        self.reward = Reward(reward or (strategy_cards()[self.name].reward if self.name else ""))
        self.objectives = tuple(map(Objective.parse, objectives))
        self.constraints = tuple(map(Constraint.parse, constraints))
        self._floor = np.zeros(runs)
        self._check_goals()
        self.hyperparameters = resolve_hyperparameters(type(self), hyperparameters)
        for key, value in self.hyperparameters.items():
            setattr(self, key, value)
        self.rng = np.random.default_rng(seed)
        self.setup()

    def setup(self) -> None:  # noqa: B027  # optional
        """Prepare the state of all runs; called once, after the hyperparameters are set."""

    @abstractmethod
    def ask(self) -> Proposals:
        """Propose one architecture per run."""

    @abstractmethod
    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Take the results of the last proposals, one per run."""

    def endings(self) -> Sequence[str] | None:
        """Return why each run has ended of itself, empty for those that go on; None where none ever does."""
        return None

    def findings(self) -> dict[str, NDArray[Any]]:
        """Return what else the runs have found, by name, `[runs, ...]` each; for the record, at the end."""
        return {}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics besides `valid` that it wants to be told."""
        objectives = {one.name for one in self.objectives}
        constraints = {one.name for one in self.constraints}
        return tuple(sorted({*self.reward.metrics, *objectives, *constraints} - {VALID}))

    def rewards(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return what to maximise, float64 `[runs]`; missing results are minus infinity.

        To be called once for every `tell`. An architecture that misses a constraint has, whatever it
        reaches, the smallest reward that the run has seen (or 0 if that is smaller) less the violation: Deb,
        "An efficient constraint handling method for genetic algorithms" (CMAME 186, 2000), equation 4.
        """
        rewards = self.reward(evaluations)
        if not self.constraints:
            return rewards
        violations = self.violations(evaluations)
        self._floor = np.minimum(self._floor, np.where(np.isfinite(rewards), rewards, np.inf))
        return np.where(violations > 0, self._floor - violations, rewards)

    def violations(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return by how much constraints are missed, float64 `[runs]`; 0 where all are met."""
        return total_violation(self.constraints, evaluations)

    def values(self, evaluations: Evaluations) -> NDArray[np.float64]:
        """Return all objectives, `[runs, objectives]`, each to be maximised; the reward alone without any."""
        if not self.objectives:
            return self.reward(evaluations)[:, None]
        return np.stack([one.values(evaluations) for one in self.objectives], axis=1)

    def _check_goals(self) -> None:
        cls = getattr(self, "single_run_class", type(self))
        label = cls.name or cls.__name__
        names = [one.name for one in self.objectives]
        if len(set(names)) < len(names):
            raise NasbenchSuiteError(f"objectives {', '.join(names)}: one is there twice; name each once.")
        if self.objectives and not self.multi_objective:
            raise NasbenchSuiteError(
                f"{label} has one objective; give it a reward that weighs them, or take a strategy for "
                "several, such as nsga2."
            )
        if self.constraints and not self.uses_results:
            raise NasbenchSuiteError(
                f"{label} does not learn from results, so constraints cannot steer it; have what misses them "
                "rejected."
            )

    def state(self) -> dict[str, Any]:
        """Return a deep copy of everything that changes, the random generator's state included."""
        return copy.deepcopy({key: value for key, value in vars(self).items() if key != "space"})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state()` of the same class and settings returned."""
        vars(self).update(copy.deepcopy(dict(state)))


def resolve_hyperparameters(cls: type, given: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return all hyperparameters of a strategy class: the card's or the class's, replaced by those given.

    Raises
    ------
    NasbenchSuiteError
        When one is unknown, of the wrong type or out of range.
    """
    name = getattr(cls, "name", "")
    if name:
        return strategy_cards()[name].resolve(given)
    defaults = _declared(cls)
    for key, value in given.items():
        if key not in defaults:
            raise UnknownNameError(f"hyperparameter of {cls.__name__} called", key, defaults)
        if type(value) is not type(defaults[key]) and not (
            isinstance(defaults[key], float) and type(value) is int
        ):
            kind = type(defaults[key]).__name__
            raise NasbenchSuiteError(
                f"hyperparameter {key} of {cls.__name__} is of type {kind}, not {value!r}."
            )
    return {**defaults, **given}


def _declared(cls: type) -> dict[str, Setting]:
    """Return the annotated class attributes with a plain default, base classes first."""
    found: dict[str, Setting] = {}
    for owner in reversed(cls.__mro__):
        for key in vars(owner).get("__annotations__", {}):
            value = vars(owner).get(key)
            if key in _TRAITS or not isinstance(value, bool | int | float | str):
                continue
            if key in _RESERVED:
                raise NasbenchSuiteError(
                    f"{owner.__name__} declares a hyperparameter called {key}, which every strategy has "
                    "already; give it another name."
                )
            found[key] = value
    return found
