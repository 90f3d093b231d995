"""A search as it is asked for: strategy, benchmark, budget, goals; checked, and played by `search`."""

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from nasbench_suite.benchmark import Benchmark, MissingResultWarning, Repeat
from nasbench_suite.blocks import BLOCK_RUNS, Block, Progress, keep_runs, play_blocks
from nasbench_suite.clock import Budget, Duplicates
from nasbench_suite.errors import NasbenchSuiteError, NasbenchSuiteWarning
from nasbench_suite.hardware.costed_benchmark import with_costs
from nasbench_suite.loop import play
from nasbench_suite.runs import Runs
from nasbench_suite.spaces import GanSpace
from nasbench_suite.strategies.base import Strategy, resolve_hyperparameters
from nasbench_suite.strategies.card import Setting
from nasbench_suite.strategies.catalogue import (
    StrategyClass,
    StrategySource,
    constructor,
    file_spec,
    get_strategy,
)
from nasbench_suite.strategies.constraint import Constraint, CostBounds, check_reachable
from nasbench_suite.strategies.objective import VALID, Objective
from nasbench_suite.strategies.reward import Reward
from nasbench_suite.tasks import TRAINING, load_benchmark
from nasbench_suite.whole_numbers import whole_number

if TYPE_CHECKING:  # it loads torch
    from nasbench_suite.training.gan.setting import GanSetting
    from nasbench_suite.training.setting import Setting as TrainingSetting

RepeatChoice = Literal["mean", "random"] | int
Handling = Literal["penalty", "reject"]
"""What happens to an architecture that misses a constraint: its reward is lower than that of any that keeps
to it, or it is not evaluated."""


