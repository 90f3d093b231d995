"""What every strategy with a card keeps to."""

import copy
import inspect
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

import numpy as np
import pytest
import torch

from nasbench_suite import Budget, get_space, get_strategy, jobs, search
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.cards import strategy_cards
from nasbench_suite.loop import play
from nasbench_suite.strategies import SideBySide, SingleRunStrategy, strategy_names
from nasbench_suite.strategies.catalogue import constructor

each_strategy = pytest.mark.parametrize("name", strategy_names())
RUNS, STEPS = 5, 60


@pytest.fixture(params=["cora", "made_up"])
def task(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def built(name, space, seed=0, runs=RUNS):
    return constructor(get_strategy(name))(space, runs=runs, seed=seed)


def played(strategy, task, evaluations=STEPS):
    return play(strategy, task, Budget(evaluations=evaluations))


@each_strategy
def test_the_same_seed_gives_the_same_bytes(name, task):
    first, again, other = (played(built(name, task.space, seed), task) for seed in (7, 7, 8))
    assert first.sha256() == again.sha256()
    assert first.sha256() != other.sha256()


@each_strategy
def test_runs_differ_from_each_other(name, task):
    runs = played(built(name, task.space), task, evaluations=10)
    assert len({run.tobytes() for run in runs.genes}) == RUNS


@each_strategy
def test_global_random_numbers_play_no_part(name, task):
    first = played(built(name, task.space, 7), task, evaluations=20)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the global generator is what must not matter
    torch.manual_seed(1)
    assert played(built(name, task.space, 7), task, evaluations=20).sha256() == first.sha256()


@each_strategy
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


@each_strategy
def test_proposals_are_valid_rows_one_per_run(name, task):
    strategy = built(name, task.space, runs=40)
    for _ in range(STEPS):
        proposals = strategy.ask()
        assert proposals.genes.shape == (40, task.space.n_genes)
        assert proposals.genes.dtype == np.uint8
        assert task.space.valid(proposals.genes).all()
        strategy.tell(proposals, task.query(proposals.genes))


@each_strategy
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


@each_strategy
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
    space = get_space("graph")
    strategy = built(name, space)
    rng = np.random.default_rng(1)
    for step in range(STEPS):
        proposals = strategy.ask()
        assert space.valid(proposals.genes).all()
        values = np.where(rng.random(RUNS) < 0.3, np.nan, rng.random(RUNS))
        strategy.tell(proposals, Evaluations(np.full(RUNS, np.nan) if step < 20 else values))


@each_strategy
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


@each_strategy
def test_runs_do_not_depend_on_the_number_of_workers(name, data_folder, pool, monkeypatch):
    monkeypatch.setattr(jobs, "BLOCK_RUNS", 3)
    here = search(name, "graph/cora", evaluations=40, runs=8, seed=2)
    there = search(name, "graph/cora", evaluations=40, runs=8, seed=2, executor=pool)
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
        assert isinstance(entry.value, str) == (entry.choices is not None), f"{key} needs choices"


@each_strategy
def test_the_hyperparameters_of_the_card_are_set_and_can_be_replaced(name):
    card, space = strategy_cards()[name], get_space("graph")
    strategy = built(name, space, runs=1)
    assert not isinstance(strategy, SideBySide) or issubclass(get_strategy(name), SingleRunStrategy)
    for key, entry in card.hyperparameters.items():
        assert getattr(strategy, key) == entry.value
        other = entry.choices[-1] if entry.choices else entry.value + 1 if type(entry.value) is int else 0.25
        changed = constructor(get_strategy(name))(space, **{key: other})
        assert getattr(changed, key) == changed.hyperparameters[key] == other
