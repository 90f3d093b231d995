"""Searches with several objectives: generations of all runs at once, beside pymoo's, one run at a time.

Limits, written down before measuring. A generation of 100 runs compares 40 x 40 members in three objectives:
half a million comparisons, and 160,000 for every front that is peeled off, some twenty, so about 10 ms, and
ten generations are 0.1 s; look-ups are 20,000 gathers. pymoo handles a run at a time, and builds an object
for every member: 20,000 of them at some 20 µs are 0.4 s before anything is sorted.
"""

import numpy as np
import pytest

from nasbench_suite import load_benchmark, search
from nasbench_suite.leaderboards.fronts import FrontTable
from nasbench_suite.strategies.pareto import survivors

GOALS = ["valid", "latency_seconds", "params_millions"]


def describe(benchmark, what, goal, scale, unit):
    benchmark.extra_info.update(what=what, goal=goal, scale=scale, unit=unit)


@pytest.mark.parametrize(
    ("strategy", "peer"),
    [
        ("nsga2_pymoo", "the peer"),
        ("nsga2", "ahead of pymoo"),
        ("mo_regularized_evolution", "none"),
        ("mo_local_search", "none"),
    ],
)
def test_search_for_a_front(benchmark, strategy, peer):
    what = f"`{strategy}`, 100 runs × 200 evaluations of `graph/cora`, three objectives"
    describe(benchmark, what, peer, 1.0, "s")
    task = load_benchmark("graph/cora")
    benchmark.pedantic(
        lambda: search(strategy, task, evaluations=200, runs=100, objectives=GOALS), rounds=3, warmup_rounds=1
    )


def test_selection(benchmark):
    describe(benchmark, "20 survivors of 40, three objectives, 100 populations at once", "none", 1e3, "ms")
    values = np.random.default_rng(0).random((100, 40, 3))
    benchmark(lambda: survivors(values, 20))


def test_volume_of_a_front(benchmark):
    describe(benchmark, "the share of a front's volume, 30 networks, three objectives", "none", 1e6, "µs")
    table = FrontTable.of(load_benchmark("graph/arxiv"), GOALS)
    rows = table.front[:30]
    table.share(rows)
    benchmark(lambda: table.share(rows))
