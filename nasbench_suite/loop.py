"""The loop: a strategy asks, a benchmark answers, the budget and the simulated clock decide when it ends.

Only this loop adds up time. A benchmark says what an evaluation costs, a strategy bills its own work; the
two are kept apart in the record, and only simulated seconds count against a budget of seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations, Repeat
from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.runs import Runs
from nasbench_suite.strategies.base import Proposals, Strategy

Overshoot = Literal["finish", "discard"]
Duplicates = Literal["count", "free"]

_PROPOSALS_PER_EVALUATION = 20
_MOST_IDLE_PROPOSALS = 1000


@dataclass(frozen=True, slots=True)
class Budget:
    """When a run ends: after a number of evaluations, or when its simulated clock has run out.

    Attributes
    ----------
    evaluations
        Number of evaluations, or None.
    seconds
        Simulated seconds, or None. Exactly one of the two is given.
    overshoot
        What happens to the evaluation that would exceed `seconds`: `finish` records it and ends the run
        (NATS-Bench's code), `discard` ends the run without it (NAS-Bench-201's code).
    """

    evaluations: int | None = None
    seconds: float | None = None
    overshoot: Overshoot = "finish"

    def __post_init__(self) -> None:
        if (self.evaluations is None) == (self.seconds is None):
            raise NasbenchSuiteError("a budget has either evaluations or seconds; give exactly one of them.")
        if self.overshoot not in get_args(Overshoot):
            raise NasbenchSuiteError(f"overshoot is 'finish' or 'discard', not {self.overshoot!r}.")
        amount = self.evaluations if self.evaluations is not None else self.seconds
        if not (amount is not None and 0 < amount < float("inf")):
            raise NasbenchSuiteError(f"the budget is {amount}; it must be a positive number.")
        if self.evaluations is not None and type(self.evaluations) is not int:
            raise NasbenchSuiteError(f"the budget is {amount} evaluations; it must be a whole number.")


def play(
    strategy: Strategy,
    benchmark: Benchmark,
    budget: Budget,
    *,
    duplicates: Duplicates = "count",
    repeat: Repeat = "mean",
    request: Mapping[str, Any] | None = None,
) -> Runs:
    """Play all runs of one strategy object in lock step until every run's budget is spent.

    Parameters
    ----------
    duplicates
        `count`: proposing an architecture again is an evaluation like any other. `free`: it brings the
        first result again and costs nothing; a run then also ends after 20 proposals per evaluation of its
        budget (1,000 in a row for one in seconds), since a converged strategy may propose nothing new.
    repeat
        Which training answers; see `Benchmark.query`.
    request
        What to store in the record beside `space` and `maximise`.

    Raises
    ------
    ArchitectureError
        When the strategy proposes what is no architecture; names the strategy and the genes.
    NasbenchSuiteError
        When the budget is in seconds and the benchmark knows no cost, or it has no validation metric.
    """
    if benchmark.metrics and not any(metric.role == "valid" for metric in benchmark.metrics.values()):
        raise NasbenchSuiteError(
            f"{benchmark.id} has no validation results, so nothing can be searched there."
        )
    record = _Record(strategy.runs, benchmark.space.n_genes, budget)
    meter = _Meter(strategy.runs, budget, duplicates)
    maximise = True
    while meter.active.any():
        proposals = strategy.ask()
        evaluations = _evaluate(strategy, benchmark, proposals, repeat)
        if not strategy.uses_results and evaluations.seconds is not None:
            evaluations = replace(evaluations, seconds=np.zeros(strategy.runs))  # scored for the record only
        maximise = evaluations.maximise
        if budget.seconds is not None and evaluations.seconds is None:
            raise NasbenchSuiteError(
                f"{benchmark.id} records no training time, so a budget in seconds has no meaning there; "
                "give a number of evaluations."
            )
        if duplicates == "free":
            evaluations, fresh = record.recall(proposals, evaluations, benchmark)
        else:
            fresh = np.ones(strategy.runs, dtype=bool)
        kept = meter.spend(evaluations, fresh)
        record.append(proposals, evaluations, kept, fresh)
        strategy.tell(proposals, evaluations)
        meter.end(strategy.endings())
    details = {**(request or {}), "space": benchmark.space.name, "maximise": maximise}
    if not strategy.uses_results:
        details["incumbent"] = "last"
    return record.runs(details, strategy.endings(), strategy.findings())


def _evaluate(strategy: Strategy, benchmark: Benchmark, proposals: Proposals, repeat: Repeat) -> Evaluations:
    name = strategy_label(strategy)
    if len(proposals.genes) != strategy.runs:
        raise ArchitectureError(
            f"strategy {name} proposed {len(proposals.genes)} architectures for {strategy.runs} runs; it "
            "must propose one per run."
        )
    try:
        return benchmark.query(
            proposals.genes, epochs=proposals.epochs, repeat=repeat, info=strategy.reward.metrics
        )
    except ArchitectureError as problem:
        raise ArchitectureError(f"strategy {name} proposed an invalid architecture: {problem}") from problem


def strategy_label(strategy: Strategy) -> str:
    """Return the name by which messages and records call a strategy."""
    cls = getattr(strategy, "single_run_class", type(strategy))
    return cls.name or cls.__name__


class _Meter:
    """Knows which runs still have budget."""

    def __init__(self, runs: int, budget: Budget, duplicates: Duplicates):
        self.active = np.ones(runs, dtype=bool)
        self._budget = budget
        self._evaluations = np.zeros(runs, dtype=np.int64)
        self._seconds = np.zeros(runs)
        self._idle = np.zeros(runs, dtype=np.int64)
        self._proposals = 0
        self._most_proposals = np.inf
        if duplicates == "free" and budget.evaluations is not None:
            self._most_proposals = _PROPOSALS_PER_EVALUATION * budget.evaluations

    def spend(self, evaluations: Evaluations, fresh: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Charge one proposal per active run; return the runs whose proposal belongs in the record."""
        budget = self._budget
        kept = self.active.copy()
        self._proposals += 1
        if budget.seconds is not None:
            assert evaluations.seconds is not None
            cost = np.where(fresh, np.nan_to_num(evaluations.seconds, nan=0.0), 0.0)
            after = self._seconds + cost
            if budget.overshoot == "discard":
                kept &= after <= budget.seconds
            self._seconds = np.where(kept, after, self._seconds)
            self.active = kept & (self._seconds < budget.seconds)
            self._end_idle(cost)
            return kept
        self._evaluations += kept & fresh
        self.active &= self._evaluations < (budget.evaluations or 0)
        if self._proposals >= self._most_proposals:
            self.active[:] = False
        return kept

    def end(self, reasons: Sequence[str] | None) -> None:
        """End the runs that have ended of themselves."""
        if reasons is not None:
            self.active &= np.array([not reason for reason in reasons])

    def _end_idle(self, cost: NDArray[np.float64]) -> None:
        """End the runs that have long spent nothing: a converged strategy would go on for ever."""
        self._idle = np.where(cost > 0, 0, self._idle + 1)
        idle = self.active & (self._idle >= _MOST_IDLE_PROPOSALS)
        if (idle & (self._seconds == 0)).any():
            raise NasbenchSuiteError(
                "evaluations cost no simulated time, so a budget in seconds never ends; give a number of "
                "evaluations."
            )
        self.active &= ~idle


