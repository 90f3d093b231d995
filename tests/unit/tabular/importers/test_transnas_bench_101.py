"""The importer of TransNAS-Bench-101: small files in the official structure, every value different."""

import copy
import os
from itertools import count

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import check_index, read_table

torch = pytest.importorskip("torch", reason="torch writes the files")

# README of yawen-d/TransNASBench, and programs that print the lists of the real file
CLASSES = [f"{split}_{name}" for split in ("train", "valid", "test") for name in ("top1", "top5", "loss")]
ROOM = [f"{split}_{name}" for split in ("train", "valid", "test") for name in ("loss", "neg_loss")]
SEGMENTS = [f"{split}_{name}" for split in ("train", "valid", "test") for name in ("loss", "acc", "mIoU")]
IMAGES = [f"{split}_{name}" for split in ("train", "valid", "test") for name in ("ssim", "l1_loss")]
METRICS = {
    "class_scene": CLASSES,
    "class_object": CLASSES,
    "room_layout": ROOM,
    "jigsaw": CLASSES,
    "segmentsemantic": SEGMENTS,
    "normal": IMAGES,
    "autoencoder": IMAGES,
}
EPOCHS = {"jigsaw": 10, "segmentsemantic": 30, "normal": 30, "autoencoder": 30}
INFO = ["inference_time", "encoder_params", "model_params", "model_FLOPs", "encoder_FLOPs"]
NETWORKS = {
    "macro": ["64-1234-basic", "64-2311-basic", "64-43243-basic", "64-111144-basic"],
    "micro": ["64-41414-1_02_333", "64-41414-0_00_000", "64-41414-3_33_212"],
}
NAMES = {  # of a table, and by what the official numbers are divided there
    "top1": ("accuracy", 100),
    "top5": ("top5_accuracy", 100),
    "acc": ("pixel_accuracy", 100),
    "mIoU": ("mean_iou", 100),
    "ssim": ("ssim", 1),
    "l1_loss": ("absolute_error", 1),
    "neg_loss": ("negative_squared_error", 1),
}
STEERING = {  # the measures of the paper's tables
    "class_scene": "accuracy",
    "class_object": "accuracy",
    "room_layout": "negative_squared_error",
    "jigsaw": "accuracy",
    "segmentsemantic": "mean_iou",
    "normal": "ssim",
    "autoencoder": "ssim",
}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def official(networks=NETWORKS):
    """The official dictionary; no two values are the same."""
    numbers = count(1)

    def result(task):
        epochs = EPOCHS.get(task, 25)
        metrics = {name: [next(numbers) / 4096 for _ in range(epochs)] for name in METRICS[task]}
        metrics["time_elapsed"] = [float(next(numbers)) for _ in range(epochs)]
        info = {name: next(numbers) * 1e4 for name in INFO}
        return {"total_epochs": epochs, "model_info": info, "metrics": metrics}

    return {
        "metrics_dict": {task: [*names, "time_elapsed"] for task, names in METRICS.items()},
        "info_names": INFO,
        "task_list": list(METRICS),
        "data": {
            space: {code: {task: result(task) for task in METRICS} for code in codes}
            for space, codes in networks.items()
        },
    }


def saved(tmp_path, content, legacy=False):
    path = tmp_path / "transnas-bench_v10141024.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def imported(path):
    tasks = import_tables("transnas-bench-101", [path], options={"partial": "yes"})
    return {task: read_table(table_path(task)) for task in tasks}


def refused(path, match, options=None):
    with pytest.raises(DamagedFileError, match=match):
        import_tables(
            "transnas-bench-101", [path], options={"partial": "yes"} if options is None else options
        )
    assert not list((path.parent / "data").rglob("*.*"))


