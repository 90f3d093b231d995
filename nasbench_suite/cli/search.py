"""`nasbench-suite search`: one strategy on one task."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import typer

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.blocks import in_folder, keep_runs, play_blocks
from nasbench_suite.cli.front_report import report_fronts
from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.cli.settings import parse_settings
from nasbench_suite.clock import Budget, Duplicates, Overshoot
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.jobs import Handling, RepeatChoice, Search
from nasbench_suite.runs import Runs
from nasbench_suite.spaces import Genes
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tasks import TRAINING, TRAININGS, load_benchmark
from nasbench_suite.workers import available_cores, workers


def search(
    task: str = typer.Argument(help="BENCHMARK/DATASET, for example graph/cora."),
    strategy: str = typer.Option(..., help="Name of a strategy, or FILE.py:CLASS for your own."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Replace a hyperparameter."),
    reward: str = typer.Option("", help="What to maximise; the validation metric without it."),
    objectives: list[str] = typer.Option(
        [],
        "--objective",
        metavar="NAME",
        help="One of several to optimise at once: `valid`, `latency_ms@raspi4`.",
    ),
    constraints: list[str] = typer.Option(
        [], "--constraint", metavar="LIMIT", help="What to keep to: `params_millions <= 0.5`."
    ),
    handling: str = typer.Option(
        "penalty",
        help="Architectures that miss a constraint are worth less (`penalty`) or not tried (`reject`).",
    ),
    runs: int = typer.Option(100, help="Independent runs."),
    evaluations: int | None = typer.Option(None, help="Budget of a run in evaluations."),
    seconds: float | None = typer.Option(None, help="Budget of a run in simulated seconds."),
    overshoot: str = typer.Option("finish", help="Evaluation over the budget: `finish` or `discard` it."),
    duplicates: str = typer.Option("count", help="Proposing an architecture again: `count` or `free`."),
    repeat: str = typer.Option("mean", help="`mean`, `random`, or the number of one training."),
    seed: int = typer.Option(0, help="The same seed gives the same bytes."),
    device: str = typer.Option("cpu", help="Where a strategy that trains networks does so: `cpu` or `cuda`."),
    out: Path | None = typer.Option(None, help="Keep every evaluation in this HDF5 file."),
    jobs: int = Jobs,
    as_json: bool = Json,
    quiet: bool = Quiet,
) -> None:
    r"""Run a strategy on a task and print how good the architectures are that it found.

    With --out an interrupted search continues where it stopped when the same command is given again.

    Examples
    --------
        nasbench-suite search graph/cora --strategy regularized_evolution --evaluations 500

        nasbench-suite search graph/cora --strategy ./mine.py:Mine --runs 100 --evaluations 500

        nasbench-suite search nats_topology/mnist1d --strategy darts --runs 3 --evaluations 50

        nasbench-suite search graph/cora --strategy genetic --set population=50 --evaluations 500 \
          --reward "valid - 0.02 * log(params_millions)" --out genetic.h5

        nasbench-suite search graph/arxiv --strategy nsga2 --evaluations 200 \
          --objective valid --objective latency_seconds

        nasbench-suite search graph/arxiv --strategy local_search --evaluations 200 \
          --constraint "params_millions <= 0.05" --handling reject
    """
    asked = Search(
        _absolute(strategy),
        task,
        Budget(evaluations, seconds, cast(Overshoot, _one_of("--overshoot", overshoot, "finish", "discard"))),
        runs=runs,
        seed=seed,
        settings=parse_settings(settings),
        reward=reward,
        duplicates=cast(Duplicates, _one_of("--duplicates", duplicates, "count", "free")),
        repeat=_repeat(repeat),
        device=device,
        objectives=tuple(objectives),
        constraints=tuple(constraints),
        handling=cast(Handling, _one_of("--handling", handling, "penalty", "reject")),
    )
    if out is not None and out.exists():
        raise NasbenchSuiteError(f"{out} is there already; choose another --out or remove it.")
    asked.check()
    _remark_on_epochs(asked)
    blocks = asked.blocks()
    parts = out.with_name(out.name + ".parts") if out is not None else None
    if parts is not None:
        blocks = in_folder(blocks, parts)
    with (
        interruptible(_kept(parts, task)),
        progress(f"{asked.source.name} on {task}", quiet) as advance,
        _played_on(asked, len(blocks), jobs or available_cores()) as executor,
    ):
        record = Runs.concatenate(play_blocks(blocks, keep_runs, executor=executor, progress=advance))
    if out is not None and parts is not None:
        record.save(out)
        shutil.rmtree(parts)
    if objectives:
        report_fronts(record, asked, as_json)
    else:
        _report(record, asked.load(), as_json)


def _remark_on_epochs(asked: Search) -> None:
    """Say that a strategy over epochs was not told of any, so that all its trainings are full ones."""
    if asked.hyperparameters.get("max_epochs") != 0:
        return
    offered = asked.load().fidelities
    how = (
        f"has results after fewer: --set max_epochs={max(offered)}"
        if offered
        else "has no results after fewer"
    )
    note(f"{asked.source.name} trains for all epochs at every stage; {asked.benchmark} {how}.")


def _kept(parts: Path | None, task: str) -> str:
    """Say what an interrupted search leaves behind."""
    kept = [f"finished blocks are in {parts}"] if parts is not None else []
    if task.startswith(TRAINING):
        kept.append(f"finished trainings are in {data_root() / TRAININGS}")
    return f"{' and '.join(kept)}; give the same command to continue." if kept else "nothing is kept."


@contextmanager
def _played_on(asked: Search, blocks: int, jobs: int) -> Iterator[Executor | None]:
    """Yield what plays the blocks; where answers are trained, this process, and workers train them."""
    task = asked.benchmark
    if asked.trains or not (isinstance(task, str) and task.startswith(TRAINING)):
        with workers(min(jobs, blocks)) as executor:
            yield executor
        return
    from nasbench_suite.training.by_training import BenchmarkByTraining  # loads torch

    benchmark = load_benchmark(task, device=asked.device)
    assert isinstance(benchmark, BenchmarkByTraining)
    with workers(jobs) as executor, benchmark.trained_on(executor):
        yield None


def _report(record: Runs, benchmark: Benchmark, as_json: bool) -> None:
    """Print the final incumbents' results over runs, and the best architecture found."""
    incumbent = record.incumbents()[:, -1]
    found = np.flatnonzero(incumbent >= 0)
    if not found.size:
        raise NasbenchSuiteError("no run found any architecture with a result; give a larger budget.")
    genes = record.genes[found, incumbent[found]]
    score = record.valid[found, incumbent[found]]
    valid = benchmark.query(genes).valid
    best = genes[[int(np.argmax(score if record.maximise else -score))]]
    clock = record.clock()
    facts: dict[str, Any] = {
        "task": record.request["task"],
        "strategy": record.request["strategy"],
        "runs": len(record.length),
        "evaluations_mean": float(record.evaluations()[:, -1].mean()),
        "valid_mean": float(valid.mean()),
        "valid_sd": float(valid.std(ddof=1)) if len(valid) > 1 else None,
        **_judged(benchmark, genes, best),
        "best_architecture": benchmark.space.format(best)[0],
        "best_valid": float(benchmark.query(best).valid[0]),
        "sha256": record.sha256(),
    }
    if clock is not None and record.request.get("incumbent") != "last":
        facts["seconds_mean"] = float(clock[:, -1].mean())
    facts |= _of_its_own(record)
    if as_json:
        print_json(facts)
    else:
        print_table(["", ""], [[key, _show(value)] for key, value in facts.items()], left=2)


