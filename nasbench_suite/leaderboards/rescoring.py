"""Holds a record against the table: the loop plays what it proposed, and must write the same record."""

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations, Repeat
from nasbench_suite.clock import Budget, Duplicates
from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.loop import play
from nasbench_suite.runs import Runs
from nasbench_suite.strategies.base import Proposals, Strategy

_NOT_SCORED = frozenset({"request", "findings", "search_seconds", "feasible"})
"""What is no matter of the table."""


class Recorded(Strategy):
    """Proposes what a record says, step by step, with its epochs and what it billed."""

    def __init__(self, record: Runs, benchmark: Benchmark):
        super().__init__(benchmark.space, runs=len(record.length))
        self._record, self._step = record, 0
        self.uses_results = record.request.get("incumbent") != "last"
        # Beyond the end of a run anything may stand in the record; the loop asks, and keeps nothing of it.
        last = np.maximum(record.length - 1, 0)
        self._last = record.genes[np.arange(len(last)), last]

    def ask(self) -> Proposals:
        """Return the recorded proposals of the next step."""
        record, step = self._record, self._step
        self._step += 1
        if step >= record.valid.shape[1]:
            return Proposals(self._last)
        going = step < record.length
        genes = np.where(going[:, None], record.genes[:, step], self._last)
        billed = None if record.search_seconds is None else np.nan_to_num(record.search_seconds[:, step])
        return Proposals(genes, _epochs(record, step, going), billed)

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Learn nothing."""

    def endings(self) -> list[str] | None:
        """Return the recorded reasons of the runs whose record has ended; one for all that go on too long."""
        over = self._step >= self._record.length
        if self._record.endings is None:
            beyond = self._step > self._record.valid.shape[1]
            return ["the record ends"] * self.runs if beyond else None
        return [end.decode() * bool(done) for end, done in zip(self._record.endings, over, strict=True)]


def _epochs(record: Runs, step: int, going: NDArray[np.bool_]) -> NDArray[np.int32] | None:
    epochs = record.epochs[:, step]
    if not epochs.any():
        return None
    return np.where(going, epochs, epochs[going][0] if going.any() else 0)


def check_scores(
    record: Runs,
    benchmark: Benchmark,
    budget: Budget,
    duplicates: Duplicates,
    repeat: Repeat,
    *,
    resumes: bool,
) -> str:
    """Say what of a record does not hold: the first difference, in words; empty if all of it does.

    Every proposal is looked up again, and the budget, the clock and duplicates are counted again.

    Parameters
    ----------
    record
        Of a block of runs.
    benchmark, budget, duplicates, repeat
        As the record must have been played; `repeat` with the generator that the block had.
    resumes
        Whether the strategy pauses trainings and goes on with them.
    """
    if record.request.get("space") != benchmark.space.name or record.genes.shape[2:] != (
        benchmark.space.n_genes,
    ):
        return f"it is of space {record.request.get('space')!r}, not {benchmark.space.name!r}"
    strategy = Recorded(record, benchmark)
    strategy.resumes = resumes
    try:
        again = play(strategy, benchmark, budget, duplicates=duplicates, repeat=repeat)
    except ArchitectureError as problem:
        return f"it proposes what is no architecture ({problem})"
    except NasbenchSuiteError as problem:
        return str(problem)
    if record.endings is None and again.endings is not None:
        return "a run ends before its budget is spent"
    for field in fields(Runs):
        if field.name not in _NOT_SCORED and not _same(
            getattr(record, field.name), getattr(again, field.name)
        ):
            return _difference(record, again, field.name)
    return ""


def _same(a: NDArray[np.generic] | None, b: NDArray[np.generic] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _difference(record: Runs, again: Runs, name: str) -> str:
    """Return in words where an array of the record differs from what the loop writes."""
    own, played = getattr(record, name), getattr(again, name)
    if own is None or played is None or own.shape != played.shape:
        lengths = record.length.tolist(), again.length.tolist()
        run = next((run for run, (a, b) in enumerate(zip(*lengths, strict=True)) if a != b), 0)
        return (
            f"run {run} has {lengths[0][run]} proposals, and its budget allows {lengths[1][run]}"
            if lengths[0] != lengths[1]
            else f"its {name} have another form than the loop writes"
        )
    differing = own != played
    if own.dtype.kind == "f":
        differing &= ~(np.isnan(own) & np.isnan(played))
    place = tuple(int(index) for index in np.argwhere(differing)[0])
    where = f"run {place[0]}" + (f", proposal {place[1]}" if len(place) > 1 else "")
    return f"{name} of {where} is {own[place]!r} in the record, and {played[place]!r} by the table"
