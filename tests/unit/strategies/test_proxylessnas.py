"""Gradients against finite differences and enumeration, draws against chances, tasks with one answer."""

import copy
from itertools import pairwise, product

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from scipy import special, stats
from supernet_tasks import tiny_setting

from nasbench_suite import get_space
from nasbench_suite.strategies.catalogue import constructor, get_strategy
from nasbench_suite.training.choices import Gate

CONV, NONE = 3, 0
"""`nor_conv_3x3` and `none` of the topology space."""


def searches(space="macro", seed=0, runs=1, **settings):
    cls = constructor(get_strategy("proxylessnas"))
    settings = {"batch": 16, "epochs": 4, "warm_up": 0.0, **settings}
    return cls(get_space(space), runs=runs, seed=seed, training=tiny_setting(space), **settings)


def one(*args, **settings):
    return searches(*args, **settings).searches[0]


def in_double(search, scale=1.0):
    """Return a search that computes in double precision, alpha drawn anew, with a batch of its data."""
    search.supernet.double()
    alpha = scale * torch.randn(search.alpha.shape, generator=torch.Generator().manual_seed(2))
    search.alpha = alpha.double().requires_grad_()
    part = search.data.valid[:8]
    return search, (search.data.inputs[part].double(), search.data.labels[part])


# -- gradients of gates ------------------------------------------------------------------------------------


def gate_slopes(search, batch, taken, active, step=1e-6):
    """Return finite differences of the cross-entropy in every gate, and the cross-entropy itself."""

    def loss(numbers):
        gates = [Gate({i: numbers[g, i] for i in np.flatnonzero(row)}) for g, row in enumerate(taken.numpy())]
        with torch.no_grad():
            return float(F.cross_entropy(search.supernet(batch[0], gates), batch[1]))

    opened = F.one_hot(active, taken.shape[1]).double()
    slopes = np.zeros(opened.shape)
    for gene, place in torch.nonzero(taken).tolist():
        ends = []
        for sign in (1, -1):
            moved = opened.clone()
            moved[gene, place] += sign * step
            ends.append(loss(moved))
        slopes[gene, place] = (ends[0] - ends[1]) / (2 * step)
    return slopes, loss(opened)


def softmax_among(alpha, taken):
    return special.softmax(np.where(taken, alpha, -np.inf), axis=1)


def chained(slopes, p):
    """Equation (4), term by term."""
    found = np.zeros(p.shape)
    for gene in range(len(p)):
        for i, j in product(range(p.shape[1]), repeat=2):
            found[gene, i] += slopes[gene, j] * p[gene, j] * ((i == j) - p[gene, i])
    return found


@pytest.mark.parametrize(
    ("space", "update"), [("macro", "two"), ("nats_topology", "two"), ("nats_topology", "full")]
)
def test_the_gradient_of_alpha_is_that_of_finite_differences_of_gates(space, update):
    search, batch = in_double(one(space, update=update))
    taken = search.drawn_pairs() if update == "two" else search.exists
    active = search.drawn(taken)
    assert (taken.sum(1) == (2 if update == "two" else taken.shape[1])).all()
    assert taken[torch.arange(len(active)), active].all()
    found, loss = search.gate_gradient(batch, taken, active)
    slopes, expected_loss = gate_slopes(search, batch, taken, active)
    expected = chained(slopes, softmax_among(search.alpha.detach().numpy(), taken.numpy()))
    assert np.abs(expected).max() > 1e-3
    assert found.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-8)
    assert float(loss) == pytest.approx(expected_loss, rel=1e-12)


@pytest.mark.parametrize(("form", "update"), [("mul_log", "two"), ("add_linear", "full")])
def test_the_gradient_with_a_cost_is_that_of_finite_differences(form, update):
    settings = {"cost": "flops_millions", "cost_loss": form, "cost_lambda": 0.7, "reference": 0.03}
    search, batch = in_double(one(update=update, **settings))
    taken = search.drawn_pairs() if update == "two" else search.exists
    active = search.drawn(taken)
    slopes, plain = gate_slopes(search, batch, taken, active)
    alpha, mask = search.alpha.detach().numpy(), taken.numpy()

    def whole(numbers, loss=plain):
        cost = search.costs.constant + (softmax_among(numbers, mask) * search.costs.entries).sum()
        if form == "mul_log":
            return 0.2 * loss * (np.log(cost * 1e6) / np.log(30000)) ** 0.3
        return loss + 0.7 * (cost - 0.03) / 0.03

    direct = np.zeros(alpha.shape)
    for place in np.ndindex(alpha.shape):
        up, down = alpha.copy(), alpha.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        direct[place] = (whole(up) - whole(down)) / 2e-5
    factor = (whole(alpha, plain + 1e-4) - whole(alpha, plain - 1e-4)) / 2e-4
    expected = factor * chained(slopes, softmax_among(alpha, mask)) + direct
    found, loss = search.gate_gradient(batch, taken, active)
    assert np.abs(direct).max() > 1e-4
    assert found.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-8)
    assert float(loss) == pytest.approx(whole(alpha), rel=1e-10)


