"""Benchmarks behind the doors of other libraries, each with the real library."""

import sys
import warnings

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.adapters.config_space import configuration_space
from nasbench_suite.adapters.config_space import genes_of as genes_of_configuration
from nasbench_suite.adapters.gymnasium_env import architecture_env
from nasbench_suite.adapters.nevergrad_parameter import NO_ARCHITECTURE, Loss, parametrization
from nasbench_suite.adapters.nevergrad_parameter import genes_of as genes_of_value
from nasbench_suite.adapters.optuna_objective import OptunaObjective, distributions
from nasbench_suite.adapters.pymoo_problem import MISSING, benchmark_problem
from nasbench_suite.errors import ArchitectureError
from nasbench_suite.tabular import TabularBenchmark


@pytest.fixture(scope="module")
def table(make_table):
    return TabularBenchmark(make_table(epochs=(12,), repeats=1))


@pytest.fixture(scope="module")
def losses(make_table):
    return TabularBenchmark(make_table(epochs=(12,), repeats=1, direction="min", cost=False))


@pytest.fixture
def partial(table, monkeypatch):
    """A benchmark in whose space a fifth of the rows is no architecture."""
    monkeypatch.setattr(table.space, "valid", lambda genes: np.asarray(genes)[:, 0] != 0)
    return table


