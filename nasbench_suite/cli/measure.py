"""`nasbench-suite measure`: how long networks take on this machine."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.cli.timing_options import (
    Batch,
    Classes,
    Device,
    Precision,
    Rounds,
    Seconds,
    Shape,
    Threads,
    conditions_of,
)
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import get_space
from nasbench_suite.storage import write_whole

_COLUMNS = ("latency_ms", "low_ms", "high_ms", "spread", "drift", "repeats")


def measure(
    space: str = typer.Argument(help="The space of the architectures."),
    architectures: list[str] = typer.Argument(
        None,
        metavar="[ARCH...]",
        help="In the published string form, or a number where these are official; or give --random.",
    ),
    random: int = typer.Option(0, min=0, help="So many architectures drawn at random instead."),
    seed: int = typer.Option(0, min=0, help="Of the random ones."),
    device: str = Device,
    threads: int = Threads,
    batch: int = Batch,
    precision: str = Precision,
    engine: str = typer.Option(
        "pytorch", help="`pytorch`, `onnxruntime` (ONNX Runtime; extra `onnx`) or `cuda-graph`."
    ),
    cuda_graphs: bool = typer.Option(False, "--cuda-graphs", help="The same as --engine cuda-graph."),
    shape: str = Shape,
    classes: int = Classes,
    rounds: int = Rounds,
    seconds: float = Seconds,
    out: Path | None = typer.Option(None, help="CSV to write; refused if the timings vary too much."),
    quiet: bool = Quiet,
    as_json: bool = Json,
) -> None:
    """Measure the latency of networks on this machine: the median of many runs with its 95 % interval.

    Examples
    --------
        nasbench-suite measure nats_topology 0 1462 --batch 32

        nasbench-suite measure macro --random 50 --threads 2 --out latencies.csv

        nasbench-suite measure macro --random 50 --engine onnxruntime
    """
    from nasbench_suite.hardware.network_latency import describe_device, measure_networks
    from nasbench_suite.hardware.stopwatch import Stopwatch

    if bool(architectures) == bool(random):
        raise NasbenchSuiteError("name architectures, or say how many with --random.")
    known = get_space(space)
    genes = (
        known.sample(np.random.default_rng(seed), random)
        if random
        else np.stack([known.parse(text) for text in architectures])
    )
    if cuda_graphs and engine not in ("pytorch", "cuda-graph"):
        raise NasbenchSuiteError(f"--cuda-graphs captures PyTorch's launches; leave out --engine {engine}.")
    engine = "cuda-graph" if cuda_graphs else engine
    conditions = conditions_of(space, shape, classes, batch, device, threads, precision, engine)
    watch = Stopwatch(rounds=rounds, seconds=seconds)
    with interruptible("nothing was written."), progress("measuring", quiet) as advance:
        timings = measure_networks(space, genes, conditions, watch, advance)
    lines: list[dict[str, Any]] = [
        {
            "architecture": text,
            "latency_ms": 1e3 * timing.median,
            "low_ms": 1e3 * timing.low,
            "high_ms": 1e3 * timing.high,
            "spread": timing.spread,
            "drift": timing.drift,
            "repeats": timing.repeats,
        }
        for text, timing in zip(known.format(genes), timings, strict=True)
    ]
    where = (
        f"{describe_device(device, engine)}; batch {batch}, {threads} thread(s), {precision}, input {shape}"
    )
    if as_json:
        print_json({"device": where, "measured": lines})
    else:
        cells = [[line["architecture"], *(f"{line[key]:.4g}" for key in _COLUMNS)] for line in lines]
        print_table(["architecture", *_COLUMNS], cells)
        note(where)
    if out:
        watch.check(timings)
        write_whole(out, _csv(lines).encode())
        note(f"written to {out}")


def _csv(lines: list[dict[str, Any]]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return target.getvalue()
