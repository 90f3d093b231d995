"""The importer of NATS-Bench: three official records of each space, bit for bit, in all forms."""

import bz2
import copy
import csv
import gzip
import pickle
import shutil

import numpy as np
import official_nats as official
import pytest
from official_nats import BENCHMARKS, FOLDERS, INDICES, SCHEDULES, SPLITS, SUFFIX

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.importers import nats_bench
from nasbench_suite.tabular.importers.nats_records import Schedule
from nasbench_suite.tabular.table import check_index, read_table

each_space = pytest.mark.parametrize("importer", list(FOLDERS))
PARTIAL = {"partial": "yes"}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


@pytest.fixture
def folder(shared_data):
    """The official folder of a space."""
    return lambda importer: shared_data / "nats_official_sample" / FOLDERS[importer]


def imported(importer, path, jobs=1):
    tasks = import_tables(importer, [path], jobs=jobs, options=PARTIAL)
    return {task: read_table(table_path(task)) for task in tasks}


@each_space
def test_every_value_bit_for_bit(folder, importer):
    tables = imported(importer, folder(importer))
    records = official.records(folder(importer))
    texts = official.meta(folder(importer))["meta_archs"]
    checked = 0
    for schedule, epochs in SCHEDULES[importer].items():
        for dataset in SPLITS:
            table = tables.pop(f"{BENCHMARKS[importer]}/{dataset}{SUFFIX[schedule]}")
            assert get_space(BENCHMARKS[importer]).format(table.genes) == [texts[i] for i in INDICES]
            seeds = official.seeds(importer, schedule)
            assert table.description.repeats == [f"seed {seed}" for seed in seeds]
            assert table.epochs.tolist() == list(range(1, epochs + 1))
            check_index(table)
            rows = [records[index][schedule] for index in INDICES]
            for name, values in official.expected(table, rows, dataset, seeds).items():
                assert np.array_equal(table.columns[name], values, equal_nan=True), name
                assert not np.isnan(values).all(), name
                checked += np.count_nonzero(~np.isnan(values))
    assert not tables
    assert checked > 40_000 * (importer == "nats-topology")


def published(path):
    """The rows of a published CSV file that the sample has records of."""
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    return [rows[index] for index in INDICES]


def test_topology_agrees_with_an_export_that_others_made(folder, shared_data):
    tables = imported("nats-topology", folder("nats-topology"))
    rows = published(shared_data / "nats_topology" / "accuracy.csv.gz")
    named = {
        "c10_val200": ("cifar10-valid", "valid_accuracy", 100),
        "c10half_test_acc": ("cifar10-valid", "test_accuracy", 100),
        "c10_test200": ("cifar10", "test_accuracy", 100),
        "c100_val200": ("cifar100", "valid_accuracy", 100),
        "c100_test200": ("cifar100", "test_accuracy", 100),
        "in16_val200": ("ImageNet16-120", "valid_accuracy", 100),
        "in16_test200": ("ImageNet16-120", "test_accuracy", 100),
        "c10_val12": ("cifar10-valid@12", "valid_accuracy", 100),
        "c10_test12": ("cifar10@12", "test_accuracy", 100),
        "c100_val12": ("cifar100@12", "valid_accuracy", 100),
        "c100_test12": ("cifar100@12", "test_accuracy", 100),
        "in16_val12": ("ImageNet16-120@12", "valid_accuracy", 100),
        "in16_test12": ("ImageNet16-120@12", "test_accuracy", 100),
        "c10half_train_loss": ("cifar10-valid", "train_loss", 1),
        "c10half_train_acc": ("cifar10-valid", "train_accuracy", 100),
        "c10half_val_loss": ("cifar10-valid", "valid_loss", 1),
        "c10half_test_loss": ("cifar10-valid", "test_loss", 1),
        "c10_traintime200": ("cifar10-valid", "train_seconds", 1),
        "c100_traintime200": ("cifar100", "train_seconds", 1),
        "in16_traintime200": ("ImageNet16-120", "train_seconds", 1),
        "c10_evaltime_val": ("cifar10-valid", "valid_seconds", 1),
        "c10_params_M": ("cifar10", "params_millions", 1),
        "c100_params_M": ("cifar100", "params_millions", 1),
        "in16_flops_M": ("ImageNet16-120", "flops_millions", 1),
    }
    for theirs, (dataset, name, scale) in named.items():
        ours = np.nanmean(tables[f"nats_topology/{dataset}"].columns[name][:, :, -1], axis=1) * scale
        assert np.allclose(ours, [float(row[theirs]) for row in rows], rtol=2e-6), theirs
    for place, seed in enumerate((777, 888, 999)):
        for short, task, name in (
            ("c10_val", "cifar10-valid", "valid_accuracy"),
            ("c100_valtest", "cifar100", "ori_test_accuracy"),
            ("in16_valtest", "ImageNet16-120", "ori_test_accuracy"),
        ):
            ours = tables[f"nats_topology/{task}"].columns[name][:, place, -1] * 100
            assert np.allclose(ours, [float(row[f"{short}200_s{seed}"]) for row in rows], rtol=2e-6)


