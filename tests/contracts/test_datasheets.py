"""What every datasheet keeps to, and every table that a package ships for it."""

import warnings
from dataclasses import asdict

import numpy as np
import pytest

from nasbench_suite import get_space, load_benchmark, task_names
from nasbench_suite.benchmark import Benchmark, MissingResultWarning
from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import space_names
from nasbench_suite.tabular.catalogue import is_ready, open_table_task
from nasbench_suite.tabular.datasheet import datasheets, described_tasks
from nasbench_suite.tabular.importers import PACKAGE_IMPORTERS
from nasbench_suite.tabular.quality import rounded_figures
from nasbench_suite.tabular.table import check_index
from nasbench_suite.training.plan import read_plan

SHEETS = datasheets()
each_sheet = pytest.mark.parametrize("name", sorted(SHEETS))
SHEET_OF = described_tasks()


def shipped(importers):
    """The tasks of some importers; those whose data are still to be made are skipped, with the reason."""
    tasks = sorted(task for task, sheet in SHEET_OF.items() if sheet.importer in importers)
    absent = pytest.mark.skip(reason="its curves.h5 is not here: nasbench-suite build makes it")
    here = {task: PACKAGE_IMPORTERS[SHEET_OF[task].importer].is_ready(SHEET_OF[task]) for task in tasks}
    return [pytest.param(task, marks=() if here[task] else absent) for task in tasks]


SHIPPED = shipped(PACKAGE_IMPORTERS)
BUILT = shipped(["built"])
UNITS = {
    "seconds": "s",
    "ms": "ms",
    "millions": "M",
    "accuracy": "fraction",
    "auc": "fraction",
    "loss": "nats",
    "hinge_loss": "1",
    "frechet": "1",
    "inception": "1",
    "iou": "fraction",
    "ssim": "1",
    "error": "1",
    "index": "index",
    "joules": "J",
    "mj": "mJ",
    "images_per_second": "images/s",
    "ops_per_byte": "ops/byte",
    "kwh": "kWh",
    "grams": "g",
    "grams_per_kwh": "g/kWh",
    "watts": "W",
    "batch": "signals",
    "rate": "1",
    "decay": "1",
    "epochs": "epochs",
}


def test_every_task_of_every_datasheet_is_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))  # tasks of imported tables are listed too
    assert task_names() == sorted(
        f"{sheet.benchmark or name}/{task}" for name, sheet in SHEETS.items() for task in sheet.tasks
    )


@each_sheet
def test_tasks_name_a_space_and_a_metric_of_each_role(name):
    sheet = SHEETS[name]
    assert sheet.tasks
    for task in sheet.tasks.values():
        assert task.space in space_names()
        if task.valid != task.test:
            assert not task.valid or sheet.metrics[task.valid].role == "valid"
            assert not task.test or sheet.metrics[task.test].role == "test"
        if task.valid and task.test:
            assert sheet.metrics[task.valid].direction == sheet.metrics[task.test].direction


@each_sheet
def test_metrics_carry_their_unit_in_their_name_and_are_used(name):
    sheet = SHEETS[name]
    used = {metric for task in sheet.tasks.values() for metric in (task.valid, task.test)}
    for metric, entry in sheet.metrics.items():
        words = [word for word in UNITS if f"_{word}_" in f"_{metric}_"]
        longest = [word for word in words if not any(word in other for other in words if other != word)]
        assert {UNITS[word] for word in longest} == {entry.unit}, metric
        assert entry.role != "valid" or metric in used
        # What comes of test images is hidden from a search also where it does not judge, such as a loss.
        if "test" in metric.split("_") and entry.unit in ("fraction", "nats"):
            assert entry.role == "test" or metric in used


@each_sheet
def test_defects_and_origins_are_told(name):
    sheet = SHEETS[name]
    assert sheet.defects
    for text in (*sheet.defects, sheet.licence, sheet.source, sheet.training, sheet.hardware, sheet.splits):
        assert text.strip()
    assert sheet.paper.url.startswith("https://")


