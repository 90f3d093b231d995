"""Speed of importing official files, of look-ups by isomorphism class, and of a published comparison.

Limits, written down before measuring. A NATS record of 85 kB is 326 kB of pickle: libbz2 unpacks that in
4.8 ms here, on one core, whatever we do; unpickling took 1.1 ms with Python's reader, filling rows 0.8 ms, so
decompression is 70 % of the work, and both cores can be kept busy, since no record waits for another. A
look-up in NAS-Bench-101 reads 26 bytes of genes, folds them into two numbers by one BLAS product (20 ns), and
gathers four times, once from 8 MB: about 60 ns, or 16 million a second. What an FBNet takes is a sum over 22
gathers from a few kB, an array at a time: 22 x 1 ns for index, gather and sum, or 45 million a second.
"""

import bz2
import os
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nats_made_up
import numpy as np
import pytest

from nasbench_suite import get_space
from nasbench_suite.benchmark import Metric
from nasbench_suite.cards import read_card
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.rules import find_leaderboard, read_rules
from nasbench_suite.tabular import Column, TableDescription, TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.mapping import TableMapping
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tabular.operator_table import OperatorCosts, OperatorTable
from nasbench_suite.workers import workers

RECORDS = 1024
ALL_RECORDS = 15_625


def describe(benchmark, what, goal, scale, unit):
    benchmark.extra_info.update(what=what, goal=goal, scale=scale, unit=unit)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "NATS-tss-made-up-simple.tar"
    nats_made_up.write_archive(path, RECORDS)
    return path


def unpack(path: Path, start: int) -> None:
    """Decompress every second record: what one of two cores has to do at the least."""
    with tarfile.open(path) as records:
        for member in records.getmembers()[start::2]:
            bz2.decompress(records.extractfile(member).read())


def test_decompression_alone(benchmark, archive):
    def both_cores():
        with ProcessPoolExecutor(2) as executor:
            list(executor.map(unpack, [archive] * 2, range(2)))

    scale = ALL_RECORDS / RECORDS
    what = f"decompress {RECORDS:,} NATS-sized records on two cores, for all {ALL_RECORDS:,}"
    describe(benchmark, what, "the limit", scale, "s")
    benchmark.pedantic(both_cores, rounds=3, warmup_rounds=1)


def test_import_nats(benchmark, archive):
    busy = []

    def imported():
        before, wall = os.times(), time.perf_counter()
        import_tables("nats-topology", [archive], jobs=2, name="made_up", options={"partial": "yes"})
        after = os.times()
        spent = sum(getattr(after, n) - getattr(before, n) for n in ("children_user", "children_system"))
        busy.append((spent + after.user - before.user) / (time.perf_counter() - wall) / 2)

    benchmark.pedantic(imported, rounds=3, warmup_rounds=1)
    scale = ALL_RECORDS / RECORDS
    share = f"{100 * np.median(busy):.0f} % of two cores busy"
    what = f"import {RECORDS:,} NATS-sized records from a `.tar`, for all {ALL_RECORDS:,} ({share})"
    describe(benchmark, what, "the limit / 0.7", scale, "s")


@pytest.fixture(scope="module")
def nasbench101():
    """All 423,624 cells of NAS-Bench-101 with made-up results."""
    space = get_space("nasbench101")
    genes = space.decode(np.arange(space.n_codes))
    sheet = datasheets()["nasbench101"]
    values = np.random.default_rng(0).random((len(genes), 1, 1))
    columns = {"valid_accuracy": Column(values), "test_accuracy": Column(values)}
    source = Source("made up", "", "0" * 64)
    return TabularBenchmark(
        assemble(sheet, "nasbench101/cifar10", source, genes, columns, rows="class", repeats=["made up"])
    )


@pytest.mark.parametrize("n", [1_000_000, 10_000])
def test_batched_query_of_nasbench101(benchmark, nasbench101, n):
    rows = np.random.default_rng(1).integers(len(nasbench101.table), size=n)
    genes = nasbench101.table.genes[rows]
    describe(benchmark, f"queries of NAS-Bench-101, {n:,} at once", "10 M/s", -n / 1e6, "M/s")
    benchmark.pedantic(nasbench101.query, args=(genes,), rounds=20, warmup_rounds=3)


def test_single_query_of_nasbench101(benchmark, nasbench101):
    one = nasbench101.table.genes[:1]
    describe(benchmark, "a query of one cell of NAS-Bench-101", "none", 1e6, "µs")
    benchmark.pedantic(nasbench101.query, args=(one,), rounds=100, iterations=200, warmup_rounds=5)


@pytest.fixture(scope="module")
def fbnet():
    """Latencies of FBNet's operators that are random numbers."""
    rng = np.random.default_rng(0)
    description = TableDescription(
        task="made_up/cifar10",
        space="fbnet",
        valid="",
        test="",
        rows="string",
        repeats=["made up"],
        licence="none",
        source="random numbers",
        source_version="",
        source_sha256="0" * 64,
        created_with="the benchmark",
    )
    metrics = {"latency_ms": Metric("latency_ms", "ms", "min", "info", "made up", recorded="once")}
    costs = {"latency_ms": OperatorCosts(rng.random(2), rng.random((22, 9)), rng.random(3))}
    table = OperatorTable(description, metrics, ["stem", "pool"], ["a", "b", "c"], costs)
    return OperatorSumBenchmark(table)


def test_batched_query_of_an_operator_table(benchmark, fbnet):
    networks = fbnet.space.sample(np.random.default_rng(1), 200_000)
    what = "latencies of FBNets added up of an operator table, 200,000 at once"
    describe(benchmark, what, "the limit: 45 M/s", -0.2, "M/s")
    query = partial(fbnet.query, info=["latency_ms"])
    benchmark.pedantic(query, args=(networks,), rounds=20, warmup_rounds=3)


@pytest.fixture
def nats_tables(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    mapping = read_card(
        Path(__file__).parents[2] / "tabular" / "nats_topology" / "from-csv.toml", TableMapping
    )
    import_tables(
        "table",
        [shared_data / "nats_topology" / "accuracy.csv.gz"],
        sheet=mapping.datasheet(),
        name="nats_topology",
        options={"mapping": mapping.model_dump_json()},
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_reproduce_nats_topology(benchmark, nats_tables, tmp_path, jobs):
    home = find_leaderboard("nats-topology")
    rules = read_rules(home)
    places = (tmp_path / str(n) for n in range(10))

    def play():
        with workers(jobs) as executor:
            run_board(rules, home, next(places), executor=executor)

    what = f"`nats-topology`: 4,500 runs played, judged and summarised, {jobs} process(es)"
    describe(benchmark, what, "3 s", 1.0, "s")
    benchmark.pedantic(play, rounds=5, warmup_rounds=1)