class _Record:
    """Collects evaluations in arrays that grow as needed."""

    def __init__(self, runs: int, n_genes: int, budget: Budget):
        self._steps = 0
        capacity = budget.evaluations or 256
        self._genes = np.zeros((capacity, runs, n_genes), dtype=np.uint8)
        self._valid = np.full((capacity, runs), np.nan)
        self._seconds: NDArray[np.float64] | None = None
        self._search_seconds: NDArray[np.float64] | None = None
        self._epochs = np.zeros(capacity, dtype=np.int32)
        self._counted = np.zeros((capacity, runs), dtype=bool)
        self._keys = np.zeros((0, runs), dtype=np.int64)
        self._length = np.zeros(runs, dtype=np.int64)

    def append(
        self,
        proposals: Proposals,
        evaluations: Evaluations,
        kept: NDArray[np.bool_],
        fresh: NDArray[np.bool_],
    ) -> None:
        step = self._steps
        if step == len(self._valid):
            self._grow()
        self._genes[step] = np.where(kept[:, None], proposals.genes, 0)
        self._valid[step] = np.where(kept, evaluations.valid, np.nan)
        self._counted[step] = kept & fresh
        self._epochs[step] = proposals.epochs or 0
        if evaluations.seconds is not None:
            if self._seconds is None:
                self._seconds = np.full(self._valid.shape, np.nan)
            self._seconds[step] = np.where(kept, np.where(fresh, evaluations.seconds, 0.0), np.nan)
        if proposals.search_seconds is not None:
            if self._search_seconds is None:
                self._search_seconds = np.full(self._valid.shape, np.nan)
            self._search_seconds[step] = np.where(kept, proposals.search_seconds, np.nan)
        self._length += kept
        self._steps += 1

    def recall(
        self, proposals: Proposals, evaluations: Evaluations, benchmark: Benchmark
    ) -> tuple[Evaluations, NDArray[np.bool_]]:
        """Replace the results of architectures that a run has proposed before by their first results."""
        keys = benchmark.identity(proposals.genes)
        if self._steps == len(self._keys):
            grown = np.zeros((max(256, 2 * len(self._keys)), len(keys)), dtype=np.int64)
            grown[: self._steps] = self._keys
            self._keys = grown
        same = (self._keys[: self._steps] == keys) & (
            self._epochs[: self._steps, None] == (proposals.epochs or 0)
        )
        self._keys[self._steps] = keys
        if not self._steps:
            return evaluations, np.ones(len(keys), dtype=bool)
        first, run = same.argmax(axis=0), np.arange(len(keys))
        fresh = ~same[first, run]
        valid = np.where(fresh, evaluations.valid, self._valid[first, run])
        return (
            Evaluations(valid, evaluations.seconds, evaluations.info, evaluations.maximise),
            fresh,
        )

    def _grow(self) -> None:
        def doubled(array: NDArray[Any], fill: float) -> NDArray[Any]:
            return np.concatenate([array, np.full_like(array, fill)])

        self._genes = doubled(self._genes, 0)
        self._valid = doubled(self._valid, np.nan)
        self._counted = doubled(self._counted, 0)
        self._epochs = doubled(self._epochs, 0)
        if self._seconds is not None:
            self._seconds = doubled(self._seconds, np.nan)
        if self._search_seconds is not None:
            self._search_seconds = doubled(self._search_seconds, np.nan)

    def runs(
        self,
        request: dict[str, Any],
        endings: Sequence[str] | None,
        findings: Mapping[str, NDArray[Any]],
    ) -> Runs:
        steps = int(self._length.max(initial=0))

        def run_first(array: NDArray[Any]) -> NDArray[Any]:
            return np.ascontiguousarray(np.swapaxes(array[:steps], 0, 1))

        n_runs = len(self._length)
        return Runs(
            request=request,
            genes=run_first(self._genes),
            valid=run_first(self._valid),
            length=self._length,
            counted=run_first(self._counted),
            seconds=None if self._seconds is None else run_first(self._seconds),
            search_seconds=None if self._search_seconds is None else run_first(self._search_seconds),
            epochs=run_first(np.broadcast_to(self._epochs[:, None], (len(self._epochs), n_runs))),
            endings=None if not endings or not any(endings) else np.array([e.encode() for e in endings]),
            findings=dict(findings),
        )
