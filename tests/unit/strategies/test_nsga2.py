"""NSGA-II and its kin: generations against their definition, pymoo's selection, and what they reach."""

import sys

import moocore
import numpy as np
import pytest
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from nasbench_suite import Budget, NasbenchSuiteError, get_space, search
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.loop import play
from nasbench_suite.strategies import get_strategy
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.strategies.mo_local_search import MoLocalSearch
from nasbench_suite.strategies.mo_regularized_evolution import MoRegularizedEvolution
from nasbench_suite.strategies.nsga2 import Nsga2
from nasbench_suite.strategies.pareto import dominated, front_ranks, ranks_and_crowding, survivors

GOALS = ["valid", "min params_millions"]
SEVERAL = ["nsga2", "nsga2_pymoo", "mo_regularized_evolution", "mo_local_search"]
SPACE = get_space("nats_topology")


def objectives_of(task, genes):
    found = task.query(genes, info=["params_millions"])
    return np.stack([found.valid, -found.info["params_millions"]], axis=1)


def test_ranks_are_those_of_moocore_in_every_population():
    values = np.random.default_rng(0).integers(12, size=(30, 25, 3)).astype(float)
    assert front_ranks(values).tolist() == [moocore.pareto_rank(-one).tolist() for one in values]


@pytest.mark.parametrize("violated", [0.0, 0.4, 1.0])
def test_survivors_are_those_of_pymoo(violated):
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = rng.random((24, 2))
        violations = np.where(rng.random(24) < violated, rng.random(24), 0.0)
        pop = Population.new("X", np.arange(24)[:, None], "F", -values, "G", violations[:, None])
        problem = Problem(n_var=1, n_obj=2, n_ieq_constr=1)
        kept = RankAndCrowding().do(problem, pop, n_survive=10, random_state=np.random.default_rng(0))
        theirs = kept.get("X").ravel().astype(int)
        ours = survivors(values, 10, violations=violations)
        # Of two ends of a front, both infinitely far from the others, pymoo takes either.
        order = np.stack(ranks_and_crowding(values, violations=violations), axis=1)
        assert sorted(map(tuple, order[theirs])) == sorted(map(tuple, order[ours]))


def test_constraints_come_before_objectives():
    values = np.array([[9.0, 9.0], [1.0, 2.0], [2.0, 1.0], [8.0, 8.0]])
    violations = np.array([0.5, 0.0, 0.0, 0.1])
    beats = dominated(values, violations)
    assert beats[1].tolist() == [True, False, False, True]
    assert beats[3].tolist() == [True, False, False, False]
    assert front_ranks(values, violations).tolist() == [2, 0, 0, 1]


def test_populations_are_the_best_of_parents_and_children(made_up):
    """Without crossover and mutation of new ones, a child is one step from a survivor of all before it."""
    size = 8
    strategy = Nsga2(
        made_up.space, runs=6, seed=1, objectives=GOALS, population=size, crossover_probability=0.0
    )
    runs = play(strategy, made_up, Budget(evaluations=5 * size))
    far = []
    for genes in runs.genes:
        alive = genes[:size]
        for begin in range(size, len(genes), size):
            young = genes[begin : begin + size]
            steps = (young[:, None] != alive[None]).sum(axis=2).min(axis=1)
            assert steps.min() > 0
            far += steps.tolist()
            both = np.concatenate([alive, young])
            alive = both[survivors(objectives_of(made_up, both), size)]
    assert np.mean(np.array(far) == 1) > 0.9  # the others were moved on, since they were known


def test_children_are_new_to_their_population(made_up):
    strategy = Nsga2(made_up.space, runs=20, seed=1, objectives=GOALS, population=10)
    runs = play(strategy, made_up, Budget(evaluations=60))
    for genes in runs.genes:
        generations = genes.reshape(6, 10, -1)
        assert all(len(np.unique(one, axis=0)) == 10 for one in generations[1:])


def test_the_oldest_dies_however_good_it_is(made_up):
    strategy = MoRegularizedEvolution(
        made_up.space, runs=4, seed=2, objectives=GOALS, population=5, sample=50
    )
    runs = play(strategy, made_up, Budget(evaluations=40))
    for genes in runs.genes:
        for step in range(5, 40):
            alive = genes[step - 5 : step]
            ranks, crowding = ranks_and_crowding(objectives_of(made_up, alive))
            best = alive[(ranks == 0) & (crowding == crowding[ranks == 0].max())]
            assert ((genes[step] != best).sum(axis=1) == 1).any()


