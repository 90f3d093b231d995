"""The loop: a strategy asks, a benchmark answers, the budget and the simulated clock decide when it ends.

Only this loop adds up time. A benchmark says what an evaluation costs, a strategy bills its own work; the
two are kept apart in the record, and only simulated seconds count against a budget of seconds.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations, MissingResultWarning, Repeat
from nasbench_suite.clock import Budget, Duplicates, Meter, Paused
from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.proposal_warnings import (
    MissingProposalWarning,
    ProposalWarning,
    UndefinedRewardWarning,
)
from nasbench_suite.runs import Runs
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.constraint import Constraint, total_violation
from nasbench_suite.strategies.objective import VALID

_Values = NDArray[np.float64]


def play(
    strategy: Strategy,
    benchmark: Benchmark,
    budget: Budget,
    *,
    duplicates: Duplicates = "count",
    repeat: Repeat = "mean",
    require: Sequence[str] = (),
    request: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Runs:
    """Play all runs of one strategy object in lock step until every run's budget is spent.

    What a strategy proposes on the way that goes by no results is scored for the record alone. Where that
    takes a training, only what each run ends with is trained; the rest of its record is NaN.

    Parameters
    ----------
    duplicates
        `count`: proposing an architecture again is an evaluation like any other. `free`: it brings the
        first result again and costs nothing; a run then also ends after 20 proposals per evaluation of its
        budget (1,000 in a row for one in seconds), since a converged strategy may propose nothing new.
    repeat
        Which training answers; see `Benchmark.query`.
    require
        Constraints that a proposal has to keep to; one that does not is rejected: it is told as a missing
        result, costs nothing and is no evaluation. A run then ends after 20 proposals per evaluation, too.
        Constraints by which the strategy itself goes are the strategy's.
    request
        What to store in the record beside `space` and `maximise`.
    progress
        Called after every evaluation with how many there were.

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingResultWarning)  # one for the whole search is enough
        record = _played(
            strategy, benchmark, budget, duplicates, repeat, tuple(map(Constraint.parse, require)), progress
        )
    for warning in record.warnings(benchmark, strategy):
        warnings.warn(warning, stacklevel=2)
    details = {**(request or {}), "space": benchmark.space.name, "maximise": record.maximise}
    if not strategy.uses_results:
        details["incumbent"] = "last"
    return record.runs(details, strategy.endings(), strategy.findings())


def _played(
    strategy: Strategy,
    benchmark: Benchmark,
    budget: Budget,
    duplicates: Duplicates,
    repeat: Repeat,
    required: tuple[Constraint, ...],
    progress: Callable[[int], None] | None,
) -> "_Record":
    record = _Record(strategy.runs, benchmark.space.n_genes, budget)
    meter = Meter(strategy.runs, budget, duplicates, rejects=bool(required))
    paused = Paused(strategy.runs)
    ends_alone = not strategy.uses_results and not required and getattr(benchmark, "trains", False)
    while meter.active.any():
        proposals = _proposals(strategy)
        if ends_alone:
            evaluations = _unscored(strategy)
        else:
            evaluations = _evaluate(strategy, benchmark, proposals, repeat, required)
            record.count_missing(evaluations, meter.active)
            if strategy.reward.formula:
                record.count_undefined(strategy.reward.undefined(evaluations), meter.active)
        if not strategy.uses_results and evaluations.seconds is not None:
            evaluations = replace(evaluations, seconds=np.zeros(strategy.runs))  # scored for the record only
        if strategy.resumes and evaluations.seconds is not None:
            evaluations = paused.resumed(proposals, evaluations, benchmark)
        if budget.seconds is not None and evaluations.seconds is None:
            raise NasbenchSuiteError(
                f"{benchmark.id} records no training time, so a budget in seconds has no meaning there; "
                "give a number of evaluations."
            )
        if duplicates == "free":
            evaluations, fresh = record.recall(proposals, evaluations, benchmark)
        else:
            fresh = np.ones(strategy.runs, dtype=bool)
        feasible = _feasible((*strategy.constraints, *required), evaluations)
        if required:
            admitted = total_violation(required, evaluations) == 0
            evaluations = replace(evaluations, valid=np.where(admitted, evaluations.valid, np.nan))
            fresh &= admitted
        kept = meter.spend(evaluations, fresh)
        record.append(proposals, evaluations, kept, fresh, feasible)
        strategy.tell(proposals, evaluations)
        meter.end(strategy.endings())
        if progress is not None:
            progress(record.steps)
    if ends_alone:
        record.score_ends(benchmark, repeat)
    return record


