"""A board of fronts: plays strategies on problems with several objectives, and judges what they deliver."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import moocore
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.blocks import Block, in_folder, play_blocks
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.front_rules import FrontRules, Problem
from nasbench_suite.leaderboards.fronts import FrontTable, nondominated
from nasbench_suite.leaderboards.outcomes import evaluation_grid, open_table
from nasbench_suite.leaderboards.rules import Entry
from nasbench_suite.leaderboards.statistics import Curve, Estimate, curve, estimate_mean, mean_ranks
from nasbench_suite.runs import Runs
from nasbench_suite.spaces import Genes
from nasbench_suite.tabular.benchmark import TabularBenchmark

_Values = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Delivered:
    """What the runs of a block delivered.

    Attributes
    ----------
    share
        Volume by test of the front at each point of the grid, as a share of the table's, `[runs, points]`.
    size, optimal
        Architectures on the final front, and those of them that are on the table's front by validation,
        `[runs]`.
    points, run
        The final fronts by test, `[n, objectives]`, and whose they are, `[n]`.
    """

    share: _Values
    size: _Values
    optimal: _Values
    points: _Values
    run: NDArray[np.int64]

    @classmethod
    def join(cls, parts: "list[Delivered]") -> "Delivered":
        """Return the runs of all blocks as one."""
        offsets = np.cumsum([0, *(len(part.size) for part in parts[:-1])])
        return cls(
            np.concatenate([part.share for part in parts]),
            np.concatenate([part.size for part in parts]),
            np.concatenate([part.optimal for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.run + offset for part, offset in zip(parts, offsets, strict=True)]),
        )


@dataclass(frozen=True)
class FrontSummary:
    """What a board shows of one strategy on one problem.

    Attributes
    ----------
    share
        Of the table's volume that the final front has, by test.
    curve
        The same over evaluations.
    size, optimal
        Means over runs; see `Delivered`.
    attained
        What half of the runs attain in the first two objectives, `[n, 2]`, each maximised.
    """

    share: Estimate
    curve: Curve
    size: float
    optimal: float
    attained: _Values


@dataclass(frozen=True)
class KnownFront:
    """A table's front, as far as a page shows it.

    Attributes
    ----------
    size
        Architectures on it, by validation.
    valid_share
        What they reach by test, as a share of the front by test.
    points
        The front by test in the first two objectives, `[n, 2]`, each maximised.
    names
        Of all objectives, with their directions.
    missing
        Architectures of which an objective is missing, or that miss a constraint.
    sources
        SHA-256 of the table and of what costs come of.
    """

    size: int
    valid_share: float
    points: _Values
    names: list[str]
    missing: int
    sources: dict[str, str]


@dataclass(frozen=True)
class FrontBoard:
    """A board of fronts.

    Attributes
    ----------
    rules
        What was asked for.
    known
        The table's front, by problem.
    summaries
        By problem and strategy label.
    grid
        Evaluations at which curves are read off.
    transfer
        Volume by test, in each problem (column), of the front by validation of each (row), as a share of the
        column's front by test; NaN between spaces. None where it is not asked for.
    skipped
        Optional strategies that cannot be played here, by label, and why.
    """

    rules: FrontRules
    known: Mapping[str, KnownFront]
    summaries: Mapping[str, Mapping[str, FrontSummary]]
    grid: NDArray[np.int64]
    transfer: _Values | None
    skipped: Mapping[str, str]

    @property
    def labels(self) -> list[str]:
        """Labels of the strategies that were played, in the order of the rules."""
        return [entry.name for entry in self.rules.strategies if entry.name not in self.skipped]

    def ranks(self) -> dict[str, float]:
        """Return the mean rank over problems of every strategy, by mean share; 1 is the best."""
        shares = np.array([[by[label].share.mean for by in self.summaries.values()] for label in self.labels])
        return dict(zip(self.labels, mean_ranks(-shares).tolist(), strict=True))

    def by_rank(self) -> list[str]:
        """Return the labels, best mean rank first."""
        ranks = self.ranks()
        return sorted(self.labels, key=lambda label: ranks[label])


def run_front_board(
    rules: FrontRules,
    folder: Path,
    work: Path,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> FrontBoard:
    """Play all searches of the rules, taking up stored blocks, and return the board.

    Parameters
    ----------
    rules, folder
        The rules and the folder they lie in.
    work
        Folder for the records of all runs; an interrupted board continues from there.
    executor, progress
        See `search`.
    """
    grid = evaluation_grid(rules.evaluations)
    tables = {problem.name: front_table(problem) for problem in rules.problems}
    entries, skipped = _playable(rules, folder)
    blocks: list[tuple[str, str, Block]] = []
    for problem in rules.problems:
        for entry in entries:
            search = rules.search(entry, problem, folder)
            place = work / problem.name.replace("/", "-").replace(" ", "-") / entry.name
            blocks += [(problem.name, entry.name, block) for block in in_folder(search.blocks(), place)]
    judges = {problem.name: _Judge(problem, grid) for problem in rules.problems}
    delivered: dict[tuple[str, str], list[Delivered]] = {}
    done = 0
    for name, judge in judges.items():
        own = [(label, block) for of, label, block in blocks if of == name]
        advance = None if progress is None else _from(progress, done, len(blocks))
        answers = play_blocks([block for _, block in own], judge, executor=executor, progress=advance)
        done += len(own)
        for (label, _), answer in zip(own, answers, strict=True):
            delivered.setdefault((name, label), []).append(answer)
    summaries = {
        name: {entry.name: _summary(rules, Delivered.join(delivered[name, entry.name])) for entry in entries}
        for name in tables
    }
    known = {problem.name: _known(problem, tables[problem.name]) for problem in rules.problems}
    transfer = _transfer(tables) if rules.transfer else None
    return FrontBoard(rules, known, summaries, grid, transfer, skipped)


def _playable(rules: FrontRules, folder: Path) -> tuple[list[Entry], dict[str, str]]:
    """Return the strategies that can be played, and why the optional others cannot."""
    entries, skipped = [], {}
    for entry in rules.strategies:
        try:
            for problem in rules.problems:
                rules.search(entry, problem, folder).check()
            entries.append(entry)
        except NasbenchSuiteError as problem:
            if not entry.optional:
                raise
            skipped[entry.name] = str(problem)
    return entries, skipped


def _from(progress: Progress, done: int, total: int) -> Progress:
    return lambda own, _: progress(done + own, total)


def front_table(problem: Problem) -> FrontTable:
    """Return the table of a problem; the same one until its task is imported anew."""
    return _front_table(open_table(problem.task), tuple(problem.objectives), tuple(problem.constraints))


@lru_cache(maxsize=4)
def _front_table(
    table: TabularBenchmark, objectives: tuple[str, ...], constraints: tuple[str, ...]
) -> FrontTable:
    return FrontTable.of(table, objectives, constraints)


@dataclass(frozen=True)
class _Judge:
    """Turns the record of a block into what its runs delivered; picklable, so that workers can use it."""

    problem: Problem
    grid: NDArray[np.int64]

    def __call__(self, runs: Runs, benchmark: Benchmark) -> Delivered:
        table = front_table(self.problem)
        best = set(table.front.tolist())
        counts = runs.evaluations()
        shares, sizes, optimal, points, owner = [], [], [], [], []
        for run, length in enumerate(runs.length.tolist()):
            rows = table.rows(runs.genes[run, :length])
            counted = runs.counted[run, :length]
            ends = np.searchsorted(counts[run, :length], self.grid, side="right")
            shares.append(_shares(table, rows, counted, ends))
            final = table.delivered(rows[counted])
            sizes.append(len(final))
            optimal.append(sum(row in best for row in final.tolist()))
            points.append(table.test[final])
            owner.append(np.full(len(final), run))
        return Delivered(
            np.array(shares),
            np.array(sizes, dtype=float),
            np.array(optimal, dtype=float),
            np.concatenate(points),
            np.concatenate(owner).astype(np.int64),
        )


def _shares(
    table: FrontTable, rows: NDArray[np.integer], counted: NDArray[np.bool_], ends: NDArray[np.intp]
) -> list[float]:
    """Return the share at every point of the grid; only what was on the front before can be on it later."""
    found, kept, begin = [], rows[:0], 0
    for end in ends.tolist():
        new = rows[begin:end][counted[begin:end]]
        begin = max(begin, end)
        if len(new):
            kept = table.delivered(np.concatenate([kept, new]))
        found.append(table.share(kept))
    return found


def _summary(rules: FrontRules, found: Delivered) -> FrontSummary:
    share = estimate_mean(
        found.share[:, -1], confidence=rules.confidence, resamples=rules.resamples, seed=rules.seed
    )
    return FrontSummary(
        share,
        curve(found.share, rules.confidence),
        float(found.size.mean()),
        float(found.optimal.mean()),
        _attained(found),
    )


def _attained(found: Delivered) -> _Values:
    """Return the surface that half of the runs attain in the first two objectives, `[n, 2]`.

    Grunert da Fonseca, Fonseca, Hall: "Inferential Performance Assessment of Stochastic Optimisers and the
    Attainment Function" (EMO 2001).
    """
    known = np.isfinite(found.points).all(axis=1)
    if not known.any():
        return np.zeros((0, 2))
    points, run = found.points[known, :2], found.run[known]
    surface = moocore.eaf(-points, run, percentiles=[50])
    ordered = -surface[np.argsort(surface[:, 1]), :2]
    return np.asarray(ordered)


def _known(problem: Problem, table: FrontTable) -> KnownFront:
    points = table.test[table.test_front][:, :2]
    points = points[nondominated(points)]
    return KnownFront(
        size=len(table.front),
        valid_share=table.valid_share,
        points=points[np.argsort(points[:, 1])],
        names=[one.text for one in table.objectives],
        missing=int((~np.isfinite(table.valid).all(axis=1)).sum()),
        sources={problem.task: table.table.table.sha256, **table.sources},
    )


def _transfer(tables: Mapping[str, FrontTable]) -> _Values:
    found = np.full((len(tables), len(tables)), np.nan)
    for i, source in enumerate(tables.values()):
        genes = source.table.table.genes[source.front]
        for j, target in enumerate(tables.values()):
            if source.table.space is target.table.space:
                found[i, j] = target.share(_rows_that_are_there(target, genes))
    return found


def _rows_that_are_there(target: FrontTable, genes: Genes) -> NDArray[np.integer]:
    rows = target.table.table.row_index.rows(genes)
    rows = rows[rows >= 0]
    return np.asarray(rows[np.isfinite(target.test[rows]).all(axis=1)])
