"""GDAS: the gradient of its draw against finite differences, what it derives, a task with one answer."""

import numpy as np
import pytest
import torch
from scipy import stats
from supernet_tasks import tiny_setting

from nasbench_suite import get_space
from nasbench_suite.strategies.catalogue import constructor, get_strategy
from nasbench_suite.training.choices import Gate

EDGES, OPERATIONS = 6, 5
NONE, SKIP, CONV = 0, 1, 3


def searches(space="nats_topology", runs=1, seed=0, **settings):
    found = constructor(get_strategy("gdas"))
    return found(get_space(space), runs=runs, seed=seed, training=tiny_setting(space), **settings)


def one(**settings):
    return searches(**settings).searches[0]


class GivenNoise:
    """A generator whose Gumbel noise is given."""

    def __init__(self, noise):
        self._noise = noise

    def gumbel(self, size):
        assert size == self._noise.shape
        return self._noise


def in_double(search, seed):
    """Return alpha, given noise and a validation batch of a search that now computes in double precision."""
    rng = np.random.default_rng(seed)
    alpha, noise = rng.normal(size=(EDGES, OPERATIONS)), rng.gumbel(size=(EDGES, OPERATIONS))
    search.rng = GivenNoise(noise)
    search.alpha = torch.tensor(alpha, requires_grad=True)
    search.supernet.double()
    inputs, labels = search.data.batch(search.data.valid)
    return alpha, noise, (inputs.double(), labels)


def entries(alpha, noise, temperature):
    """Return the relaxed draw by the paper's formula, `[n_genes, operations]`."""
    logs = alpha - np.log(np.exp(alpha).sum(1, keepdims=True))
    powers = np.exp((logs + noise) / temperature)
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize(("tau", "seed"), [(0.5, 4), (5.0, 4), (0.5, 7)])
def test_the_gradient_is_the_slope_of_the_entry_times_that_of_the_loss_along_the_operation(tau, seed):
    """Both by finite differences: of the entry over alpha, and of the loss over the operation's weight."""
    search = one(tau_first=tau, tau_last=tau)
    alpha, noise, batch = in_double(search, seed)
    found = search.plain_gradient(batch)
    drawn = (alpha + noise).argmax(1)
    assert len(set(drawn)) > 2

    @torch.no_grad()
    def loss(weights):
        gates = [Gate({int(place): torch.tensor(w)}) for place, w in zip(drawn, weights, strict=True)]
        return float(torch.nn.functional.cross_entropy(search.supernet(batch[0], gates), batch[1]))

    step, expected = 1e-7, np.zeros((EDGES, OPERATIONS))
    for gene, place in enumerate(drawn):
        way = step * np.eye(EDGES)[gene]
        along = (loss(1 + way) - loss(1 - way)) / (2 * step)
        for operation in range(OPERATIONS):
            move = step * np.eye(EDGES * OPERATIONS)[gene * OPERATIONS + operation].reshape(alpha.shape)
            ends = [entries(alpha + sign * move, noise, tau)[gene, place] for sign in (1, -1)]
            expected[gene, operation] = along * (ends[0] - ends[1]) / (2 * step)
    assert np.abs(expected).max() > 1e-4
    assert np.allclose(found.numpy(), expected, rtol=1e-4, atol=1e-8)


def test_gates_have_the_operation_drawn_alone_with_weight_one():
    search = one()
    alpha, noise, _ = in_double(search, 5)
    drawn = (alpha + noise).argmax(1).tolist()
    for learn in (True, False):
        gates = search.gates(learn=learn)
        assert [list(gate.weights) for gate in gates] == [[place] for place in drawn]
        weights = [gate.weights[place] for gate, place in zip(gates, drawn, strict=True)]
        assert all(weight == 1 and weight.requires_grad for weight in weights) if learn else not any(weights)


def test_operations_are_drawn_as_often_as_the_softmax_of_alpha_says_at_any_temperature():
    search = one(tau_first=10.0, tau_last=0.1, epochs=2)
    values = np.random.default_rng(6).normal(size=(EDGES, OPERATIONS))
    search.alpha = torch.tensor(values)
    shares = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    for search.epoch in (0, 1):
        draws = np.array([[next(iter(g.weights)) for g in search.gates(learn=False)] for _ in range(1000)])
        for gene in range(EDGES):
            found = np.bincount(draws[:, gene], minlength=OPERATIONS)
            assert stats.chisquare(found, shares[gene] * len(draws)).pvalue > 1e-3