@pytest.mark.parametrize("task", SHIPPED)
def test_a_shipped_table_is_what_its_datasheet_says(data_folder, task):
    name, _, dataset = task.partition("/")
    sheet, benchmark = SHEET_OF[task], load_benchmark(task)
    entry, description = sheet.tasks[dataset], benchmark.table.description
    assert isinstance(benchmark, Benchmark)
    assert benchmark.id == description.task == task
    assert benchmark.space is get_space(entry.space)
    assert (benchmark.valid_metric, benchmark.test_metric) == (entry.valid, entry.test)
    assert description.licence == sheet.licence
    here = open_table_task(task).table  # load_benchmark may have been asked before, for another data folder
    assert here.file.path == data_folder / "tables-2" / name / f"{dataset}.h5"
    assert here.sha256 == benchmark.table.sha256
    assert description.partial_epochs == entry.partial_epochs
    for metric in benchmark.metrics.values():
        stated = sheet.metrics[metric.name]
        written = {**stated.model_dump(exclude={"cost"}), "name": metric.name, "recorded": metric.recorded}
        assert written == asdict(metric)


@pytest.mark.parametrize("task", SHIPPED)
def test_a_shipped_table_answers_for_every_row_with_plausible_values(data_folder, task):
    benchmark = load_benchmark(task)
    check_index(benchmark.table)
    genes = benchmark.table.genes
    assert np.array_equal(benchmark.rows(genes), np.arange(len(genes)))
    info = [metric.name for metric in benchmark.metrics.values() if metric.role == "info"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingResultWarning)
        found = benchmark.query(genes, info=info)
        columns = {benchmark.valid_metric: found.valid, benchmark.test_metric: benchmark.reveal(genes).test}
    for metric, values in {**columns, **found.info}.items():
        present = values[~np.isnan(values)]
        assert len(present) > 0.9 * len(values)
        assert (present >= 0).all()
        if benchmark.metrics[metric].unit == "fraction":
            assert (present <= 1).all()
            assert present.max() > 0.5


@pytest.mark.parametrize("task", BUILT)
def test_figures_of_a_datasheet_are_those_of_its_table(data_folder, task):
    stated = SHEET_OF[task].figures.get(task.partition("/")[2], {})
    found = rounded_figures(load_benchmark(task))
    assert stated == pytest.approx(found, abs=1e-9), f"[figures] of the datasheet: {found}"


@pytest.mark.parametrize("name", sorted(name for name, sheet in SHEETS.items() if sheet.importer == "built"))
def test_a_datasheet_of_a_built_table_has_a_plan_for_its_task(name):
    sheet = SHEETS[name]
    plan = read_plan(content_root() / "tabular" / name / "build.toml")
    assert plan.benchmark == name
    (dataset, entry), *others = sheet.tasks.items()
    assert not others
    assert plan.task == sheet.task(dataset)
    assert plan.space == entry.space
    assert is_ready(plan.task) or "nasbench-suite build" in _refusal(plan.task)


def _refusal(task):
    with pytest.raises(NasbenchSuiteError) as refused:
        load_benchmark(task)
    return str(refused.value)


def test_cells_with_the_usual_setting_are_the_trainings_of_the_topology_table(data_folder):
    """With the learning rate, batch, weight decay and seed of the recipe, numbers are the same."""
    joint, topology = load_benchmark("joint/mnist1d"), load_benchmark("nats_topology/mnist1d")
    genes = joint.table.genes
    info = joint.query(genes, info=["learning_rate", "batch", "weight_decay"]).info
    usual = (info["learning_rate"] == 0.05) & (info["batch"] == 100) & (info["weight_decay"] == 5e-4)
    assert usual.sum() == 180
    cells = np.stack([topology.space.parse(text.split(" ")[-1]) for text in joint.space.format(genes[usual])])
    rows = topology.space.canonical(cells)
    for epochs in (1, 6, 12):
        ours = joint.query(genes[usual], epochs=epochs, repeat=0).valid
        assert np.array_equal(ours, topology.query(rows, epochs=epochs, repeat=0).valid)