def _proposals(strategy: Strategy) -> Proposals:
    found: object = strategy.ask()
    if not isinstance(found, Proposals):
        raise NasbenchSuiteError(
            f"ask of strategy {strategy_label(strategy)} returned a {type(found).__name__}; it has to return "
            "Proposals(genes)."
        )
    return found


def _feasible(constraints: tuple[Constraint, ...], evaluations: Evaluations) -> NDArray[np.bool_] | None:
    """Return who keeps to all constraints, `[runs]`; None where there are none."""
    return total_violation(constraints, evaluations) == 0 if constraints else None


def _unscored(strategy: Strategy) -> Evaluations:
    nothing = np.full(strategy.runs, np.nan)
    info = dict.fromkeys(set(strategy.metrics) - {VALID}, nothing)
    return Evaluations(nothing, np.zeros(strategy.runs), info)


def _evaluate(
    strategy: Strategy,
    benchmark: Benchmark,
    proposals: Proposals,
    repeat: Repeat,
    required: Sequence[Constraint],
) -> Evaluations:
    name = strategy_label(strategy)
    wanted = {*strategy.metrics, *(one.name for one in required)} - {VALID}
    if len(proposals.genes) != strategy.runs:
        raise ArchitectureError(
            f"strategy {name} proposed {len(proposals.genes)} architectures for {strategy.runs} runs; it "
            "must propose one per run."
        )

    def ask(genes: Genes, epochs: int | None) -> Evaluations:
        return benchmark.query(genes, epochs=epochs, repeat=repeat, info=sorted(wanted))

    try:
        if not isinstance(proposals.epochs, np.ndarray):
            return ask(proposals.genes, proposals.epochs)
        parts = [(proposals.epochs == epochs, int(epochs)) for epochs in np.unique(proposals.epochs)]
        return _together([(rows, ask(proposals.genes[rows], epochs)) for rows, epochs in parts])
    except ArchitectureError as problem:
        raise ArchitectureError(f"strategy {name} proposed an invalid architecture: {problem}") from problem


def _together(parts: Sequence[tuple[NDArray[np.bool_], Evaluations]]) -> Evaluations:
    """Return one batch of what was asked in parts, each with its places, bool `[runs]`."""

    def joined(of: Callable[[Evaluations], NDArray[np.float64]]) -> NDArray[np.float64]:
        values = np.full(len(parts[0][0]), np.nan)
        for rows, found in parts:
            values[rows] = of(found)
        return values

    first = parts[0][1]
    return Evaluations(
        valid=joined(lambda found: found.valid),
        seconds=None if first.seconds is None else joined(lambda found: cast(_Values, found.seconds)),
        info={name: joined(lambda found, name=name: found.info[name]) for name in first.info},  # type: ignore[misc]
        maximise=first.maximise,
    )


def strategy_label(strategy: Strategy) -> str:
    """Return the name by which messages and records call a strategy."""
    cls = getattr(strategy, "single_run_class", type(strategy))
    return cls.name or cls.__name__


