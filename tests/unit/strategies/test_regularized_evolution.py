"""Regularized evolution against a plain simulation of one run, and its rules as invariants."""

from collections import deque

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import Budget, get_space
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.loop import play
from nasbench_suite.strategies.regularized_evolution import RegularizedEvolution


def played(task, evaluations, *, runs=1, seed=0, **settings):
    strategy = RegularizedEvolution(task.space, runs=runs, seed=seed, **settings)
    return play(strategy, task, Budget(evaluations=evaluations))


def simulated(task, evaluations, *, seed, population, sample):
    """One run of Algorithm 1 with a queue of members, drawn by their number modulo the population."""
    rng = np.random.default_rng(seed)
    alive = deque(maxlen=population)
    history = []
    for number in range(evaluations):
        if number < population:
            genes = task.space.sample(rng, 1)[0]
        else:
            drawn = rng.integers(population, size=(sample, 1))[:, 0].tolist()
            by_remainder = {member[0] % population: member for member in alive}
            parent = max((by_remainder[remainder] for remainder in drawn), key=lambda member: member[1])
            genes = task.space.mutate(rng, parent[2][None])[0]
        alive.append((number, task.query(genes[None]).valid.item(), genes))
        history.append(genes)
    return np.stack(history)


@pytest.mark.parametrize(("population", "sample"), [(10, 3), (1, 1), (5, 20), (30, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_is_the_one_of_the_plain_simulation(made_up, population, sample, seed):
    settings = {"seed": seed, "population": population, "sample": sample}
    runs = played(made_up, 120, **settings)
    assert np.array_equal(runs.genes[0], simulated(made_up, 120, **settings))


@pytest.mark.parametrize(("population", "sample"), [(10, 3), (2, 1)])
def test_a_child_is_a_neighbour_of_a_member_that_lives(cora, population, sample):
    genes = played(cora, 100, runs=20, population=population, sample=sample).genes
    for step in range(population, 100):
        members = genes[:, step - population : step]
        distance = (genes[:, [step]] != members).sum(axis=2)
        assert (distance == 1).any(axis=1).all()


def test_the_winner_of_a_tournament_has_the_expected_rank(made_up):
    population, sample = 8, 3
    runs = played(made_up, population + 1, runs=6000, population=population, sample=sample)
    members, child = runs.genes[:, :-1], runs.genes[:, [-1]]
    near = (members != child).sum(axis=2) == 1
    certain = near.sum(axis=1) == 1
    assert certain.mean() > 0.9
    rank = (-runs.valid[:, :-1]).argsort(axis=1).argsort(axis=1)
    found = np.bincount(rank[certain][near[certain]], minlength=population)
    at_least = np.arange(population, -1, -1) / population  # all of the sample have rank r or worse
    expected = at_least[:-1] ** sample - at_least[1:] ** sample
    assert stats.chisquare(found, expected * found.sum()).pvalue > 1e-3


def test_missing_results_never_win():
    strategy = RegularizedEvolution(get_space("nats_topology"), runs=300, population=6, sample=40)
    members = []
    for step in range(6):
        proposals = strategy.ask()
        members.append(proposals.genes)
        value = np.full(300, np.nan if step else 0.1)
        strategy.tell(proposals, Evaluations(value))
    distance = (strategy.ask().genes != members[0]).sum(axis=1)
    assert (distance == 1).mean() > 0.99
