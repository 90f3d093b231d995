"""PC-DARTS against a cell in NumPy, finite differences, and a task with one right answer."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import softmax
from supernet_tasks import tiny_setting

from nasbench_suite import NasbenchSuiteError, get_space, get_strategy
from nasbench_suite.spaces.nats_topology import OPERATIONS
from nasbench_suite.strategies.catalogue import constructor

QUICK = {"epochs": 3, "batch": 16, "frozen_epochs": 0}
NONE, SKIP, ONE, CONV, POOL = range(len(OPERATIONS))
INTO = {1: [0], 2: [1, 2], 3: [3, 4, 5]}
"""Genes whose edges end at each node."""
SOURCES = [0, 0, 1, 0, 1, 2]


def played(space="nats_topology", seed=0, width=4, **settings):
    training = tiny_setting(space, width=width)
    return constructor(get_strategy("pc_darts"))(
        get_space(space), runs=1, seed=seed, training=training, **{**QUICK, **settings}
    )


def searched(**settings):
    return played(**settings).searches[0]


def in_double(search):
    """Let a search compute in double precision with far-apart parameters; return a batch of its data."""
    generator = torch.Generator().manual_seed(3)
    search.supernet.double()
    for name, shape in (("alpha", (6, 5)), ("beta", (6,))):
        drawn = torch.randn(shape, generator=generator, dtype=torch.double)
        setattr(search, name, drawn.requires_grad_())
    part = search.data.valid[:32]
    return search.data.inputs[part].double(), search.data.labels[part]


# -- the cell in NumPy ------------------------------------------------------------------------------


def convolved(x, weight):
    x, taps = np.maximum(x, 0), weight.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (taps // 2, taps // 2)))
    y = sum(
        np.einsum("oi,nil->nol", weight[:, :, tap], padded[:, :, tap : tap + x.shape[2]])
        for tap in range(taps)
    )
    mean, variance = (f(y, axis=(0, 2), keepdims=True) for f in (np.mean, np.var))
    return (y - mean) / np.sqrt(variance + 1e-5)


def pooled(x):
    length = x.shape[2]
    windows = [x[:, :, max(0, place - 1) : place + 2].mean(axis=2) for place in range(length)]
    return np.stack(windows, axis=2)


def mixed(x, choice, weights, share):
    """The mixture of one channel in `share`, the others beside it, channels shuffled."""
    taken = x[:, : x.shape[1] // share]
    kernels = {place: choice.operations[place].conv.weight.detach().numpy() for place in (ONE, CONV)}
    y = weights[SKIP] * taken + weights[POOL] * pooled(taken)
    for place, kernel in kernels.items():
        y = y + weights[place] * convolved(taken, kernel)
    y = np.concatenate([y, x[:, taken.shape[1] :]], axis=1)
    shuffled, per_group = np.empty_like(y), x.shape[1] // share
    for group in range(share):
        for member in range(per_group):
            shuffled[:, member * share + group] = y[:, group * per_group + member]
    return shuffled


@pytest.mark.parametrize(("share", "width"), [(4, 8), (2, 4), (1, 4)])
def test_a_cell_is_what_it_is_in_numpy(share, width):
    search = searched(partial=share, width=width)
    in_double(search)
    cell = search.supernet.network.stages[0][0]
    x = np.random.default_rng(1).normal(size=(3, width, 7))
    alpha, beta = softmax(search.alpha.detach().numpy(), axis=1), search.beta.detach().numpy()
    nodes = [x]
    for genes in INTO.values():
        scales = softmax(beta[genes])
        terms = [mixed(nodes[SOURCES[gene]], cell.edges[gene], alpha[gene], share) for gene in genes]
        nodes.append(np.einsum("e,encl->ncl", scales, np.stack(terms)))
    for choice, gate in zip(cell.edges, search.gates(learn=False), strict=True):
        choice.gate = gate
    np.testing.assert_allclose(cell(torch.from_numpy(x)).detach(), nodes[3], atol=1e-10)


def test_weights_of_edges_add_to_one_at_every_node():
    search = searched()
    in_double(search)
    found = search.edge_weights().detach().numpy()
    for genes in INTO.values():
        assert found[genes].sum() == pytest.approx(1)
    assert found[0] == 1
    assert np.ptp(found[3:]) > 0.1


# -- what learns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_gradients_are_those_of_finite_differences(name):
    search = searched()
    batch = in_double(search)
    parameter = getattr(search, name)
    found = torch.autograd.grad(search.loss(batch), parameter)[0]
    way = torch.randn(found.shape, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    losses = []
    with torch.no_grad():
        for step in (1e-6, -2e-6):
            parameter += step * way
            losses.append(float(search.loss(batch)))
    assert found.abs().max() > 1e-4
    assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(float((found * way).sum()), rel=1e-4)


def test_a_step_moves_alpha_and_beta_against_their_gradients():
    """The first step of Adam is `alpha_learning_rate` long in every place."""
    search = searched(alpha_learning_rate=0.01, alpha_weight_decay=0.0)
    batch = next(search.valid_batches(32))
    gradients = torch.autograd.grad(search.loss(batch), [search.alpha, search.beta])
    before = [search.alpha.detach().clone(), search.beta.detach().clone()]
    search.alpha_step(batch, batch)
    for gradient, old, new in zip(gradients, before, (search.alpha, search.beta), strict=True):
        clear = gradient.abs() > 1e-4
        assert clear.sum() >= 3
        torch.testing.assert_close((new - old)[clear], -0.01 * gradient.sign()[clear], rtol=0.01, atol=0)


def test_alpha_and_beta_stand_still_in_the_frozen_epochs():
    search = searched(epochs=4, frozen_epochs=2)
    seen, weights = [], []
    for _ in range(4):
        search.propose()
        seen.append((search.alpha.detach().clone(), search.beta.detach().clone()))
        weights.append(search.supernet.network.classifier.weight.detach().clone())
    moved = [not torch.equal(a[part], b[part]) for a, b in pairwise(seen) for part in (0, 1)]
    assert moved == [False, False, True, True, True, True]
    assert not torch.equal(weights[0], weights[1])


# -- what is found ----------------------------------------------------------------------------------


def test_the_operation_with_the_largest_alpha_is_derived_on_every_edge():
    search = searched()
    wanted = [3, 0, 4, 1, 2, 3]
    with torch.no_grad():
        search.alpha.normal_()
        search.beta.normal_()
        for edge, place in enumerate(wanted):
            search.alpha[edge, place] = 5.0 + edge
    assert search.derive().tolist() == wanted


def test_a_needed_convolution_beats_the_identity():
    """On the edge from the first node to the last; every other edge is cut."""
    search = searched(epochs=12, alpha_learning_rate=0.1, learning_rate=0.025, partial=2, width=8)
    search.exists[:] = False
    search.exists[[0, 1, 2, 4, 5], NONE] = True
    search.exists[3, [SKIP, CONV]] = True
    for _ in range(12):
        row = search.propose()
    assert row.tolist() == [NONE, NONE, NONE, CONV, NONE, NONE]
    assert search.probabilities()[3, CONV] > 0.7


def test_an_architecture_inherits_the_weights_of_its_edges():
    """With all weight on one edge of each node, those beside it are as if they were `none`."""
    search = searched(partial=1, width=8)
    for _ in range(3):
        search.propose()
    batch = search.data.batch(search.data.valid)
    row = np.array([CONV, SKIP, CONV, SKIP, POOL, CONV], dtype=np.uint8)
    lone = np.where([True, False, True, False, False, True], row, NONE).astype(np.uint8)
    with torch.no_grad():
        search.beta.copy_(torch.tensor([0.0, -60.0, 60.0, -60.0, -60.0, 60.0]))
    assert search.inherited_accuracy(row, batch) == search.accuracy(lone, batch)
    assert search.accuracy(row, batch) != search.accuracy(lone, batch)


# -- the search -------------------------------------------------------------------------------------


def test_a_state_taken_half_way_leads_to_the_same_end():
    strategy, other = played(frozen_epochs=1), played(frozen_epochs=1, seed=5)
    strategy.ask()
    state = strategy.state()
    expected = [strategy.ask().genes.tolist() for _ in range(2)]
    other.restore(state)
    assert [other.ask().genes.tolist() for _ in range(2)] == expected
    for name in ("alpha", "beta"):
        assert torch.equal(getattr(strategy.searches[0], name), getattr(other.searches[0], name))


@pytest.mark.parametrize("space", ["macro", "mobile"])
@pytest.mark.parametrize("partial", [1, 4])
def test_a_space_without_nodes_is_refused(space, partial):
    with pytest.raises(NasbenchSuiteError, match=f"the space {space} has no nodes; search nats_topology"):
        played(space, partial=partial)


def test_a_width_that_cannot_be_shared_out_is_refused():
    with pytest.raises(NasbenchSuiteError, match="a width of 6 is no multiple of 4"):
        played(width=6)


def test_a_loss_that_is_no_number_ends_the_run():
    search = searched(learning_rate=1e30, clip=0.0)
    search.propose()
    search.propose()
    assert search.ending.startswith("the loss became nan in epoch")
