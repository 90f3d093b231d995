"""Constraints on strategies that train networks: the likeliest architecture, and what each ends with."""

import itertools

import gan_tasks
import numpy as np
import pytest
from supernet_tasks import tiny_setting

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.clock import Budget
from nasbench_suite.jobs import Search
from nasbench_suite.strategies import get_strategy
from nasbench_suite.strategies import likeliest as module
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.strategies.likeliest import in_order, likeliest

SPACE = get_space("nats_topology")
TRAINING = sorted(name for name, card in strategy_cards().items() if card.trains)
QUICK = {"epochs": 2, "batch": 32, "candidates": 4, "last_candidates": 4, "epoch_candidates": 4}
QUICK |= {"controller_steps": 1, "aggregate": 2, "population": 6, "parents": 3, "generations": 2}
QUICK |= {"frozen_epochs": 0, "warm_up": 0.0, "alpha_interval": 1}


def test_combinations_come_in_the_order_of_their_likelihood():
    rng = np.random.default_rng(0)
    log_p = rng.normal(size=(3, 4))
    log_p[1, 3] = -np.inf
    expected = sorted(
        itertools.product(range(4), range(3), range(4)),
        key=lambda row: -sum(log_p[gene, value] for gene, value in enumerate(row)),
    )
    assert list(in_order(log_p)) == expected


def test_the_likeliest_that_is_admitted_is_that_of_looking_at_all():
    log_p = np.random.default_rng(1).normal(size=(6, 5))
    genes = SPACE.decode(np.arange(SPACE.n_codes))
    scores = log_p[np.arange(6), genes].sum(axis=1)

    def admits(rows):
        return (rows == 0).sum(axis=1) >= 3

    found = likeliest(log_p, SPACE, admits)
    allowed = admits(genes)
    assert found.tolist() == genes[allowed][scores[allowed].argmax()].tolist()
    assert likeliest(log_p, SPACE, lambda rows: np.ones(len(rows), bool)).tolist() == log_p.argmax(1).tolist()
    assert likeliest(log_p, SPACE, lambda rows: np.zeros(len(rows), bool)) is None


def test_the_search_for_it_gives_up(monkeypatch):
    monkeypatch.setattr(module, "MOST_TRIED", 512)
    last = np.array([4, 4, 4, 4, 4, 4])
    log_p = np.tile(-np.arange(5.0), (6, 1))
    assert likeliest(log_p, SPACE, lambda rows: (rows == last).all(axis=1)) is None


def played(name, admits, runs=2):
    own = strategy_cards()[name].hyperparameters
    space, training = SPACE, tiny_setting()
    settings = {key: value for key, value in QUICK.items() if key in own}
    if name == "autogan":
        space, training = get_space("gan_two_cells"), gan_tasks.tiny_gan_setting()
        settings = gan_tasks.QUICK
    strategy = constructor(get_strategy(name))(
        space, runs=runs, seed=1, training=training, admits=admits, **settings
    )
    rows = []
    for _ in range(4):
        proposals = strategy.ask()
        rows.append(proposals.genes.copy())
        strategy.tell(proposals, Evaluations(np.zeros(runs)))
    return np.concatenate(rows), strategy


@pytest.mark.parametrize("name", TRAINING)
def test_what_is_proposed_keeps_to_the_constraints(name):
    def admits(rows):
        return (rows == 1).sum(axis=1) >= 3  # a tenth of all

    free, _ = played(name, None)
    kept, _ = played(name, admits)
    assert not admits(free).all()
    assert admits(kept).all()


@pytest.mark.parametrize("name", ["darts", "rsps", "spos", "scarlet", "autogan"])
def test_a_run_for_which_nothing_is_left_ends_with_the_reason(name):
    _, strategy = played(name, lambda rows: np.zeros(len(rows), bool), runs=1)
    assert "keeps to the constraints" in strategy.endings()[0]


def test_a_search_hands_strategies_that_train_what_they_may_propose(made_up):
    params = made_up.query(made_up.table.genes, info=["params_millions"]).info["params_millions"]
    bound = f"params_millions <= {np.quantile(params, 0.3)}"
    asked = Search("darts", made_up, Budget(4), constraints=[bound])
    admits = asked.admits(made_up)
    assert admits(made_up.table.genes).tolist() == (params <= np.quantile(params, 0.3)).tolist()
    assert asked.require == [bound]
    assert asked.goals(made_up)["constraints"] == []
    with pytest.raises(NasbenchSuiteError, match="valid cannot be bounded"):
        Search("darts", made_up, Budget(4), constraints=["valid >= 0.5"]).admits(made_up)
