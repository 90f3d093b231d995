"""Fairness by counting, the search against a front known in advance, and a task with one right answer."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from scipy import stats
from supernet_tasks import tiny_setting
from torch import nn

from nasbench_suite import get_space
from nasbench_suite.strategies.catalogue import constructor, get_strategy
from nasbench_suite.training.choices import sampled_gates
from nasbench_suite.training.linear_skips import LinearSkip

CONV = 3
"""`nor_conv_3x3` of the topology space."""
SMALL = {"batch": 32, "epochs": 2, "generations": 3, "population": 6}


def searches(space="macro", seed=0, runs=1, **settings):
    cls = constructor(get_strategy("scarlet"))
    settings = {**SMALL, **settings}
    return cls(get_space(space), runs=runs, seed=seed, training=tiny_setting(space), **settings)


def one(*args, **settings):
    return searches(*args, **settings).searches[0]


# -- fairness ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["macro", "nats_topology"])
def test_every_operation_gets_exactly_one_pass_per_step(space):
    search = one(space)
    calls = {}
    for number, choice in enumerate(search.supernet.choices):
        for place, operation in enumerate(choice.operations):
            key = (number, place)
            operation.register_forward_hook(lambda *_, key=key: calls.__setitem__(key, calls.get(key, 0) + 1))
    batch = next(search.train_batches())
    for step in (1, 2):
        search.fair_step(batch)
        assert set(calls.values()) == {step}
        assert len(calls) == sum(len(choice.operations) for choice in search.supernet.choices)


def test_genes_with_fewer_operations_repeat_one_that_is_drawn():
    search = object.__new__(get_strategy("scarlet"))  # to draw paths takes no supernet
    search.space, search.rng = get_space("mobile"), np.random.default_rng(0)
    repeated = []
    for _ in range(300):
        rows = search.fair_rows()
        assert rows.shape == (7, 21)
        assert rows.dtype == np.uint8
        for gene, limit in enumerate(search.space.cardinalities):
            counts = np.bincount(rows[:, gene], minlength=limit)
            assert sorted(counts) == ([1] * 7 if limit == 7 else [1] * 5 + [2])
        repeated.append(np.bincount(rows[:, 0]).argmax())
    assert stats.chisquare(np.bincount(repeated, minlength=6)).pvalue > 1e-4


def test_genes_are_permuted_apart():
    """Two genes are alike in a row as often as independent permutations are: one time in five."""
    search = one("nats_topology")
    alike = np.array([(rows[:, 0] == rows[:, 1]).sum() for rows in (search.fair_rows() for _ in range(600))])
    counts = np.bincount(alike, minlength=6)[[0, 1, 2, 3, 5]]
    assert counts.sum() == 600
    fixed_points = np.array([44, 45, 20, 10, 1]) / 120  # of permutations of five
    assert stats.chisquare(counts, 600 * fixed_points).pvalue > 1e-4


def test_a_step_takes_the_sum_of_the_gradients_of_its_paths(monkeypatch):
    search = one(momentum=0.0, weight_decay=0.0, learning_rate=0.1)
    search.supernet.double()
    inputs, labels = next(search.train_batches())
    rows = search.fair_rows()
    monkeypatch.setattr(search, "fair_rows", lambda: rows)
    weights = list(search.supernet.parameters())
    before = [weight.detach().clone() for weight in weights]
    total = [torch.zeros_like(weight) for weight in weights]
    losses = []
    for row in rows:
        loss = F.cross_entropy(search.supernet(inputs.double(), sampled_gates(row)), labels)
        found = torch.autograd.grad(loss, weights, materialize_grads=True)
        total = [so_far + gradient for so_far, gradient in zip(total, found, strict=True)]
        losses.append(float(loss.detach()))
    mean = search.fair_step((inputs.double(), labels))
    assert float(mean) == pytest.approx(np.mean(losses))
    for weight, old, gradient in zip(weights, before, total, strict=True):
        assert torch.allclose(weight.detach(), old - 0.1 * gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("stabilized", [True, False])
def test_identities_learn_only_if_they_are_to(stabilized):
    search = one("nats_topology", stabilized=stabilized)
    kinds = {type(choice.operations[1]) for choice in search.supernet.choices}
    assert kinds == {LinearSkip if stabilized else nn.Identity}


# -- search ------------------------------------------------------------------------------------------------


def test_the_search_finds_a_front_that_is_known(monkeypatch):
    """Every gene counts for one objective or, where it is 0, for neither: the front is all rows without 0."""
    search = one(population=40, generations=30)
    worth = np.array([1.0, 2.0, 1.5, 3.0, 0.5, 2.5, 1.25, 4.0])

    def judged(rows):
        halves = [(worth * (rows == value)).sum(axis=1) for value in (1, 2)]
        return np.stack([*halves, np.zeros(len(rows))], axis=1)

    monkeypatch.setattr(search, "judged", judged)
    for _ in range(30):
        search.generation()
    assert search.members.shape == (40, 8)
    assert len(np.unique(search.members, axis=0)) == 40
    assert (search.members != 0).all()
    assert search.values.max(axis=0).tolist() == [worth.sum(), worth.sum(), 0]
    assert search.derive().tolist() == [1] * 8
    gaps = np.diff(np.sort(search.values[:, 0]))
    assert gaps.max() <= 1.5  # spread along a front that is 15.75 long


@pytest.mark.parametrize(("weights", "loser"), [((10.0, 1.0), 1), ((1.0, 10.0), 2)])
def test_weights_decide_who_survives(weights, loser, monkeypatch):
    """Of four on a front one must go; the first objective speaks for row 2, the second for row 1."""
    search = one(
        population=3, accuracy_weight=weights[0], multiply_adds_weight=weights[1], parameters_weight=0.0
    )
    rows = np.zeros((4, 8), dtype=np.uint8)
    rows[1:, 0] = 1, 2, 1
    rows[3, 1] = 1
    values = np.array([(0.0, 10.0, 1.0), (1.0, 6.0, 1.0), (5.0, 1.0, 1.0), (10.0, 0.0, 1.0)])
    search.members = rows
    monkeypatch.setattr(search, "judged", lambda _: values)
    search.generation()
    assert {tuple(row) for row in search.members} == {tuple(row) for row in np.delete(rows, loser, axis=0)}


def test_what_is_judged_is_accuracy_and_counted_costs():
    search = one(judged_inputs=40)
    rows = search.space.sample(np.random.default_rng(1), 5)
    found = search.judged(rows)
    chosen = search.data.valid[:40]
    for row, values in zip(rows, found, strict=True):
        with torch.no_grad():
            logits = search.supernet(search.data.inputs[chosen], sampled_gates(row))
        right = (logits.argmax(1) == search.data.labels[chosen]).double().mean()
        counts = search.setting.counts(row)
        expected = [float(right), -counts.multiply_adds / 1e6, counts.parameters / 1e6]
        assert values == pytest.approx(expected, rel=1e-6)


def test_what_is_derived_is_the_most_accurate_of_the_front():
    """The third is as accurate as the second, which has more parameters at the same work."""
    search = one()
    search.members = search.space.decode(np.arange(5))
    search.values = np.array(
        [(0.5, -1.0, 2.0), (0.9, -3.0, 2.0), (0.9, -3.0, 1.0), (0.7, -1.0, 1.0), (0.1, -1, 3)]
    )
    for order in (np.arange(5), np.arange(5)[::-1]):
        search.members, search.values = search.members[order], search.values[order]
        assert search.space.encode(search.derive()[None]).tolist() == [1]


def test_the_better_and_then_the_less_crowded_become_parents(monkeypatch):
    """With two rivals drawn from n, place i wins with a chance of (2 (n - i) - 1) / n^2."""
    search = one(population=4000, crossover_probability=0.0, mutation_probability=0.0)
    search.members = search.space.decode(np.arange(4))
    search.values = np.array([(0.0, 10.0), (1.0, 6.0), (5.0, 1.0), (10.0, 0.0)])
    monkeypatch.setattr(type(search), "weights", (0.5, 1.0))
    counts = np.bincount(search.space.encode(search.children()), minlength=4)
    places = [0, 3, 1, 2]  # the two ends, in order, then 0.25 + 0.9 before 0.45 + 0.6
    assert stats.chisquare(counts[places], 4000 * np.array([7, 5, 3, 1]) / 16).pvalue > 1e-4


def test_children_have_genes_of_two_parents_or_one_changed():
    search = one(population=400, crossover_probability=1.0, mutation_probability=0.0)
    search.members = np.array([[0] * 8, [1] * 8], dtype=np.uint8)
    search.values = np.array([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
    children = search.children()
    assert set(np.unique(children)) == {0, 1}
    assert ((children.any(axis=1)) & (~children.all(axis=1))).mean() > 0.3
    search.crossover_probability, search.mutation_probability = 0.0, 1.0
    changed = search.children()
    least = np.minimum((changed != 0).sum(axis=1), (changed != 1).sum(axis=1))
    assert (least == 1).all()


def test_epochs_are_followed_by_generations_and_then_it_ends():
    search = one()
    assert search.last_epoch() == 5
    first = search.derive().tolist()
    assert [search.propose().tolist() for _ in range(2)] == [first] * 2
    assert search.values is None
    weights = [weight.clone() for weight in search.supernet.parameters()]
    for _ in range(3):
        found = search.propose()
        assert search.billed_seconds > 0
        assert len(search.members) <= 6
        front = search.values[:, 0].max()
        assert search.accuracies(found[None])[0] == front
    assert search.ending == "all 5 epochs are done"
    assert all(torch.equal(*pair) for pair in zip(weights, search.supernet.parameters(), strict=True))


@pytest.mark.parametrize("half", [1, 3])
def test_a_search_taken_up_half_way_ends_alike(half):
    first, other = searches("nats_topology", runs=2), searches("nats_topology", seed=9, runs=2)
    for _ in range(half):
        first.ask()
    other.restore(copy.deepcopy(first.state()))
    ends = []
    for strategy in (first, other):
        genes = [strategy.ask().genes.tolist() for _ in range(5 - half)]
        ends.append((genes, [search.values.tolist() for search in strategy.searches]))
    assert ends[0] == ends[1]


def test_a_loss_that_is_no_number_ends_the_search():
    search = one(learning_rate=1e30)
    search.propose()
    search.propose()
    assert "the loss became" in search.ending


def test_a_convolution_beats_the_rest_where_labels_need_one():
    search = one("nats_topology", epochs=8, batch=16, learning_rate=0.1, population=12, generations=2)
    while not search.ending:
        found = search.propose()
    assert CONV in found.tolist()
    without = search.space.sample(np.random.default_rng(2), 20)
    without[without == CONV] = 4
    assert search.accuracies(found[None])[0] > search.accuracies(without).max() + 0.1
