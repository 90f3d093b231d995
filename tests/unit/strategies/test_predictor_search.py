"""Strategies that predict before they evaluate: candidates, acquisition, and more than chance."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import get_space, get_strategy, search
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.bananas import Bananas
from nasbench_suite.strategies.bayesian import Bayesian, expected_improvement
from nasbench_suite.strategies.npenas import Npenas
from nasbench_suite.surrogates.gaussian_bank import GaussianBank

SPACE = get_space("nats_topology")
NAMES = ("bananas", "npenas", "bayesian")
QUICK = {"bananas": {"epochs": 20, "layers": 2}, "npenas": {"epochs": 20}, "bayesian": {}}


def worth(genes):
    return np.array([0.0, 0.3, 0.5, 1.0, 0.2])[genes].sum(-1) + 0.5 * (genes[..., 0] == genes[..., 5])


def started(cls, runs=3, evaluations=12, seed=0, **settings):
    strategy = cls(SPACE, runs=runs, seed=seed, **{**QUICK[cls.name], **settings})
    for _ in range(evaluations):
        proposals = strategy.ask()
        strategy.tell(proposals, Evaluations(worth(proposals.genes)))
    return strategy


@pytest.mark.parametrize("name", NAMES)
def test_it_finds_more_than_random_search_with_as_many_evaluations(name, cora):
    found = search(name, cora, evaluations=40, runs=20, seed=0, settings=QUICK[name])
    chance = search("random_search", cora, evaluations=40, runs=20, seed=0)
    assert found.valid[:, 20:].mean() > chance.valid[:, 20:].mean() + 0.002
    assert stats.mannwhitneyu(found.valid.max(1), chance.valid.max(1), alternative="greater").pvalue < 0.05


def test_candidates_are_neither_known_nor_twice_there():
    strategy = started(Bananas, runs=4, evaluations=30, candidates=20)
    candidates = strategy.fresh(strategy.drawn_candidates())
    assert candidates.shape == (20, 4, 6)
    for run in range(4):
        keys = SPACE.key(candidates[:, run])
        assert len(set(keys.tolist())) == 20
        assert not set(keys.tolist()) & set(SPACE.key(strategy.genes[:, run]).tolist())


def test_fresh_ones_keep_their_order_and_random_ones_fill_up():
    strategy = started(Bananas, runs=2, evaluations=3, candidates=4, initial=3, batch=2)
    new = SPACE.sample(np.random.default_rng(9), 40)
    unseen = [row for row in new if SPACE.key(row[None])[0] not in SPACE.key(strategy.genes.reshape(-1, 6))]
    a, b, c, d = unseen[:4]
    assert len(set(SPACE.key(np.array([a, b, c, d])).tolist())) == 4
    old = strategy.genes[0]
    drawn = np.array([[old[0], a], [a, a], [b, b], [a, old[1]], [c, c], [d, a]])
    found = strategy.fresh(drawn)
    assert (found[:, 0] == [a, b, c, d]).all()
    assert (found[:3, 1] == [a, b, c]).all()
    assert SPACE.valid(found[:, 1]).all()


@pytest.mark.parametrize("cls", [Bananas, Npenas])
def test_candidates_are_one_step_from_the_best(cls):
    strategy = started(cls, evaluations=15)
    for run in range(3):
        order = np.argsort(-worth(strategy.genes[:, run]), kind="stable")[: strategy.parents]
        parents = strategy.genes[order, run]
        mutants = strategy.drawn_candidates()[:, run]
        steps = (mutants[:, None] != parents).sum(2).min(1)
        assert (steps <= 1).all()
        nearest = (mutants[:, None] != parents).sum(2).argmin(1)
        assert len(set(nearest.tolist())) > min(strategy.parents, 15) / 3


def test_half_of_the_candidates_of_bayesian_optimisation_are_random():
    strategy = started(Bayesian, evaluations=15)
    drawn, parents = strategy.drawn_candidates(), strategy.best(strategy.parents)
    near = ((drawn[:, None] != parents).sum(3).min(1) <= 1).mean(1)
    assert near[0::2].all()
    assert near[1::2].mean() < 0.2


def test_the_best_by_acquisition_are_proposed_first(monkeypatch):
    strategy = started(Npenas, evaluations=10, batch=3)
    liked = {}

    def acquisition(self, candidates):
        liked["of"] = candidates
        return worth(candidates)

    monkeypatch.setattr(Npenas, "acquisition", acquisition)
    proposed = []
    for _ in range(3):
        proposals = strategy.ask()
        proposed.append(proposals.genes)
        strategy.tell(proposals, Evaluations(worth(proposals.genes)))
    expected = -np.sort(-worth(liked["of"]), axis=0)[:3]
    assert (worth(np.array(proposed)) == expected).all()
    assert not strategy._waiting


def test_thompson_draws_have_the_members_mean_and_deviation(monkeypatch):
    strategy = started(Bananas, evaluations=12)
    members = np.random.default_rng(0).normal(size=(3, 5, 2))
    monkeypatch.setattr(Bananas, "predictions", lambda *_: members)
    drawn = np.array([strategy.acquisition(None) for _ in range(4000)])
    assert drawn.shape == (4000, 2, 3)
    np.testing.assert_allclose(drawn.mean(0).T, members.mean(1), atol=0.1)
    np.testing.assert_allclose(drawn.std(0).T, members.std(1), rtol=0.05)


def test_expected_improvement_is_that_of_many_draws():
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.0, -1.0, 2.0]), np.array([1.0, 0.5, 0.3])
    drawn = rng.normal(mean, deviation, size=(400_000, 3))
    found = expected_improvement(mean, deviation, np.array(0.5))
    np.testing.assert_allclose(found, np.maximum(drawn - 0.5, 0).mean(0), rtol=0.03, atol=1e-4)
    np.testing.assert_allclose(expected_improvement(mean, np.zeros(3), np.array(0.5)), [0, 0, 1.5], atol=1e-9)


def test_the_process_rests_on_the_best_of_the_window(monkeypatch):
    strategy = started(Bayesian, runs=2, evaluations=30, window=12)
    seen = {}
    fit = GaussianBank.fit.__func__

    def spy(cls, samples, targets):
        seen["targets"] = targets
        return fit(cls, samples, targets)

    monkeypatch.setattr(GaussianBank, "fit", classmethod(spy))
    strategy.round()
    best = -np.sort(-strategy.standardised(), axis=1)[:, :12]
    np.testing.assert_allclose(seen["targets"], best - best.mean(1, keepdims=True))


def test_failures_count_as_the_worst_that_was_seen():
    strategy = started(Npenas, runs=2, evaluations=4, initial=4)
    strategy.scores[1, 0] = -np.inf
    strategy.scores[:, 1] = -np.inf
    found = strategy.standardised()
    assert found[0, 1] == found[0].min()
    assert (found[1] == 0).all()


def test_spaces_without_cells_are_encoded_one_hot():
    for space, columns in (("macro", 24), ("nats_topology", 85)):
        strategy = get_strategy("bananas")(get_space(space))
        assert strategy.encoded(strategy.space.sample(np.random.default_rng(0), 2)[:, None]).shape == (
            1,
            2,
            columns,
        )
