"""Tables made of a build's curves: the file of curves, what the table answers, when it is made anew."""

import os
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import get_space, load_benchmark, task_names
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.cards import CardError
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular.catalogue import is_ready, table_path, tables_folder
from nasbench_suite.tabular.curve_file import (
    COUNTS,
    SECONDS,
    SPLITS,
    CurveDescription,
    CurveFile,
    count_correct,
    read_curve_file,
    write_curve_file,
)
from nasbench_suite.tabular.datasheet import datasheets, described_tasks
from nasbench_suite.tabular.importers.assembly import Source
from nasbench_suite.tabular.importers.built import search_seconds, source_path, table_of_curves
from nasbench_suite.tabular.importers.job import staged

TASK = "nats_topology/mnist1d"
INPUTS = {"train": 4000, "valid": 5000, "test": 2500}


@pytest.fixture
def curves():
    """Curves of ten cells, five epochs, three seeds; the third has four cells, one of which failed."""
    rng = np.random.default_rng(0)
    space = get_space("nats_topology")
    genes = space.canonical(space.decode(np.unique(space.representative_of_code)[1::700]))[:10]
    shape = (3, 5, 10)
    ran_on = np.zeros((3, 10), dtype=np.int8)
    ran_on[1] = 1
    ran_on[2, [0, 2, 4, 5, 6, 8]] = -1
    correct = {s: rng.integers(0, n, shape, dtype=np.int16, endpoint=True) for s, n in INPUTS.items()}
    loss = {split: rng.gamma(2, 1, shape).astype(np.float32) for split in SPLITS}
    seconds = {name: rng.gamma(2, 1, shape).astype(np.float32) for name in SECONDS}
    untrained = np.broadcast_to((ran_on < 0)[:, None, :], shape)
    for array in correct.values():
        array[untrained] = -1
        array[2, 3:, 1] = -1
    for array in (*loss.values(), *seconds.values()):
        array[untrained] = np.nan
    for array in loss.values():
        array[2, 3:, 1] = np.nan
    return CurveFile(
        CurveDescription(
            plan="{}",
            request="{}",
            space="nats_topology",
            seeds=[0, 1, 7],
            asked=[10, 10, 4],
            epochs=5,
            inputs=INPUTS,
            data="made up",
            environments=[{"machine": "one"}, {"machine": "another"}],
            failures={"7": {space.format(genes[1:2])[0]: "the loss became nan in epoch 4"}},
        ),
        genes,
        ran_on,
        {name: rng.integers(0, 10**6, 10) for name in COUNTS},
        np.full((3, 10), -1),
        correct,
        loss,
        seconds,
    )


@pytest.fixture
def content(tiny_content, monkeypatch, tmp_path):
    monkeypatch.setenv("NASBENCH_SUITE_CONTENT", str(tiny_content))
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    return tiny_content / "tabular" / "nats_topology-mnist1d" / "curves.h5"


# -- the file ------------------------------------------------------------------------------------


def test_a_file_of_curves_keeps_everything(curves, tmp_path):
    path = tmp_path / "curves.h5"
    write_curve_file(curves, path)
    found = read_curve_file(path)
    assert found.description == curves.description
    for group in ("counts", "correct", "loss", "seconds"):
        before, after = getattr(curves, group), getattr(found, group)
        assert before.keys() == after.keys()
        for name in before:
            assert np.array_equal(before[name], after[name], equal_nan=before[name].dtype.kind == "f")
            assert before[name].dtype == after[name].dtype
    for name in ("genes", "ran_on", "peak_bytes"):
        assert np.array_equal(getattr(curves, name), getattr(found, name))
    whole = path.read_bytes()
    write_curve_file(curves, path)
    assert path.read_bytes() == whole


def test_accuracies_are_kept_to_the_last_input():
    counts = np.arange(5001)
    rounded = (counts / 5000).astype(np.float32).astype(np.float64)  # as a trainer computes them
    assert np.array_equal(count_correct(rounded, 5000), counts)
    assert count_correct(np.array([np.nan, 1.0]), 5000).tolist() == [-1, 5000]
    assert count_correct(np.array([1.0]), 40_000).dtype == np.int32
    with pytest.raises(ValueError, match="no fraction of 10 inputs"):
        count_correct(np.array([0.55]), 10)
    with pytest.raises(ValueError, match="no fraction of 10 inputs"):
        count_correct(np.array([1.1]), 10)


