"""What the scripts of this folder share: the task, the architectures asked for, the clock and the report.

The task is regularized evolution, population 10 and tournaments of 3, over NAS-Bench-Graph's Cora: five
choices of nine values each, the link pattern and the operations of four layers. Only the standard library is
imported at the top, so that this module adds nothing to the import time of a tool.
"""

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter

POPULATION = 10
TOURNAMENT = 3
EVALUATIONS = 500
"""Evaluations of a timed run."""
WARM_UP = 100
"""Evaluations of the run before it, which is not timed: first calls fill caches and import modules."""
ROUNDS = 5
"""Timed runs of a process, of which the median counts."""
LOOK_UPS = 5000
"""Architectures of a timed series of single look-ups."""
CHOICES = ("links", "op1", "op2", "op3", "op4")
VALUES = range(9)

Genes = tuple[int, ...]
"""An architecture: the position of its link pattern, then of its operations, in the benchmark's order."""

_SKIP = 8
_IMPORT = "import shared, time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


@dataclass(frozen=True)
class Row:
    """What is measured of one way to use a tool; None where the tool has no such thing.

    Attributes
    ----------
    way
        Which of the tool's interfaces was used.
    search
        Microseconds per evaluation of regularized evolution.
    look_up
        Microseconds per architecture looked up.
    """

    way: str
    search: float | None = None
    look_up: float | None = None


def table() -> dict[Genes, float]:
    """Return the validation accuracy of every architecture, isomorphic ones resolved beforehand.

    A peer that searches this dictionary pays for its own work only. The nine architectures of nothing but
    skips are not in the benchmark; they get 0, since a search may propose them.
    """
    from nas_bench_graph import Arch, gnn_list, light_read, link_list

    bench = light_read("cora")
    missing = {"valid_perf": 0.0}
    return {
        genes: bench.get(Arch(link_list[genes[0]], [gnn_list[o] for o in genes[1:]]).valid_hash(), missing)[
            "valid_perf"
        ]
        for genes in itertools.product(VALUES, repeat=len(CHOICES))
    }


def architectures(n: int) -> list[Genes]:
    """Return random architectures that are in the benchmark, the same ones for every tool."""
    rng = random.Random(0)
    drawn = (tuple(rng.choices(VALUES, k=len(CHOICES))) for _ in itertools.count())
    in_benchmark = (genes for genes in drawn if set(genes[1:]) != {_SKIP})
    return list(itertools.islice(in_benchmark, n))


def microseconds(work: Callable[[], object], count: int) -> float:
    """Return the time of `work`, which does something `count` times, per time: the median of some rounds."""
    return median(_seconds(work) for _ in range(ROUNDS)) / count * 1e6


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def report(script: str, packages: Sequence[str], rows: Sequence[Row]) -> None:
    """Print the figures of a script as one line of JSON.

    Parameters
    ----------
    script
        `__file__` of the script. A fresh process imports it to time the imports at its top.
    packages
        Distributions whose versions are reported, the tool itself first.
    """
    figures = {
        "versions": {name: metadata.version(name) for name in packages},
        "import_seconds": _import_seconds(Path(script)),
        "rows": [asdict(row) for row in rows],
    }
    print(json.dumps(figures))


def _import_seconds(script: Path) -> float:
    command = [sys.executable, "-W", "ignore", "-c", _IMPORT.format(script.stem)]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