def test_size_agrees_with_an_export_that_others_made(folder, shared_data):
    tables = imported("nats-size", folder("nats-size"))
    rows = published(shared_data / "nats_size" / "valid90.csv.gz")
    for short, dataset in (("c10", "cifar10-valid"), ("c100", "cifar100"), ("in16", "ImageNet16-120")):
        ours = tables[f"nats_size/{dataset}"].columns["valid_accuracy"][:, 0, -1]
        assert ours.tolist() == [float(row[f"{short}_val90"]) / 100 for row in rows]


@each_space
def test_the_authors_package_answers_the_same(folder, importer):
    """Needs the package nats_bench; its answers are those of every table, seed by seed and on average."""
    nats_bench = pytest.importorskip("nats_bench", reason="package nats_bench is not installed")
    records = official.records(folder(importer))
    given = {
        "meta_archs": official.meta(folder(importer))["meta_archs"],
        "arch2infos": records,
        "evaluated_indexes": set(records),
    }
    kind = nats_bench.NATStopology if importer == "nats-topology" else nats_bench.NATSsize
    api = kind(given, verbose=False)
    tables = imported(importer, folder(importer))
    for task, table in tables.items():
        dataset, _, suffix = task.partition("/")[2].partition("@")
        schedule = {"": max(SCHEDULES[importer], key=int), "12": "12", "1": "01"}[suffix]
        benchmark = TabularBenchmark(table)
        for row, index in enumerate(INDICES):
            cost = api.get_cost_info(index, dataset, schedule)
            for name, key in (("params", "params"), ("flops", "flops")):
                assert table.columns[f"{name}_millions"][row, 0, 0] == cost[key]
            assert table.columns["latency_seconds"][row, 0, 0] == cost["latency"]
            last = len(table.epochs) - 1
            for repeat, seed in enumerate(official.seeds(importer, schedule)):
                if seed not in records[index][schedule]["dataset_seed"][dataset]:
                    assert np.isnan(table.columns["train_loss"][row, repeat]).all()
                    continue
                for epoch in {0, last // 2, last}:
                    told = api.get_more_info(index, dataset, iepoch=epoch, hp=schedule, is_random=seed)
                    compare(table, row, repeat, epoch, told, dataset)
            if "valid" in SPLITS[dataset]:
                mean = api.get_more_info(index, dataset, hp=schedule, is_random=False)
                found = benchmark.query(table.genes[[row]])
                assert found.valid[0] == pytest.approx(mean["valid-accuracy"] / 100, rel=1e-15)
                spent = mean["train-all-time"] + mean["valid-per-time"]
                assert found.seconds[0] == pytest.approx(spent, rel=1e-14)


def compare(table, row, repeat, epoch, told, dataset):
    """Compare all that the package tells of one training after one epoch with the table."""
    last = epoch == len(table.epochs) - 1
    names = {"train": "train", "valid": "valid", "test": "test", "valtest": "ori_test"}
    for theirs, ours in names.items():
        if f"{theirs}-accuracy" not in told:
            assert last is False or ours not in (*SPLITS[dataset], "train")
            continue
        for quantity, scale in (("accuracy", 100), ("loss", 1)):
            values = table.columns[f"{ours}_{quantity}"][row, repeat]
            found = values[epoch] if len(values) > 1 else values[0]
            if len(values) > 1 or last:
                assert found == told[f"{theirs}-{quantity}"] / scale
        if last and ours != "train":
            assert table.columns[f"{ours}_seconds"][row, repeat, 0] == told[f"{theirs}-per-time"]
    assert table.columns["train_seconds"][row, repeat, epoch] == told["train-all-time"]
    if "valid-accuracy" in told:
        spent = told["train-all-time"] + told["valid-per-time"]
        assert table.columns["evaluation_seconds"][row, repeat, epoch] == spent


@each_space
def test_all_forms_and_numbers_of_workers_give_the_same_arrays(folder, importer, tmp_path):
    folder = folder(importer)
    forms = {
        "folder": (folder, 1),
        "two workers": (folder, 2),
        "tar": (official.as_tar(folder, tmp_path / "archive.tar"), 1),
        "pickle": (official.as_full(folder, tmp_path / "full.pickle"), 1),
        "compressed": (official.as_full(folder, tmp_path / "full.pickle.pbz2", protocol=2), 1),
    }
    sums = {
        form: {task: dict(table.sums) for task, table in imported(importer, path, jobs).items()}
        for form, (path, jobs) in forms.items()
    }
    assert len(sums["folder"]) == 4 * len(SCHEDULES[importer])
    assert all(found == sums["folder"] for found in sums.values())


def test_schedules_are_trainings_of_their_own(folder):
    tables = imported("nats-topology", folder("nats-topology"))
    long, short = tables["nats_topology/cifar10-valid"], tables["nats_topology/cifar10-valid@12"]
    assert short.columns["valid_accuracy"][0, :2, 11].round(4).tolist() == [0.6402, 0.6271]
    assert long.columns["valid_accuracy"][0, :, 199].round(4).tolist() == [0.8209, 0.8162, 0.8224]
    assert not np.isclose(
        long.columns["valid_accuracy"][:, 0, 11], short.columns["valid_accuracy"][:, 1, 11]
    ).any()


def test_queries_that_would_mislead_are_refused(folder):
    tables = imported("nats-topology", folder("nats-topology"))
    genes = tables["nats_topology/cifar10"].genes
    with pytest.raises(NasbenchSuiteError, match="no validation results"):
        TabularBenchmark(tables["nats_topology/cifar10"]).query(genes)
    for dataset in ("cifar100", "ImageNet16-120"):
        benchmark = TabularBenchmark(tables[f"nats_topology/{dataset}"])
        assert list(benchmark.fidelities) == [200]
        with pytest.raises(NasbenchSuiteError, match=rf"ori_test_accuracy.* {dataset}@12"):
            benchmark.query(genes, epochs=100)
        assert list(TabularBenchmark(tables[f"nats_topology/{dataset}@12"]).fidelities) == list(range(1, 13))


def test_missing_seeds_are_missing_and_means_are_over_those_present(folder, tmp_path):
    copied = shutil.copytree(folder("nats-topology"), tmp_path / "copy")
    path = copied / "000011.pickle.pbz2"
    record = copy.deepcopy(official.read(path))
    for dataset in SPLITS:
        record["200"]["dataset_seed"][dataset] = [777, 999]
        del record["200"]["all_results"][dataset, 888]
    path.write_bytes(bz2.compress(pickle.dumps(record)))
    whole = imported("nats-topology", folder("nats-topology"))["nats_topology/cifar100"]
    expected = whole.columns["valid_accuracy"][:, :, -1].mean(axis=1)
    table = imported("nats-topology", copied)["nats_topology/cifar100"]
    valid = table.columns["valid_accuracy"][:, :, -1]
    assert np.isnan(valid).tolist() == [[False] * 3, [False, True, False], [False] * 3]
    expected[1] = (valid[1, 0] + valid[1, 2]) / 2
    benchmark = TabularBenchmark(table)
    assert np.allclose(benchmark.query(table.genes).valid, expected, rtol=1e-15)
    with pytest.warns(MissingResultWarning):
        assert np.isnan(benchmark.query(table.genes, repeat=1).valid).tolist() == [False, True, False]


def test_a_complete_pickle_in_any_order(folder, tmp_path, monkeypatch):
    schedule = Schedule("12", 1, (777,), "@12")  # short, so that 15,625 records are few megabytes
    monkeypatch.setattr(nats_bench, "TOPOLOGY", (schedule,))
    texts = official.meta(folder("nats-topology"))["meta_archs"]

    def record(index):
        epochs = {0: index / 8}
        evaluations = {f"{name}@0": index / 4 for name in ("x-valid", "ori-test")}
        trial = {"name": "cifar10-valid", "epochs": 1, "params": index, "flop": 2.0 * index, "latency": None}
        trial |= dict.fromkeys(("train_acc1es", "train_acc5es", "train_losses", "train_times"), epochs)
        trial |= dict.fromkeys(("eval_acc1es", "eval_losses", "eval_times"), evaluations)
        trainings = {"dataset_seed": {"cifar10-valid": [777]}, "all_results": {("cifar10-valid", 777): trial}}
        return {"12": {"arch_str": texts[index], **trainings}}

    order = np.random.default_rng(0).permutation(len(texts)).tolist()
    whole = {"meta_archs": texts, "arch2infos": {index: record(index) for index in order}}
    path = tmp_path / "full.pickle"
    path.write_bytes(pickle.dumps(whole))
    seen = []
    import_tables("nats-topology", [path], progress=lambda done, total: seen.append((done, total)))
    assert (seen[0], seen[-1]) == ((0, 15625), (15625, 15625))
    table = read_table(table_path("nats_topology/cifar10-valid@12"))
    assert get_space("nats_topology").format(table.genes) == texts
    index = np.arange(15625)
    assert np.array_equal(table.columns["params_millions"][:, 0, 0], index)
    assert np.array_equal(table.columns["valid_accuracy"][:, 0, 0], index / 4 / 100)
    assert np.array_equal(table.columns["evaluation_seconds"][:, 0, 0], index / 8 + index / 4)
    assert np.isnan(table.columns["latency_seconds"]).all()
    assert np.isnan(read_table(table_path("nats_topology/cifar100@12")).columns["train_loss"]).all()
    del whole["arch2infos"][7000]
    path.write_bytes(pickle.dumps(whole))
    with pytest.raises(DamagedFileError, match="lacks 1 of 15625 records, the first 007000"):
        import_tables("nats-topology", [path])
