"""What every strategy with a card keeps to."""

import copy
import inspect
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

import gan_tasks
import numpy as np
import pytest
import torch
from supernet_tasks import FEW, rank_few, tiny_setting

from nasbench_suite import Budget, get_space, get_strategy, jobs, search
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.loop import play
from nasbench_suite.strategies import SideBySide, SingleRunStrategy, autogan, one_shot, strategy_names
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.tabular import TabularBenchmark

RUNS, STEPS = 5, 60
TRAINING = [name for name, card in strategy_cards().items() if card.trains]
TRAINING_GANS = ("autogan",)
QUICK = {
    "epochs": 3,
    "batch": 32,
    "candidates": 2,
    "last_candidates": 2,
    "epoch_candidates": 2,
    "controller_steps": 1,
    "aggregate": 2,
    "population": 6,
    "parents": 3,
    "generations": 2,
    "frozen_epochs": 0,
    "warm_up": 0.0,
    "alpha_interval": 1,
}
"""Settings with which strategies that train a supernet do what they do in little time."""
FEW_EPOCHS = {
    "bananas": {"epochs": 4, "layers": 2},
    "npenas": {"epochs": 4, "layers": 1},
    "pnas": {"epochs": 4, "beam": 10},
    "ga_nas": {"initial": 12, "proposals": 8, "steps": 3, "batch": 8, "hidden": 8},
    "gumbel_gan": {"initial": 12, "proposals": 8, "steps": 3, "batch": 8, "hidden": 8, "noise": 4},
}
"""The same of those whose predictor or generator is trained."""

ASKED_ONE_BY_ONE = ("optuna_tpe", "nsga2_pymoo")
"""Strategies that take milliseconds for every proposal of every run."""

SLOW_IN_WORKERS = ("autogan", "darts", "drnas", "enas", "gdas", "pc_darts", "scarlet")
"""Strategies whose supernets take 5 to 20 s in several processes; the others train theirs in the same way."""


def tasks_of(name):
    """Return the fixtures of the tasks that a strategy is played on."""
    if name in TRAINING_GANS:
        return ["generators"]
    return ["made_up"] if name in TRAINING else ["cora", "made_up"]


each_strategy = pytest.mark.parametrize("name", strategy_names())
each_strategy_and_task = pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for name in strategy_names() for task in tasks_of(name)],
    indirect=["task"],
)


@pytest.fixture
def task(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def learnable(make_table):
    """Random numbers for a task whose networks can be trained, by any process that knows its name."""
    return TabularBenchmark(make_table(epochs=(12,), task="nats_topology/mnist1d"))


@pytest.fixture(scope="module")
def generators(make_table):
    """Random numbers for a task whose generators can be trained."""
    return TabularBenchmark(make_table(task="gan/mnist1d", space="gan_two_cells", epochs=()))


@pytest.fixture(autouse=True)
def few_are_ranked(monkeypatch):
    monkeypatch.setattr(one_shot, "RANKED", FEW)
    monkeypatch.setattr(autogan, "RANKED_BY", 20)


def space_of(name):
    if name in TRAINING_GANS:
        return get_space("gan_two_cells")
    return get_space("nats_topology" if name in TRAINING else "graph")


def setting_for(name):
    """Return how the networks are trained that a strategy trains."""
    return gan_tasks.tiny_gan_setting() if name in TRAINING_GANS else tiny_setting()


def for_training(name):
    """Return what a strategy that trains a supernet or a predictor is given besides."""
    if name not in TRAINING:
        return FEW_EPOCHS.get(name, {})
    return {"training": setting_for(name), **quick(name)}


def quick(name):
    """Return settings with which a strategy that trains does what it does in little time."""
    if name in TRAINING_GANS:
        return gan_tasks.QUICK
    return {key: value for key, value in QUICK.items() if key in strategy_cards()[name].hyperparameters}


def few_in_workers():
    rank_few()
    gan_tasks.rank_few()


@pytest.fixture(scope="module")
def pool():
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=few_in_workers) as executor:
        yield executor