def test_without_a_reference_it_is_the_mean_over_all_architectures():
    space = get_space("macro")
    search = one(cost="params_millions")
    assert search.reference_cost == pytest.approx(
        search.costs.of(space.decode(np.arange(space.n_codes))).mean()
    )


# -- two paths ---------------------------------------------------------------------------------------------


def test_a_step_on_two_paths_leaves_their_sum_and_all_others():
    """Adam's first step is the rate times the sign; both of a pair have opposite gradients."""
    search = one("nats_topology", update="two", alpha_learning_rate=0.05, alpha_scale=1.0)
    search.exists[:, NONE] = False  # behind a path without output no gate has a gradient
    before = search.alpha.detach().double().numpy().copy()
    search.alpha_step(next(search.valid_batches(16)))
    after = search.alpha.detach().double().numpy()
    p, q = special.softmax(before, axis=1), special.softmax(after, axis=1)
    slope = search.alpha.grad.numpy()
    for gene in range(6):
        pair = np.flatnonzero(slope[gene])
        others = np.setdiff1d(np.arange(5), pair)
        assert len(pair) == 2
        assert q[gene, pair].sum() == pytest.approx(p[gene, pair].sum(), rel=1e-6)
        assert q[gene, others] == pytest.approx(p[gene, others], rel=1e-6)
        ratio = np.log(q[gene, pair[0]] / q[gene, pair[1]]) - np.log(p[gene, pair[0]] / p[gene, pair[1]])
        assert ratio == pytest.approx(-np.sign(slope[gene, pair[0]]) * 2 * 0.05, rel=1e-3)


def test_what_the_optimiser_does_to_other_paths_is_undone():
    search = one("nats_topology", update="two", alpha_beta1=0.9, alpha_weight_decay=0.5, alpha_scale=1.0)
    batches = search.valid_batches(16)
    for _ in range(3):
        before = special.softmax(search.alpha.detach().double().numpy(), axis=1)
        search.alpha_step(next(batches))
        after = special.softmax(search.alpha.detach().double().numpy(), axis=1)
        assert (np.isclose(before, after, rtol=1e-6, atol=0).sum(axis=1) >= 3).all()
        assert not np.allclose(before, after, rtol=1e-6)


def test_draws_have_their_probabilities():
    """A pair comes without replacement: one by the probabilities, the other by those that are left."""
    search, _ = in_double(one("nats_topology"))
    search.exists[0, 4] = False
    n = 800
    p = softmax_among(search.alpha.detach().numpy(), search.exists.numpy())
    rows = search.draw(n)
    for gene in range(6):
        there = p[gene] > 0
        counts = np.bincount(rows[:, gene], minlength=5)
        assert counts[~there].sum() == 0
        assert stats.chisquare(counts[there], n * p[gene][there]).pvalue > 1e-4
    pairs = np.stack([search.drawn_pairs().numpy() for _ in range(n)])
    assert (pairs.sum(axis=2) == 2).all()
    for gene in range(6):
        members = [(a, b) for a in range(5) for b in range(a) if p[gene, a] * p[gene, b] > 0]
        expected = [
            p[gene, a] * p[gene, b] * (1 / (1 - p[gene, a]) + 1 / (1 - p[gene, b])) for a, b in members
        ]
        counts = [(pairs[:, gene, a] & pairs[:, gene, b]).sum() for a, b in members]
        assert sum(expected) == pytest.approx(1)
        assert stats.chisquare(counts, n * np.array(expected)).pvalue > 1e-4


# -- REINFORCE ---------------------------------------------------------------------------------------------


def test_the_policy_gradient_is_that_of_the_expected_reward():
    """Summed over all 6,561 architectures with their probabilities it is exact, whatever the baseline."""
    search, _ = in_double(one(update="reinforce"), scale=0.5)
    space = get_space("macro")
    rows = space.decode(np.arange(space.n_codes))
    alpha = search.alpha.detach().numpy()
    reward = np.random.default_rng(3).random(len(rows))

    def chances(numbers):
        return special.softmax(numbers, axis=1)[np.arange(8), rows].prod(axis=1)

    slopes = np.zeros(alpha.shape)
    for place in np.ndindex(alpha.shape):
        up, down = alpha.copy(), alpha.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slopes[place] = ((chances(up) - chances(down)) * reward).sum() / 2e-5
    for baseline in (0.0, 0.8):
        weighted = torch.from_numpy(chances(alpha) * len(rows) * (reward - baseline))
        assert -search.policy_gradient(rows, weighted).numpy() == pytest.approx(slopes, rel=1e-5, abs=1e-10)


