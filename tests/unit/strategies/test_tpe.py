"""TPE: its densities by counting, its choice by enumeration, and more than chance."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import get_space, search
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.tpe import Tpe, log_likelihood

SPACE = get_space("nats_topology")


def started(evaluations=40, runs=3, **settings):
    strategy = Tpe(SPACE, runs=runs, seed=0, **settings)
    for _ in range(evaluations):
        proposals = strategy.ask()
        strategy.tell(proposals, Evaluations((proposals.genes == 3).sum(1) + 0.01 * proposals.genes[:, 0]))
    return strategy


def test_densities_are_mixtures_as_optunas():
    strategy = started(prior_weight=2.0)
    good, others = strategy.densities()
    for run in range(3):
        order = sorted(range(40), key=lambda step, run=run: -strategy.scores[step, run])
        for shares, steps in ((good, order[:4]), (others, order[4:])):
            for gene in range(6):
                # A row of weights for each observation and one for the prior, normalised, then averaged.
                kernels = np.full((len(steps) + 1, 5), 2.0 / (len(steps) + 1))
                for row, step in enumerate(steps):
                    kernels[row, strategy.genes[step, run, gene]] += 1
                kernels /= kernels.sum(1, keepdims=True)
                expected = np.average(kernels, axis=0, weights=[1.0] * len(steps) + [2.0])
                np.testing.assert_allclose(shares[gene][run], expected)


@pytest.mark.parametrize(("seen", "good"), [(11, 2), (20, 2), (21, 3), (400, 25)])
def test_a_tenth_counts_as_good_and_25_at_most(seen, good):
    strategy = Tpe(SPACE, runs=1)
    strategy.genes = np.zeros((seen, 1, 6), dtype=np.uint8)
    assert strategy.good() == good


def test_draws_have_the_shares_of_the_good():
    strategy = started(candidates=20_000, runs=2)
    good, _ = strategy.densities()
    drawn = strategy.drawn(good)
    for run in range(2):
        for gene in range(6):
            observed = np.bincount(drawn[:, run, gene], minlength=5)
            assert stats.chisquare(observed, 20_000 * good[gene][run]).pvalue > 1e-4


def test_what_is_proposed_is_the_likeliest_of_the_draws(monkeypatch):
    strategy = started(runs=4)
    good, others = strategy.densities()
    drawn = strategy.drawn(good)
    monkeypatch.setattr(Tpe, "drawn", lambda *_: drawn)
    proposed = strategy.ask().genes
    for run in range(4):
        ratio = [
            np.prod([good[g][run, row[g]] / others[g][run, row[g]] for g in range(6)])
            for row in drawn[:, run]
        ]
        assert (proposed[run] == drawn[int(np.argmax(ratio)), run]).all()
    assert log_likelihood(good, drawn).shape == (24, 4)


def test_it_finds_more_than_random_search(cora):
    found = search("tpe", cora, evaluations=100, runs=40, seed=0)
    chance = search("random_search", cora, evaluations=100, runs=40, seed=0)
    assert found.valid[:, 50:].mean() > chance.valid[:, 50:].mean() + 0.005
    assert found.valid.max(1).mean() > chance.valid.max(1).mean()


def test_draws_that_are_no_architectures_are_drawn_again():
    space = get_space("transnas_macro")
    strategy = Tpe(space, runs=5, seed=1)
    for step in range(30):
        proposals = strategy.ask()
        assert space.valid(proposals.genes).all()
        strategy.tell(proposals, Evaluations(np.full(5, float(step % 7))))
