"""Optuna's sampler behind our door: the trials it would make by itself, and about what ours reaches."""

import sys

import numpy as np
import optuna
import pytest

from nasbench_suite import NasbenchSuiteError, get_space, load_benchmark, search
from nasbench_suite.strategies import get_strategy
from nasbench_suite.strategies.optuna_tpe import OptunaTpe, StudyOfGenes

SPACE = get_space("nats_topology")
SETTINGS = {"initial": 5, "candidates": 24, "multivariate": False}


def worth(genes):
    return float((genes == 3).sum() - (genes == 0).sum())


@pytest.mark.parametrize("multivariate", [False, True])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_trials_are_those_of_optuna_alone(multivariate):
    ours = OptunaTpe(SPACE, np.random.default_rng(3), {**SETTINGS, "multivariate": multivariate})
    study = optuna.create_study(direction="maximize")
    parameters = {f"gene_{g:03d}": optuna.distributions.CategoricalDistribution(range(5)) for g in range(6)}
    rng = np.random.default_rng(3)
    for _ in range(40):
        genes = ours.propose()
        ours.observe(genes, worth(genes))
        study.sampler = optuna.samplers.TPESampler(
            seed=int(rng.integers(2**31)), n_startup_trials=5, n_ei_candidates=24, multivariate=multivariate
        )
        trial = study.ask(parameters)
        assert list(trial.params.values()) == genes.tolist()
        study.tell(trial, worth(genes))
    assert study.best_value > 3


def test_what_failed_and_what_is_no_architecture_is_told_as_failed():
    ours = OptunaTpe(get_space("nasbench101"), np.random.default_rng(0), SETTINGS)
    for step in range(20):
        genes = ours.propose()
        assert ours.space.valid(genes[None])[0]
        ours.observe(genes, -np.inf if step == 3 else 0.5 + 0.01 * step)
    states = [trial.state.name for trial in ours.study.study.get_trials()]
    assert states.count("COMPLETE") == 19
    assert states.count("FAIL") > 1


def test_ours_and_optunas_reach_about_the_same():
    task = load_benchmark("graph/cora")
    best = {
        name: search(name, task, evaluations=60, runs=16, seed=0).valid.max(axis=1)
        for name in ("tpe", "optuna_tpe", "random_search")
    }
    error = np.sqrt((best["tpe"].var() + best["optuna_tpe"].var()) / 16)
    assert abs(best["tpe"].mean() - best["optuna_tpe"].mean()) < 3 * error
    assert best["optuna_tpe"].mean() > best["random_search"].mean()


def test_without_the_package_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(NasbenchSuiteError, match="needs the package optuna; run: pip install"):
        StudyOfGenes(SPACE)
    assert get_strategy("optuna_tpe") is OptunaTpe