def test_rewards_and_the_baseline_are_those_by_hand(monkeypatch):
    search = one(update="reinforce", cost="flops_millions", reference=0.05, reinforce_batch=4)
    monkeypatch.setattr(search, "accuracy", lambda row, batch: 0.2 + 0.05 * float(row.sum()))
    rows = get_space("macro").sample(np.random.default_rng(4), 5)
    counts = [search.setting.counts(row).multiply_adds for row in rows]
    by_hand = [
        (0.2 + 0.05 * row.sum()) * (50000 / count) ** 0.1 for row, count in zip(rows, counts, strict=True)
    ]
    assert search.rewards(rows, None).numpy() == pytest.approx(by_hand, rel=1e-5)
    means, seen, baseline = iter([0.5, 0.9, 0.1]), [], None
    monkeypatch.setattr(search, "rewards", lambda rows, batch: torch.full((4,), next(means)))
    monkeypatch.setattr(search, "policy_gradient", lambda rows, advantages: seen.append(advantages))
    for mean in (0.5, 0.9, 0.1):
        _, loss = search.reinforce_gradient(None)
        baseline = mean if baseline is None else 0.01 * baseline + 0.99 * mean
        assert float(loss) == pytest.approx(-mean)
        assert search.baseline == pytest.approx(baseline, rel=1e-6)
        assert seen[-1].numpy() == pytest.approx([mean - baseline] * 4, abs=1e-6)


# -- epochs ------------------------------------------------------------------------------------------------


def test_alpha_and_rates_follow_the_schedule():
    """Half of eight epochs are warm-up; alpha learns after every third step on the weights."""
    search = one(epochs=8, warm_up=0.5, alpha_interval=3, batch=32)
    alphas, rates = [search.alpha.detach().clone()], []
    for _ in range(8):
        search.propose()
        alphas.append(search.alpha.detach().clone())
        rates.append(search.optimizer.param_groups[0]["lr"])
    changed = [not torch.equal(*pair) for pair in pairwise(alphas)]
    assert changed == [False] * 4 + [True, True, False, True]  # steps 9 | 12 | 15 of 16
    cosine = [(1 + np.cos(np.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)]
    assert rates == pytest.approx([0.05 * c for c in cosine] + [0.025 * c for c in cosine])
    assert search.ending == "all 8 epochs are done"


def test_labels_are_smoothed_for_the_weights_alone():
    search = one()
    logits, labels = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 1.0]]), torch.tensor([2, 0])
    log_p = special.log_softmax(logits.numpy(), axis=1)
    target = 0.9 * np.eye(3)[labels] + 0.1 / 3
    assert float(search.weight_loss(logits, labels)) == pytest.approx(-(target * log_p).sum(axis=1).mean())


def test_what_is_derived_has_the_most_likely_operations_a_gene_has():
    search = one("mobile", epochs=1)
    with torch.no_grad():
        search.alpha[:] = torch.rand(21, 7, generator=torch.Generator().manual_seed(5))
        search.alpha[:, 6] = 2.0  # the seventh operation, which first layers of stages do not have
    expected = [
        max(range(limit), key=search.alpha[gene].tolist().__getitem__)
        for gene, limit in enumerate(search.space.cardinalities)
    ]
    assert search.derive().tolist() == expected
    assert search.space.valid(search.draw(20)).all()
    assert search.choice_weights().sum(1).tolist() == pytest.approx([1.0] * 21)


@pytest.mark.parametrize("update", ["two", "reinforce"])
def test_a_search_taken_up_half_way_ends_alike(update):
    settings = {"epochs": 2, "update": update, "alpha_interval": 1, "reinforce_batch": 3, "batch": 32}
    settings |= {"alpha_learning_rate": 0.1, "cost": "flops_millions"}
    first, other = searches(**settings), searches(seed=9, **settings)
    first.ask()
    state = copy.deepcopy(first.state())
    ends = []
    for strategy in (first, other):
        if strategy is other:
            other.restore(state)
        genes = strategy.ask().genes
        ends.append((genes.tolist(), strategy.searches[0].alpha.tolist()))
    assert ends[0] == ends[1]


# -- tasks with one right answer ---------------------------------------------------------------------------


LEARNING = {"alpha_interval": 1, "alpha_learning_rate": 0.1, "learning_rate": 0.1, "epochs": 12}
LEARNING |= {"warm_up": 0.4, "warm_up_learning_rate": 0.1}


@pytest.mark.parametrize("update", ["two", "full", "reinforce"])
def test_a_convolution_beats_nothing_where_labels_need_one(update):
    search = one("nats_topology", update=update, reinforce_batch=6, **LEARNING)
    search.exists[:] = False
    search.exists[:, [NONE, CONV]] = True
    while not search.ending:
        found = search.propose()
    assert found[3] == CONV  # the edge from the first node to the last
    assert float(search.probabilities()[3, CONV].detach()) > 0.7


@pytest.mark.parametrize("form", ["mul_log", "add_linear"])
def test_with_a_heavy_cost_it_ends_with_the_cheapest(form):
    heavy = {"cost_lambda": 100.0, "cost_beta": 100.0}
    settings = {**LEARNING, **heavy, "epochs": 4, "warm_up": 0.0}
    search = one(update="full", cost="flops_millions", cost_loss=form, **settings)
    while not search.ending:
        found = search.propose()
    assert np.array_equal(found, search.costs.entries.argmin(axis=1))
