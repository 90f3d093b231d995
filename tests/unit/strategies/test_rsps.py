"""Random search with shared weights: what a batch trains, who is judged, and a task with one answer."""

import numpy as np
import pytest
import torch
from supernet_tasks import tiny_setting

from nasbench_suite import get_space
from nasbench_suite.strategies.catalogue import constructor, get_strategy

NONE, CONV = 0, 3


def searches(space="nats_topology", runs=1, seed=0, **settings):
    found = constructor(get_strategy("rsps"))
    return found(get_space(space), runs=runs, seed=seed, training=tiny_setting(space), **settings)


def one(**settings):
    return searches(**settings).searches[0]


class TwoOperations:
    """A space with one free gene: nothing, or a convolution of three taps, between first and last node."""

    n_genes = 6

    def sample(self, rng, n):
        rows = np.zeros((n, self.n_genes), dtype=np.uint8)
        rows[:, 3] = rng.choice([NONE, CONV], size=n)
        return rows


def test_a_batch_trains_the_operations_of_one_architecture_alone():
    search = one(batch=64, momentum=0.0)  # an epoch of one step
    for _ in range(3):
        before = {name: weight.detach().clone() for name, weight in search.supernet.named_parameters()}
        search.train_epoch()
        after = dict(search.supernet.named_parameters())
        moved = {name for name in after if not torch.equal(after[name], before[name])}
        edges = [name.split(".") for name in moved if ".operations." in name]
        trained = {(int(parts[5]), int(parts[7])) for parts in edges}  # gene and operation
        assert len(trained) == len({gene for gene, _ in trained})
        assert {"network.classifier.weight", "network.stem.0.weight"} & moved


def test_every_batch_has_an_architecture_drawn_anew(monkeypatch):
    search, drawn = one(batch=4, epochs=2), []
    step = search.weight_step

    def noted(gates, *batch):
        drawn.append(tuple(next(iter(gate.weights)) for gate in gates))
        return step(gates, *batch)

    monkeypatch.setattr(search, "weight_step", noted)
    search.train_epoch()
    assert len(drawn) == 16
    assert len(set(drawn)) > 12


def test_the_best_of_the_candidates_is_chosen_and_the_last_choice_has_more(monkeypatch):
    search = one(epochs=3, candidates=7, last_candidates=20, judged_batch=24)
    worth, judged = np.random.default_rng(0).normal(size=(6, 5)), []

    def accuracy(row, batch):
        judged.append((row.tolist(), batch))
        return worth[range(6), row].sum()

    monkeypatch.setattr(search, "inherited_accuracy", accuracy)
    for count in (7, 7, 20):
        judged.clear()
        chosen = search.propose()
        assert len(judged) == count
        best = max((row for row, _ in judged), key=lambda row: sum(worth[g, op] for g, op in enumerate(row)))
        assert chosen.tolist() == best
        assert all(len(labels) == 24 for _, (_, labels) in judged)
        assert not torch.equal(judged[0][1][0], judged[1][1][0])  # each by a batch of its own
    assert search.ending == "all 3 epochs are done"


def test_validation_inputs_judge_and_training_inputs_train(monkeypatch):
    search = one(epochs=1, batch=8, candidates=4, last_candidates=4)
    data, seen = search.data, {"train": [], "valid": []}
    forward = search.supernet.forward

    def noted(inputs, gates):
        seen["train" if torch.is_grad_enabled() else "valid"].append(inputs)
        return forward(inputs, gates)

    monkeypatch.setattr(search.supernet, "forward", noted)
    search.search_epoch()
    for part, places in (("train", data.train), ("valid", data.valid)):
        own = {tuple(signal.ravel().tolist()) for signal in data.inputs[places]}
        assert {tuple(signal.ravel().tolist()) for signal in torch.cat(seen[part])} <= own


@pytest.mark.parametrize("seed", [0, 1])
def test_a_convolution_beats_nothing_where_labels_need_neighbours(seed):
    search = one(seed=seed, epochs=8, batch=16, learning_rate=0.1, candidates=4)
    search.space = TwoOperations()
    while not search.ending:
        search.propose()
    assert search.derive().tolist() == [NONE, NONE, NONE, CONV, NONE, NONE]
    batch = search.data.batch(search.data.valid)
    assert search.accuracy(search.derive(), batch) > 0.9
    assert search.accuracy(np.zeros(6, dtype=np.uint8), batch) < 0.7


@pytest.mark.parametrize("space", ["macro", "mobile"])
def test_spaces_of_layers_are_searched(space):
    search = one(space=space, batch=32, epochs=1, last_candidates=5)
    assert search.space.valid(search.propose()[None]).all()


def test_a_state_taken_half_way_leads_to_the_same_end():
    settings = {"epochs": 3, "batch": 32, "candidates": 3, "last_candidates": 5}
    strategy = searches(runs=2, **settings)
    strategy.ask()
    state = strategy.state()
    end = [strategy.ask().genes for _ in range(2)]
    other = searches(runs=2, seed=9, **settings)
    other.restore(state)
    assert np.array_equal([other.ask().genes for _ in range(2)], end)
    for search, again in zip(strategy.searches, other.searches, strict=True):
        assert all(map(torch.equal, search.supernet.parameters(), again.supernet.parameters()))


def test_a_loss_that_is_no_number_ends_the_run():
    strategy = searches(epochs=3)
    for weight in strategy.searches[0].supernet.parameters():
        weight.data.fill_(torch.nan)
    strategy.ask()
    assert strategy.endings() == ["the loss became nan in epoch 1"]