@pytest.mark.parametrize("name", ["optuna", "ConfigSpace", "nevergrad", "pymoo.core.problem", "gymnasium"])
def test_what_is_not_installed_is_said_in_a_sentence(name, table, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    made = {
        "optuna": lambda: OptunaObjective(table),
        "ConfigSpace": lambda: configuration_space(table.space),
        "nevergrad": lambda: parametrization(table.space),
        "pymoo.core.problem": lambda: benchmark_problem(table),
        "gymnasium": lambda: architecture_env(table),
    }
    with pytest.raises(NasbenchSuiteError, match=r"is not installed; pip install .*\[adapters\]"):
        made[name]()


# -- Optuna -----------------------------------------------------------------------------------------


def study(objective, sampler, trials):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(direction=objective.direction, sampler=sampler)
    made.optimize(objective, n_trials=trials)
    return made


def test_an_optuna_study_finds_what_the_table_has(table):
    import optuna

    objective = OptunaObjective(table)
    made = study(objective, optuna.samplers.TPESampler(seed=0), 80)
    best = made.best_trial
    genes = np.array([best.params[f"gene_{gene}"] for gene in range(6)], dtype=np.uint8)
    assert made.best_value == table.query(genes[None]).valid[0]
    assert best.user_attrs["architecture"] == table.space.format(genes[None])[0]
    assert best.user_attrs["seconds"] == table.query(genes[None]).seconds[0]
    assert (table.valid_column() > made.best_value).mean() < 0.05


def test_a_minimised_metric_is_minimised_by_optuna(losses):
    import optuna

    made = study(OptunaObjective(losses), optuna.samplers.RandomSampler(seed=0), 60)
    assert made.direction == optuna.study.StudyDirection.MINIMIZE
    assert made.best_value == min(trial.value for trial in made.trials)
    assert "seconds" not in made.best_trial.user_attrs


def test_what_is_no_architecture_prunes_the_trial(partial):
    import optuna

    made = study(OptunaObjective(partial), optuna.samplers.RandomSampler(seed=0), 150)
    states = {trial.state for trial in made.trials}
    assert states == {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    for trial in made.trials:
        genes = np.array([list(trial.params.values())], dtype=np.uint8)
        assert (trial.state == optuna.trial.TrialState.COMPLETE) == partial.space.valid(genes)[0]


def test_a_grid_of_optuna_goes_through_a_space():
    found = distributions(get_space("gan_two_cells"))
    assert [len(one.choices) for one in found.values()] == list(get_space("gan_two_cells").cardinalities)


# -- ConfigSpace ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nats_topology", "graph", "macro"])
def test_a_configuration_is_a_row_of_genes(name):
    space = get_space(name)
    made = configuration_space(space, seed=0)
    assert made.estimate_size() == np.prod([float(limit) for limit in space.cardinalities])
    rows = np.array([genes_of_configuration(c, space) for c in made.sample_configuration(300)])
    assert rows.dtype == np.uint8
    for gene, limit in enumerate(space.cardinalities):
        assert set(rows[:, gene].tolist()) == set(range(limit))


def test_a_configuration_of_another_space_is_refused():
    configuration = configuration_space(get_space("graph"), seed=0).sample_configuration()
    with pytest.raises(ArchitectureError, match="one of nats_topology has gene_0 to gene_5"):
        genes_of_configuration(configuration, get_space("nats_topology"))


# -- Nevergrad --------------------------------------------------------------------------------------


def test_nevergrad_minimises_the_negative_of_what_is_maximised(table):
    import nevergrad as ng

    made = parametrization(table.space)
    made.random_state.seed(0)
    optimizer = ng.optimizers.OnePlusOne(parametrization=made, budget=120)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own
        best = optimizer.minimize(Loss(table))
    genes = genes_of_value(best.value)
    score = table.query(genes[None]).valid[0]
    assert best.loss == pytest.approx(-score)
    assert (table.valid_column() > score).mean() < 0.1


def test_nevergrads_loss_is_the_metric_where_that_is_minimised(losses, cora):
    value = tuple(int(gene) for gene in losses.table.genes[77])
    assert Loss(losses)(value) == losses.valid_column()[77]
    assert Loss(cora)((255,) * cora.space.n_genes) == NO_ARCHITECTURE


# -- pymoo ------------------------------------------------------------------------------------------


def test_a_problem_of_pymoo_has_the_tables_values(partial):
    problem = benchmark_problem(partial, ["valid", "min params_millions"], ["params_millions <= 1.0"])
    rows = np.random.default_rng(0).integers(problem.xl, problem.xu + 1, size=(200, problem.n_var))
    f, g = problem.evaluate(rows, return_values_of=["F", "G"])
    genes = rows.astype(np.uint8)
    valid = partial.space.valid(genes)
    assert 0 < valid.sum() < 200
    assert (g[:, 0] == ~valid).all()
    assert (f[~valid] == MISSING).all()
    found = partial.query(genes[valid], info=["params_millions"])
    assert np.allclose(f[valid, 0], -found.valid)
    assert np.allclose(f[valid, 1], found.info["params_millions"])
    assert ((g[valid, 1] > 0) == (found.info["params_millions"] > 1.0)).all()


def test_pymoos_nsga2_runs_on_it(cora):
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    problem = benchmark_problem(cora, ["valid", "min latency_seconds"])
    algorithm = NSGA2(
        pop_size=24,
        sampling=IntegerRandomSampling(),
        crossover=SBX(repair=RoundingRepair()),
        mutation=PM(repair=RoundingRepair()),
    )
    result = minimize(problem, algorithm, ("n_gen", 12), seed=1)
    genes = np.atleast_2d(result.X).astype(np.uint8)
    assert cora.space.valid(genes).all()
    assert (-result.F[:, 0]).max() > np.quantile(cora.valid_column(), 0.9)


# -- Gymnasium --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["table", "losses", "partial"])
def test_gymnasiums_checker_finds_nothing_to_say(name, request):
    from gymnasium.utils.env_checker import check_env

    env = architecture_env(request.getfixturevalue(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*spec.*")  # it is not registered
        check_env(env, skip_render_check=True)


def test_an_episode_builds_an_architecture_gene_by_gene(table):
    env = architecture_env(table)
    wanted = table.table.genes[4321]
    observation, info = env.reset(seed=0)
    assert observation.tolist() == [0] * 6
    for place, gene in enumerate(wanted.tolist()):
        assert info["action_mask"].tolist() == [1] * 5
        observation, reward, terminated, truncated, info = env.step(gene)
        assert observation.tolist() == [int(g) + 1 for g in wanted[: place + 1]] + [0] * (5 - place)
        assert terminated == (place == 5)
        assert not truncated
    assert reward == table.valid_column()[4321]
    assert info["architecture"] == table.space.format(wanted[None])[0]
    assert info["seconds"] == table.query(wanted[None]).seconds[0]
    assert info["action_mask"].sum() == 0


def test_a_reward_is_larger_where_a_minimised_metric_is_smaller(losses):
    env = architecture_env(losses)
    env.reset()
    for gene in losses.table.genes[99].tolist():
        _, reward, *_ = env.step(gene)
    assert reward == -losses.valid_column()[99]


def test_a_value_that_a_gene_lacks_ends_the_episode(cora):
    env = architecture_env(cora, no_architecture=-7.0)
    limits = cora.space.cardinalities
    _, info = env.reset()
    assert info["action_mask"].sum() == limits[0]
    place = int(np.argmin(limits))
    for _ in range(place):
        env.step(0)
    _, reward, terminated, _, _ = env.step(limits[place])
    assert terminated
    assert reward == -7.0
