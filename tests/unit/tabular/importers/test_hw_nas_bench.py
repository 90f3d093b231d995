"""The importer of HW-NAS-Bench: the published CSV exports, and small pickles in the official structure."""

import csv
import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from official_hw_nas_bench import CELLS, CLASSES, DATASETS, MEASURED, official

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import read_table

UNITS = {"latency": "ms", "energy": "mj", "intensity": "ops_per_byte"}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def read_csv(path):
    """Every column of a published file, as text."""
    with gzip.open(path, "rt") as file:
        rows = list(csv.reader(file))
    return dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))


def metric(name):
    return f"{name}_{UNITS[name.rpartition('_')[2]]}"


def written(tmp_path, content, name="HW-NAS-Bench-v1_0.pickle", protocol=3):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


def partial(path):
    return import_tables("hw-nas-bench", [path], options={"partial": "yes"})


def refused(path, match, *, options=None):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("hw-nas-bench", [path], options={"partial": "yes"} if options is None else options)
    assert not list((path.parent / "data").rglob("*.h5"))


def test_published_values_bit_for_bit(shared_data, tmp_path):
    files = [shared_data / "hw_nas_bench" / f"nats_topology_{dataset}.csv.gz" for dataset in DATASETS]
    assert import_tables("hw-nas-bench", files) == [f"hw_nas_bench/{dataset}" for dataset in DATASETS]
    space = get_space("nats_topology")
    for dataset, file in zip(DATASETS, files, strict=True):
        table = read_table(table_path(f"hw_nas_bench/{dataset}"))
        columns = read_csv(file)
        assert space.format(table.genes) == list(columns["arch_str"])
        assert space.index(table.genes).tolist() == list(map(int, columns["index"]))
        assert set(table.metrics) == {metric(name) for name in MEASURED}
        for name in MEASURED:
            values = table.columns[metric(name)][:, 0, 0]
            if name == "edgetpu_latency":
                assert np.isnan(values).sum() == 4699
                values = np.where(np.isnan(values), -1.0, values)
            assert np.array_equal(values, list(map(float, columns[name])))
        assert (table.description.valid, table.description.test) == ("", "")


def test_the_readme_of_the_authors_on_cell_0(shared_data):
    import_tables("hw-nas-bench", [shared_data / "hw_nas_bench" / "nats_topology_cifar10.csv.gz"])
    benchmark = TabularBenchmark(read_table(table_path("hw_nas_bench/cifar10")))
    # README of GATECH-EIC/HW-NAS-Bench, "query_by_index(0, 'cifar10')"
    told = {
        "edgegpu_latency_ms": 5.807418537139893,
        "edgegpu_energy_mj": 24.226614330768584,
        "raspi4_latency_ms": 10.481976820010459,
        "edgetpu_latency_ms": 0.9571811309997429,
        "pixel3_latency_ms": 3.6058499999999998,
        "eyeriss_latency_ms": 3.645620000000001,
        "eyeriss_energy_mj": 0.6872827644999999,
        "fpga_latency_ms": 2.57296,
        "fpga_energy_mj": 18.01072,
    }
    found = benchmark.query(benchmark.space.parse(CELLS[0])[None], info=list(told))
    assert {name: found.info[name][0] for name in told} == pytest.approx(told, rel=5e-7)


def test_energy_of_the_fpga_is_seven_watts(shared_data):
    import_tables("hw-nas-bench", [shared_data / "hw_nas_bench" / "nats_topology_cifar100.csv.gz"])
    columns = read_table(table_path("hw_nas_bench/cifar100")).columns
    assert np.allclose(columns["fpga_energy_mj"], 7 * columns["fpga_latency_ms"], rtol=1e-6)


