"""Gradients of DARTS against exact ones and finite differences, what it derives, a task with one answer."""

import numpy as np
import pytest
import torch
from supernet_tasks import tiny_setting
from torch.func import functional_call, grad

from nasbench_suite import get_space
from nasbench_suite.strategies.catalogue import constructor, get_strategy
from nasbench_suite.training.choices import mixed_gates

EDGES, OPERATIONS = 6, 5


def searches(space="nats_topology", runs=1, seed=0, **settings):
    setting = tiny_setting(space)
    cls = get_strategy("darts")
    return constructor(cls)(get_space(space), runs=runs, seed=seed, training=setting, **settings)


def in_double(search):
    """Return a search that computes in double precision, with two batches of its data."""
    search.supernet.double()
    search.alpha = search.alpha.detach().double().requires_grad_()
    data = search.data
    return [(data.inputs[part].double(), data.labels[part]) for part in (data.train[:32], data.valid[:32])]


def one(**settings):
    return searches(**settings).searches[0]


def test_the_first_order_gradient_is_that_of_finite_differences():
    search = one()
    _, valid = in_double(search)
    found = search.plain_gradient(valid)
    way = torch.randn(found.shape, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    losses = []
    with torch.no_grad():
        for step in (1e-7, -2e-7):
            search.alpha += step * way
            losses.append(search.loss(valid))
    assert float(losses[0] - losses[1]) / 2e-7 == pytest.approx(float((found * way).sum()), rel=1e-4)


def exact(search, train, valid, rate, velocity):
    """Differentiate the validation loss through a whole step on the weights, as autograd does it."""
    supernet = search.supernet
    weights = {name: weight.detach() for name, weight in supernet.named_parameters()}

    def loss(values, alpha, batch):
        gates = mixed_gates(alpha.softmax(1), search.space.cardinalities)
        logits = functional_call(supernet, values, (batch[0], gates))
        return torch.nn.functional.cross_entropy(logits, batch[1])

    def after_a_step(alpha):
        slope = grad(loss)(weights, alpha, train)
        moved = {
            name: weight
            - rate * (slope[name] + search.weight_decay * weight + search.momentum * velocity.get(name, 0))
            for name, weight in weights.items()
        }
        return loss(moved, alpha, valid)

    return grad(after_a_step)(search.alpha.detach())


@pytest.mark.parametrize("warm", [False, True])
def test_the_second_order_gradient_is_the_exact_one(warm):
    search = one(order="second", learning_rate=0.2, finite_difference=1e-6)
    train, valid = in_double(search)
    velocity = {}
    if warm:  # two steps on the weights, so that the optimiser has a velocity
        for _ in range(2):
            search.weight_step(search.gates(learn=False), *train)
        velocity = {
            name: search.optimizer.state[weight]["momentum_buffer"]
            for name, weight in search.supernet.named_parameters()
        }
    before = [weight.detach().clone() for weight in search.supernet.parameters()]
    found = search.unrolled_gradient(train, valid)
    expected = exact(search, train, valid, 0.2, velocity)
    plain = search.plain_gradient(valid)
    distance = (found - expected).norm()
    assert distance < 2e-3 * expected.norm()
    assert distance < 0.05 * (plain - expected).norm()  # the second order is what makes them agree
    assert all(torch.equal(*pair) for pair in zip(before, search.supernet.parameters(), strict=True))


def test_steps_on_the_weights_leave_alpha_and_steps_on_alpha_leave_the_weights():
    search = one()
    batches = [search.data.batch(part) for part in (search.data.train, search.data.valid)]
    alpha = search.alpha.detach().clone()
    search.weight_step(search.gates(learn=False), *batches[0])
    assert torch.equal(search.alpha, alpha)
    weights = [weight.detach().clone() for weight in search.supernet.parameters()]
    search.alpha_step(*batches)
    assert not torch.equal(search.alpha, alpha)
    assert all(torch.equal(*pair) for pair in zip(weights, search.supernet.parameters(), strict=True))


def test_the_largest_weight_of_every_gene_is_derived():
    search = one()
    values = np.random.default_rng(0).normal(size=(EDGES, OPERATIONS)).astype(np.float32)
    search.alpha = torch.from_numpy(values)
    assert search.derive().tolist() == [int(np.argmax(row)) for row in values]
    assert np.allclose(search.choice_weights().numpy(), np.exp(values) / np.exp(values).sum(1, keepdims=True))


def test_operations_that_a_gene_does_not_have_are_never_derived():
    search = one(space="mobile")
    first_of_stages = [gene for gene, limit in enumerate(search.space.cardinalities) if limit == 6]
    assert first_of_stages
    search.alpha.data[:, 6] = 100.0
    assert search.probabilities()[first_of_stages, 6].eq(0).all()
    assert search.space.valid(search.derive()[None]).all()


@pytest.mark.parametrize("order", ["first", "second"])
def test_an_edge_that_must_see_neighbours_gets_a_convolution_of_three(order):
    """Only a convolution of three taps tells a rising edge from a falling one; every other edge is cut."""
    search = one(order=order, seed=1, epochs=12, batch=16, alpha_learning_rate=0.1)
    search.exists = torch.tensor([[True, False, False, False, False]]).repeat(EDGES, 1)
    search.exists[3] = torch.tensor([False, True, False, True, False])
    while not search.ending:
        search.propose()
    assert search.derive().tolist() == [0, 0, 0, 3, 0, 0]
    assert search.probabilities()[3, 3].item() > 0.75
    batch = search.data.batch(search.data.valid)
    assert search.accuracy(np.array([0, 0, 0, 3, 0, 0]), batch) > 0.9
    assert search.accuracy(np.array([0, 0, 0, 1, 0, 0]), batch) < 0.7


def test_a_loss_that_is_no_number_ends_the_run_with_its_reason_and_keeps_the_last_architecture():
    strategy = searches(runs=2, epochs=5)
    first = strategy.ask().genes
    for weight in strategy.searches[0].supernet.parameters():
        weight.data.fill_(torch.nan)
    second = strategy.ask()
    assert strategy.endings() == ["the loss became nan in epoch 2", ""]
    assert np.array_equal(second.genes[0], first[0])
    third = strategy.ask()
    assert third.search_seconds[0] == 0
    assert third.search_seconds[1] > 0


def test_epochs_are_billed_and_the_search_ends_after_the_last():
    strategy = searches(epochs=2)
    for reason in ("", "all 2 epochs are done"):
        proposals = strategy.ask()
        assert proposals.search_seconds[0] > 0
        assert strategy.endings() == [reason]
    assert strategy.findings()["choice_weights"].shape == (1, 2, EDGES, OPERATIONS)


def test_the_learning_rate_falls_along_half_a_cosine():
    search = one(epochs=4, learning_rate=0.1, last_learning_rate=0.02)
    rates = []
    for _ in range(4):
        search.propose()
        rates.append(search.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.06 + 0.04 / 2**0.5, 0.06, 0.06 - 0.04 / 2**0.5])
