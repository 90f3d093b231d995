"""Queries over columns that have one entry for all trainings or for all epochs, against plain Python."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, search
from nasbench_suite.benchmark import Metric, MissingResultWarning
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.leaderboards.outcomes import Reference
from nasbench_suite.tabular import Table, TabularBenchmark
from nasbench_suite.tabular.table import create_table, read_table, save_table

EPOCHS = (4, 12, 200)
REASON = "their schedules are other trainings"
ROWS = 60
AXES = {
    "valid_accuracy": ("valid", "each epoch", (3, 3)),
    "test_accuracy": ("test", "last epoch", (3, 1)),
    "train_seconds": ("cost", "each epoch", (1, 3)),
    "train_accuracy": ("info", "last epoch", (3, 1)),
    "loss": ("info", "each epoch", (3, 3)),
    "params_millions": ("info", "once", (1, 1)),
    "latency_seconds": ("info", "once", (3, 1)),
}
ABSENT = (None, None, None)
INFO = [name for name, (role, _, _) in AXES.items() if role == "info"]

pytestmark = pytest.mark.filterwarnings("ignore::nasbench_suite.benchmark.MissingResultWarning")


@pytest.fixture
def made(make_table):
    """A factory: what a metric is may be changed (ABSENT: it is not there), and so may the description."""

    def make(described=None, **changes):
        rng = np.random.default_rng(0)
        metrics, columns = {}, {}
        for name, (role, recorded, axes) in {**AXES, **changes}.items():
            if role:
                metrics[name] = Metric(name, "fraction", "max", role, "made up", recorded)
                columns[name] = rng.random((ROWS, *axes))
                columns[name][rng.random((ROWS, *axes)) < 0.2] = np.nan
        base = make_table(rows=ROWS)
        description = base.description.model_copy(update={"partial_epochs": REASON, **(described or {})})
        return Table(description, base.genes, np.array(EPOCHS, dtype=np.int32), metrics, columns)

    return make


@pytest.fixture(params=["in memory", "on disk"])
def task(made, request, tmp_path):
    table = made()
    if request.param == "on disk":
        save_table(table, tmp_path / "table.h5")
        table = read_table(tmp_path / "table.h5")
    return TabularBenchmark(table)


def answer(task, name, row, epochs, repeat):
    """What a query for one row must return, from the nested lists of its column."""
    by_repeat = task.table.columns[name][row].tolist()
    every = task.metrics[name].recorded == "each epoch"
    at = EPOCHS.index(epochs) if every and epochs is not None else -1
    values = [of_epochs[at] for of_epochs in by_repeat]
    if repeat != "mean":
        return values[repeat] if len(values) > 1 else values[0]
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def some_rows(n=200):
    return np.random.default_rng(1).integers(ROWS, size=n)


@pytest.mark.parametrize("repeat", ["mean", 0, 1, 2])
@pytest.mark.parametrize("epochs", [None, 4, 12, 200])
@pytest.mark.parametrize("info", [["loss", "params_millions", "latency_seconds"], INFO], ids=["fewer", "all"])
def test_every_axis_is_read_where_it_has_entries(task, repeat, epochs, info):
    rows = some_rows()
    genes = task.table.genes[rows]
    if "train_accuracy" in info and epochs in (4, 12):
        with pytest.raises(NasbenchSuiteError) as caught:
            task.query(genes, epochs=epochs, repeat=repeat, info=info)
        assert str(caught.value) == (
            f"made/up has train_accuracy after 200 epochs only, not after {epochs}: {REASON}."
        )
        return
    found = task.query(genes, epochs=epochs, repeat=repeat, info=info)
    columns = {"valid_accuracy": found.valid, "train_seconds": found.seconds, **found.info}
    assert columns.keys() == {"valid_accuracy", "train_seconds", *info}
    for name, values in columns.items():
        expected = [answer(task, name, row, epochs, repeat) for row in rows.tolist()]
        np.testing.assert_allclose(values, expected, rtol=1e-15)
        assert 0 < np.isnan(expected).sum() < 200 or (repeat == "mean" and AXES[name][2][0] == 3)
    for row in rows[:20].tolist():
        one = task.query(task.table.genes[[row]], epochs=epochs, repeat=repeat)
        np.testing.assert_equal(one.valid.item(), answer(task, "valid_accuracy", row, epochs, repeat))


def test_test_results_are_the_mean_over_all_trainings_of_the_last_epoch(task):
    rows = some_rows()
    expected = [answer(task, "test_accuracy", row, None, "mean") for row in rows.tolist()]
    np.testing.assert_allclose(task.reveal(task.table.genes[rows]).test, expected, rtol=1e-15)
    np.testing.assert_array_equal(task.test_column()[rows], task.reveal(task.table.genes[rows]).test)


@pytest.mark.parametrize("epochs", [None, 4, 200])
def test_a_drawn_training_answers_in_every_column_that_has_trainings(task, epochs):
    columns, at = task.table.columns, -1 if epochs is None else EPOCHS.index(epochs)
    latency = columns["latency_seconds"][:, :, 0]
    rows = some_rows(3000)
    rows = rows[~np.isnan(latency[rows]).any(axis=1)]
    info = ["latency_seconds", "params_millions", "loss"]
    found = task.query(task.table.genes[rows], epochs=epochs, repeat=np.random.default_rng(5), info=info)
    drawn = (latency[rows] == found.info["latency_seconds"][:, None]).argmax(axis=1)
    assert set(drawn) == {0, 1, 2}
    np.testing.assert_array_equal(found.valid, columns["valid_accuracy"][rows, drawn, at])
    np.testing.assert_array_equal(found.info["loss"], columns["loss"][rows, drawn, at])
    np.testing.assert_array_equal(found.seconds, columns["train_seconds"][rows, 0, at])
    np.testing.assert_array_equal(found.info["params_millions"], columns["params_millions"][rows, 0, 0])
    missing = np.isnan(columns["valid_accuracy"][rows, :, at])
    assert np.isnan(found.valid).tolist() == missing.all(axis=1).tolist(), "a missing training was drawn"


def test_where_all_trainings_share_the_validation_result_any_may_be_drawn(made):
    task = TabularBenchmark(made(valid_accuracy=("valid", "each epoch", (1, 3))))
    latency = task.table.columns["latency_seconds"][:, :, 0]
    row = np.flatnonzero(~np.isnan(latency).any(axis=1) & ~np.isnan(task.valid_column()))[0]
    genes = task.table.genes[[row]].repeat(6000, axis=0)
    found = task.query(genes, repeat=np.random.default_rng(6), info=["latency_seconds"])
    _, counts = np.unique(found.info["latency_seconds"], return_counts=True)
    assert len(counts) == 3
    assert abs(counts - 2000).max() < 5 * math.sqrt(2000)
    assert (found.valid == task.valid_column()[row]).all()


def test_a_search_on_the_last_epoch_only_has_no_partial_trainings(made):
    task = TabularBenchmark(made(valid_accuracy=("valid", "last epoch", (3, 1))))
    genes = task.table.genes[:9]
    assert task.fidelities == (200,)
    np.testing.assert_array_equal(task.query(genes, epochs=200).valid, task.query(genes).valid)
    with pytest.raises(NasbenchSuiteError) as caught:
        task.query(genes, epochs=12)
    assert str(caught.value) == f"made/up has valid_accuracy after 200 epochs only, not after 12: {REASON}."
    with pytest.raises(NasbenchSuiteError, match=r"no results after 5 epochs; it offers 200\."):
        task.query(genes, epochs=5)
    quiet = TabularBenchmark(made({"partial_epochs": ""}, valid_accuracy=("valid", "last epoch", (3, 1))))
    with pytest.raises(NasbenchSuiteError, match=r"after 200 epochs only, not after 12\.$"):
        quiet.query(genes, epochs=12)


def test_epochs_that_nothing_has_are_refused_also_for_what_is_recorded_once(task):
    with pytest.raises(NasbenchSuiteError, match=r"no results after 13 epochs; it offers 4, 12, 200\."):
        task.query(task.table.genes[:2], epochs=13, info=["params_millions"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("valid_accuracy", ("valid", "each epoch", (2, 3))),
        ("valid_accuracy", ("valid", "each epoch", (3, 2))),
        ("valid_accuracy", ("valid", "each epoch", (3, 1))),
        ("valid_accuracy", ("valid", "last epoch", (3, 3))),
        ("params_millions", ("info", "once", (1, 3))),
        ("params_millions", ("info", "once", (0, 1))),
    ],
)
def test_axes_that_disagree_are_refused_in_memory_and_on_disk(made, tmp_path, name, change):
    with pytest.raises(ValueError, match=f"column {name} has shape"):
        made(**{name: change})
    table = made()
    metrics = {**table.metrics, name: replace(table.metrics[name], recorded=change[1])}
    shapes = {each: values.shape[1:] for each, values in table.columns.items()} | {name: change[2]}
    arguments = (tmp_path / "t.h5", table.description, table.genes, table.epochs, metrics, shapes)
    with pytest.raises(ValueError, match=f"column {name} has shape"), create_table(*arguments):
        pytest.fail("there is nothing to fill")
    assert list(tmp_path.iterdir()) == []


# -- tables without a role ---------------------------------------------------------------------------


def test_a_table_without_validation_answers_for_what_is_asked_by_name(made):
    task = TabularBenchmark(made({"valid": ""}, valid_accuracy=ABSENT))
    genes = task.table.genes[:9]
    found = task.query(genes, info=["latency_seconds"], repeat=1)
    expected = task.table.columns["latency_seconds"][:9, 1, 0]
    np.testing.assert_array_equal(found.info["latency_seconds"], expected)
    assert np.isnan(found.valid).all()
    assert found.valid.shape == (9,)
    drawn = task.query(genes, info=["loss"], repeat=np.random.default_rng(0), epochs=4).info["loss"]
    assert all(
        value in row or math.isnan(value)
        for value, row in zip(drawn.tolist(), task.table.columns["loss"][:9, :, 0].tolist(), strict=True)
    )
    with pytest.raises(NasbenchSuiteError, match="made/up has no validation results"):
        task.query(genes)
    with pytest.raises(UnknownNameError, match="test_accuracy"):
        task.query(genes, info=["test_accuracy"])


@pytest.fixture
def make_whole(make_table):
    """A complete table, so that searches may be played, without metrics of some roles."""

    def make(*roles):
        table = make_table()
        metrics = {name: metric for name, metric in table.metrics.items() if metric.role not in roles}
        columns = {name: table.columns[name] for name in metrics}
        description = table.description.model_copy(update=dict.fromkeys(roles, ""))
        return TabularBenchmark(Table(description, table.genes, table.epochs, metrics, columns))

    return make


@pytest.mark.parametrize(
    ("roles", "says"),
    [(["valid"], "nothing can be searched there"), (["valid", "test"], "by name: params_mill.*, train_sec")],
)
def test_no_search_is_played_without_validation(make_whole, roles, says):
    with pytest.raises(NasbenchSuiteError, match=f"made/up has no validation results.*{says}"):
        search("random_search", make_whole(*roles), evaluations=5, runs=2)


def test_no_search_is_played_without_validation_whatever_the_reward(make_whole):
    with pytest.raises(NasbenchSuiteError, match="no validation results"):
        search("random_search", make_whole("valid"), evaluations=5, runs=2, reward="valid - params_millions")


def test_a_table_without_test_results_can_be_searched_but_not_judged(make_whole):
    task = make_whole("test")
    runs = search("random_search", task, evaluations=5, runs=2)
    assert np.array_equal(runs.valid[0], task.query(runs.genes[0]).valid)
    with pytest.raises(NasbenchSuiteError, match="made/up holds no test results, so nothing can be judged"):
        task.reveal(runs.genes[0])


@pytest.mark.parametrize("role", ["test", "valid"])
def test_nothing_is_judged_on_a_table_without_test_or_validation(make_whole, role):
    with pytest.raises(NasbenchSuiteError):
        Reference.of(make_whole(role))


@pytest.mark.parametrize("role", ["valid", "test"])
def test_one_metric_may_do_both(made, role, tmp_path):
    table = made(
        {"test": "valid_accuracy"}, valid_accuracy=(role, "each epoch", (3, 3)), test_accuracy=ABSENT
    )
    save_table(table, tmp_path / "table.h5")
    task = TabularBenchmark(read_table(tmp_path / "table.h5"))
    genes = task.table.genes
    np.testing.assert_array_equal(task.query(genes).valid, task.reveal(genes).test)
    if role == "test":
        with pytest.raises(UnknownNameError):
            task.query(genes, info=["valid_accuracy"])


@pytest.mark.parametrize(
    "described",
    [
        {"valid": "loss"},
        {"test": "valid_accuracy", "valid": "test_accuracy"},
        {"test": "loss"},
        {"valid": "nothing"},
    ],
    ids=str,
)
def test_roles_that_disagree_are_refused(made, described):
    with pytest.raises(ValueError, match=r"there is no metric nothing|has role"):
        made(described)


# -- mapped tables -----------------------------------------------------------------------------------


def test_a_mapped_table_is_small_to_pickle_and_maps_the_same_file(made, tmp_path):
    save_table(made(), tmp_path / "table.h5")
    task = TabularBenchmark(read_table(tmp_path / "table.h5"))
    task.query(task.table.genes)
    packed = pickle.dumps(task)
    assert len(packed) < 1000
    copy = pickle.loads(packed)
    assert copy.table.file.path == task.table.file.path
    np.testing.assert_array_equal(copy.query(task.table.genes).valid, task.query(task.table.genes).valid)


def test_a_table_in_memory_is_pickled_whole(made):
    assert pickle.loads(pickle.dumps(made())).sha256 == made().sha256


def test_missing_results_are_counted_also_where_all_trainings_share_them(made):
    task = TabularBenchmark(made())
    missing = np.flatnonzero(np.isnan(task.table.columns["train_seconds"][:, 0, -1]))
    there = np.flatnonzero(~np.isnan(task.table.columns["valid_accuracy"][:, 0, -1]))
    rows = np.intersect1d(missing, there)
    says = f"{len(rows)} of {len(rows)} results of train_seconds are missing in made/up; they are NaN"
    with pytest.warns(MissingResultWarning, match=says):
        task.query(task.table.genes[rows], repeat=0)