def test_the_whole_published_table_as_the_official_pickle(shared_data, tmp_path):
    content = official()
    for dataset in DATASETS:
        columns = read_csv(shared_data / "hw_nas_bench" / f"nats_topology_{dataset}.csv.gz")
        config = [{"arch_str": text, "num_classes": CLASSES[dataset]} for text in columns["arch_str"]]
        number = np.float64 if dataset == "cifar10" else float
        table = {name: [number(value) for value in columns[name]] for name in MEASURED}
        content["nasbench201"][dataset] = {"config": config, **table}
    import_tables("hw-nas-bench", [written(tmp_path, content)])
    for dataset in DATASETS:
        table = read_table(table_path(f"hw_nas_bench/{dataset}"))
        assert len(table) == 15625
        for name in set(MEASURED) - {"edgetpu_latency"}:
            stored = content["nasbench201"][dataset][name]
            assert table.columns[metric(name)][:, 0, 0].tolist() == stored


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_small_pickle(tmp_path, number, protocol):
    content = official(number=number)
    content["nasbench201"]["cifar100"]["edgetpu_latency"][1] = number(-1)
    partial(written(tmp_path, content, protocol=protocol))
    for dataset in DATASETS:
        table = read_table(table_path(f"hw_nas_bench/{dataset}"))
        assert get_space("nats_topology").format(table.genes) == CELLS
        for name in MEASURED:
            expected = list(map(float, content["nasbench201"][dataset][name]))
            if dataset == "cifar100" and name == "edgetpu_latency":
                expected[1] = np.nan
            assert np.array_equal(table.columns[metric(name)][:, 0, 0], expected, equal_nan=True)


def test_arrays_and_a_dictionary_of_configurations(tmp_path):
    content = official()
    for table in content["nasbench201"].values():
        table["config"] = dict(enumerate(table["config"]))
        for name in MEASURED:
            table[name] = np.array(table[name])
    partial(written(tmp_path, content))
    table = read_table(table_path("hw_nas_bench/cifar100"))
    assert table.columns["fpga_energy_mj"][:, 0, 0].tolist() == [2090.25, 2091.25, 2092.25]


def test_missing_is_said_and_search_is_refused(tmp_path):
    content = official()
    content["nasbench201"]["cifar10"]["edgetpu_latency"][0] = -1
    partial(written(tmp_path, content))
    benchmark = TabularBenchmark(read_table(table_path("hw_nas_bench/cifar10")))
    genes = benchmark.space.parse(CELLS[0])[None]
    with pytest.warns(MissingResultWarning):
        assert np.isnan(benchmark.query(genes, info=["edgetpu_latency_ms"]).info["edgetpu_latency_ms"][0])
    with pytest.raises(NasbenchSuiteError, match="no validation results"):
        benchmark.query(genes)
    with pytest.raises(NasbenchSuiteError, match="no test results"):
        benchmark.reveal(genes)


def test_csv_files_and_pickles_without_operators_give_the_topology_space_alone(tmp_path):
    expected = [f"hw_nas_bench/{dataset}" for dataset in DATASETS]
    assert partial(written(tmp_path, official())) == expected
    files = [csv_file(tmp_path, [HEADER, ROW], f"nats_topology_{dataset}.csv.gz") for dataset in DATASETS]
    assert import_tables("hw-nas-bench", files, options={"partial": "yes"}) == expected


def test_lacking_cells_are_refused_unless_partial(tmp_path):
    path = written(tmp_path, official())
    refused(path, r"nasbench201, cifar10 lacks 15,622 of 15,625 .* --partial", options={})
    assert len(partial(path)) == 3


def change(content, dataset, name, row, value):
    content["nasbench201"][dataset][name][row] = value
    return content


def without(content, *keys):
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return content


def cell(row, entry):
    return change(official(), "cifar10", "config", row, entry)


