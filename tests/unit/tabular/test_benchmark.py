"""Queries: the published numbers on real tables, and the meaning of epochs and repeats on made-up ones."""

import pickle
import warnings

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, NasbenchSuiteError, load_benchmark
from nasbench_suite.benchmark import Benchmark, MissingResultWarning
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces.graph import OPERATIONS
from nasbench_suite.tabular import TabularBenchmark

NINE = OPERATIONS["graph"]
TASKS = ["cora", "citeseer", "pubmed", "arxiv", "proteins"]


def text_of(number):
    """Write the official cell number (base ten: pattern, four of nine operations) as text."""
    patterns = ["0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123"]
    digits = [int(digit) for digit in f"{number:05d}"]
    return patterns[digits[0]] + ":" + ",".join(NINE[digit] for digit in digits[1:])


@pytest.mark.parametrize("dataset", TASKS)
def test_values_are_those_of_the_package(official_records, dataset):
    records, task = official_records(dataset), load_benchmark(f"graph/{dataset}")
    cells = np.random.default_rng(1).choice(sorted(records), size=500, replace=False).tolist()
    genes = np.stack([task.space.parse(text_of(cell)) for cell in cells])
    found = task.query(genes, info=["latency_seconds", "params_millions"])
    assert found.valid.tolist() == [records[cell]["valid_perf"] for cell in cells]
    assert found.info["latency_seconds"].tolist() == [records[cell]["latency"] for cell in cells]
    assert found.info["params_millions"].tolist() == [records[cell]["para"] for cell in cells]
    assert task.reveal(genes).test.tolist() == [records[cell]["perf"] for cell in cells]
    assert found.seconds is None
    assert found.maximise


def test_isomorphic_cells_have_the_same_result(cora):
    genes = cora.space.sample(np.random.default_rng(2), 2000)
    assert np.array_equal(cora.query(genes).valid, cora.query(cora.space.canonical(genes)).valid)


@pytest.mark.parametrize(
    ("dataset", "column", "expected"),
    [
        ("cora", "best test", 0.8313),
        ("cora", "best valid", 0.8193),
        ("cora", "test of best valid", 0.8263),
        ("arxiv", "best test", 0.7239),
        ("proteins", "best test", 0.7926),
        ("proteins", "best valid", 0.8533),
        ("proteins", "test of best valid", 0.7611),
    ],
)
def test_published_figures(dataset, column, expected):
    task = load_benchmark(f"graph/{dataset}")
    genes = task.table.genes
    valid, test = task.query(genes).valid, task.reveal(genes).test
    found = {"best test": test.max(), "best valid": valid.max(), "test of best valid": test[valid.argmax()]}
    assert round(float(found[column]), 4) == expected


def test_a_table_satisfies_the_protocol_and_is_loaded_once(cora):
    assert isinstance(cora, Benchmark)
    assert load_benchmark("graph/cora") is load_benchmark("graph/cora")
    assert (cora.id, cora.repeats, cora.fidelities) == ("graph/cora", 1, ())


def test_an_unknown_task_is_an_error_with_the_nearest(data_folder):
    with pytest.raises(UnknownNameError, match="did you mean graph/cora"):
        load_benchmark("graph/coar")


@pytest.mark.parametrize("name", ["test_accuracy", "no_such_metric"])
def test_test_metrics_are_not_to_be_had_by_a_query(cora, name):
    genes = cora.space.sample(np.random.default_rng(3), 2)
    with pytest.raises(UnknownNameError, match=name) as caught:
        cora.query(genes, info=[name])
    assert "known: " not in str(caught.value) or "test_accuracy" not in str(caught.value).split("known")[1]


def test_rows_beyond_the_range_or_invalid_are_refused(cora):
    genes = cora.space.sample(np.random.default_rng(4), 200)
    genes[77, 3] = 9
    with pytest.raises(ArchitectureError, match="gene 3"):
        cora.query(genes)
    genes[77, 1:] = NINE.index("skip")
    with pytest.raises(ArchitectureError, match="no layer but skip"):
        cora.reveal(genes)


def test_cells_that_the_table_lacks_are_refused_by_name(make_table):
    task = TabularBenchmark(make_table(rows=100))
    absent = task.space.decode(np.flatnonzero(task.table.index_arrays["index"] < 0))
    for batch in (absent[:1], np.concatenate([task.table.genes, absent[:1]])):
        with pytest.raises(ArchitectureError, match="is not in table made/up") as caught:
            task.query(batch)
        assert task.space.format(absent[:1])[0] in str(caught.value)


@pytest.fixture(scope="module")
def sparse(make_table):
    """Complete in its cells; a third of the trainings is missing."""
    return TabularBenchmark(make_table(missing=0.33, seed=1))


def some_rows(task, n=400, seed=5):
    rows = np.random.default_rng(seed).integers(len(task.table.genes), size=n)
    return rows, task.table.genes[rows]


def quiet(task, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingResultWarning)
        return task.query(*args, **kwargs)