def test_a_whole_space_with_three_seeds_is_far_below_the_largest_file_of_the_repository(tmp_path):
    space = get_space("nats_topology")
    codes = space.representative_of_code
    genes = space.decode(np.unique(codes[codes >= 0]))
    rng, rows = np.random.default_rng(0), len(genes)
    reached = np.clip(rng.normal(0.75, 0.12, rows), 0.1, 0.95) * (1 - np.exp(-np.arange(1, 16) / 4))[:, None]

    def noisy(scale):
        return np.clip(reached[None] + rng.normal(0, scale, (3, 15, rows)), 0.05, 0.99)

    inputs = {"train": 4000, "valid": 5000, "test": 5000}
    accuracy = {split: noisy(0.015) for split in SPLITS}
    seconds = {name: rng.gamma(30, 0.02, (3, 15, rows)).astype(np.float32) for name in SECONDS}
    write_curve_file(
        CurveFile(
            CurveDescription(
                plan="{}",
                request="{}",
                space="nats_topology",
                seeds=[0, 1, 2],
                asked=[rows] * 3,
                epochs=15,
                inputs=inputs,
                data="made up",
                environments=[{}],
            ),
            genes,
            np.zeros((3, rows), np.int8),
            {name: rng.integers(0, 10**6, rows) for name in COUNTS},
            np.full((3, rows), -1),
            {s: count_correct(np.rint(a * inputs[s]) / inputs[s], inputs[s]) for s, a in accuracy.items()},
            {s: (-np.log(a) + rng.gamma(4, 0.01, a.shape)).astype(np.float32) for s, a in accuracy.items()},
            seconds,
        ),
        tmp_path / "curves.h5",
    )
    assert (tmp_path / "curves.h5").stat().st_size < 6.5 * 2**20