def _of_its_own(record: Runs) -> dict[str, Any]:
    """Return what the strategy billed for its own work, and why runs have ended of themselves."""
    facts: dict[str, Any] = {}
    if record.search_seconds is not None:
        facts["search_seconds_mean"] = float(np.nansum(record.search_seconds, axis=1).mean())
    if record.endings is not None:
        reasons, numbers = np.unique(record.endings[record.endings != b""], return_counts=True)
        facts["endings"] = "; ".join(
            f"{reason.decode()} ({number} of {len(record.length)})"
            for reason, number in zip(reasons, numbers, strict=True)
        )
    return facts


def _judged(benchmark: Benchmark, genes: Genes, best: Genes) -> dict[str, float | str | None]:
    """Return test results of the incumbents, or why there are none that a search has not seen."""
    if isinstance(benchmark, TabularBenchmark):
        if not benchmark.test_metric:
            return {"test": "none in this table"}
        if benchmark.test_metric == benchmark.valid_metric:
            return {"test": f"none held out: {benchmark.test_metric} is all that was published"}
    test = benchmark.reveal(genes).test
    return {
        "test_mean": float(test.mean()),
        "test_sd": float(test.std(ddof=1)) if len(test) > 1 else None,
        "best_test": float(benchmark.reveal(best).test[0]),
    }


def _show(value: Any) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _absolute(strategy: str) -> str:
    """Make the file of `FILE.py:CLASS` absolute, since workers may start elsewhere."""
    file, _, name = strategy.rpartition(":")
    return f"{Path(file).resolve()}:{name}" if file.endswith(".py") else strategy


def _one_of(option: str, value: str, *allowed: str) -> str:
    if value not in allowed:
        raise NasbenchSuiteError(f"{option} is {' or '.join(allowed)}, not {value!r}.")
    return value


def _repeat(text: str) -> RepeatChoice:
    if text.isdigit():
        return int(text)
    return cast(RepeatChoice, _one_of("--repeat", text, "mean", "random"))
