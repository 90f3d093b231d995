"""The genetic algorithm: what children are made of, that the elite survives, when it begins again."""

import numpy as np
import pytest

from nasbench_suite import Budget, get_space
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.loop import play
from nasbench_suite.strategies.genetic import Genetic

COPIES = {"crossover_probability": 0.0, "mutation_probability": 0.0}
MUTANTS_OF_THE_BEST = {"tournament": 500, "crossover_probability": 0.0, "mutation_probability": 1.0}


def played(task, evaluations, *, runs=10, **settings):
    strategy = Genetic(task.space, runs=runs, seed=3, **{"patience": 1000, **settings})
    return play(strategy, task, Budget(evaluations=evaluations))


def generations(runs, run, population, elite):
    """Split a run into the random population and the children of each later generation."""
    trace = list(zip(runs.genes[run], runs.valid[run].tolist(), strict=True))
    yield trace[:population]
    for start in range(population, len(trace), population - elite):
        yield trace[start : start + population - elite]


@pytest.mark.parametrize("elite", [0, 1, 3, 100])
def test_copies_come_from_the_population_of_elite_and_last_children(made_up, elite):
    population, kept = 12, min(elite, 11)
    runs = played(made_up, 100, population=population, elite=elite, **COPIES)
    for run in range(10):
        alive = []
        for number, children in enumerate(generations(runs, run, population, kept)):
            if number:
                rows = {tuple(genes) for genes, _ in alive}
                assert all(tuple(genes) in rows for genes, _ in children)
            best = sorted(alive, key=lambda member: -member[1])[:kept]
            alive = best + children


@pytest.mark.parametrize("elite", [1, 4])
def test_the_best_of_all_survives_with_an_elite(made_up, elite):
    runs = played(
        made_up,
        150,
        population=10,
        elite=elite,
        tournament=500,
        crossover_probability=0.0,
        mutation_probability=1.0,
    )
    for run in range(10):
        seen = []
        for number, children in enumerate(generations(runs, run, 10, elite)):
            if number:
                best = max(seen, key=lambda member: member[1])[0]
                assert all((genes != best).sum() == 1 for genes, _ in children)
            seen += children


def test_without_an_elite_only_the_last_generation_breeds(made_up):
    runs = played(
        made_up,
        100,
        population=10,
        elite=0,
        tournament=500,
        crossover_probability=0.0,
        mutation_probability=1.0,
    )
    for run in range(10):
        last = None
        for children in generations(runs, run, 10, 0):
            if last is not None:
                best = max(last, key=lambda member: member[1])[0]
                assert all((genes != best).sum() == 1 for genes, _ in children)
            last = children


def test_a_crossed_child_mixes_two_of_the_population(made_up):
    runs = played(made_up, 20, population=10, elite=0, crossover_probability=1.0, mutation_probability=0.0)
    mixed = 0
    for run in range(10):
        parents, children = runs.genes[run, :10], runs.genes[run, 10:]
        for child in children:
            same = parents == child
            assert (same[:, None] | same[None, :]).all(axis=2).any()
            mixed += not same.all(axis=1).any()
    assert mixed > 50


def test_probabilities_of_crossover_and_mutation_are_kept(made_up):
    runs = played(
        made_up, 200, runs=100, population=100, elite=0, crossover_probability=0.0, mutation_probability=0.3
    )
    parents, children = runs.genes[:, :100], runs.genes[:, 100:]
    copied = (children[:, :, None] == parents[:, None]).all(axis=3).any(axis=2)
    assert abs(copied.mean() - 0.7) < 0.03  # a mutant may by chance be another member


@pytest.mark.parametrize(("patience", "elite"), [(1, 2), (3, 0), (3, 4)])
def test_a_converged_run_begins_again(patience, elite):
    population, space = 10, get_space("nats_topology")
    strategy = Genetic(space, seed=1, population=population, elite=elite, patience=patience, **COPIES)
    born, before = [], set()
    for step in range(200):
        proposals = strategy.ask()
        row = tuple(proposals.genes[0].tolist())
        if row not in before:
            born.append(step)
        before.add(row)
        strategy.tell(proposals, Evaluations(np.zeros(1)))
    period = population + patience * (population - elite)
    assert born == [step for step in range(200) if step % period < population]


def test_a_rising_run_does_not_begin_again():
    strategy = Genetic(get_space("nats_topology"), seed=1, population=10, elite=2, patience=2, **COPIES)
    first = set()
    for step in range(150):
        proposals = strategy.ask()
        row = tuple(proposals.genes[0].tolist())
        first.add(row) if step < 10 else None
        assert row in first
        strategy.tell(proposals, Evaluations(np.array([step // 16 * 1.0])))
