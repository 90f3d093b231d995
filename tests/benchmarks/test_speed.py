"""Speed of what users wait for. No assertion on time: `make bench` prints the table of the README.

Limits, written down before measuring. A batched query reads 5 bytes of genes, 4 of index and 8 of result an
architecture and writes 8, so 25 bytes; at the 10 GB/s that one core copies here that allows 400 million a
second, and the numbering by a BLAS product, about 5 ns, some 150 million. A single query is six calls into
NumPy of 0.3 to 1 µs each. Regularized evolution does about forty array operations a step.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from nasbench_suite import get_space, load_benchmark, search
from nasbench_suite.benchmark import Metric
from nasbench_suite.blocks import BLOCK_RUNS
from nasbench_suite.clock import Budget
from nasbench_suite.jobs import Search
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import table_path
from nasbench_suite.tabular.table import create_table, read_table

TASK = "graph/cora"
MILLION = 1_000_000


@pytest.fixture(autouse=True)
def one_blas_thread(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


def describe(benchmark, what, goal, scale, unit):
    benchmark.extra_info.update(what=what, goal=goal, scale=scale, unit=unit)


def start(statement):
    subprocess.run([sys.executable, "-c", statement], check=True, env=os.environ)


@pytest.mark.parametrize(
    ("statement", "what", "goal"),
    [
        ("import numpy", "start Python, `import numpy`", "the base"),
        ("import numpy, nasbench_suite", "the same and `import nasbench_suite`", "base + 150 ms"),
        (
            "from nasbench_suite import load_benchmark, search",
            "the same with `load_benchmark` and `search` used",
            "none",
        ),
    ],
)
def test_import(benchmark, statement, what, goal):
    describe(benchmark, what, goal, 1e3, "ms")
    benchmark.pedantic(start, args=(statement,), rounds=9, warmup_rounds=1)


def test_open_table(benchmark):
    load_benchmark(TASK)
    describe(benchmark, "open a converted table, checksum of its manifest verified", "50 ms", 1e3, "ms")
    benchmark.pedantic(read_table, args=(table_path(TASK),), rounds=50, warmup_rounds=5)


def test_open_table_and_answer(benchmark):
    task = load_benchmark(TASK)
    one = task.space.sample(np.random.default_rng(0), 1)
    what = "open a converted table and query one architecture, checksums of what it touches verified"
    describe(benchmark, what, "50 ms", 1e3, "ms")
    benchmark.pedantic(
        lambda: TabularBenchmark(read_table(table_path(TASK))).query(one), rounds=50, warmup_rounds=5
    )


@pytest.fixture(scope="module")
def large_table(tmp_path_factory):
    """A table of 3 GB on nats_topology, all zeros: a file with holes, so that it takes little disk."""
    path = tmp_path_factory.mktemp("large") / "table.h5"
    space = get_space("nats_topology")
    described = load_benchmark(TASK).table.description.model_copy(
        update={
            "space": space.name,
            "valid": "valid_accuracy",
            "test": "",
            "repeats": ["1", "2", "3"],
            "rows": "string",
        }
    )
    genes = space.decode(np.arange(space.n_codes))
    metrics = {
        name: Metric(name, "fraction", "max", role, "made up")
        for name, role in [("valid_accuracy", "valid"), *((f"loss_{i}", "info") for i in range(39))]
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(os, "posix_fallocate", raising=False)
        epochs = np.arange(1, 201, dtype=np.int32)
        with create_table(path, described, genes, epochs, metrics, dict.fromkeys(metrics, (3, 200))):
            pass
    assert path.stat().st_size > 2.9e9
    return path


def test_open_large_table(benchmark, large_table):
    describe(benchmark, "open a table of 3 GB, checksum of its manifest verified", "50 ms", 1e3, "ms")
    benchmark.pedantic(read_table, args=(large_table,), rounds=50, warmup_rounds=5)


def test_first_query_of_large_table(benchmark, large_table):
    genes = get_space("nats_topology").decode(np.arange(1))
    what = "open a table of 3 GB and query one architecture, checksums of the 75 MB it touches verified"
    describe(benchmark, what, "none", 1e3, "ms")
    benchmark.pedantic(
        lambda: TabularBenchmark(read_table(large_table)).query(genes), rounds=5, warmup_rounds=1
    )


def test_single_query(benchmark):
    task = load_benchmark(TASK)
    one = task.space.sample(np.random.default_rng(0), 1)
    describe(benchmark, "a query of one architecture", "10 µs", 1e6, "µs")
    benchmark.pedantic(task.query, args=(one,), rounds=200, iterations=500, warmup_rounds=5)


def test_batched_query(benchmark):
    task = load_benchmark(TASK)
    many = task.space.sample(np.random.default_rng(0), MILLION)
    describe(benchmark, "queries, a million at once", "20 M/s", -1.0, "M/s")
    benchmark.pedantic(task.query, args=(many,), rounds=15, warmup_rounds=2)


def test_batched_query_in_cache(benchmark):
    task = load_benchmark(TASK)
    many = task.space.sample(np.random.default_rng(0), 10_000)
    describe(benchmark, "queries, ten thousand at once", "20 M/s", -0.01, "M/s")
    benchmark.pedantic(task.query, args=(many,), rounds=200, warmup_rounds=5)


@pytest.mark.parametrize(
    ("strategy", "runs", "settings"),
    [
        ("random_search", 500, {}),
        ("local_search", 500, {}),
        ("regularized_evolution", 500, {}),
        ("genetic", 500, {}),
        ("reinforce", 500, {}),
    ],
)
def test_search(benchmark, strategy, runs, settings, tmp_path):
    def recorded():
        search(strategy, TASK, evaluations=1000, runs=runs, settings=settings).save(tmp_path / "runs.h5")

    load_benchmark(TASK)
    goal = "1 s" if strategy == "regularized_evolution" else "none"
    what = f"`{strategy}`, {runs} runs × 1,000 evaluations, recorded to disk"
    describe(benchmark, what, goal, 1.0, "s")
    benchmark.pedantic(recorded, rounds=5, warmup_rounds=1)


def test_rnn_controller(benchmark):
    task = load_benchmark(TASK)
    block = Search("rnn_controller", task, Budget(evaluations=500), runs=100).blocks()[0]
    assert block.runs <= BLOCK_RUNS
    describe(benchmark, "`rnn_controller`, 100 runs × 500 evaluations, one thread", "none", 1.0, "s")
    benchmark.pedantic(block.play, rounds=3, warmup_rounds=1)


def test_demo(benchmark, tmp_path):
    folders = (tmp_path / str(n) for n in range(10))

    def play():
        command = [
            sys.executable,
            "-m",
            "nasbench_suite.cli",
            "leaderboard",
            "run",
            "nas-bench-graph",
            "--quiet",
        ]
        subprocess.run([*command, "--out", next(folders)], check=True, capture_output=True)

    what = "the board `nas-bench-graph`: 63 searches, 14 million evaluations, records and pages, two workers"
    describe(benchmark, what, "60 s", 1.0, "s")
    benchmark.pedantic(play, rounds=3)