def runs_of(name):
    """Return how many runs are played: few of those that train networks."""
    return 2 if name in TRAINING or name in ASKED_ONE_BY_ONE else RUNS


def built(name, space, seed=0, runs=None):
    runs = runs or runs_of(name)
    return constructor(get_strategy(name))(space, runs=runs, seed=seed, **for_training(name))


def played(strategy, task, evaluations=STEPS):
    return play(strategy, task, Budget(evaluations=evaluations))


@each_strategy_and_task
def test_the_same_seed_gives_the_same_bytes(name, task):
    first, again, other = (played(built(name, task.space, seed), task) for seed in (7, 7, 8))
    assert first.sha256() == again.sha256()
    assert first.sha256() != other.sha256()


@each_strategy_and_task
def test_runs_differ_from_each_other(name, task):
    runs = played(built(name, task.space), task, evaluations=10)
    assert len({run.tobytes() for run in runs.genes}) == runs_of(name)


@each_strategy_and_task
def test_global_random_numbers_play_no_part(name, task):
    first = played(built(name, task.space, 7), task, evaluations=20)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the global generator is what must not matter
    torch.manual_seed(1)
    assert played(built(name, task.space, 7), task, evaluations=20).sha256() == first.sha256()


@each_strategy_and_task
@pytest.mark.parametrize("half", [0, 1, 33])
def test_a_state_taken_half_way_leads_to_the_same_end(name, task, half):
    strategy = built(name, task.space, seed=7)
    for _ in range(half):
        proposals = strategy.ask()
        strategy.tell(proposals, task.query(proposals.genes))
    state = strategy.state()
    kept = copy.deepcopy(state)
    end = played(strategy, task)
    for given in (state, kept):  # going on changes no state that was handed out
        other = built(name, task.space, seed=99)
        other.restore(given)
        assert played(other, task).sha256() == end.sha256()


@each_strategy_and_task
def test_proposals_are_valid_rows_one_per_run(name, task):
    runs = 4 if name in TRAINING or name in ASKED_ONE_BY_ONE else 40
    strategy = built(name, task.space, runs=runs)
    for _ in range(STEPS):
        proposals = strategy.ask()
        assert proposals.genes.shape == (runs, task.space.n_genes)
        assert proposals.genes.dtype == np.uint8
        assert task.space.valid(proposals.genes).all()
        strategy.tell(proposals, task.query(proposals.genes))


@each_strategy_and_task
def test_what_is_told_is_not_changed(name, task):
    strategy = built(name, task.space)
    for _ in range(STEPS):
        proposals = strategy.ask()
        found = task.query(proposals.genes)
        genes, valid = proposals.genes.copy(), found.valid.copy()
        found.valid.setflags(write=False)
        strategy.tell(proposals, found)
        strategy.ask()
        assert np.array_equal(proposals.genes, genes)
        assert np.array_equal(found.valid, valid)


@each_strategy_and_task
def test_what_is_told_may_be_used_again_by_the_caller(name, task):
    kept, reused = built(name, task.space, seed=7), built(name, task.space, seed=7)
    for _ in range(STEPS):
        proposals, again = kept.ask(), reused.ask()
        assert np.array_equal(proposals.genes, again.genes)
        found = task.query(proposals.genes)
        kept.tell(proposals, found)
        values = found.valid.copy()
        reused.tell(again, Evaluations(values, found.seconds, found.info, found.maximise))
        values[:] = np.nan
        again.genes[:] = 0


@each_strategy
def test_missing_results_are_survived(name):
    space = space_of(name)
    strategy = built(name, space)
    rng = np.random.default_rng(1)
    for step in range(STEPS):
        proposals = strategy.ask()
        assert space.valid(proposals.genes).all()
        values = np.where(rng.random(strategy.runs) < 0.3, np.nan, rng.random(strategy.runs))
        strategy.tell(proposals, Evaluations(np.full(strategy.runs, np.nan) if step < 20 else values))


