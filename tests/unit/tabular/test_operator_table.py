"""Operator tables: files that are what was written or refused, and sums that are those of a plain loop."""

import os
import pickle
import random
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.benchmark import Benchmark, Metric
from nasbench_suite.errors import DamagedFileError, UnknownNameError
from nasbench_suite.tabular import TableDescription
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

SPACE = get_space("fbnet")
NAMES = ("latency_ms", "energy_mj")
DESCRIPTION = TableDescription(
    task="made/up",
    space="fbnet",
    valid="",
    test="",
    rows="string",
    repeats=["one"],
    licence="none",
    source="random numbers",
    source_version="1",
    source_sha256="0" * 64,
    created_with="the test suite",
)
METRICS = {name: Metric(name, name[-2:], "min", "info", "made up", recorded="once") for name in NAMES}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return OperatorCosts(rng.random(2), rng.random((22, 9)), rng.random(3))


def made(**changes):
    arguments = {
        "description": DESCRIPTION,
        "metrics": METRICS,
        "before": ["a", "b"],
        "after": ["c", "d", "e"],
        "costs": {name: drawn(seed) for seed, name in enumerate(NAMES)},
        **changes,
    }
    return OperatorTable(**arguments)


@pytest.fixture(scope="module")
def table():
    return made()


@pytest.fixture
def path(table, tmp_path):
    save_operator_table(table, tmp_path / "sums.h5")
    return tmp_path / "sums.h5"


def plain_sum(costs, network):
    """One number after the other, as Python adds them."""
    total = 0.0
    for part in costs.before.tolist():
        total += part
    rows = costs.operators.tolist()
    for layer in range(22):
        total += rows[layer][network[layer]]
    for part in costs.after.tolist():
        total += part
    return total


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


def test_a_million_networks_a_second(table):
    benchmark = OperatorSumBenchmark(table)
    networks = SPACE.sample(np.random.default_rng(3), 200_000)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        benchmark.query(networks, info=["latency_ms"])
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.2


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
    assert os.fsencode(path) in sent
    assert table.costs["latency_ms"].operators[0].tobytes() not in sent
    networks = SPACE.sample(np.random.default_rng(4), 30)
    expected = benchmark.query(networks, info=NAMES).info["latency_ms"]
    assert np.array_equal(pickle.loads(sent).query(networks, info=NAMES).info["latency_ms"], expected)
    held = pickle.loads(pickle.dumps(OperatorSumBenchmark(table)))
    assert np.array_equal(held.query(networks, info=NAMES).info["latency_ms"], expected)
    with open("/proc/self/maps" if os.path.exists("/proc/self/maps") else os.devnull) as maps:
        mapped = maps.read()
    assert not mapped or str(path) in mapped


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


# -- damage ----------------------------------------------------------------------------------------------


def test_a_flipped_byte_anywhere_is_noticed_or_not_ours(path, readings_of_flipped):
    whole, stated = path.read_bytes(), read_operator_table(path).sha256
    first, seal, _ = whole.split(b"\n", 2)
    sealed = len(first) + len(seal) + 2 + int(seal.split(b" ")[2])
    ours = set(range(sealed))
    with h5py.File(path) as file:
        for part in ("before", "operators", "after"):
            for entry in file[part].values():
                start = entry.id.get_offset()
                ours |= set(range(start, start + entry.id.get_storage_size()))
    draw = random.Random(0)
    elsewhere = sorted(set(range(len(whole))) - ours)
    positions = [*range(len(first)), *draw.sample(elsewhere, 100), *draw.sample(sorted(ours), 200)]
    found = readings_of_flipped(path, "nasbench_suite.tabular.catalogue:read_any_table", positions)
    assert found == {byte: "refused" if byte in ours else f"read {stated}" for byte in positions}


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFileError, match="truncated or corrupt"):
        read_any_table(path)


def test_another_schema_is_refused_with_its_number(path):
    path.write_bytes(path.read_bytes().replace(b"operator-table 1\n", b"operator-table 7\n", 1))
    with pytest.raises(DamagedFileError, match="operator-table of schema 7, this version reads 1"):
        read_any_table(path)