@dataclass(frozen=True)
class Search:
    """One strategy on one task: everything that determines the result.

    Attributes
    ----------
    strategy
        Name of a card, `FILE.py:CLASS`, or a class.
    benchmark
        Task name, or a benchmark object.
    settings
        Hyperparameters that replace those of the card.
    reward
        Formula to maximise; see `Reward`. The card's if empty.
    objectives
        What to optimise at once; see `Objective`. Directions are the metrics' own where they are not said.
    constraints, handling
        What architectures have to keep to (see `Constraint`), and what happens to those that do not.
    device
        Where a strategy that trains networks does so: `cpu` or `cuda`.
    """

    strategy: str | StrategyClass
    benchmark: str | Benchmark
    budget: Budget
    runs: int = 100
    seed: int = 0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    reward: str = ""
    duplicates: Duplicates = "count"
    repeat: RepeatChoice = "mean"
    device: str = "cpu"
    objectives: Sequence[str] = ()
    constraints: Sequence[str] = ()
    handling: Handling = "penalty"

    def __post_init__(self) -> None:
        # A class from a user's file is known to no other process; its file and name are.
        object.__setattr__(self, "strategy", file_spec(self.strategy))
        if self.duplicates not in get_args(Duplicates):
            raise NasbenchSuiteError(f"duplicates is 'count' or 'free', not {self.duplicates!r}.")
        if self.handling not in get_args(Handling):
            raise NasbenchSuiteError(f"handling is 'penalty' or 'reject', not {self.handling!r}.")
        object.__setattr__(self, "runs", whole_number(self.runs, "runs", 1))
        object.__setattr__(self, "seed", whole_number(self.seed, "the seed", 0))
        for name in ("objectives", "constraints"):
            if isinstance(getattr(self, name), str):
                raise NasbenchSuiteError(f"{name} are a list of texts; write [{getattr(self, name)!r}].")
        if not isinstance(self.benchmark, str) and not hasattr(self.benchmark, "query"):
            raise NasbenchSuiteError(
                f"a search is on the name of a task or on a benchmark, not on {self.benchmark!r}."
            )

    @cached_property
    def source(self) -> StrategySource:
        """What is known of the strategy without building it."""
        return StrategySource.of(self.strategy)

    @cached_property
    def hyperparameters(self) -> dict[str, Setting]:
        """All hyperparameters, those of the card or class replaced by the settings."""
        if self.source.card is not None:
            return self.source.card.resolve(self.settings)
        return resolve_hyperparameters(self._strategy_class(), self.settings)

    @property
    def formula(self) -> str:
        """The reward that is asked for, else the card's."""
        return self.reward or (self.source.card.reward if self.source.card is not None else "")

    def _strategy_class(self) -> StrategyClass:
        return get_strategy(self.strategy) if isinstance(self.strategy, str) else self.strategy

    @property
    def trains(self) -> bool:
        """Whether the strategy trains networks itself."""
        if self.source.card is not None:
            return self.source.card.trains
        return bool(getattr(self._strategy_class(), "trains", False))

    def load(self) -> Benchmark:
        """Return the benchmark, with cost models beside it for metrics that it does not have."""
        given = self.benchmark
        found = load_benchmark(given, device=self.device) if isinstance(given, str) else given
        return with_costs(found, sorted(self._asked_for - {VALID}))

    @property
    def _asked_for(self) -> set[str]:
        """Names in the formula, the objectives and the constraints."""
        objectives = {Objective.parse(text).name for text in self.objectives}
        return {*Reward(self.formula).metrics, *objectives, *_names(self.constraints)}

    def goals(self, benchmark: Benchmark) -> dict[str, list[str]]:
        """Return the objectives with their directions and the constraints, as strategies take them."""
        objectives = [Objective.parse(text).resolved(benchmark.metrics).text for text in self.objectives]
        return {
            "objectives": objectives,
            "constraints": [] if self.require else list(self.constraints),
        }

    @property
    def require(self) -> Sequence[str]:
        """The constraints whose violation is rejected; a strategy that trains networks rejects by itself."""
        return self.constraints if self.handling == "reject" or self.trains else ()

    def admits(self, benchmark: Benchmark) -> CostBounds | None:
        """Return what tells a strategy that trains networks which of them keep to constraints."""
        bounds = tuple(map(Constraint.parse, self.constraints))
        if VALID in {one.name for one in bounds}:
            raise NasbenchSuiteError(
                f"{self.source.name} trains networks and sees no results of {benchmark.id}, so valid cannot "
                "be bounded; bound a cost."
            )
        return CostBounds(bounds, benchmark) if bounds else None

    def check(self) -> None:
        """Report a mistake before any work starts; does not import a strategy that has a card."""
        benchmark = self.load()
        self.hyperparameters  # noqa: B018  # resolving them is the check
        card = self.source.card
        if card is not None and card.spaces and benchmark.space.name not in card.spaces:
            raise NasbenchSuiteError(
                f"{card.name} searches {' and '.join(card.spaces)} alone, and {benchmark.id} is of the space "
                f"{benchmark.space.name}; give another task or strategy."
            )
        if self.source.card is None or self.trains or self.objectives or self.constraints:
            self.build(benchmark, runs=1, seed=np.random.SeedSequence(0))
        for text in self.constraints:
            Constraint.parse(text).check(benchmark.metrics)
        wanted = sorted(self._asked_for - {VALID})
        repeat: Repeat = np.random.default_rng(0) if self.repeat == "random" else self.repeat
        probe = benchmark.space.sample(np.random.default_rng(0), 1)
        trains = getattr(benchmark, "trains", False)
        if trains:
            probe = probe[:0]  # what is to be trained takes long, and its names and costs are known without
        with warnings.catch_warnings():  # of what its proposals meet, a search tells at its end
            warnings.simplefilter("ignore", MissingResultWarning)
            answer = benchmark.query(probe, repeat=repeat, info=wanted)
        if self.budget.seconds is not None and answer.seconds is None:
            raise NasbenchSuiteError(
                f"{benchmark.id} records no training time, so a budget in seconds has no meaning there; "
                "give a number of evaluations."
            )
        if self.constraints and trains:
            if self.require:
                raise NasbenchSuiteError(
                    f"{benchmark.id} trains what it is asked, so nothing can be rejected beforehand; use "
                    "penalty."
                )
        elif self.constraints:
            check_reachable(tuple(map(Constraint.parse, self.constraints)), benchmark)

    def rehearse(self) -> None:
        """Play one evaluation, to see whether the benchmark has what the strategy asks of it."""
        benchmark = self.load()
        strategy = self.build(benchmark, runs=1, seed=np.random.SeedSequence(self.seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NasbenchSuiteWarning)
            play(strategy, benchmark, Budget(evaluations=1), require=self.require)

    def build(self, benchmark: Benchmark, runs: int, seed: np.random.SeedSequence) -> Strategy:
        """Return the strategy object that plays `runs` runs."""
        build = constructor(self._strategy_class())
        if self.trains:
            build = partial(build, training=self.training(benchmark), admits=self.admits(benchmark))
        goals = self.goals(benchmark)
        return build(benchmark.space, runs=runs, seed=seed, reward=self.formula, **goals, **self.settings)

    def training(self, benchmark: Benchmark) -> "TrainingSetting | GanSetting":
        """Return how networks of the benchmark's task are trained.

        Raises
        ------
        NasbenchSuiteError
            When nothing says how, or the device or the data are not there.
        """
        from nasbench_suite.training.gan.setting import gan_setting_of  # loads torch
        from nasbench_suite.training.setting import setting_of

        if isinstance(benchmark.space, GanSpace):
            return gan_setting_of(benchmark.id.removeprefix(TRAINING), device=self.device)
        return setting_of(benchmark.id.removeprefix(TRAINING), device=self.device)

    def blocks(self) -> list[Block]:
        """Return the blocks of the search, the last one perhaps smaller."""
        size = 1 if self.trains else BLOCK_RUNS
        return [Block(self, i, min(size, self.runs - at)) for i, at in enumerate(range(0, self.runs, size))]


def search(
    strategy: str | StrategyClass | Strategy,
    benchmark: str | Benchmark,
    *,
    evaluations: int | None = None,
    seconds: float | None = None,
    runs: int = 100,
    seed: int = 0,
    settings: Mapping[str, Setting] | None = None,
    reward: str = "",
    objectives: Sequence[str] = (),
    constraints: Sequence[str] = (),
    handling: Handling = "penalty",
    duplicates: Duplicates = "count",
    repeat: RepeatChoice = "mean",
    device: str = "cpu",
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Runs:
    """Play a strategy on a benchmark and return everything that happened.

    Parameters
    ----------
    strategy
        Name of a card (`regularized_evolution`), `FILE.py:CLASS`, a class, or a strategy object, which is
        played as it is, with its own runs, seed and settings.
    benchmark
        Task name (`graph/cora`) or a benchmark object.
    evaluations, seconds
        The budget of each run: exactly one of them; seconds are simulated.
    runs, seed
        Number of independent runs and the seed of them all; the same seed gives the same bytes.
    settings
        Hyperparameters that replace those of the card.
    reward
        Formula to maximise, for example `valid - 0.02 * log(params_millions)`.
    objectives
        What to optimise at once, for example `["valid", "latency_ms@raspi4"]`; `Runs.front` tells what was
        found.
    constraints, handling
        What architectures have to keep to, for example `["params_millions <= 0.5"]`, and whether those that
        do not are worth less (`penalty`) or are not evaluated (`reject`).
    duplicates, repeat
        See `play`; `repeat="random"` draws one training per evaluation.
    device
        Where networks are trained that a strategy or a task `training:…` trains: `cpu` or `cuda`.
    executor
        Where blocks of runs are played; None: here.
    progress
        Called with how much is done and how much there is, in blocks, or in evaluations where these take
        long.

    Raises
    ------
    NasbenchSuiteError
        When anything asked for is unknown, out of range or not possible; says what.
    """
    budget = Budget(evaluations=evaluations, seconds=seconds)
    if isinstance(strategy, Strategy):
        task = load_benchmark(benchmark, device=device) if isinstance(benchmark, str) else benchmark
        noise: Repeat = np.random.default_rng(seed) if repeat == "random" else repeat
        if objectives or reward or settings:
            raise NasbenchSuiteError("a strategy object has its own settings, reward and objectives already.")
        required = constraints if handling == "reject" else ()
        costed = with_costs(task, sorted({*strategy.metrics, *_names(required)} - {VALID}))
        return play(strategy, costed, budget, duplicates=duplicates, repeat=noise, require=required)
    asked = Search(
        strategy,
        benchmark,
        budget,
        runs,
        seed,
        settings or {},
        reward,
        duplicates,
        repeat,
        objectives=objectives,
        constraints=constraints,
        handling=handling,
        device=device,
    )
    asked.check()
    return Runs.concatenate(play_blocks(asked.blocks(), keep_runs, executor=executor, progress=progress))


def _names(constraints: Sequence[str]) -> set[str]:
    return {Constraint.parse(text).name for text in constraints}
