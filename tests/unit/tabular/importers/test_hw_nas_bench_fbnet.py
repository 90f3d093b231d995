"""The FBNet half of HW-NAS-Bench's importer, against the official rule and against HELP's published sums."""

import copy
import json
import os
import pickle
import sys

import numpy as np
import pytest
from official_hw_nas_bench import (
    FBNET_MEASURED,
    HEAD,
    LAYERS,
    STEM,
    added_up,
    all_operators,
    fbnet,
    layer_operator,
    official,
    operators,
)

from nasbench_suite import NasbenchSuiteError, get_space, load_benchmark, search
from nasbench_suite.cli import main
from nasbench_suite.content import CONTENT_FOLDERS
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.leaderboards.outcomes import open_table
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers.hw_nas_bench_fbnet import operator_names
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark

UNITS = {"latency": "ms", "energy": "mj"}
WHOLE = fbnet()


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def metric(name):
    return f"{name}_{UNITS[name.rpartition('_')[2]]}"


METRICS = [metric(name) for name in FBNET_MEASURED]


def written(tmp_path, operators=WHOLE, protocol=3):
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps({**official(), "fbnet": operators}, protocol))
    return path


def imported(tmp_path, operators=WHOLE, protocol=3):
    return import_tables("hw-nas-bench", [written(tmp_path, operators, protocol)], options={"partial": "yes"})


def refused(tmp_path, operators, match):
    with pytest.raises(DamagedFileError, match=match):
        imported(tmp_path, operators)
    assert not list((tmp_path / "data").rglob("*.h5"))


def changed(change, name="raspi4_latency"):
    operators = copy.deepcopy(WHOLE)
    change(operators, operators[name])
    return operators


@pytest.mark.parametrize("dataset", LAYERS)
def test_sums_are_the_official_ones_bit_for_bit(tmp_path, dataset):
    assert f"hw_nas_bench/fbnet-{dataset}" in imported(tmp_path)
    benchmark = load_benchmark(f"hw_nas_bench/fbnet-{dataset}")
    assert isinstance(benchmark, OperatorSumBenchmark)
    assert sorted(benchmark.metrics) == sorted(METRICS)
    networks = benchmark.space.sample(np.random.default_rng(0), 400)
    networks[:9] = np.arange(9)[:, None]
    found = benchmark.query(networks, info=METRICS)
    assert np.isnan(found.valid).all()
    for name in FBNET_MEASURED:
        expected = [added_up(WHOLE[name], dataset, network) for network in networks.tolist()]
        assert found.info[metric(name)].tolist() == expected
        other_order = [sum(WHOLE[name][part] for part in reversed(operators(dataset, n))) for n in networks]
        assert other_order != expected  # so that a sum in another order could not pass


@pytest.mark.parametrize("dataset", LAYERS)
def test_every_operator_of_the_official_rule_is_asked_for_and_no_other(dataset):
    names = operator_names(f"fbnet-{dataset}")
    assert names.before == [STEM[dataset]]
    assert names.after == HEAD[dataset]
    assert names.layers == [[layer_operator(dataset, at, choice) for choice in range(9)] for at in range(22)]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("number", [np.float64, np.float32, np.array, lambda value: np.array([value])])
def test_numbers_of_numpy(tmp_path, number, protocol):
    figures = {name: {op: number(v) for op, v in values.items()} for name, values in WHOLE.items()}
    imported(tmp_path, figures, protocol)
    benchmark = load_benchmark("hw_nas_bench/fbnet-ImageNet")
    network = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3]
    found = benchmark.query(np.array([network], dtype=np.uint8), info=METRICS).info
    for name in FBNET_MEASURED:
        plain = {operator: float(np.ravel(value)[0]) for operator, value in figures[name].items()}
        assert found[metric(name)][0] == added_up(plain, "ImageNet", network)


