"""A surrogate of a table: what it is fitted on, what it answers, and how it is judged."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from nasbench_suite import ArchitectureError, Benchmark, NasbenchSuiteError, get_space, search
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.surrogates.benchmark import SurrogateBenchmark
from nasbench_suite.surrogates.curve_basis import CurveBasis
from nasbench_suite.surrogates.fit import Recipe, fit_surrogate, samples_of, split
from nasbench_suite.surrogates.model import load_surrogate
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.scores import unexplained
from nasbench_suite.tabular.benchmark import TabularBenchmark

EPOCHS = (1, 2, 4, 8, 16)
RECIPE = Recipe("xgboost", settings={"rounds": 120, "members": 3, "learning_rate": 0.1})
NOISE = 0.01


@pytest.fixture(scope="module")
def table(make_table):
    """1,500 rows whose accuracies follow from their genes and rise with the epochs, with noise."""
    made = make_table(rows=1500, repeats=2, epochs=EPOCHS)
    worth = np.array([0.0, 0.3, 0.5, 1.0, 0.2])[made.genes]
    last = 0.4 + 0.4 * (worth * [0.1, 0.1, 0.2, 0.2, 0.2, 0.2]).sum(1)
    rate = 0.3 + 0.5 * worth[:, 0]
    noise = np.random.default_rng(5).normal(0, NOISE, size=(2, 1500, 2, 5))
    clean = last[:, None, None] - 0.3 * np.exp(-rate[:, None, None] * np.array(EPOCHS))
    made.columns["valid_accuracy"] = clean + noise[0]
    made.columns["test_accuracy"] = clean - 0.05 + noise[1]
    seconds = (1 + worth.sum(1))[:, None, None] * np.array(EPOCHS, dtype=float)
    made.columns["train_seconds"] = np.broadcast_to(seconds, (1500, 2, 5)).copy()
    return made


@pytest.fixture(scope="module")
def task(table):
    return TabularBenchmark(table)


@pytest.fixture(scope="module")
def fitted(task):
    return fit_surrogate(task, RECIPE)


@pytest.fixture(scope="module")
def surrogate(fitted):
    return SurrogateBenchmark(fitted[0], "made-up")


def sampled(n, seed=0):
    return get_space("nats_topology").sample(np.random.default_rng(seed), n)


def test_it_is_a_benchmark_that_names_what_it_predicts(surrogate):
    assert isinstance(surrogate, Benchmark)
    assert surrogate.id == "surrogate:made-up"
    assert list(surrogate.metrics) == ["valid_accuracy", "test_accuracy", "train_seconds"]
    assert tuple(surrogate.fidelities) == EPOCHS
    assert surrogate.repeats == 3


def test_it_predicts_what_it_was_not_fitted_on_at_every_epoch(surrogate, table, task):
    unseen = np.setdiff1d(np.arange(15625), get_space("nats_topology").encode(table.genes))
    genes = get_space("nats_topology").decode(unseen[::9])
    worth = np.array([0.0, 0.3, 0.5, 1.0, 0.2])[genes]
    last = 0.4 + 0.4 * (worth * [0.1, 0.1, 0.2, 0.2, 0.2, 0.2]).sum(1)
    for epoch in EPOCHS:
        expected = last - 0.3 * np.exp(-(0.3 + 0.5 * worth[:, 0]) * epoch)
        found = surrogate.query(genes, epochs=epoch)
        # Isomorphic cells have one prediction here and several made-up results, hence the median.
        assert np.median(np.abs(found.valid - expected)) < 0.02
        assert np.median(np.abs(found.seconds / (1 + worth.sum(1)) / epoch - 1)) < 0.1
    full = surrogate.query(genes)
    assert (full.valid == surrogate.query(genes, epochs=16).valid).all()
    assert np.median(np.abs(surrogate.reveal(genes).test + 0.05 - full.valid)) < 0.01


def test_isomorphic_cells_have_the_same_answers(surrogate):
    genes = sampled(500)
    canonical = get_space("nats_topology").canonical(genes)
    assert (surrogate.query(genes).valid == surrogate.query(canonical).valid).all()
    assert (surrogate.identity(genes) == surrogate.identity(canonical)).all()


def test_noise_is_that_of_members_and_held_out_errors(surrogate):
    genes = np.repeat(sampled(1), 20_000, axis=0)
    drawn = surrogate.query(genes, repeat=np.random.default_rng(0)).valid
    members = np.array([surrogate.query(genes[:1], repeat=member).valid[0] for member in range(3)])
    noise = surrogate.model.noise[len(EPOCHS) - 1]
    assert drawn.mean() == pytest.approx(members.mean(), abs=0.001)
    assert drawn.std() == pytest.approx(np.sqrt(members.var() + noise**2), rel=0.03)
    assert surrogate.query(genes[:1]).valid[0] == pytest.approx(members.mean())
    assert NOISE / 2 < noise < 5 * NOISE


def test_its_figures_hold_on_rows_that_it_has_not_seen(fitted, task):
    model, judged = fitted
    assert set(judged) == {"valid_accuracy", "test_accuracy", "train_seconds"}
    found = judged["valid_accuracy"]
    assert found.r2 > 0.6  # isomorphic cells have several made-up results and one prediction
    assert 0.55 < found.within_1_sd < 0.8
    sizes = model.about["split"]
    assert found.samples == sizes["test"]
    assert sizes["train"] + sizes["noise"] + sizes["test"] == 1500
    assert model.about["table_sha256"] == task.table.sha256


def test_equal_keys_are_on_the_same_side_and_shares_are_kept():
    keys = np.random.default_rng(0).integers(0, 1000, size=5000).astype(np.uint64)
    parts = split(keys, Recipe("xgboost", train_share=0.6, noise_share=0.1, seed=3))
    assert sorted(np.concatenate(parts).tolist()) == list(range(5000))
    sides = [set(keys[part].tolist()) for part in parts]
    assert sum(map(len, sides)) == len(set().union(*sides))
    classes = len(np.unique(keys))
    assert [len(side) / classes for side in sides] == pytest.approx([0.6, 0.1, 0.3], abs=0.003)
    fewer = split(keys, Recipe("xgboost", train_share=0.6, noise_share=0.1, seed=3, samples=100))
    assert len(fewer[0]) == 100
    assert (fewer[2] == parts[2]).all()


def test_rows_with_missing_results_are_left_out_and_counted(make_table):
    table = make_table(rows=400, repeats=1, missing=0.1)
    found = samples_of(TabularBenchmark(table))
    complete = ~np.isnan([table.columns[name] for name in found.metrics]).any(axis=(0, 2, 3))
    assert found.incomplete == 400 - complete.sum() > 0
    assert len(found.genes) == len(found.curves) == complete.sum()
    np.testing.assert_allclose(found.curves[:, 4:], np.log(table.columns["train_seconds"][complete, 0]))


def test_the_basis_is_that_of_principal_components():
    rng = np.random.default_rng(2)
    curves = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 12)) + 0.02 * rng.normal(size=(300, 12))
    basis = CurveBasis.fit(curves)
    standardised = (curves - curves.mean(0)) / curves.std(0)
    reference = PCA(n_components=len(basis.components)).fit(standardised)
    assert len(basis.components) == 2
    np.testing.assert_allclose(np.abs(basis.components), np.abs(reference.components_), atol=1e-8)
    assert np.abs(basis.rebuild(basis.project(curves)) - curves).max() < 0.15
    single = CurveBasis.fit(curves[:, :1])
    np.testing.assert_allclose(single.rebuild(single.project(curves[:, :1])), curves[:, :1])
    constant = CurveBasis.fit(np.concatenate([curves, np.full((300, 1), 4.0)], axis=1))
    np.testing.assert_allclose(constant.rebuild(constant.project(np.full((1, 13), 4.0)))[0, -1], 4.0)


def test_noise_covers_the_share_of_a_normal_distribution():
    rng = np.random.default_rng(3)
    members = rng.normal(0, 0.3, size=(200, 5000, 1))
    results = rng.normal(0, 0.5, size=(5000, 1))
    # Errors have variance 0.25 and the members account for 0.09.
    assert unexplained(results - members.mean(axis=0), members.std(axis=0))[0] == pytest.approx(0.4, rel=0.05)
    assert unexplained(-members.mean(axis=0), members.std(axis=0))[0] == 0


def test_a_model_file_gives_the_same_answers(surrogate, tmp_path):
    surrogate.model.save(tmp_path / "model.h5")
    again = SurrogateBenchmark(load_surrogate(tmp_path / "model.h5"), "made-up")
    genes = sampled(50)
    for epoch in (None, 2):
        ours, theirs = surrogate.query(genes, epochs=epoch), again.query(genes, epochs=epoch)
        np.testing.assert_allclose(ours.valid, theirs.valid, rtol=1e-6)
        np.testing.assert_allclose(ours.seconds, theirs.seconds, rtol=1e-6)
    assert again.metrics == surrogate.metrics
    assert again.model.about["software"]["xgboost"]
    content = bytearray((tmp_path / "model.h5").read_bytes())
    content[2000] ^= 4
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(DamagedFileError, match="is truncated or corrupt"):
        load_surrogate(tmp_path / "model.h5")


def test_strategies_search_it_and_what_was_predicted_is_looked_up(surrogate, monkeypatch):
    runs = search("regularized_evolution", surrogate, evaluations=60, runs=8, seed=1)
    again = search("regularized_evolution", surrogate, evaluations=60, runs=8, seed=1)
    assert (runs.valid == again.valid).all()
    assert runs.valid[:, -10:].mean() > runs.valid[:, :10].mean()
    asked = sampled(30, seed=9)
    first = surrogate.query(asked).valid
    monkeypatch.setattr(type(surrogate.model), "curves", lambda *_: pytest.fail("predicted twice"))
    assert (surrogate.query(asked).valid == first).all()


def test_a_table_without_epochs_or_costs_has_a_surrogate_too(make_table):
    task = TabularBenchmark(make_table(rows=300, epochs=(), cost=False, repeats=1))
    model, judged = fit_surrogate(task, replace(RECIPE, settings={"rounds": 5, "members": 2}))
    surrogate = SurrogateBenchmark(model, "it")
    assert surrogate.fidelities == ()
    assert surrogate.query(sampled(4)).seconds is None
    with pytest.raises(NasbenchSuiteError, match="no results after 3 epochs; it offers full training only"):
        surrogate.query(sampled(4), epochs=3)
    assert judged["valid_accuracy"].r2 < 0.2  # random numbers teach nothing


def test_what_is_not_there_is_refused(surrogate):
    genes = sampled(3)
    with pytest.raises(NasbenchSuiteError, match="it offers 1, 2, 4, 8, 16"):
        surrogate.query(genes, epochs=3)
    with pytest.raises(NasbenchSuiteError, match=r"has 3 member.s.; repeat must be"):
        surrogate.query(genes, repeat=3)
    with pytest.raises(
        NasbenchSuiteError, match="no metric visible to a search in surrogate:made-up called 'test_accuracy'"
    ):
        surrogate.query(genes, info=["test_accuracy"])
    with pytest.raises(ArchitectureError):
        surrogate.query(genes[:, :5])


def test_what_cannot_be_fitted_is_refused(make_table, task):
    with pytest.raises(FitError, match="leaves 16 rows to learn from, 2 for the noise and 2 to judge by"):
        fit_surrogate(TabularBenchmark(make_table(rows=20)), RECIPE)
    with pytest.raises(NasbenchSuiteError, match=r"leave something to judge by, not 0.95 and 0.1"):
        fit_surrogate(task, replace(RECIPE, train_share=0.95))
    with pytest.raises(NasbenchSuiteError, match="no surrogate 'xgb'"):
        fit_surrogate(task, replace(RECIPE, surrogate="xgb"))