@pytest.mark.parametrize(("epochs", "position"), [(None, 1), (12, 0), (200, 1)])
def test_mean_is_over_what_is_present(sparse, epochs, position):
    rows, genes = some_rows(sparse)
    column = sparse.table.columns["valid_accuracy"][rows][:, :, position]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmean(column, axis=1)
    found = quiet(sparse, genes, epochs=epochs)
    np.testing.assert_allclose(found.valid, expected, rtol=1e-14)
    seconds = sparse.table.columns["train_seconds"][rows][:, :, position].mean(axis=1)
    np.testing.assert_allclose(found.seconds, seconds, rtol=1e-14)


@pytest.mark.parametrize("repeat", [0, 1, 2])
@pytest.mark.parametrize(("epochs", "position"), [(None, 1), (12, 0)])
def test_a_training_by_position(sparse, repeat, epochs, position):
    rows, genes = some_rows(sparse)
    found = quiet(sparse, genes, epochs=epochs, repeat=repeat, info=["params_millions"])
    for values, name in ((found.valid, "valid_accuracy"), (found.info["params_millions"], "params_millions")):
        expected = sparse.table.columns[name][rows, repeat, position]
        assert np.array_equal(values, expected, equal_nan=True)


def test_a_drawn_training_is_one_that_is_present_and_all_are_drawn_alike(sparse):
    values = sparse.table.columns["valid_accuracy"][:, :, 1]
    complete = np.flatnonzero(~np.isnan(values).any(axis=1))[0]
    partial = np.flatnonzero(np.isnan(values).sum(axis=1) == 1)[0]
    n = 6000
    for row, count in ((complete, 3), (partial, 2)):
        genes = sparse.table.genes[[row]].repeat(n, axis=0)
        found = sparse.query(genes, repeat=np.random.default_rng(6))
        assert not np.isnan(found.valid).any()
        drawn, counts = np.unique(found.valid, return_counts=True)
        assert set(drawn) == set(values[row][~np.isnan(values[row])])
        assert abs(counts - n / count).max() < 5 * np.sqrt(n / count)


def test_all_results_of_an_evaluation_are_of_the_same_training(sparse):
    rows, genes = some_rows(sparse)
    found = quiet(sparse, genes, repeat=np.random.default_rng(7), info=["params_millions"])
    columns = sparse.table.columns
    drawn = (columns["params_millions"][rows, :, 1] == found.info["params_millions"][:, None]).argmax(axis=1)
    assert np.array_equal(found.valid, columns["valid_accuracy"][rows, drawn, 1], equal_nan=True)
    assert np.array_equal(found.seconds, columns["train_seconds"][rows, drawn, 1])


def test_missing_results_warn_with_their_number(sparse):
    values = sparse.table.columns["valid_accuracy"][:, 0, 1]
    genes = sparse.table.genes[np.flatnonzero(np.isnan(values))[:7]]
    with pytest.warns(MissingResultWarning, match="7 of 7 results of valid_accuracy are missing in made/up"):
        found = sparse.query(genes, repeat=0)
    assert np.isnan(found.valid).all()
    assert (found.score() == -np.inf).all()


def test_missing_test_results_warn_too(make_table):
    task = TabularBenchmark(make_table(repeats=1, missing=0.5))
    with pytest.warns(MissingResultWarning, match="test_accuracy"):
        found = task.reveal(task.table.genes).test
    assert np.array_equal(found, task.table.columns["test_accuracy"][:, 0, -1], equal_nan=True)


def test_present_results_do_not_warn(sparse):
    values = sparse.table.columns["valid_accuracy"][:, 0, 1]
    sparse.query(sparse.table.genes[~np.isnan(values)], repeat=0)


def test_test_results_are_the_mean_of_full_trainings(made_up):
    rows, genes = some_rows(made_up)
    expected = made_up.table.columns["test_accuracy"][rows][:, :, 1].mean(axis=1)
    np.testing.assert_allclose(made_up.reveal(genes).test, expected, rtol=1e-14)


def test_score_turns_a_metric_to_be_minimised(make_table):
    task = TabularBenchmark(make_table(direction="min"))
    found = task.query(task.table.genes[:5])
    assert not found.maximise
    assert np.array_equal(found.score(), -found.valid)


@pytest.mark.parametrize("epochs", [0, 1, 13, 201, -1])
def test_epochs_that_the_table_lacks_are_refused(made_up, epochs):
    with pytest.raises(NasbenchSuiteError, match="it offers 12, 200"):
        made_up.query(made_up.table.genes[:1], epochs=epochs)


def test_epochs_on_a_table_without_them_are_refused(cora):
    with pytest.raises(NasbenchSuiteError, match="full training only"):
        cora.query(cora.table.genes[:1], epochs=200)


@pytest.mark.parametrize("repeat", [-1, 3, True, "median", 1.0, None])
def test_repeats_that_the_table_lacks_are_refused(made_up, repeat):
    with pytest.raises(NasbenchSuiteError, match="repeat must be 'mean', a number from 0 to 2"):
        made_up.query(made_up.table.genes[:1], repeat=repeat)


def test_what_a_query_returns_is_the_callers_own(made_up):
    genes = made_up.table.genes[:4]
    first = made_up.query(genes).valid
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(made_up.query(genes).valid, expected)


def test_a_benchmark_survives_pickling(made_up):
    copy = pickle.loads(pickle.dumps(made_up))
    genes = made_up.table.genes[:50]
    assert np.array_equal(copy.query(genes).valid, made_up.query(genes).valid)