def test_published_sums_of_help_are_reproduced(shared_data, tmp_path):
    """HELP's columns of HW-NAS-Bench's devices; operators come of a fit to 1,000 of the 5,000 networks.

    A fit cannot tell what all choices of a layer have in common from the stem, so that is moved to the stem.
    """
    with np.load(shared_data / "help" / "help_fbnet5000_latency_27dev.npz") as published:
        networks = published["arch"]
        devices = ("eyeriss", "fpga", "pixel3", "raspi4")
        latencies = {f"{device}_latency": published[device] for device in devices}
    names = [[layer_operator("cifar100", layer, choice) for choice in range(9)] for layer in range(22)]
    number = {name: at for at, name in enumerate(dict.fromkeys(name for layer in names for name in layer))}
    counts = np.ones((len(networks), len(number) + 1))
    counts[:, :-1] = 0
    for layer in range(22):
        column = np.array([number[name] for name in names[layer]])[networks[:, layer]]
        np.add.at(counts, (np.arange(len(networks)), column), 1)
    figures = {name: dict.fromkeys(all_operators("cifar100"), 0.0) for name in FBNET_MEASURED}
    for name, values in latencies.items():
        fitted, *_ = np.linalg.lstsq(counts[:1000], values[:1000])
        by_layer = np.array([[fitted[number[operator]] for operator in layer] for layer in names])
        least = by_layer.min(axis=1, keepdims=True)
        for operators_of_layer, row in zip(names, by_layer - least, strict=True):
            figures[name] |= dict(zip(operators_of_layer, row.tolist(), strict=True))
        figures[name][STEM["cifar100"]] = float(fitted[-1] + least.sum())
    assert "hw_nas_bench/fbnet-ImageNet" not in imported(tmp_path, figures)
    info = [metric(name) for name in latencies]
    found = load_benchmark("hw_nas_bench/fbnet-cifar100").query(networks.astype(np.uint8), info=info).info
    for name, values in latencies.items():
        np.testing.assert_allclose(found[metric(name)], values, rtol=1e-12)


def test_operators_that_lack_are_refused_or_with_partial_left_out(tmp_path):
    lacking = changed(
        lambda _, figures: figures.pop("ConvBlock_H7_W7_Cin184_Cout352_exp6_kernel5_stride1_group1")
    )
    with pytest.raises(DamagedFileError, match="lacks 15,622 of 15,625"):  # the cells are looked at first
        import_tables("hw-nas-bench", [written(tmp_path)])
    tasks = imported(tmp_path, lacking)
    assert "hw_nas_bench/fbnet-cifar100" in tasks
    assert "hw_nas_bench/fbnet-ImageNet" not in tasks


def test_the_operator_that_lacks_is_named(tmp_path):
    space = get_space("nats_topology")
    content = official(space.format(space.decode(np.arange(space.n_codes))))
    content["fbnet"] = changed(lambda _, figures: figures.pop("FC_Cin1984_Cout1000"), "fpga_energy")
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps(content, 3))
    with pytest.raises(DamagedFileError, match=r"fpga_energy lacks 1 of 112 .* FC_Cin1984_Cout1000;"):
        import_tables("hw-nas-bench", [path])
    assert not list((tmp_path / "data").rglob("*.h5"))
    content["fbnet"] = WHOLE
    path.write_bytes(pickle.dumps(content, 3))
    assert len(import_tables("hw-nas-bench", [path])) == 5


def put(value):
    return lambda _, figures: figures.update({"FC_Cin1504_Cout100": value})


BAD = {
    "no dictionary": ([1], "fbnet: there is no edgegpu_latency, "),
    "no measurement": (changed(lambda all_, _: all_.pop("fpga_energy")), "fbnet: there is no fpga_energy;"),
    "no operators": (
        changed(lambda all_, _: all_.update(raspi4_latency=[0.5])),
        "raspi4_latency: there is no dictionary of operators",
    ),
    "nan": (changed(put(np.nan)), "fbnet, raspi4_latency, FC_Cin1504_Cout100 is nan, which is no measure"),
    "infinite": (changed(put(np.inf)), "is inf, which is no measurement"),
    "negative": (changed(put(-1.0)), "is -1, which is no measurement"),
    "beyond belief": (changed(put(1e300)), r"is 1e\+300, which is no measurement"),
    "huge": (changed(put(10**5000)), "a number is too large"),
    "text": (changed(put("0.5")), "raspi4_latency, FC_Cin1504_Cout100: '0.5' is no number"),
    "truth": (changed(put(True)), "True is no number"),
    "none": (changed(put(None)), "None is no number"),
    "a list": (changed(put([0.5])), "a list is no number"),
    "an array of two": (changed(put(np.ones(2))), "a ndarray is no number"),
}


@pytest.mark.parametrize(("operators", "match"), BAD.values(), ids=BAD)
def test_bad_operators_are_refused(tmp_path, operators, match):
    refused(tmp_path, operators, match)


def test_a_program_among_the_operators_is_not_run(tmp_path):
    refused(tmp_path, changed(put(os.system)), "system")


