"""Comparisons over tasks: Demsar's example, an independent posterior, and what few tasks can say."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite.leaderboards.over_tasks import over_tasks

AUC = {
    "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.940, 0.619, 0.972, 0.957],
    "+m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1, 0.962, 0.666, 0.981, 0.978],
    "+cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1, 0.965, 0.614, 0.97501, 0.946],
    "+m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1, 0.962, 0.669, 0.975, 0.970],
}
"""Table 6 of Demsar (JMLR 2006): AUC of four learners on fourteen data sets.

The printed ranks tell apart what is 0.975 twice in the thirteenth row; so does the digit that is added here.
"""


def regrets():
    return {label: 1 - np.array(values) for label, values in AUC.items()}


@pytest.fixture(scope="module")
def found():
    return over_tasks(regrets(), np.full(14, 0.01), alpha=0.05, seed=0)


def test_mean_ranks_are_those_that_demsar_prints(found):
    printed = {"C4.5": 3.143, "+m": 2.000, "+cf": 2.893, "+m+cf": 1.964}
    for label, rank in printed.items():
        assert found.ranks[label] == pytest.approx(rank, abs=0.001)
    assert found.first == "+m+cf"
    assert found.tasks == 14


def test_friedmans_test_is_demsars_but_for_ties(found):
    n, k = 14, 4
    ranks = np.array(list(found.ranks.values()))
    chi2 = 12 * n / (k * (k + 1)) * ((ranks**2).sum() - k * (k + 1) ** 2 / 4)
    assert chi2 == pytest.approx(9.28, abs=0.01)  # as printed
    table = np.array(list(regrets().values()))
    ties = sum((c**3 - c) for task in table.T for c in np.unique(task, return_counts=True)[1])
    corrected = chi2 / (1 - ties / (n * (k**3 - k)))
    assert found.friedman_p == pytest.approx(stats.chi2.sf(corrected, 3))


def test_pairs_are_wilcoxons_with_holms_correction(found):
    table, labels = np.array(list(regrets().values())) / 0.01, list(AUC)
    raw = {(a, b): stats.wilcoxon(table[a], table[b]).pvalue for a in range(4) for b in range(4) if a < b}
    least, running = sorted(raw, key=raw.get), 0.0
    for place, (a, b) in enumerate(least):
        running = max(running, min(1.0, (6 - place) * raw[a, b]))
        assert found.p.loc[labels[a], labels[b]] == pytest.approx(running)
        assert found.p.loc[labels[b], labels[a]] == pytest.approx(running)
    for label, pair in found.pairs.items():
        assert pair.p == found.p.loc["+m+cf", label]


def posterior(first, other, rope, seed, samples=20_000):
    """Return the three probabilities by all pairs at once, larger scores being better."""
    d = np.concatenate([[0.0], first - other])
    sums = d[:, None] + d
    weights = np.random.default_rng(seed).dirichlet([0.5, *[1.0] * len(first)], samples)
    kinds = (sums > 2 * rope, np.abs(sums) <= 2 * rope, sums < -2 * rope)
    masses = [np.einsum("si,ij,sj->s", weights, wins.astype(float), weights) for wins in kinds]
    winners = np.argmax(masses, axis=0)
    return [(winners == kind).mean() for kind in range(3)]


def test_the_posterior_is_that_of_the_dirichlet_process(found):
    assert 0.05 < found.pairs["+m"].equivalent < 0.999
    for label, pair in found.pairs.items():
        expected = posterior(np.array(AUC["+m+cf"]), np.array(AUC[label]), 0.01, seed=5)
        assert [pair.better, pair.equivalent, pair.worse] == pytest.approx(expected, abs=0.02), label


def test_the_unit_of_a_task_plays_no_part():
    rng = np.random.default_rng(0)
    factors = rng.uniform(1, 1000, size=14)
    regrets = {label: place / 50 + rng.random(14) / 20 for place, label in enumerate("abc")}
    scaled = {label: values * factors for label, values in regrets.items()}
    same = over_tasks(scaled, 0.01 * factors, alpha=0.05, seed=0)
    plain = over_tasks(regrets, np.full(14, 0.01), alpha=0.05, seed=0)
    assert np.allclose(same.p, plain.p)
    assert same.pairs["c"] == plain.pairs["c"]


@pytest.mark.parametrize(("tasks", "can"), [(8, False), (9, True)])
def test_few_tasks_tell_nothing_apart(tasks, can):
    """Of four strategies, six pairs: 6 * 2^(1-n) is 0.047 with eight tasks and 0.023 with nine."""
    rng = np.random.default_rng(0)
    table = {label: place + rng.random(tasks) / 10 for place, label in enumerate("abcd")}
    found = over_tasks(table, np.full(tasks, 0.1), alpha=0.04, seed=0)
    assert found.least_p == pytest.approx(6 * 2.0 ** (1 - tasks))
    assert found.p.loc["a", "b"] == pytest.approx(found.least_p)
    assert found.can_tell(0.04) == can
    assert found.tasks_needed == 9


def test_tasks_that_lack_a_result_are_left_out():
    table = regrets()
    table["C4.5"] = table["C4.5"].copy()
    table["C4.5"][2] = np.nan
    assert over_tasks(table, np.full(14, 0.01), alpha=0.05, seed=0).tasks == 13


@pytest.mark.parametrize(("strategies", "tasks"), [(2, 9), (4, 1)])
def test_there_is_nothing_to_say_of_two_strategies_or_one_task(strategies, tasks):
    table = {str(n): np.arange(tasks) + float(n) for n in range(strategies)}
    assert over_tasks(table, np.ones(tasks), alpha=0.05, seed=0) is None


def test_strategies_that_are_the_same_everywhere_are_not_told_apart():
    table = {label: np.arange(6.0) for label in "abc"}
    found = over_tasks(table, np.ones(6), alpha=0.05, seed=0)
    assert found.friedman_p == 1
    assert (found.p.to_numpy() == 1).all()
    assert found.pairs["b"].equivalent > 0.95