def name_in_table(task, theirs):
    split, _, measure = theirs.partition("_")
    if measure == "loss":
        return f"{split}_{'squared_error' if task == 'room_layout' else 'loss'}", 1
    ours, divisor = NAMES[measure]
    return f"{split}_{ours}", divisor


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "zip"])
def test_every_value_bit_for_bit(tmp_path, legacy):
    content = official()
    tables = imported(saved(tmp_path, content, legacy))
    assert len(tables) == 14
    for space, codes in NETWORKS.items():
        for task in METRICS:
            table = tables[f"transnas_bench_101/{space}-{task}"]
            check_index(table)
            assert get_space(f"transnas_{space}").format(table.genes) == codes
            assert table.epochs.tolist() == list(range(1, EPOCHS.get(task, 25) + 1))
            left = set(table.columns)
            for row, code in enumerate(codes):
                told = content["data"][space][code][task]
                expected = {}
                for theirs in METRICS[task]:
                    ours, divisor = name_in_table(task, theirs)
                    expected[ours] = [value / divisor for value in told["metrics"][theirs]]
                expected["elapsed_seconds"] = told["metrics"]["time_elapsed"]
                expected["inference_seconds"] = [told["model_info"]["inference_time"]]
                for part in ("", "encoder_"):
                    whole = part or "model_"
                    expected[f"{part}params_millions"] = [told["model_info"][f"{whole}params"] / 1e6]
                    expected[f"{part}flops_millions"] = [told["model_info"][f"{whole}FLOPs"] / 1e6]
                for ours, values in expected.items():
                    assert table.columns[ours][row, 0].tolist() == values, ours
                left -= set(expected)
            assert not left


def test_the_papers_measures_steer_and_judge(tmp_path):
    for task, table in imported(saved(tmp_path, official())).items():
        measure = STEERING[task.partition("-")[2]]
        assert (table.description.valid, table.description.test) == (f"valid_{measure}", f"test_{measure}")
        benchmark = TabularBenchmark(table)
        found = benchmark.query(table.genes, epochs=3)
        assert found.maximise
        assert np.array_equal(found.valid, table.columns[f"valid_{measure}"][:, 0, 2])
        assert np.array_equal(found.seconds, table.columns["elapsed_seconds"][:, 0, 2])
        with pytest.raises(NasbenchSuiteError, match="visible to a search"):
            benchmark.query(table.genes, info=[next(n for n in table.columns if n.startswith("test_"))])


def test_times_as_clock_texts_and_arrays_and_what_was_not_measured(tmp_path):
    content = official()
    first, second, third = (content["data"]["micro"][code]["jigsaw"] for code in NETWORKS["micro"])
    first["metrics"]["time_elapsed"] = [f"0{epoch // 6}:{epoch % 6}0:07" for epoch in range(10)]
    second["metrics"]["time_elapsed"] = [60.0, 59.0, *range(61, 69)]
    third["metrics"]["valid_top1"] = np.arange(10) / 8
    first["model_info"].update(inference_time="", model_params="")
    for result in (first, second, third):
        result["model_info"]["model_FLOPs"] = 8.5  # in whatever unit: no count
    table = imported(saved(tmp_path, content))["transnas_bench_101/micro-jigsaw"]
    seconds = table.columns["elapsed_seconds"][:, 0]
    assert seconds[0].tolist() == [600 * epoch + 7 for epoch in range(10)]
    assert np.isnan(seconds[1]).all()
    assert table.columns["valid_accuracy"][2, 0].tolist() == [epoch / 800 for epoch in range(10)]
    assert np.isnan(table.columns["inference_seconds"][:, 0, 0]).tolist() == [True, False, False]
    assert np.isnan(table.columns["params_millions"][:, 0, 0]).tolist() == [True, False, False]
    assert "flops_millions" not in table.columns
    with pytest.warns(MissingResultWarning, match="elapsed_seconds"):
        TabularBenchmark(table).query(table.genes)


