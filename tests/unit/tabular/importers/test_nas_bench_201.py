"""The importer of NAS-Bench-201: files in the official structure, made of NATS-Bench's real records."""

import copy
import os
import pickle

import numpy as np
import official_nats as official
import pytest
from official_nats import FOLDERS, INDICES, SPLITS

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import read_table

torch = pytest.importorskip("torch", reason="torch writes the files")
SCHEDULES = {"full": ("", "200"), "less": ("@12", "12")}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


@pytest.fixture
def content(shared_data):
    """The official dictionary of version 1.1, with the records that are at hand."""
    found = copy.deepcopy(official.full(shared_data / "nats_official_sample" / FOLDERS["nats-topology"]))
    found["arch2infos"] = {
        index: {"full": record["200"], "less": record["12"]} for index, record in found["arch2infos"].items()
    }
    found["evaluated_indexes"] = sorted(found["arch2infos"])
    return found


def as_version_1_0(content):
    """What version 1.0 lacks: times of the long schedule, all short trainings but one."""
    for record in content["arch2infos"].values():
        for trial in record["full"]["all_results"].values():
            trial.update(train_times=None, train_acc5es=None, eval_times={}, latency=None)
        del record["full"]["dataset_seed"]["cifar100"][1:]
        short = record["less"]
        short["dataset_seed"] = {"cifar10-valid": [777]}
        short["all_results"] = {("cifar10-valid", 777): short["all_results"]["cifar10-valid", 777]}
    return content


def saved(tmp_path, content, legacy=True, name="NAS-Bench-201-v1_1-096897.pth"):
    torch.save(content, tmp_path / name, _use_new_zipfile_serialization=not legacy)
    return tmp_path / name


def imported(path):
    tasks = import_tables("nasbench201", [path], options={"partial": "yes"})
    return {task: read_table(table_path(task)) for task in tasks}


def refused(path, match, options=None):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("nasbench201", [path], options={"partial": "yes"} if options is None else options)
    assert not list((path.parent / "data").rglob("*.*"))


def compare(tables, content):
    """Compare every value with plain arithmetic on the dictionary; return the tasks that are left over."""
    left = dict(tables)
    for name, (suffix, schedule) in SCHEDULES.items():
        for dataset in SPLITS:
            table = left.pop(f"nasbench201/{dataset}{suffix}", None)
            records = [content["arch2infos"][index][name] for index in INDICES]
            if table is None:
                assert all(dataset not in record["dataset_seed"] for record in records)
                continue
            seeds = official.seeds("nats-topology", schedule)
            for metric, values in official.expected(table, records, dataset, seeds).items():
                assert np.array_equal(table.columns[metric], values, equal_nan=True), metric
    return left


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_version_1_1_bit_for_bit(tmp_path, content, legacy):
    tables = imported(saved(tmp_path, content, legacy))
    assert len(tables) == 8
    assert not compare(tables, content)
    assert {table.description.source_version for table in tables.values()} == {"1.1"}
    # published: seed means of network 0 after 12 and after 200 epochs, as readers of the real file print them
    for task, percent in {"cifar10-valid@12": 63.364, "cifar10-valid": 81.983}.items():
        benchmark = TabularBenchmark(tables[f"nasbench201/{task}"])
        assert benchmark.query(benchmark.table.genes[:1]).valid[0] * 100 == pytest.approx(percent, abs=5e-4)


def test_the_arrays_are_those_of_nats_bench(tmp_path, content, shared_data):
    ours = imported(saved(tmp_path, content))
    folder = shared_data / "nats_official_sample" / FOLDERS["nats-topology"]
    import_tables("nats-topology", [folder], options={"partial": "yes"})
    for task, table in ours.items():
        theirs = read_table(table_path(task.replace("nasbench201", "nats_topology")))
        assert dict(table.sums) == dict(theirs.sums)


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_what_version_1_0_lacks_is_missing(tmp_path, content, legacy):
    as_version_1_0(content)
    for record in content["arch2infos"].values():
        for seed in (888, 999):
            del record["full"]["all_results"]["cifar100", seed]
    tables = imported(saved(tmp_path, content, legacy, "NAS-Bench-201-v1_0-e61699.pth"))
    assert set(tables) == {f"nasbench201/{d}" for d in (*SPLITS, "cifar10-valid@12")}
    assert not compare(tables, content)
    table = tables["nasbench201/cifar100"]
    assert table.description.source_version == "1.0"
    lacking = {name for name, values in table.columns.items() if np.isnan(values).all()}
    seconds = {"train_seconds", "valid_seconds", "test_seconds", "ori_test_seconds", "evaluation_seconds"}
    assert lacking == {*seconds, "latency_seconds"}
    with pytest.warns(MissingResultWarning, match="evaluation_seconds"):
        found = TabularBenchmark(table).query(table.genes)
    assert np.isnan(found.seconds).all()
    assert not np.isnan(found.valid).any()


def test_sizes_on_which_seeds_disagree_are_those_of_seed_888(tmp_path, content):
    record = content["arch2infos"][11]["full"]["all_results"]
    record["cifar10", 777]["params"] = 5.0
    record["cifar100", 888]["flop"] = 7.0
    tables = imported(saved(tmp_path, content))
    right = record["cifar10", 888]["params"]
    assert tables["nasbench201/cifar10"].columns["params_millions"][1].item() == right
    assert tables["nasbench201/cifar100"].columns["flops_millions"][1].item() == 7.0


def without(content, key):
    return {name: value for name, value in content.items() if name != key}


def test_files_of_another_structure_are_refused(tmp_path, content):
    short = as_version_1_0(copy.deepcopy(content))
    short["arch2infos"][11]["less"] = content["arch2infos"][11]["less"]
    nats = {
        index: {"200": record["full"], "12": record["less"]}
        for index, record in content["arch2infos"].items()
    }
    for changed, match in (
        (without(content, "arch2infos"), "no dictionary under 'arch2infos'"),
        (without(content, "meta_archs"), "lists no architectures"),
        ({**content, "arch2infos": nats}, "not the schedules 'full' and 'less'"),
        ({**content, "arch2infos": {0: None}}, "not the schedules 'full' and 'less'"),
        ({**content, "arch2infos": {**content["arch2infos"], 11: {}}}, "record 000011 has not the structure"),
        (short, "record 000011: data set 'cifar10' is not one of"),
        ({**content, "weights": torch.zeros(3)}, "refers to objects outside the file"),
    ):
        refused(saved(tmp_path, changed), match)
    refused(saved(tmp_path, content), "lacks 15622 of 15625 records", options={})


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_truncated_and_hostile_files_are_refused(tmp_path, content, legacy):
    path = saved(tmp_path, content, legacy)
    whole = path.read_bytes()
    for length in (0, 3, 20, 200, len(whole) // 2, len(whole) - 400_000):
        path.write_bytes(whole[:length])
        refused(path, f"{path.name} is (truncated|refused)")
    content["arch2infos"][11]["less"] = os.system
    refused(saved(tmp_path, content, legacy), "asks for posix.system")
    path.write_bytes(pickle.dumps(content["arch2infos"][0], 2))
    refused(path, "is (truncated|refused)")
    with pytest.raises(NasbenchSuiteError, match="reads one file, not 2"):
        import_tables("nasbench201", [path, path])
