"""DrNAS: pathwise gradients, divergences and pruning against SciPy, growth of channels, whole searches."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from supernet_tasks import tiny_setting

from nasbench_suite import get_space, get_strategy
from nasbench_suite.spaces.nats_topology import OPERATIONS
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.training.supernet import Supernet, SupernetOptions

QUICK = {"epochs": 4, "batch": 16, "frozen_epochs": 0}
NONE, SKIP, CONV = (OPERATIONS.index(name) for name in ("none", "skip_connect", "nor_conv_3x3"))


def played(space="nats_topology", seed=0, width=4, data=None, **settings):
    training = tiny_setting(space, width=width, **(data or {}))
    return constructor(get_strategy("drnas"))(
        get_space(space), runs=1, seed=seed, training=training, **{**QUICK, **settings}
    )


def searched(*args, **settings):
    return played(*args, **settings).searches[0]


def set_alpha(search, seed=1):
    """Give a search far-apart alphas in double precision; return the concentrations, `[6, 5]`."""
    alpha = np.random.default_rng(seed).normal(size=(6, 5))
    search.alpha = torch.tensor(alpha, requires_grad=True)
    return np.where(alpha > 0, alpha + 1, np.exp(np.minimum(alpha, 0)))


def slope_of_elu(alpha):
    return np.where(alpha > 0, 1.0, np.exp(np.minimum(alpha, 0)))


# -- draws ------------------------------------------------------------------------------------------


def drawn(search, learn=False):
    return torch.stack([torch.stack(list(gate.weights.values())) for gate in search.gates(learn=learn)])


def mean_of_squares(c):
    """The expectation of the sum of i times the i-th weight squared, for concentrations `[operations]`."""
    total = c.sum()
    return (np.arange(1, len(c) + 1) * c * (c + 1)).sum() / (total * (total + 1))


def test_the_mean_pathwise_gradient_is_that_of_the_expectation():
    """Of a quadratic function of the weights, in closed form; five standard errors."""
    search = searched()
    set_alpha(search)
    with torch.no_grad():
        search.alpha.copy_(search.alpha[0].clone())  # six draws of one distribution in every pass
    alpha = search.alpha[0].detach().numpy()
    concentration = np.where(alpha > 0, alpha + 1, np.exp(alpha))
    factor = torch.arange(1.0, 6.0)
    found = []
    for _ in range(500):
        value = (factor * drawn(search, learn=True).square()).sum()
        found.append(torch.autograd.grad(value, search.alpha)[0])
    found = torch.cat(found).numpy()
    steps = 1e-6 * np.eye(5)
    of_concentration = [
        (mean_of_squares(concentration + step) - mean_of_squares(concentration - step)) / 2e-6
        for step in steps
    ]
    expected = np.array(of_concentration) * slope_of_elu(alpha)
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - expected) < 5 * error).all()
    assert (np.abs(expected) > 8 * error).sum() >= 3  # so that a wrong gradient is told from noise


def test_the_gradient_for_two_operations_is_that_of_the_inverse_distribution_function():
    """The weight at a fixed uniform number, as the concentration moves: finite differences in SciPy."""
    search = searched()
    search.kept = [[1, 3]] * 6
    set_alpha(search)
    for _ in range(5):
        weights = drawn(search, learn=True)
        found = torch.autograd.grad(weights[:, 0].sum(), search.alpha)[0].numpy()
        for gene, x in enumerate(weights[:, 0].tolist()):
            pair = search.alpha[gene, [1, 3]].detach().numpy()
            a, b = np.where(pair > 0, pair + 1, np.exp(pair))
            level = special.betainc(a, b, x)
            moved = [special.betaincinv(a + step, b, level) for step in (1e-4, -1e-4)]
            other = [special.betaincinv(a, b + step, level) for step in (1e-4, -1e-4)]
            expected = np.array([moved[0] - moved[1], other[0] - other[1]]) / 2e-4 * slope_of_elu(pair)
            np.testing.assert_allclose(found[gene, [1, 3]], expected, rtol=0.01, atol=1e-4)
            assert not found[gene, [0, 2, 4]].any()


def test_draws_have_the_distribution():
    """Each weight of a Dirichlet distribution alone has a Beta distribution."""
    search = searched()
    concentration = set_alpha(search)
    draws = np.stack([drawn(search).numpy() for _ in range(400)])
    np.testing.assert_allclose(draws.sum(axis=2), 1, rtol=1e-6)
    for gene, c in enumerate(concentration):
        for place in range(5):
            law = stats.beta(c[place], c.sum() - c[place])
            assert stats.kstest(draws[:, gene, place], law.cdf).pvalue > 1e-4


def test_every_pass_has_a_draw_of_its_own_that_only_the_seed_decides():
    first, again = searched(), searched()
    torch.manual_seed(1)
    one, two = drawn(first), drawn(first)
    torch.manual_seed(2)
    assert torch.equal(drawn(again), one)
    assert torch.equal(drawn(again), two)
    assert not torch.equal(one, two)
    assert not one.requires_grad


# -- the regulariser --------------------------------------------------------------------------------


def test_the_divergence_for_two_operations_is_that_of_the_integral():
    search = searched(regulariser="kl", regulariser_weight=0.5)
    search.kept = [[0, 4]] * 6
    concentration = set_alpha(search)[:, [0, 4]]

    def integrand(t, a, b):  # in the logit of the weight, where nothing diverges
        left, right = special.log_expit(t), special.log_expit(-t)
        log_density = (a - 1) * left + (b - 1) * right - special.betaln(a, b)
        return np.exp(log_density + left + right) * log_density

    expected = sum(
        integrate.quad(integrand, *half, args=(a, b), limit=500)[0]
        for a, b in concentration
        for half in ((-900, -20), (-20, 20), (20, 900))
    )
    assert search.penalty().item() == pytest.approx(0.5 * expected, rel=1e-4)


def test_the_divergence_is_that_of_the_closed_form():
    search = searched(regulariser="kl", regulariser_weight=1.0)
    expected = 0.0
    for c in set_alpha(search):
        total = c.sum()
        expected += special.gammaln(total) - special.gammaln(c).sum() - special.gammaln(5)
        expected += ((c - 1) * (special.digamma(c) - special.digamma(total))).sum()
    assert search.penalty().item() == pytest.approx(expected, rel=1e-10)


def test_the_squared_distance_is_that_of_what_is_kept():
    search = searched(regulariser="l2", regulariser_weight=0.3)
    set_alpha(search)
    search.kept = [[0, 1], [2], [0, 1, 2, 3, 4], [4], [3], [1, 2]]
    alpha = search.alpha.detach().numpy()
    expected = sum((alpha[gene, places] ** 2).sum() for gene, places in enumerate(search.kept))
    assert search.penalty().item() == pytest.approx(0.15 * expected)


@pytest.mark.parametrize("regulariser", ["l2", "kl"])
def test_the_gradient_of_the_regulariser_is_that_of_finite_differences(regulariser):
    search = searched(regulariser=regulariser, regulariser_weight=2.0)
    set_alpha(search)
    found = torch.autograd.grad(search.penalty(), search.alpha)[0]
    way = torch.randn((6, 5), dtype=torch.double, generator=torch.Generator().manual_seed(1))
    values = []
    with torch.no_grad():
        for step in (1e-6, -2e-6):
            search.alpha += step * way
            values.append(float(search.penalty()))
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(float((found * way).sum()), rel=1e-6)


def test_without_a_loss_the_regulariser_draws_alpha_to_nought(monkeypatch):
    search = searched(regulariser_weight=1.0, alpha_learning_rate=0.05)
    monkeypatch.setattr(search, "loss", lambda batch: 0.0 * search.alpha.sum())
    with torch.no_grad():
        search.alpha.normal_()
    for _ in range(200):
        search.alpha_step(None, None)
    assert search.alpha.abs().max() < 0.05


# -- two stages -------------------------------------------------------------------------------------


def test_those_with_the_largest_means_are_kept_and_the_largest_is_derived():
    search = searched(operations_second=3)
    concentration = set_alpha(search)
    means = np.stack([stats.dirichlet(c).mean() for c in concentration])
    np.testing.assert_allclose(search.probabilities().detach(), means, rtol=1e-12)
    assert search.derive().tolist() == means.argmax(axis=1).tolist()
    search.prune()
    assert [set(places) for places in search.kept] == [set(row) for row in np.argsort(-means)[:, :3]]
    assert all(places == sorted(places) for places in search.kept)
    kept = [stats.dirichlet(c[places]).mean() for c, places in zip(concentration, search.kept, strict=True)]
    found = search.probabilities().detach().numpy()
    for row, places, expected in zip(found, search.kept, kept, strict=True):
        np.testing.assert_allclose(row[places], expected, rtol=1e-12)
        assert (row > 0).sum() == 3
    with torch.no_grad():  # what is gone does not come back
        for gene, places in enumerate(search.kept):
            gone = next(place for place in range(5) if place not in places)
            search.alpha[gene, gone] = 50.0
    assert all(gene in places for gene, places in zip(search.derive(), search.kept, strict=True))
    assert [list(gate.weights) for gate in search.gates(learn=False)] == search.kept


def test_more_operations_than_there_are_keep_all():
    search = searched(operations_second=9)
    search.prune()
    assert search.kept == [[0, 1, 2, 3, 4]] * 6


def test_channels_that_were_there_keep_weights_and_momentum():
    search = searched(width=8)
    search.propose()
    search.propose()
    narrow = {name: weight.detach().clone() for name, weight in search.supernet.named_parameters()}
    speed = dict(zip(narrow, search.optimizer.state.values(), strict=False))
    assert len(speed) == len(narrow)
    search.epoch = 2
    search.widen()
    fresh = Supernet("nats_topology", search.setting.skeleton, SupernetOptions(share=2))
    shapes = {name: weight.shape for name, weight in fresh.named_parameters()}
    wide = dict(search.supernet.named_parameters())
    assert {name: weight.shape for name, weight in wide.items()} == shapes
    for name, weight in wide.items():
        old, velocity = narrow[name], search.optimizer.state[weight]["momentum_buffer"]
        expected = speed[name]["momentum_buffer"]
        if old.shape == weight.shape:
            assert torch.equal(weight, old)
            assert torch.equal(velocity, expected)
            continue
        outputs, inputs = old.shape[:2]
        assert weight.shape[:2] == (2 * outputs, 2 * inputs)
        assert torch.equal(weight[:outputs, :inputs], old)
        assert torch.equal(velocity[:outputs, :inputs], expected)
        assert velocity.count_nonzero() == expected.count_nonzero()
        assert weight[outputs:].abs().min() > 0
        assert weight[:, inputs:].abs().min() > 0
    assert sum(narrow[name].shape != shape for name, shape in shapes.items()) == 3 * 6 * 2


def test_the_second_stage_begins_after_half_of_the_epochs_and_alpha_rests_in_both():
    search = searched(epochs=5, frozen_epochs=1)
    shares, kept, alphas = [], [], [search.alpha.detach().clone()]
    for _ in range(5):
        search.propose()
        shares.append(search.supernet.choices[0].share if search.supernet.options.share > 1 else 1)
        kept.append(len(search.kept[0]))
        alphas.append(search.alpha.detach().clone())
    moved = [not torch.equal(*pair) for pair in pairwise(alphas)]
    assert shares == [4, 4, 4, 2, 2]
    assert kept == [5, 5, 5, 3, 3]
    assert moved == [False, True, True, False, True]
    assert search.optimizer.param_groups[0]["params"] == list(search.supernet.parameters())


def test_one_one_and_all_switch_the_stages_off():
    search = searched(partial_first=1, partial_second=1, operations_second=5)
    supernet = search.supernet
    for _ in range(4):
        search.propose()
    assert search.supernet is supernet
    assert search.kept == [[0, 1, 2, 3, 4]] * 6


# -- the search -------------------------------------------------------------------------------------


def test_a_needed_convolution_beats_the_identity():
    """On the edge from the first node to the last; every other edge is cut."""
    search = searched(epochs=12, alpha_learning_rate=0.1, partial_first=2, partial_second=1)
    search.kept = [[NONE]] * 3 + [[SKIP, CONV]] + [[NONE]] * 2
    for _ in range(12):
        row = search.propose()
    assert row.tolist() == [NONE, NONE, NONE, CONV, NONE, NONE]
    assert search.probabilities()[3, CONV] > 0.7


@pytest.mark.parametrize("half", [1, 3])
def test_a_state_taken_half_way_leads_to_the_same_end(half):
    strategy, other = played(), played(seed=5)
    for _ in range(half):
        strategy.ask()
    state = strategy.state()
    expected = [strategy.ask().genes.tolist() for _ in range(4 - half)]
    other.restore(state)
    assert [other.ask().genes.tolist() for _ in range(4 - half)] == expected
    assert torch.equal(strategy.searches[0].alpha, other.searches[0].alpha)


def test_chains_of_layers_have_all_channels_and_lose_operations():
    search = searched("macro", epochs=2, operations_second=2, data={"train": 16, "valid": 16})
    for _ in range(2):
        row = search.propose()
        assert search.space.valid(row[None]).all()
        assert search.supernet.options.share == 1
    assert [len(places) for places in search.kept] == [2] * 8
    found = search.findings()["choice_weights"]
    assert (found > 0).sum(axis=2).tolist() == [[3] * 8, [2] * 8]


def test_genes_may_have_different_numbers_of_operations():
    search = searched("mobile")
    limits = search.space.cardinalities
    assert [len(gate.weights) for gate in search.gates(learn=False)] == list(limits)
    assert ((search.probabilities() > 0).sum(1).tolist()) == list(limits)
    with torch.no_grad():
        search.alpha[:, -1] = 5.0
    assert all((row == 6) == (limit == 7) for row, limit in zip(search.derive(), limits, strict=True))


def test_a_loss_that_is_no_number_ends_the_run():
    search = searched(learning_rate=1e30, last_learning_rate=1e30, clip=0.0)
    search.propose()
    search.propose()
    assert search.ending.startswith("the loss became nan in epoch")
    assert search.findings()["step_bytes"] >= 0
