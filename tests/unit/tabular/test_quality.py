"""Figures of a table: against SciPy, against closed forms, and where results are missing."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite.benchmark import Metric
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular import Table, TabularBenchmark
from nasbench_suite.tabular.quality import quality, quality_of, rounded_figures, spearman

N = 400


@pytest.fixture(scope="module")
def made_up():
    """Architectures of spread 0.1, trainings of spread 0.03, test results that follow validation results."""
    rng = np.random.default_rng(0)
    worth = rng.normal(0.7, 0.1, N)
    valid = worth[:, None] + rng.normal(0, 0.03, (N, 3))
    return valid, valid + rng.normal(0, 0.02, (N, 3))


def test_rank_correlation_is_scipys_ties_included():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 200).astype(float), rng.integers(0, 9, 200).astype(float)
    assert spearman(a, a + b) == pytest.approx(stats.spearmanr(a, a + b).statistic)
    assert spearman(a, np.exp(a)) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)


def test_rank_correlation_looks_at_what_both_have():
    a, b = np.array([1.0, 2, np.nan, 3, 9]), np.array([2.0, 4, 0, 3, np.nan])
    assert (
        spearman(a, b) == pytest.approx(stats.spearmanr([1, 2, 3], [2, 4, 3]).statistic) == pytest.approx(0.5)
    )
    assert np.isnan(spearman(a, np.ones(5)))
    assert np.isnan(spearman(a, np.full(5, np.nan)))


def test_figures_of_complete_results_are_those_of_their_formulas(made_up):
    valid, test = made_up
    found = quality_of(valid, test)
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert (found.architectures, found.architectures_with_several_seeds) == (N, N)
    assert found.best_valid == pytest.approx(valid.mean(axis=1).max())
    assert found.mean_valid == pytest.approx(valid.mean())
    assert found.between_architectures_sd == pytest.approx(stats.tstd(valid[:, 0]))
    assert found.between_seeds_sd == pytest.approx(np.sqrt(np.mean(stats.tvar(valid, axis=1))))
    assert found.seeds_spearman == pytest.approx(
        np.mean([stats.spearmanr(valid[:, a], valid[:, b]).statistic for a, b in pairs])
    )
    assert found.valid_test_spearman == pytest.approx(
        np.mean([stats.spearmanr(valid[:, s], test[:, s]).statistic for s in range(3)])
    )
    halves = []
    for a, b in pairs:
        better = np.argsort(valid[:, a] + valid[:, b])[N // 2 :]
        halves.append(stats.spearmanr(valid[better, a], valid[better, b]).statistic)
    assert found.seeds_spearman_better_half == pytest.approx(np.mean(halves))
    better = [np.argsort(valid[:, s])[N // 2 :] for s in range(3)]
    halves = [stats.spearmanr(valid[b, s], test[b, s]).statistic for s, b in enumerate(better)]
    assert found.valid_test_spearman_better_half == pytest.approx(np.mean(halves))
    # What went in comes out: 0.03 between trainings, and both spreads between single results.
    assert found.between_seeds_sd == pytest.approx(0.03, rel=0.1)
    assert found.between_architectures_sd == pytest.approx(np.hypot(0.1, 0.03), rel=0.1)


def test_a_second_seed_of_a_sample_counts_for_the_sample(made_up):
    valid, test = (values[:, :2].copy() for values in made_up)
    valid[50:, 1] = test[50:, 1] = np.nan
    found = quality_of(valid, test)
    assert (found.architectures, found.architectures_with_several_seeds) == (N, 50)
    assert found.between_architectures_sd == pytest.approx(stats.tstd(valid[:, 0]))
    assert found.between_seeds_sd == pytest.approx(np.sqrt(np.mean(stats.tvar(valid[:50], axis=1))))
    assert found.seeds_spearman == pytest.approx(stats.spearmanr(valid[:50, 0], valid[:50, 1]).statistic)


def test_one_seed_says_nothing_of_seeds(made_up):
    valid, test = (values[:, :1] for values in made_up)
    found = quality_of(valid, test)
    assert np.isnan([found.between_seeds_sd, found.seeds_spearman, found.seeds_spearman_better_half]).all()
    assert found.valid_test_spearman == pytest.approx(stats.spearmanr(valid[:, 0], test[:, 0]).statistic)


def test_nothing_at_all_is_no_number_and_no_error():
    found = quality_of(np.full((3, 2), np.nan), np.full((3, 2), np.nan))
    assert found.architectures == 0
    assert np.isnan([found.best_valid, found.between_architectures_sd, found.seeds_spearman]).all()


def test_where_less_is_better_the_best_is_the_least(made_up):
    valid, test = made_up
    down, up = quality_of(-valid, -test, maximise=False), quality_of(valid, test)
    assert down.best_valid == -up.best_valid
    assert down.seeds_spearman_better_half == pytest.approx(up.seeds_spearman_better_half)


def test_figures_of_a_table_are_those_after_its_last_epoch(make_table):
    table = make_table(rows=50)
    found = quality(TabularBenchmark(table))
    columns = [table.columns[name][:, :, -1] for name in ("valid_accuracy", "test_accuracy")]
    assert found == quality_of(*columns)
    rounded = rounded_figures(TabularBenchmark(table))
    assert rounded["between_seeds_sd"] == round(found.between_seeds_sd, 4)
    assert rounded["architectures"] == 50


def test_figures_that_there_are_not_are_left_out(make_table):
    one = rounded_figures(TabularBenchmark(make_table(rows=50, repeats=1)))
    assert "between_seeds_sd" not in one
    assert "between_architectures_sd" in one


def test_a_table_without_validation_results_has_no_figures(make_table):
    table = make_table(rows=5)
    about = table.description.model_copy(update={"valid": ""})
    latency = Metric("test_accuracy", "fraction", "max", "test")
    bare = Table(
        about,
        table.genes,
        table.epochs,
        {"test_accuracy": latency},
        {"test_accuracy": table.columns["test_accuracy"]},
    )
    with pytest.raises(NasbenchSuiteError, match="made/up has no validation results"):
        quality(TabularBenchmark(bare))


def test_a_seed_without_results_takes_no_part(made_up):
    valid, test = (values.copy() for values in made_up)
    valid[:, 2] = test[:, 2] = np.nan
    assert quality_of(valid, test) == quality_of(valid[:, :2], test[:, :2])