@each_strategy_and_task
def test_a_minimised_metric_is_searched_like_its_negative(name, task):
    ends = []
    for sign in (1, -1):
        strategy = built(name, task.space, seed=7)
        for _ in range(STEPS):
            proposals = strategy.ask()
            values = sign * task.query(proposals.genes).valid
            strategy.tell(proposals, Evaluations(values, maximise=sign == 1))
        ends.append(strategy.ask().genes)
    assert np.array_equal(*ends)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW_IN_WORKERS)) for name in strategy_names()],
)
def test_runs_do_not_depend_on_the_number_of_workers(
    name, data_folder, pool, learnable, generators, monkeypatch
):
    monkeypatch.setattr(jobs, "BLOCK_RUNS", 3)
    asked = {"evaluations": 40, "runs": 8, "seed": 2, "settings": FEW_EPOCHS.get(name, {})}
    if name in TRAINING:  # a batch of half the training inputs, an epoch of two steps
        shorter = {} if name in TRAINING_GANS else {"epochs": 1, "batch": 2000}
        asked |= {"evaluations": 1, "runs": 2, "settings": {**quick(name), **shorter}}
    task = {"generators": generators, "made_up": learnable}.get(tasks_of(name)[0], "graph/cora")
    here = search(name, task, **asked)
    there = search(name, task, **asked, executor=pool)
    assert here.sha256() == there.sha256()


@each_strategy
def test_the_card_names_the_class_that_names_the_card(name):
    card = strategy_cards()[name]
    module, _, class_name = card.implementation.partition(":")
    found = getattr(import_module(module), class_name)
    assert found is get_strategy(name)
    assert found.name == card.name == name
    assert not inspect.isabstract(found)
    assert module.rpartition(".")[2] == name


@each_strategy
def test_the_card_has_exactly_the_annotated_hyperparameters(name):
    found = get_strategy(name)
    annotated = {
        key: kind
        for owner in found.__mro__
        if owner.__module__ == found.__module__
        for key, kind in inspect.get_annotations(owner, eval_str=True).items()
        if key != "name"
    }
    entries = strategy_cards()[name].hyperparameters
    assert {key: type(entry.value) for key, entry in entries.items()} == annotated


@each_strategy
def test_the_card_gives_source_and_meaning_and_values_in_range(name):
    card = strategy_cards()[name]
    assert card.learns_on in ("numpy", "torch")
    assert card.paper.year > 1950
    for key, entry in card.hyperparameters.items():
        assert entry.source.strip()
        assert entry.meaning.strip()
        assert entry.check(key, entry.value) == entry.value
        numeric = type(entry.value) in (int, float)
        assert numeric == (entry.minimum is not None), f"{key} needs a minimum"
        assert not isinstance(entry.value, str) or entry.choices is not None, f"{key} needs choices"


@each_strategy
def test_the_hyperparameters_of_the_card_are_set_and_can_be_replaced(name):
    card, space = strategy_cards()[name], space_of(name)
    training = {"training": setting_for(name)} if name in TRAINING else {}
    strategy = constructor(get_strategy(name))(space, **training)
    assert not isinstance(strategy, SideBySide) or issubclass(get_strategy(name), SingleRunStrategy)
    for key, entry in card.hyperparameters.items():
        assert getattr(one(strategy), key) == entry.value
        other = another(entry)
        changed = constructor(get_strategy(name))(space, **training, **{key: other})
        assert getattr(one(changed), key) == changed.hyperparameters[key] == other


def another(entry):
    """Return a value that a hyperparameter may have and that is not the card's."""
    if entry.choices:
        return next(choice for choice in reversed(entry.choices) if choice != entry.value)
    if isinstance(entry.value, bool):
        return not entry.value
    return entry.value + 1 if isinstance(entry.value, int) else 0.25


def one(strategy):
    """Return what has the hyperparameters: the strategy, or the first of its searches side by side."""
    return strategy.searches[0] if isinstance(strategy, SideBySide) else strategy