def test_damage_anywhere_in_a_file_of_curves_is_seen(curves, tmp_path, readings_of_flipped):
    path = tmp_path / "curves.h5"
    write_curve_file(curves, path)
    size = path.stat().st_size
    positions = [*range(0, 90, 5), *range(512, size, size // 60)]
    outcomes = readings_of_flipped(path, "nasbench_suite.tabular.curve_file:read_curve_file", positions)
    assert [outcomes[position] for position in positions] == ["refused"] * len(positions)


@pytest.mark.parametrize(
    "change",
    [
        {"genes": np.zeros((10, 5), np.uint8)},
        {"genes": np.zeros((9, 6), np.uint8)},
        {"ran_on": np.full((3, 10), 2, np.int8)},
        {"ran_on": np.full((3, 10), -2, np.int8)},
        {"correct": {"train": np.full((3, 5, 10), 4001, np.int16)}},
        {"correct": {"test": np.zeros((3, 4, 10), np.int16)}},
        {"correct": {"valid": np.zeros((3, 5, 10))}},
        {"loss": {"valid": np.full((3, 5, 10), np.inf, np.float32)}},
        {"loss": {"valid": np.full((3, 5, 10), -1, np.float32)}},
        {"seconds": {"eval": np.full((3, 5, 10), 1, np.float64)}},
        {"description": {"seeds": [0, 1, 1]}},
        {"description": {"asked": [10, 10]}},
        {"description": {"inputs": {"train": 1, "valid": 1}}},
        {"description": {"space": "nothing"}},
    ],
    ids=str,
)
def test_curves_that_contradict_themselves_are_no_curves(curves, change):
    (name, value), *_ = change.items()
    if name == "description":
        value = curves.description.model_copy(update=value)
    elif isinstance(value, dict):
        value = {**getattr(curves, name), **value}
    with pytest.raises((ValueError, UnknownNameError)):
        replace(curves, **{name: value})


def test_a_file_that_contradicts_itself_is_refused(curves, tmp_path, edited):
    path = tmp_path / "curves.h5"
    write_curve_file(curves, path)
    with edited(path) as file:
        file["ran_on"][0, 0] = 9
    with pytest.raises(DamagedFileError, match="truncated or corrupt"):
        read_curve_file(path)
    with edited(path) as file:
        file["ran_on"][0, 0] = 0
        del file["loss/valid"]
    with pytest.raises(DamagedFileError):
        read_curve_file(path)


# -- the table -----------------------------------------------------------------------------------


def test_the_table_answers_what_the_curves_say(curves, content):
    write_curve_file(curves, content)
    task = load_benchmark(TASK)
    assert list(task.fidelities) == [1, 2, 3, 4, 5]
    assert task.table.description.repeats == ["seed 0", "seed 1", "seed 7"]
    for epoch in (1, 3, 5):
        for repeat in (0, 1):
            names = ["train_accuracy", "train_loss", "valid_loss", "params_millions", "flops_millions"]
            found = task.query(curves.genes, epochs=epoch, repeat=repeat, info=names)
            assert np.array_equal(found.valid, curves.correct["valid"][repeat, epoch - 1] / 5000)
            assert np.array_equal(
                found.info["train_accuracy"], curves.correct["train"][repeat, epoch - 1] / 4000
            )
            assert np.array_equal(found.info["valid_loss"], curves.loss["valid"][repeat, epoch - 1])
            assert np.array_equal(found.info["params_millions"], curves.counts["parameters"] / 1e6)
            assert np.array_equal(found.info["flops_millions"], curves.counts["multiply_adds"] / 1e6)
            assert np.array_equal(found.seconds, search_seconds(curves)[repeat, epoch - 1])
    tests = np.where(curves.correct["test"] < 0, np.nan, curves.correct["test"] / 2500)[:, -1]
    assert task.reveal(curves.genes).test == pytest.approx(np.nanmean(tests, axis=0))


def test_seconds_are_those_of_training_so_far_and_of_one_validation_pass(curves):
    found = search_seconds(curves)
    train, judge = curves.seconds["train"].astype(np.float64), curves.seconds["eval"]
    expected = train[0, 0, 3] + train[0, 1, 3] + train[0, 2, 3] + judge[0, 2, 3] * (2 / 3)
    assert found[0, 2, 3] == pytest.approx(expected, rel=1e-6)  # 5,000 of 7,500 inputs validate


def test_seconds_of_another_device_are_no_cost_of_a_search(curves, content):
    """Seed 1 ran on a GPU: what is billed is the mean of the others, whichever seed is asked for."""
    environments = [{"device": "cpu"}, {"device": "a GPU"}]
    description = curves.description.model_copy(update={"environments": environments})
    write_curve_file(replace(curves, description=description), content)
    task = load_benchmark(TASK)
    seconds = search_seconds(curves)[:, 3]
    expected = seconds[0].copy()
    both = curves.ran_on[2] >= 0
    expected[both] = (seconds[0, both] + seconds[2, both]) / 2
    for repeat in (0, 1, "mean", np.random.default_rng(0)):
        assert task.query(curves.genes, epochs=4, repeat=repeat).seconds == pytest.approx(expected)
    assert not np.array_equal(
        task.query(curves.genes, epochs=3, repeat=0).valid, task.query(curves.genes, epochs=3, repeat=1).valid
    )


def test_a_seed_that_only_some_were_trained_with_is_nan_for_the_others(curves, content):
    write_curve_file(curves, content)
    task = load_benchmark(TASK)
    missing = pytest.warns(MissingResultWarning, match="7 of 10 results of valid_accuracy")
    untimed = pytest.warns(MissingResultWarning, match="6 of 10 results of train_seconds")
    with missing, untimed:  # a training that failed took its time, too
        found = task.query(curves.genes, repeat=2)
    assert np.flatnonzero(~np.isnan(found.valid)).tolist() == [3, 7, 9]  # 1 failed in the fourth epoch
    assert not np.isnan(task.query(curves.genes[[1, 3, 7, 9]], epochs=3, repeat=2).valid).any()
    assert not np.isnan(task.query(curves.genes).valid).any()


def test_isomorphic_cells_find_the_row_of_their_class(curves, content):
    write_curve_file(curves, content)
    task = load_benchmark(TASK)
    space = task.space
    codes = np.flatnonzero(space.representative_of_code == space.encode(curves.genes[4:5])[0])
    cells = space.decode(codes)
    assert set(task.rows(cells).tolist()) == {int(task.rows(curves.genes[4:5])[0])}
    assert task.table.description.rows == "class"


def test_an_incomplete_build_answers_for_what_is_there_and_says_how_much_that_is(curves, content):
    description = curves.description.model_copy(update={"asked": [6466, 500, 4]})
    write_curve_file(replace(curves, description=description), content)
    about = load_benchmark(TASK).table.description
    assert about.source == "tabular/nats_topology-mnist1d/curves.h5"
    assert about.source_version == (
        "seed 0: 10 of 6,466 trainings; seed 1: 10 of 500 trainings; seed 7: 4 of 4 trainings"
    )
    assert about.source_sha256 == Source.of([content]).sha256
    space = get_space("nats_topology")
    other = next(
        row[None]
        for row in space.decode(np.unique(space.representative_of_code)[1:20])
        if space.key(row[None])[0] not in space.key(curves.genes)
    )
    with pytest.raises(NasbenchSuiteError, match="is not in table nats_topology/mnist1d"):
        load_benchmark(TASK).query(other)


def test_rows_without_any_training_are_no_rows(curves, content):
    ran_on = curves.ran_on.copy()
    ran_on[:, 9] = -1
    table = table_of_curves(
        replace(curves, ran_on=ran_on), Source("x", "", ""), datasheets()["nats_topology-mnist1d"], TASK
    )
    assert len(table) == 9


# -- where it is, and when it is made anew -------------------------------------------------------


def test_a_table_that_was_not_built_yet_says_how_to(content):
    assert not is_ready(TASK)
    with pytest.raises(NasbenchSuiteError, match=r"train it, .*: nasbench-suite build .*build.toml"):
        load_benchmark(TASK)
    with pytest.raises(UnknownNameError, match="did you mean nats_topology/mnist1d"):
        load_benchmark("nats_topology/mnist")


def test_a_damaged_file_of_curves_is_a_sentence(curves, content):
    write_curve_file(curves, content)
    content.write_bytes(content.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match="get it again from where it came, or build it again"):
        load_benchmark(TASK)


def test_a_table_is_made_anew_when_its_curves_were_replaced(curves, content):
    write_curve_file(curves, content)
    first = load_benchmark(TASK)
    assert load_benchmark(TASK) is first
    counts = {**curves.counts, "parameters": curves.counts["parameters"] + 1}
    write_curve_file(replace(curves, counts=counts), content)
    second = load_benchmark(TASK)
    assert second.table.sha256 != first.table.sha256
    column = second.table.columns["params_millions"][:, 0, 0]
    assert np.array_equal(column, counts["parameters"] / 1e6)
    assert load_benchmark(TASK) is second
    os.utime(content)  # touched, not changed
    assert load_benchmark(TASK) is second
    content.unlink()
    assert load_benchmark(TASK) is second


def test_a_table_is_made_anew_when_its_datasheet_says_something_else_of_a_metric(curves, content):
    write_curve_file(curves, content)
    first = load_benchmark(TASK)
    path = content.parent / "datasheet.toml"
    text = path.read_text()
    said = "number of trainable parameters"
    assert text.count(said) == 1
    path.write_text(text.replace(said, "weights and biases"))
    _forget()
    second = load_benchmark(TASK)
    assert second.metrics["params_millions"].description == "weights and biases"
    assert second.table.sha256 != first.table.sha256
    assert load_benchmark(TASK) is second
    path.write_text(text)
    _forget()
    assert load_benchmark(TASK).table.sha256 == first.table.sha256


def test_a_table_of_the_users_own_under_the_same_name_is_left_alone(curves, content, make_table):
    write_curve_file(curves, content)
    from nasbench_suite.tabular.table import save_table

    own = make_table(rows=20)
    own.description = own.description.model_copy(update={"task": TASK})
    save_table(own, table_path(TASK))
    assert load_benchmark(TASK).table.description.source == "random numbers"


def test_tables_of_official_files_and_of_builds_lie_beside_each_other(curves, content, make_table):
    from nasbench_suite.tabular.table import save_table

    write_curve_file(curves, content)
    built = load_benchmark(TASK).table.sha256
    for _ in range(2):  # once new, once replacing
        with staged(tables_folder() / "nats_topology") as staging:
            save_table(make_table(rows=20), staging / "cifar10.h5")
    assert load_benchmark(TASK).table.sha256 == built
    assert table_path(TASK).parent == table_path("nats_topology/cifar10").parent
    counts = {**curves.counts, "parameters": curves.counts["parameters"] + 1}
    write_curve_file(replace(curves, counts=counts), content)
    load_benchmark(TASK)
    assert table_path("nats_topology/cifar10").exists()


@pytest.mark.parametrize(
    "source", ["curves.h5", "tabular/../curves.h5", "tabular/a/b/curves.h5", "my tabular/x/curves.h5"]
)
def test_only_the_files_of_builds_are_looked_for(source):
    assert source_path(source) is None
    assert source_path("tabular/x/curves.h5") is not None


# -- several datasheets of one benchmark ---------------------------------------------------------


def test_datasheets_may_share_what_their_tasks_names_start_with(content):
    folder = content.parents[1]
    text = (content.parent / "datasheet.toml").read_text()
    (folder / "nats_topology").mkdir()
    other = text.replace('name = "nats_topology-mnist1d"', 'name = "nats_topology"').replace(
        'benchmark = "nats_topology"\n', ""
    )
    (folder / "nats_topology" / "datasheet.toml").write_text(other.replace("tasks.mnist1d", "tasks.cifar10"))
    _forget()
    assert task_names() == ["nats_topology/cifar10", "nats_topology/mnist1d"]
    names = {task: sheet.name for task, sheet in described_tasks().items()}
    assert names == {"nats_topology/cifar10": "nats_topology", TASK: "nats_topology-mnist1d"}
    (folder / "nats_topology" / "datasheet.toml").write_text(other)
    _forget()
    with pytest.raises(CardError, match="both describe the task nats_topology/mnist1d"):
        described_tasks()
    _forget()


def _forget():
    from nasbench_suite.tabular import datasheet

    datasheet._datasheets.cache_clear()