@pytest.mark.parametrize("name", ["operators/latency_ms", "before/energy_mj", "after/energy_mj"])
@pytest.mark.parametrize(
    "change",
    [
        {"shape": [9, 22]},
        {"shape": [21, 9]},
        {"shape": [22, 8]},
        {"shape": [198]},
        {"shape": [1]},
        {"shape": []},
        {"shape": [0]},
        {"dtype": "<i8"},
        {"dtype": ">f8"},
        {"dtype": "<f4"},
        {"dtype": "<u8"},
        {"dtype": "object"},
        {"shape": "22"},
        {"offset": 10**9},
        {"offset": -8},
    ],
    ids=str,
)
def test_an_array_of_another_type_or_shape_is_refused(path, name, change, manifest_edited):
    with manifest_edited(path) as manifest:
        entry = manifest["arrays"][name]
        entry.update(change)
        if change.keys() == {"shape"} and isinstance(change["shape"], list):
            entry["sha256"] = None
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


@pytest.mark.parametrize("name", ["operators/latency_ms", "before/energy_mj", "after/latency_ms"])
def test_a_file_without_an_array_is_refused(path, name, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["arrays"][name]
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("name", ["operators/latency_ms", "before/energy_mj", "after/latency_ms"])
def test_a_resealed_number_that_is_none_is_refused(path, name, value, manifest_edited):
    with h5py.File(path, "r+") as file:
        file[name][...] = value
    with manifest_edited(path) as manifest:
        manifest["arrays"][name]["sha256"] = None
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


HEADS = {
    "none": lambda head: head.clear(),
    "no description": lambda head: head.pop("description"),
    "no metrics": lambda head: head.pop("metrics"),
    "no names before": lambda head: head.pop("before"),
    "metrics empty": lambda head: head.update(metrics={}),
    "metrics a list": lambda head: head.update(metrics=["latency_ms"]),
    "one name more": lambda head: head["after"].append("f"),
    "names that are numbers": lambda head: head.update(before=[1, 2]),
    "names in one text": lambda head: head.update(before="ab"),
    "another space": lambda head: head["description"].update(space="nats_topology"),
    "a space of other layers": lambda head: head["description"].update(space="nats_size"),
    "unequal layers": lambda head: head["description"].update(space="mnasnet"),
    "validation": lambda head: head["description"].update(valid="latency_ms"),
    "test": lambda head: head["description"].update(test="latency_ms"),
    "two repeats": lambda head: head["description"].update(repeats=["a", "b"]),
    "no repeat": lambda head: head["description"].update(repeats=[]),
    "a metric without costs": lambda head: head["metrics"].update(more=head["metrics"]["latency_ms"]),
    "a metric of another name": lambda head: head["metrics"]["latency_ms"].update(name="energy_mj"),
    "a metric that steers": lambda head: head["metrics"]["latency_ms"].update(role="valid"),
    "a metric that is seconds": lambda head: head["metrics"]["latency_ms"].update(role="cost"),
    "a metric of epochs": lambda head: head["metrics"]["latency_ms"].update(recorded="each epoch"),
    "a metric that goes sideways": lambda head: head["metrics"]["latency_ms"].update(direction="sideways"),
    "a metric that is no dictionary": lambda head: head["metrics"].update(latency_ms=7),
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_a_resealed_head_that_disagrees_is_refused(path, change, manifest_edited):
    with manifest_edited(path) as manifest:
        change(manifest["head"])
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


def test_a_table_that_disagrees_is_not_made():
    costs = {name: drawn(0) for name in NAMES}
    bad = costs["latency_ms"]._replace(operators=np.ones((22, 9), dtype=np.float32))
    with pytest.raises(ValueError, match=r"float32 \(22, 9\), not float64"):
        made(costs={**costs, "latency_ms": bad})
    with pytest.raises(ValueError, match="not those that costs are given of"):
        made(costs={"latency_ms": drawn(0)})
    with pytest.raises(ValueError, match="metric energy_mj is"):
        made(metrics={**METRICS, "energy_mj": replace(METRICS["energy_mj"], role="test")})


def test_a_full_disk_leaves_nothing(table, tmp_path):
    folder = tmp_path / "file"
    folder.write_text("no folder")
    with pytest.raises(NasbenchSuiteError, match="cannot write"):
        save_operator_table(table, folder / "sums.h5")


def test_another_process_maps_the_file(path):
    program = (
        "import pickle, sys; b = pickle.loads(sys.stdin.buffer.read());"
        "import numpy as np; g = np.full((1, 22), 3, dtype=np.uint8);"
        "print(b.query(g, info=['latency_ms']).info['latency_ms'][0].hex())"
    )
    benchmark = OperatorSumBenchmark(read_operator_table(path))
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(benchmark), capture_output=True, check=True
    )
    expected = plain_sum(benchmark.table.costs["latency_ms"], [3] * 22)
    assert done.stdout.decode().strip() == expected.hex()