class _Record:
    """Collects evaluations in arrays that grow as needed."""

    def __init__(self, runs: int, n_genes: int, budget: Budget):
        self.steps = 0
        capacity = budget.evaluations or 256
        self._genes = np.zeros((capacity, runs, n_genes), dtype=np.uint8)
        self._valid = np.full((capacity, runs), np.nan)
        self._seconds: NDArray[np.float64] | None = None
        self._search_seconds: NDArray[np.float64] | None = None
        self._epochs = np.zeros((capacity, runs), dtype=np.int32)
        self._counted = np.zeros((capacity, runs), dtype=bool)
        self._feasible: NDArray[np.bool_] | None = None
        self._keys = np.zeros((0, runs), dtype=np.int64)
        self._length = np.zeros(runs, dtype=np.int64)
        self.maximise = True
        self.missing = self.undefined = self.asked = 0

    def count_missing(self, evaluations: Evaluations, active: NDArray[np.bool_]) -> None:
        """Count proposals, and those of which something is missing that was asked for."""
        self.maximise = evaluations.maximise
        missing = np.isnan(evaluations.valid)
        for values in evaluations.info.values():
            missing = missing | np.isnan(values)
        self.missing += int((missing & active).sum())
        self.asked += int(active.sum())

    def count_undefined(self, undefined: NDArray[np.bool_], active: NDArray[np.bool_]) -> None:
        """Count proposals whose reward is undefined."""
        self.undefined += int((undefined & active).sum())

    def warnings(self, benchmark: Benchmark, strategy: Strategy) -> Iterator[ProposalWarning]:
        """Yield what there is to say of the proposals."""
        if self.missing:
            yield MissingProposalWarning(
                self.missing,
                self.asked,
                f"proposals to {benchmark.id} met a missing result; it is NaN in the record, and worse "
                "than any other to the strategy.",
            )
        if self.undefined:
            yield UndefinedRewardWarning(
                self.undefined,
                self.asked,
                f"proposals to {benchmark.id} have a reward, {strategy.reward.formula!r}, that is no finite "
                "number; it is worse than any other to the strategy.",
            )

    def append(
        self,
        proposals: Proposals,
        evaluations: Evaluations,
        kept: NDArray[np.bool_],
        fresh: NDArray[np.bool_],
        feasible: NDArray[np.bool_] | None,
    ) -> None:
        step = self.steps
        if step == len(self._valid):
            self._grow()
        self._genes[step] = np.where(kept[:, None], proposals.genes, 0)
        self._valid[step] = np.where(kept, evaluations.valid, np.nan)
        self._counted[step] = kept & fresh
        self._epochs[step] = 0 if proposals.epochs is None else proposals.epochs
        if feasible is not None:
            if self._feasible is None:
                self._feasible = np.zeros(self._valid.shape, dtype=bool)
            self._feasible[step] = kept & feasible
        if evaluations.seconds is not None:
            if self._seconds is None:
                self._seconds = np.full(self._valid.shape, np.nan)
            self._seconds[step] = np.where(kept, np.where(fresh, evaluations.seconds, 0.0), np.nan)
        if proposals.search_seconds is not None:
            if self._search_seconds is None:
                self._search_seconds = np.full(self._valid.shape, np.nan)
            self._search_seconds[step] = np.where(kept, proposals.search_seconds, np.nan)
        self._length += kept
        self.steps += 1

    def score_ends(self, benchmark: Benchmark, repeat: Repeat) -> None:
        """Put in the results of what every run ended with."""
        run = np.flatnonzero(self._length)
        last = self._length[run] - 1
        evaluations = benchmark.query(self._genes[last, run], repeat=repeat)
        self.count_missing(evaluations, np.ones(len(run), dtype=bool))
        self._valid[last, run] = evaluations.valid

    def recall(
        self, proposals: Proposals, evaluations: Evaluations, benchmark: Benchmark
    ) -> tuple[Evaluations, NDArray[np.bool_]]:
        """Replace the results of architectures that a run has proposed before by their first results."""
        keys = benchmark.identity(proposals.genes)
        if self.steps == len(self._keys):
            grown = np.zeros((max(256, 2 * len(self._keys)), len(keys)), dtype=np.int64)
            grown[: self.steps] = self._keys
            self._keys = grown
        same = (self._keys[: self.steps] == keys) & (
            self._epochs[: self.steps] == (0 if proposals.epochs is None else proposals.epochs)
        )
        self._keys[self.steps] = keys
        if not self.steps:
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
        if self._feasible is not None:
            self._feasible = doubled(self._feasible, 0)
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

        return Runs(
            request=request,
            genes=run_first(self._genes),
            valid=run_first(self._valid),
            length=self._length,
            counted=run_first(self._counted),
            seconds=None if self._seconds is None else run_first(self._seconds),
            search_seconds=None if self._search_seconds is None else run_first(self._search_seconds),
            epochs=run_first(self._epochs),
            feasible=None if self._feasible is None else run_first(self._feasible),
            endings=None if not endings or not any(endings) else np.array([e.encode() for e in endings]),
            findings=dict(findings),
        )