def test_every_step_draws_anew_for_the_weights_and_for_alpha(monkeypatch):
    """Nothing but the operation drawn is computed, once a pass and place."""
    search = one(batch=4)
    passes, computed = [], []
    for choice in search.supernet.choices:
        for operation in choice.operations:
            operation.register_forward_hook(lambda module, given, out: computed.append(module))
    forward = search.supernet.forward
    monkeypatch.setattr(
        search.supernet, "forward", lambda x, gates: passes.append(gates) or forward(x, gates)
    )
    search.search_epoch()
    assert len(passes) == 2 * 16
    assert len(computed) == len(passes) * len(search.supernet.choices)
    rows = {tuple(next(iter(gate.weights)) for gate in gates) for gates in passes}
    assert len(rows) > 25
    learning = [next(iter(gates[0].weights.values())) is not None for gates in passes]
    assert learning == [False, True] * 16  # the weights' step is first, as in Algorithm 1


def test_the_temperature_falls_in_equal_steps_to_the_last():
    search = one(epochs=4)
    temperatures = []
    for search.epoch in range(4):
        temperatures.append(search.temperature())
    assert temperatures == pytest.approx([10, 6.7, 3.4, 0.1])
    assert one(epochs=1).temperature() == 10


def test_the_largest_alpha_of_every_gene_is_derived():
    search = one()
    values = np.random.default_rng(0).normal(size=(EDGES, OPERATIONS)).astype(np.float32)
    search.alpha = torch.from_numpy(values)
    assert search.derive().tolist() == [int(np.argmax(row)) for row in values]


@pytest.mark.parametrize("space", ["macro", "mobile"])
def test_spaces_of_layers_are_searched_and_only_what_they_have_is_drawn(space):
    search = one(space=space, batch=32, epochs=2, tau_last=0.001)
    absent = ~search.exists
    for _ in range(2):
        assert search.space.valid(search.propose()[None]).all()
    assert torch.isfinite(search.alpha).all()
    assert search.relaxed()[absent].eq(0).all()
    assert absent.any() == (space == "mobile")
    search.alpha.data[absent] = 100.0
    assert all(
        next(iter(gate.weights)) < n
        for gate, n in zip(search.gates(learn=True), search.space.cardinalities, strict=True)
    )


@pytest.mark.parametrize("seed", [4, 6])
def test_a_convolution_beats_nothing_where_labels_need_neighbours(seed):
    """Beside a skip, one edge has a convolution of three taps or nothing; only that tells classes apart."""
    rates = {"learning_rate": 0.01, "alpha_learning_rate": 0.1}
    search = one(seed=seed, epochs=10, batch=16, tau_first=5.0, **rates)
    row = [CONV, NONE, NONE, SKIP, SKIP, NONE]
    search.exists = torch.eye(OPERATIONS, dtype=torch.bool)[row]
    search.exists[0, NONE] = True
    while not search.ending:
        search.propose()
    assert search.derive().tolist() == row
    assert search.probabilities()[0, CONV].item() > 0.9
    batch = search.data.batch(search.data.valid)
    assert search.accuracy(np.array(row), batch) > 0.9
    assert search.accuracy(np.array([NONE, *row[1:]]), batch) < 0.8


def test_a_state_taken_half_way_leads_to_the_same_end():
    strategy = searches(runs=2, epochs=4)
    for _ in range(2):
        strategy.ask()
    state = strategy.state()
    end = [strategy.ask().genes for _ in range(2)]
    other = searches(runs=2, seed=9, epochs=4)
    other.restore(state)
    assert np.array_equal([other.ask().genes for _ in range(2)], end)
    for search, again in zip(strategy.searches, other.searches, strict=True):
        assert torch.equal(search.alpha, again.alpha)
        assert all(map(torch.equal, search.supernet.parameters(), again.supernet.parameters()))


def test_a_loss_that_is_no_number_ends_the_run():
    strategy = searches(epochs=3)
    for weight in strategy.searches[0].supernet.parameters():
        weight.data.fill_(torch.nan)
    strategy.ask()
    assert strategy.endings() == ["the loss became nan in epoch 1"]
