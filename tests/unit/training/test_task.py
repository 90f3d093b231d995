"""What it takes to train a task's architectures: from build.toml, from datasheets, and when nothing says."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.training import task as task_module
from nasbench_suite.training.counting import count
from nasbench_suite.training.data import data_names
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.task import DataChoice, fresh_seeds, training_task, training_tasks

ROOT = Path(__file__).resolve().parents[3]


def test_a_table_of_ours_is_trained_as_its_build_says():
    plan = tomllib.loads((ROOT / "tabular" / "nats_topology-mnist1d" / "build.toml").read_text())
    task = training_task("nats_topology/mnist1d")
    assert (task.task, task.space, task.recipe) == (plan["task"], plan["space"], plan["recipe"])
    assert task.seeds == plan["seeds"]
    assert task.data.model_dump() == plan["data"]
    assert task.skeleton.model_dump() == plan["skeleton"]
    assert (task.validation, task.differences) == ("held out", [])


@pytest.mark.parametrize(
    ("name", "recipe", "epochs", "classes", "seeds", "validation"),
    [
        ("nats_topology/cifar10-valid", "nasbench201-200", 200, 10, [777, 888, 999], "held out"),
        ("nats_topology/cifar10-valid@12", "nasbench201-12", 12, 10, [111, 777], "held out"),
        ("nats_topology/cifar10", "nasbench201-200", 200, 10, [777, 888, 999], "none"),
        ("nats_topology/cifar100@12", "nasbench201-12", 12, 100, [111], "held out"),
        ("nats_size/cifar100", "nats-size-90", 90, 100, [777], "held out"),
        ("nats_size/cifar10@1", "nats-size-1", 1, 10, [777], "none"),
        ("macro/cifar10", "nasbench-macro", 50, 10, [0, 1, 2], "test images"),
        ("nasbench101/cifar10", "nasbench101-108", 108, 10, [0], "held out"),
    ],
)
def test_a_published_table_is_trained_as_published(name, recipe, epochs, classes, seeds, validation):
    task = training_task(name)
    assert (task.recipe, task.training_recipe.epochs) == (recipe, epochs)
    assert (task.skeleton.classes, task.seeds, task.validation) == (classes, seeds, validation)


@pytest.mark.parametrize(("cell", "millions"), [("0", 0.1293), ("11", 0.8024), ("284", 0.1013)])
def test_the_skeleton_of_nats_bench_gives_the_published_parameters(cell, millions):
    task = training_task("nats_topology/cifar10-valid")
    with torch.device("meta"):
        network = build_network(
            task.space, get_space(task.space).parse(cell), Skeleton(**task.skeleton.model_dump())
        )
        assert count(network, (3, 32, 32)).parameters / 1e6 == pytest.approx(millions, abs=5e-5)


def test_every_task_that_can_be_trained_names_what_there_is():
    found = training_tasks()
    assert {"nats_topology/mnist1d", "nats_topology/cifar100", "macro/cifar10"} <= set(found)
    for name, task in found.items():
        assert task.task == name
        assert task.data.name in data_names()
        assert task.training_recipe.name == task.recipe
    described = {
        sheet.task(dataset): entry
        for sheet in datasheets().values()
        for dataset, entry in sheet.tasks.items()
    }
    trained = {name for name, entry in described.items() if entry.training is not None}
    assert trained <= set(found)
    assert all(described[name].space == found[name].space for name in trained)


def test_what_nothing_says_how_to_train_is_refused(monkeypatch):
    with pytest.raises(
        NasbenchSuiteError, match=r"graph/cora cannot be trained here.*tasks of macro, tasks of nasb"
    ):
        training_task("graph/cora")
    known = {name: task for name, task in training_tasks().items() if "ImageNet16" not in name}
    with monkeypatch.context() as without:
        without.setattr(task_module, "training_tasks", lambda: known)
        with pytest.raises(
            NasbenchSuiteError, match=r"ImageNet16-120 cannot .* are nats_size/cifar10, nats_size/c"
        ):
            training_task("nats_size/ImageNet16-120")
    with pytest.raises(UnknownNameError, match="did you mean nats_topology/mnist1d"):
        training_task("nats_topology/mnist1")


def test_another_recipe_or_data_set_is_said(tiny_task):
    task = tiny_task()
    assert task.changed() == task == task.changed(recipe="tiny", data="mnist1d")
    other = task.changed(recipe="short", data="digits")
    assert (other.recipe, other.data, other.seeds) == ("short", DataChoice(name="digits"), task.seeds)
    assert other.differences == [
        "The recipe is short; the table's is tiny.",
        "The data set is digits; the table's is mnist1d.",
    ]
    with pytest.raises(UnknownNameError, match="did you mean short"):
        task.changed(recipe="shorts")


def test_the_skeleton_fits_another_data_set_but_must_fit_its_own(tiny_task):
    task = tiny_task()
    data = task.load_data()
    assert task.network_skeleton(data) == Skeleton(1, 10, 1, 4, 1, "light")
    images = task.changed(data="digits").model_copy(
        update={"data": DataChoice(name="digits", train=50, valid=20, test=20)}
    )
    fitted = images.network_skeleton(images.load_data())
    assert (fitted.inputs, fitted.classes, fitted.dims, fitted.width) == (1, 10, 2, 4)
    wrong = task.model_copy(update={"skeleton": task.skeleton.model_copy(update={"classes": 7})})
    with pytest.raises(NasbenchSuiteError, match="has 7 classes, but mnist1d has 1, 1 and 10"):
        wrong.network_skeleton(data)


def test_inputs_that_test_do_not_validate_unless_published_so(tiny_task):
    task = tiny_task()
    data = task.load_data()
    same = replace(data, valid=data.test)
    assert task.validated_on(data) == "held out"
    assert task.validated_on(same) == "none"
    assert task.model_copy(update={"validation": "test images"}).validated_on(same) == "test images"
    assert task.model_copy(update={"validation": "none"}).validated_on(data) == "none"
    assert task.validated_on(replace(data, valid=data.valid[:0])) == "none"


def test_a_request_changes_with_all_that_changes_a_training_and_nothing_else(tiny_task):
    task = tiny_task()
    first = task.request(task.load_data())
    assert tiny_task(seeds=[9], task="an/other").request(task.load_data()) == first
    fewer = tiny_task(data=DataChoice(name="mnist1d", train=200, valid=100, test=119))
    wider = task.model_copy(update={"skeleton": task.skeleton.model_copy(update={"width": 8})})
    others = {t.request(t.load_data()) for t in (fewer, wider, tiny_task(recipe="short"))}
    assert len(others | {first}) == 4


def test_data_are_loaded_once(tiny_task):
    assert tiny_task().load_data() is tiny_task(seeds=[1]).load_data()


def test_fresh_seeds_are_none_of_those_taken():
    assert fresh_seeds(3, [1002, 7]) == [1001, 1003, 1004]
