"""Searches as blocks of runs that any executor plays, stores and takes up again.

Runs are played in blocks of `BLOCK_RUNS`. Each block has its own child of the seed, so the result does not
depend on how many workers played it; a stored block that answers the same request is not played again.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nasbench_suite.benchmark import Benchmark, Repeat
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.hardware.costed_benchmark import CostedBenchmark
from nasbench_suite.loop import play
from nasbench_suite.processor import processor
from nasbench_suite.proposal_warnings import ProposalWarning, collected, warn_together
from nasbench_suite.runs import Runs
from nasbench_suite.strategies.catalogue import StrategySource
from nasbench_suite.tasks import TRAINING

if TYPE_CHECKING:
    from nasbench_suite.jobs import Search

BLOCK_RUNS = 250
"""Runs of a block. Part of the definition of a result: changing it changes the random numbers.

A strategy that trains networks takes minutes for one run, so its blocks have one."""

Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Block:
    """Some of the runs of a search, and where their record is kept (None: nowhere)."""

    search: "Search"
    number: int
    runs: int
    path: Path | None = None

    def seeds(self, task: str) -> list[np.random.SeedSequence]:
        """Return the seeds of the strategy and of the benchmark's repeats.

        They depend on the task, so that results on different tasks are independent, and not on the
        strategy, so that strategies that start by sampling start from the same architectures.
        """
        place = (zlib.crc32(task.encode()), self.number)
        return np.random.SeedSequence(self.search.seed, spawn_key=place).spawn(2)

    def request(self, benchmark: Benchmark) -> dict[str, Any]:
        """Return everything that determines the result, as JSON values."""
        search = self.search
        inner = getattr(benchmark, "benchmark", benchmark)
        answers = getattr(inner, "table", inner)
        return {
            "task": benchmark.id,
            "table_sha256": getattr(answers, "sha256", ""),
            "strategy": search.source.name,
            "strategy_sha256": search.source.sha256(),
            "engine_sha256": engine_sha256(),
            "hyperparameters": search.hyperparameters,
            "reward": search.formula,
            "budget": asdict(search.budget),
            "duplicates": search.duplicates,
            "repeat": search.repeat,
            "seed": search.seed,
            "block": self.number,
            "runs": self.runs,
            **(self._training_request(benchmark) if search.trains else {}),
            **self._goals_request(benchmark),
        }

    def _goals_request(self, benchmark: Benchmark) -> dict[str, Any]:
        """Return objectives, constraints and where costs come from; nothing where there are none."""
        search = self.search
        found: dict[str, Any] = {}
        if isinstance(benchmark, CostedBenchmark):
            found["costs"] = benchmark.sources()
        if search.objectives:
            found["objectives"] = search.goals(benchmark)["objectives"]
        if search.constraints:
            found |= {"constraints": list(search.constraints), "handling": search.handling}
        return found

    def _training_request(self, benchmark: Benchmark) -> dict[str, Any]:
        """Return what else determines the result of a strategy that trains networks."""
        setting = self.search.training(benchmark)
        return {
            "device": self.search.device,
            **setting.request(),
            "training_sha256": training_sha256(),
        }

    @property
    def units(self) -> int:
        """Into how many parts its progress is told: its evaluations where they are counted and take long."""
        given, search = self.search.benchmark, self.search
        takes_long = search.trains or (isinstance(given, str) and given.startswith(TRAINING))
        return search.budget.evaluations or 1 if takes_long else 1

    def play(self, progress: Callable[[int], None] | None = None) -> Runs:
        """Play the block, or read it if its record is there and answers the same request.

        Parameters
        ----------
        progress
            Called after every evaluation with how many there were.
        """
        search = self.search
        benchmark = search.load()
        seed, noise_seed = self.seeds(benchmark.id)
        request = self.request(benchmark)
        stored = self._stored(request)
        if stored is not None:
            return stored
        repeat: Repeat = np.random.default_rng(noise_seed) if search.repeat == "random" else search.repeat
        runs = play(
            search.build(benchmark, self.runs, seed),
            benchmark,
            search.budget,
            duplicates=search.duplicates,
            repeat=repeat,
            require=search.require,
            request={**request, "made_with": made_with(search.source)},
            progress=progress,
        )
        if self.path is not None:
            runs.save(self.path)
        return runs

    def _stored(self, request: dict[str, Any]) -> Runs | None:
        if self.path is None or not self.path.exists():
            return None
        try:
            runs = Runs.load(self.path)
        except DamagedFileError:
            return None  # a damaged block is played again, which gives the same bytes
        asked = json.loads(json.dumps(request))
        return runs if {key: runs.request.get(key) for key in asked} == asked else None


@cache
def engine_sha256() -> str:
    """Return the SHA-256 of the code that plays searches: loop, spaces, strategies, predictors, tables."""
    package = Path(__file__).parent
    files = [
        package / f"{name}.py" for name in ("benchmark", "blocks", "clock", "formula", "jobs", "loop", "runs")
    ]
    files += [package / "tabular" / f"{name}.py" for name in ("benchmark", "row_index", "table")]
    for folder in ("spaces", "strategies", "surrogates"):
        files += sorted((package / folder).glob("*.py"))
    return _sha256_of(files)


@cache
def training_sha256() -> str:
    """Return the SHA-256 of the code that builds and trains networks."""
    return _sha256_of(sorted((Path(__file__).parent / "training").rglob("*.py")))


def _sha256_of(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def made_with(source: StrategySource) -> dict[str, str]:
    """Return what a result depends on: versions, and the processor, which rounds in its own way."""
    versions = {"processor": processor(), "python": python_version()}
    for package in ("nasbench-suite", "numpy"):
        versions[package] = metadata.version(package)
    if source.card is not None and source.card.learns_on == "torch":
        versions["torch"] = metadata.version("torch")
    return versions


def play_block(
    block: Block,
    finish: "Callable[[Runs, Benchmark], Answer]",
    progress: Callable[[int], None] | None = None,
) -> tuple[Answer, list[ProposalWarning]]:
    """Play one block; return what `finish` makes of it and what its proposals met; runs in a worker."""
    with collected() as met:
        answer = finish(block.play(progress), block.search.load())
    return answer, met


def play_blocks(
    blocks: Sequence[Block],
    finish: "Callable[[Runs, Benchmark], Answer]",
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> "list[Answer]":
    """Play blocks on an executor (None: here, one after the other); answers come in the order of `blocks`.

    What their proposals met is warned of at the end.

    On an interrupt the blocks in flight are finished and stored, the others are not begun. Progress is told
    in blocks, or in evaluations where these take long; of what an executor plays, when a block is done.
    """
    tell: Progress = progress or (lambda done, total: None)
    done, total = 0, sum(block.units for block in blocks)
    tell(done, total)
    if executor is None:
        played = []
        for block in blocks:
            told = partial(_tell_from, tell, done, total) if block.units > 1 else None
            played.append(play_block(block, finish, told))
            done += block.units
            tell(done, total)
        return _answers(played)
    futures = {executor.submit(play_block, block, finish): block.units for block in blocks}
    try:
        for future in as_completed(futures):
            future.result()
            done += futures[future]
            tell(done, total)
    except BrokenExecutor as problem:
        raise NasbenchSuiteError(
            "a worker process died, for lack of memory or because it cannot import the strategy's class; "
            "finished blocks are kept if they had a folder: run again with fewer workers."
        ) from problem
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    return _answers([future.result() for future in futures])


def _answers(played: "Sequence[tuple[Answer, list[ProposalWarning]]]") -> "list[Answer]":
    """Return the answers, and warn of what all proposals met."""
    warn_together(chain.from_iterable(met for _, met in played))
    return [answer for answer, _ in played]


def _tell_from(tell: Progress, done: int, total: int, evaluations: int) -> None:
    tell(done + evaluations, total)


def keep_runs(runs: Runs, benchmark: Benchmark) -> Runs:
    """Return the record itself: the `finish` of a plain search."""
    return runs


def in_folder(blocks: Iterable[Block], folder: Path) -> list[Block]:
    """Return the blocks with their records kept in `folder`."""
    return [replace(block, path=folder / f"block-{block.number:04d}.h5") for block in blocks]