def changes():
    """What may be wrong with the results of the first network on jigsaw, and what the error says."""

    def metrics(**new):
        return lambda results: results["jigsaw"]["metrics"].update(new)

    return {
        "no task": (lambda results: results.pop("jigsaw"), "macro, jigsaw: .*has no 'metrics'"),
        "no metrics": (lambda results: results["jigsaw"].pop("metrics"), "has no 'metrics'"),
        "no information": (lambda results: results["jigsaw"].update(model_info=None), "'model_info'"),
        "no metric": (
            lambda results: results["jigsaw"]["metrics"].pop("valid_top5"),
            "no list of valid_top5",
        ),
        "no epochs": (metrics(time_elapsed=[]), "no list of .* 0 epochs"),
        "short": (metrics(valid_loss=[1.0] * 9), "no list of valid_loss, one value for each of 10"),
        "long": (metrics(valid_loss=[1.0] * 11), "no list of valid_loss"),
        "number": (metrics(valid_loss=1.0), "no list of valid_loss"),
        "text": (metrics(test_top1=["1.0"] * 10), "64-1234-basic has test_top1 that is no number"),
        "truth": (metrics(test_top1=[True] * 10), "that is no number"),
        "huge": (metrics(test_top1=[10**400] * 10), "that is no number"),
        "infinite": (metrics(test_loss=[np.inf] * 10), "test_loss of architecture 64-1234-basic is infinite"),
        "no clock": (metrics(time_elapsed=["1h"] * 10), "time_elapsed that is no time"),
        "negative": (metrics(time_elapsed=[-1.0] * 10), "time_elapsed that is no time"),
        "size": (
            lambda results: results["jigsaw"]["model_info"].update(model_params=[1]),
            "model_params that",
        ),
    }


CHANGES = changes()


@pytest.mark.parametrize(("change", "match"), CHANGES.values(), ids=CHANGES)
def test_results_of_another_structure_are_refused(tmp_path, change, match):
    content = official()
    change(content["data"]["macro"]["64-1234-basic"])
    refused(saved(tmp_path, content), match)


def test_files_of_another_structure_are_refused(tmp_path):
    data = official()["data"]
    result = data["macro"]["64-1234-basic"]
    for changed, match in (
        ({"macro": data["macro"]}, "has not the networks of 'macro' and 'micro'"),
        ({**data, "nano": {}}, "has not the networks of 'macro' and 'micro'"),
        ([data], "has not the networks of 'macro' and 'micro'"),
        ({"macro": [], "micro": {}}, "macro is no dictionary of networks"),
        ({**data, "macro": {}}, "macro lacks 3,256 of 3,256"),
        ({**data, "macro": {"64-1111-basic": result}}, "halves the resolution 0 time"),
        ({**data, "macro": {"64-41414-1_02_333": result}}, "macro: character"),
        ({**data, "macro": {64: result}}, "64 is no network code"),
        ({**data, "micro": {f"{s}64-41414-1_02_333": result for s in ("", " ")}}, "more than one row"),
        ({**data, "micro": {"64-41414-1_02_333": os.system}}, "asks for posix.system"),
    ):
        refused(saved(tmp_path, {"data": changed}), match)
    refused(saved(tmp_path, {"results": data}), "has not the networks")
    whole = saved(tmp_path, {"data": data})
    refused(whole, r"macro lacks 3,252 of 3,256 architectures, .* --partial", options={})
    content = whole.read_bytes()
    for length in (0, 50, len(content) // 2):
        whole.write_bytes(content[:length])
        refused(whole, "truncated")


@pytest.mark.slow
def test_all_networks_need_no_permission(tmp_path):
    codes = {}
    for name in NETWORKS:
        space = get_space(f"transnas_{name}")
        every = space.decode(np.arange(space.n_codes))
        codes[name] = space.format(every[space.valid(every)])
    assert {name: len(found) for name, found in codes.items()} == {"macro": 3256, "micro": 4096}
    content = official({name: found[:1] for name, found in codes.items()})
    for name, found in codes.items():
        first = content["data"][name][found[0]]
        content["data"][name] = {code: copy.deepcopy(first) for code in found}
    path = saved(tmp_path, content)
    assert len(import_tables("transnas-bench-101", [path])) == 14
    assert len(read_table(table_path("transnas_bench_101/macro-normal"))) == 3256
