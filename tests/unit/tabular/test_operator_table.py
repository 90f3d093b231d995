"""Operator tables: files that are what was written, and sums that are those of a plain loop."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from operator_tables import DESCRIPTION, METRICS, NAMES, SPACE, drawn, made, plain_sum

from nasbench_suite import ArchitectureError, NasbenchSuiteError
from nasbench_suite.benchmark import Benchmark
from nasbench_suite.errors import DamagedFileError, UnknownNameError
from nasbench_suite.tabular.catalogue import read_any_table
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tabular.operator_table import (
    OperatorCosts,
    OperatorTable,
    is_operator_table,
    read_operator_table,
    save_operator_table,
)
from nasbench_suite.tabular.table import Table, read_table, save_table


@pytest.fixture(scope="module")
def table():
    return made()


@pytest.fixture
def path(table, tmp_path):
    save_operator_table(table, tmp_path / "sums.h5")
    return tmp_path / "sums.h5"


# -- sums ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 8191, 8192, 8193, 20000])
def test_sums_are_those_of_a_loop_bit_for_bit(table, path, n):
    networks = SPACE.sample(np.random.default_rng(n), n)
    before = networks.copy()
    for benchmark in (OperatorSumBenchmark(table), OperatorSumBenchmark(read_operator_table(path))):
        found = benchmark.query(networks, info=NAMES)
        assert found.valid.shape == (n,)
        assert np.isnan(found.valid).all()
        assert found.seconds is None
        for name in NAMES:
            values = found.info[name]
            assert values.dtype == np.float64
            expected = [plain_sum(table.costs[name], network) for network in networks.tolist()]
            assert values.tolist() == expected
    assert np.array_equal(networks, before)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16])
def test_genes_of_other_integers_and_strides(table, dtype):
    networks = SPACE.sample(np.random.default_rng(1), 50)
    other = np.asfortranarray(networks.astype(dtype))[::-1]
    benchmark = OperatorSumBenchmark(table)
    expected = benchmark.query(networks, info=["energy_mj"]).info["energy_mj"][::-1]
    assert np.array_equal(benchmark.query(other, info=["energy_mj"]).info["energy_mj"], expected)


def test_it_is_a_benchmark_without_trainings(table):
    benchmark = OperatorSumBenchmark(table)
    assert isinstance(benchmark, Benchmark)
    assert (benchmark.id, benchmark.repeats, tuple(benchmark.fidelities)) == ("made/up", 1, ())
    networks = SPACE.sample(np.random.default_rng(2), 1000)
    assert benchmark.identity(networks).dtype == np.int64
    assert np.array_equal(benchmark.identity(networks).view(np.uint64), SPACE.key(networks))
    rng = np.random.default_rng(0)
    answers = [benchmark.query(networks, repeat=r, info=NAMES).info["latency_ms"] for r in ("mean", 0, rng)]
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda b, g: b.query(g), NasbenchSuiteError, "no validation results; .*: energy_mj, latency_ms"),
        (lambda b, g: b.query(g, info=["latency_m"]), UnknownNameError, "did you mean latency_ms"),
        (lambda b, g: b.query(g, repeat=1, info=NAMES), NasbenchSuiteError, "one figure .* not 1"),
        (lambda b, g: b.query(g, repeat=True, info=NAMES), NasbenchSuiteError, "not True"),
        (lambda b, g: b.query(g, repeat="all", info=NAMES), NasbenchSuiteError, "not 'all'"),
        (lambda b, g: b.query(g + 1, info=NAMES), ArchitectureError, "values 0 to 8"),
        (lambda b, g: b.query(g[0], info=NAMES), ArchitectureError, r"shape \[n, 22\]"),
        (lambda b, g: b.query(g[:, 1:], info=NAMES), ArchitectureError, r"shape \[n, 22\]"),
        (lambda b, g: b.query(g.astype(float), info=NAMES), ArchitectureError, "integers"),
        (lambda b, g: b.identity(g + 1), ArchitectureError, "values 0 to 8"),
        (lambda b, g: b.reveal(g), NasbenchSuiteError, "no test results"),
    ],
)
def test_what_cannot_be_answered_is_refused(table, ask, error, says):
    with pytest.raises(error, match=says):
        ask(OperatorSumBenchmark(table), np.full((3, 22), 8, dtype=np.uint8))


# -- files -----------------------------------------------------------------------------------------------


def test_a_file_reads_back_the_same(table, path):
    found = read_operator_table(path)
    assert found.description == table.description
    assert found.metrics == table.metrics
    assert (found.before, found.after) == (["a", "b"], ["c", "d", "e"])
    assert found.sha256 == table.sha256
    for name in NAMES:
        for one, other in zip(found.costs[name], table.costs[name], strict=True):
            assert np.array_equal(one, other)
            assert not one.flags.writeable
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["sums.h5"]


def test_other_programs_read_the_file(table, path):
    with h5py.File(path) as file:
        for name in NAMES:
            costs = table.costs[name]
            for part in ("before", "operators", "after"):
                assert np.array_equal(file[part][name], getattr(costs, part))
            assert file["operators"][name].attrs["unit"] == METRICS[name].unit


def test_the_sum_names_data_not_the_program(table):
    assert made().sha256 == table.sha256
    assert made(description=DESCRIPTION.model_copy(update={"created_with": "x"})).sha256 == table.sha256
    other = {name: drawn(seed) for seed, name in enumerate(NAMES)}
    other["energy_mj"].after[2] = np.nextafter(other["energy_mj"].after[2], 2)
    assert made(costs=other).sha256 != table.sha256
    assert made(description=DESCRIPTION.model_copy(update={"licence": "x"})).sha256 != table.sha256
    assert made(before=["b", "a"]).sha256 != table.sha256


def test_without_parts_around_the_layers(tmp_path):
    rng = np.random.default_rng(5)
    costs = {name: OperatorCosts(np.zeros(0), rng.random((22, 9)), np.zeros(0)) for name in NAMES}
    save_operator_table(made(before=[], after=[], costs=costs), tmp_path / "bare.h5")
    benchmark = OperatorSumBenchmark(read_operator_table(tmp_path / "bare.h5"))
    networks = SPACE.sample(rng, 20)
    expected = [plain_sum(costs["energy_mj"], network) for network in networks.tolist()]
    assert benchmark.query(networks, info=NAMES).info["energy_mj"].tolist() == expected


def test_pickling_takes_the_path_and_not_the_numbers(table, path):
    benchmark = OperatorSumBenchmark(read_operator_table(path))
    sent = pickle.dumps(benchmark)
    assert len(sent) < 1000
    assert table.costs["latency_ms"].operators[0].tobytes() not in sent
    networks = SPACE.sample(np.random.default_rng(4), 30)
    expected = benchmark.query(networks, info=NAMES).info["latency_ms"]
    assert np.array_equal(pickle.loads(sent).query(networks, info=NAMES).info["latency_ms"], expected)
    held = pickle.loads(pickle.dumps(OperatorSumBenchmark(table)))
    assert np.array_equal(held.query(networks, info=NAMES).info["latency_ms"], expected)


def test_the_first_line_says_which_kind_of_table_it_is(path, make_table, tmp_path):
    save_table(make_table(rows=5), tmp_path / "table.h5")
    assert is_operator_table(path)
    assert isinstance(read_any_table(path), OperatorTable)
    assert not is_operator_table(tmp_path / "table.h5")
    assert isinstance(read_any_table(tmp_path / "table.h5"), Table)
    with pytest.raises(DamagedFileError, match="or no table"):
        read_table(path)
    with pytest.raises(DamagedFileError, match="or no operator-table"):
        read_operator_table(tmp_path / "table.h5")
    assert not is_operator_table(tmp_path)
    assert not is_operator_table(tmp_path / "none.h5")
    os.mkfifo(tmp_path / "pipe.h5")
    assert not is_operator_table(tmp_path / "pipe.h5")
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        read_any_table(tmp_path / "none.h5")


def test_a_full_disk_leaves_nothing(table, tmp_path):
    folder = tmp_path / "file"
    folder.write_text("no folder")
    with pytest.raises(NasbenchSuiteError, match="cannot write"):
        save_operator_table(table, folder / "sums.h5")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
def test_another_process_maps_the_file(path):
    program = (
        "import pickle, sys; b = pickle.loads(sys.stdin.buffer.read());"
        "import numpy as np; g = np.full((1, 22), 3, dtype=np.uint8);"
        "print(b.query(g, info=['latency_ms']).info['latency_ms'][0].hex());"
        "print(str(b.table.path) in open('/proc/self/maps').read())"
    )
    benchmark = OperatorSumBenchmark(read_operator_table(path))
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(benchmark), capture_output=True, check=True
    )
    expected = plain_sum(benchmark.table.costs["latency_ms"], [3] * 22)
    assert done.stdout.decode().split() == [expected.hex(), "True"]