def test_scalarised_scores_are_augmented_chebyshev_distances():
    strategy = MoLocalSearch(SPACE, runs=2, seed=0, objectives=GOALS, scouts=3, augmentation=0.05)
    for accuracy, params in [(0.2, 1.0), (0.8, 3.0), (0.5, 2.0)]:
        proposals = strategy.ask()
        info = {"params_millions": np.full(2, params)}
        strategy.tell(proposals, Evaluations(np.full(2, accuracy), info=info))
    strategy.weights = np.array([[0.5, 0.5], [1.0, 0.0]])
    found = strategy.rewards(
        Evaluations(np.array([0.5, 0.95]), info={"params_millions": np.array([2.5, 1.0])})
    )
    # scaled distances from the best: (0.5, 0.75), and (-0.25, 0)
    assert found == pytest.approx([-(0.375 + 0.05 * 0.625), -(0.0 - 0.05 * 0.25)])
    assert np.allclose(MoLocalSearch(SPACE, runs=50, objectives=GOALS).weights.sum(axis=1), 1)


@pytest.mark.parametrize("name", SEVERAL)
def test_several_objectives_beat_random_search_in_volume(name, cora):
    goals = ["valid", "latency_seconds"]
    shares = {}
    for each in (name, "random_search"):
        runs = search(each, cora, evaluations=150, runs=12, objectives=goals)
        shares[each] = [volume(cora, genes) for genes in runs.genes]
    gap = np.mean(shares[name]) - np.mean(shares["random_search"])
    assert gap > 2 * np.hypot(*(np.std(s) / np.sqrt(12) for s in shares.values()))


def volume(task, genes):
    found = task.query(genes, info=["latency_seconds"])
    points = np.stack([-found.valid, np.log(found.info["latency_seconds"])], axis=1)
    return moocore.hypervolume(points, ref=[-0.3, np.log(0.01)])


def test_ours_and_pymoos_reach_about_the_same(cora):
    reached = {
        name: [
            volume(cora, genes)
            for genes in search(
                name, cora, evaluations=200, runs=20, objectives=["valid", "latency_seconds"]
            ).genes
        ]
        for name in ("nsga2", "nsga2_pymoo")
    }
    error = np.hypot(*(np.std(found) / np.sqrt(20) for found in reached.values()))
    assert abs(np.mean(reached["nsga2"]) - np.mean(reached["nsga2_pymoo"])) < 4 * error


@pytest.mark.parametrize("name", [*SEVERAL, "genetic", "regularized_evolution", "tpe"])
def test_constraints_steer_every_kind_of_strategy(name, cora):
    """At most a tenth of all cells keep to the constraint; who goes by it finds far more of them."""
    params = cora.query(cora.table.genes, info=["params_millions"]).info["params_millions"]
    bound = f"params_millions <= {np.quantile(params, 0.1)}"
    goals = {"objectives": ["valid", "latency_seconds"]} if name in SEVERAL else {}
    runs = search(name, cora, evaluations=120, runs=6, constraints=[bound], **goals)
    assert runs.feasible[:, :20].mean() < 0.35
    assert runs.feasible[:, 60:].mean() > 0.4
    assert runs.request["constraints"] == [bound]


@pytest.mark.parametrize("name", SEVERAL)
def test_a_missing_objective_is_survived(name):
    strategy = constructor(get_strategy(name))(
        SPACE, runs=3, seed=0, objectives=GOALS, constraints=["valid >= 0.2"]
    )
    rng = np.random.default_rng(0)
    for _ in range(70):
        proposals = strategy.ask()
        assert SPACE.valid(proposals.genes).all()
        info = {"params_millions": np.where(rng.random(3) < 0.3, np.nan, rng.random(3))}
        strategy.tell(proposals, Evaluations(np.where(rng.random(3) < 0.3, np.nan, rng.random(3)), info=info))


def test_pymoo_is_asked_for_when_it_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymoo", None)
    with pytest.raises(NasbenchSuiteError, match=r"nasbench-suite\[pymoo\]"):
        constructor(get_strategy("nsga2_pymoo"))(SPACE)
