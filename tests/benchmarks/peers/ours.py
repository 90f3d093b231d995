"""Times nasbench-suite: `search` with one run and with many in lock step, and `query` with one row and many.

The task's table is open before anything is timed.
"""

import numpy as np
from shared import (
    EVALUATIONS,
    LOOK_UPS,
    POPULATION,
    TOURNAMENT,
    WARM_UP,
    Row,
    architectures,
    microseconds,
    report,
)

from nasbench_suite import Benchmark, load_benchmark, search
from nasbench_suite.blocks import BLOCK_RUNS

MANY_RUNS = 500
BATCH = 100_000


def evolve(benchmark: Benchmark, evaluations: int, runs: int) -> None:
    settings = {"population": POPULATION, "sample": TOURNAMENT}
    found = search("regularized_evolution", benchmark, evaluations=evaluations, runs=runs, settings=settings)
    assert found.valid.shape == (runs, evaluations)


def time_search(benchmark: Benchmark, runs: int) -> float:
    evolve(benchmark, WARM_UP, runs)
    return microseconds(lambda: evolve(benchmark, EVALUATIONS, runs), EVALUATIONS * runs)


def time_single_look_ups(benchmark: Benchmark) -> float:
    rows = [np.array([genes], dtype=np.uint8) for genes in architectures(LOOK_UPS)]

    def look_up() -> None:
        for row in rows:
            benchmark.query(row)

    look_up()
    return microseconds(look_up, LOOK_UPS)


def time_batched_look_ups(benchmark: Benchmark) -> float:
    genes = np.array(architectures(BATCH), dtype=np.uint8)
    benchmark.query(genes)
    return microseconds(lambda: benchmark.query(genes), BATCH)


def main() -> None:
    benchmark = load_benchmark("graph/cora")
    # `search` plays many runs in blocks; the runs of a block are in lock step, the blocks follow each other.
    many = f"`search`, {MANY_RUNS} runs, {BLOCK_RUNS} in lock step; batches of {BATCH:,} look-ups"
    rows = [
        Row("`search`, 1 run; single look-ups", time_search(benchmark, 1), time_single_look_ups(benchmark)),
        Row(many, time_search(benchmark, MANY_RUNS), time_batched_look_ups(benchmark)),
    ]
    report(__file__, ["nasbench-suite", "numpy"], rows)


if __name__ == "__main__":
    main()