def test_the_tasks_are_those_of_the_datasheet(tmp_path):
    sheet = datasheets()["hw_nas_bench"]
    assert imported(tmp_path) == sorted(f"hw_nas_bench/{task}" for task in sheet.tasks)
    for dataset in LAYERS:
        benchmark = load_benchmark(f"hw_nas_bench/fbnet-{dataset}")
        assert benchmark.space.name == sheet.tasks[f"fbnet-{dataset}"].space == "fbnet"
        assert benchmark.table.path == table_path(benchmark.id)
        for name, entry in benchmark.metrics.items():
            stated = sheet.metrics[name]
            assert (entry.unit, entry.direction, entry.role) == (stated.unit, stated.direction, "info")


# -- the rest of the suite -------------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["nasbench-suite", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output, error = capsys.readouterr()
        assert (ended.value.code or 0) == code, error
        return output if code == 0 else error

    return run


def test_commands_know_operator_tables(tmp_path, cli):
    path = written(tmp_path)
    assert "sums" in cli("import", "hw-nas-bench", path, "--partial", "--quiet")
    made = json.loads(cli("import", "hw-nas-bench", path, "--partial", "--json", "--name", "own"))["tables"]
    assert {t["task"]: (t["rows"], t["absent"]) for t in made} == {
        "own/ImageNet16-120": (3, 15622),
        "own/cifar10": (3, 15622),
        "own/cifar100": (3, 15622),
        "own/fbnet-ImageNet": (None, 0),
        "own/fbnet-cifar100": (None, 0),
    }
    listed = json.loads(cli("list", "benchmarks", "--json"))["benchmarks"]
    assert listed["own/fbnet-cifar100"] == {"title": f"imported from {path.name}", "table": "here"}
    assert listed["hw_nas_bench/fbnet-cifar100"]["table"] == "here"
    shown = json.loads(cli("show", "own/fbnet-ImageNet", "--json"))
    assert shown["sha256"] == load_benchmark("own/fbnet-ImageNet").table.sha256
    assert shown["source"] == path.name
    assert shown["results are sums of"][:2] == ["stem", "22 layers, each one of 9 operations"]
    assert "FBNet" in cli("show", "hw_nas_bench")


def test_query_prints_the_sums(tmp_path, cli):
    imported(tmp_path)
    network = [8, 7, 6, 5, 4, 3, 2, 1, 0] * 2 + [8, 8, 8, 0]
    (row,) = json.loads(cli("query", "hw_nas_bench/fbnet-cifar100", network, "--json"))
    assert row.pop("architecture").startswith("skip-k5_e6-k5_e3-")
    assert row == {metric(name): added_up(WHOLE[name], "cifar100", network) for name in FBNET_MEASURED}
    printed = cli("query", "hw_nas_bench/fbnet-cifar100", network, "--repeat", "all")
    assert f"{row['raspi4_latency_ms']:.6g}" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["query", "hw_nas_bench/fbnet-cifar100", "[8]"], "describes 1 layer"),
        (["query", "hw_nas_bench/fbnet-cifar100", [8] * 22, "--epochs", "3"], "no results after epochs"),
        (["query", "hw_nas_bench/fbnet-cifar100", [8] * 22, "--repeat", "1"], "one figure per operator"),
        (["export", "hw_nas_bench/fbnet-cifar100"], "any of 984,770,902,183,611,232,881 networks"),
        (
            ["search", "hw_nas_bench/fbnet-cifar100", "--strategy", "random_search", "--evaluations", 5],
            "no validation results",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, cli, arguments, says):
    imported(tmp_path)
    error = cli(*arguments, code=2)
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1


def test_check_verifies_operator_tables(tmp_path, cli, monkeypatch):
    for name in CONTENT_FOLDERS:
        (tmp_path / "content" / name).mkdir(parents=True)
    imported(tmp_path)
    monkeypatch.setenv("NASBENCH_SUITE_CONTENT", str(tmp_path / "content"))
    assert "5 checked, 0 with problems" in cli("check", "--quiet")
    path = table_path("hw_nas_bench/fbnet-cifar100")
    whole = path.read_bytes()
    path.with_name("moved.h5").write_bytes(whole)
    path.write_bytes(whole[:-1])
    error = cli("check", "--quiet", code=2)
    assert "table hw_nas_bench/fbnet-cifar100: " in error
    assert "truncated or corrupt" in error
    assert "table hw_nas_bench/moved: the file is the table of hw_nas_bench/fbnet-cifar100" in error


def test_searches_and_leaderboards_refuse_sums(tmp_path):
    imported(tmp_path)
    task = "hw_nas_bench/fbnet-ImageNet"
    for reward in ("", "valid - 0.1 * fpga_energy_mj"):
        with pytest.raises(NasbenchSuiteError, match="no validation results"):
            search("random_search", task, evaluations=2, runs=1, reward=reward)
    with pytest.raises(NasbenchSuiteError, match="is no table; a leaderboard needs one"):
        open_table(task)