BAD = {
    "negative": (change(official(), "cifar10", "pixel3_latency", 1, -1.0), "entry 1: pixel3_latency is -1"),
    "edgetpu": (change(official(), "cifar10", "edgetpu_latency", 1, -2), "entry 1: edgetpu_latency is -2"),
    "nan": (
        change(official(), "cifar100", "fpga_energy", 2, np.nan),
        "entry 2: fpga_energy is nan",
    ),
    "infinite": (change(official(), "cifar10", "fpga_energy", 0, np.inf), "entry 0: fpga_energy is inf"),
    "text": (change(official(), "cifar10", "fpga_energy", 0, "1.0"), "entry 0: '1.0' is no number"),
    "truth": (change(official(), "cifar10", "fpga_energy", 0, True), "entry 0: True is no number"),
    "none": (change(official(), "cifar10", "fpga_energy", 0, None), "entry 0: None is no number"),
    "huge": (change(official(), "cifar10", "fpga_energy", 0, 10**400), "too large"),
    "a list of what Python will not show": (
        change(official(), "cifar10", "fpga_energy", 0, [10**5000]),
        "entry 0: a list is no number",
    ),
    "array of two": (change(official(), "cifar10", "fpga_energy", 0, np.ones(2)), "is no number"),
    "twice": (official([CELLS[0], CELLS[1], CELLS[0]]), "has more than one row"),
    "unknown cell": (cell(1, {"arch_str": "|none~0|"}), "cifar10, entry 1: .*describes 1 node"),
    "index": (cell(1, {"arch_str": "17"}), "entry 1: '17' is no architecture string"),
    "no string": (cell(2, {"name": "infer.tiny"}), "entry 2: there is no 'arch_str'"),
    "no dictionary": (cell(2, "x"), "entry 2: there is no 'arch_str'"),
    "short": (
        {"nasbench201": {d: {**official()["nasbench201"][d], "fpga_energy": [1.0]} for d in CLASSES}},
        "fpga_energy: there are not 3 values",
    ),
    "no data set": (without(official(), "nasbench201", "cifar100"), "data sets cifar10, cifar100"),
    "no measurement": (without(official(), "nasbench201", "cifar10", "fpga_energy"), "measurements are edge"),
    "no configuration": (without(official(), "nasbench201", "cifar10", "config"), "no list of cells"),
    "empty": ({}, "has not the data sets"),
    "a list": ([1], "has not the data sets"),
    "no cells": (official([]), "lacks 15,625 of 15,625"),
}


@pytest.mark.parametrize(("content", "match"), BAD.values(), ids=BAD)
def test_bad_pickles_are_refused(tmp_path, content, match):
    refused(written(tmp_path, content), match)


def test_truncated_and_hostile_pickles_are_refused(tmp_path):
    whole = pickle.dumps(official(), 3)
    for length in range(0, len(whole), 97):
        refused(written(tmp_path, whole[:length]), "HW-NAS-Bench-v1_0.pickle")
    refused(written(tmp_path, pickle.dumps({"nasbench201": os.system})), "system")


def csv_file(tmp_path, lines, name="nats_topology_cifar10.csv.gz"):
    path = Path(tmp_path, name)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


HEADER = ",".join(["index", "arch_str", *MEASURED])
ROW = ",".join(["0", CELLS[0], *["1.5"] * 10])


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([HEADER], "lacks 15,625 of 15,625"),
        ([HEADER, ROW, ROW], "more than one row"),
        ([HEADER, ROW[:-3]], "line 2: fpga_energy is nan"),
        ([HEADER, ROW[:-3] + "nan"], "line 2: fpga_energy is nan"),
        ([HEADER, ROW[:-3] + "x"], "line 2, column 'fpga_energy': 'x' is no number"),
        ([HEADER, ROW[:-3] + "-1"], "line 2: fpga_energy is -1"),
        ([HEADER, ROW.replace("avg_pool", "max_pool")], "line 2: .*max_pool"),
        ([HEADER.replace("arch_str", "arch")], "no column arch_str"),
        (["id,val_top1", "0,1"], "no column arch_str, edgegpu_latency"),
    ],
)
def test_bad_csv_files_are_refused(tmp_path, lines, match):
    refused(csv_file(tmp_path, lines), match)


def test_the_name_of_a_csv_file_says_the_data_set(tmp_path):
    with pytest.raises(NasbenchSuiteError, match="does not say its data set"):
        partial(csv_file(tmp_path, [HEADER, ROW], "measurements.csv.gz"))
    partial(csv_file(tmp_path, [HEADER, ROW], "hw_cifar100.csv.gz"))
    assert len(read_table(table_path("hw_nas_bench/cifar100"))) == 1
    again = [csv_file(tmp_path, [HEADER, ROW], name) for name in ("a_cifar10.csv.gz", "b_cifar10.csv.gz")]
    with pytest.raises(NasbenchSuiteError, match="two files are of cifar10"):
        import_tables("hw-nas-bench", again, options={"partial": "yes"})
    with pytest.raises(NasbenchSuiteError, match="reads one file, not 2"):
        import_tables("hw-nas-bench", [again[0], written(tmp_path, official())])
