"""ENAS: its policy gradient by enumeration, a made-up reward, whole searches on a tiny task."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from supernet_tasks import tiny_setting

from nasbench_suite import get_space, get_strategy
from nasbench_suite.spaces.nats_topology import OPERATIONS
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.strategies.enas import policy_loss
from nasbench_suite.strategies.gene_controller import GeneController

QUICK = {
    "epochs": 3,
    "batch": 16,
    "controller_steps": 2,
    "aggregate": 3,
    "epoch_candidates": 3,
    "candidates": 7,
}
NONE, CONV = OPERATIONS.index("none"), OPERATIONS.index("nor_conv_3x3")


def played(space="nats_topology", seed=0, data=None, **settings):
    training = tiny_setting(space, **(data or {}))
    return constructor(get_strategy("enas"))(
        get_space(space), runs=1, seed=seed, training=training, **{**QUICK, **settings}
    )


def searched(*args, **settings):
    return played(*args, **settings).searches[0]


# -- the controller's gradient ----------------------------------------------------------------------


def test_the_mean_gradient_is_that_of_the_mean_reward():
    """Over all architectures of a space of six, against central differences of the mean reward."""
    torch.manual_seed(0)
    controller = GeneController(
        (2, 3), hidden=3, layers=2, temperature=0.8, tanh_constant=2.0, initial_range=0.9
    ).double()
    rows = torch.tensor(list(product(range(2), range(3))))
    rewards = np.random.default_rng(1).random(6)
    weights = list(controller.parameters())

    def mean_reward():
        with torch.no_grad():
            return float(controller(rows)[0].exp() @ torch.from_numpy(rewards))

    expected = np.zeros(0)
    for weight in weights:
        flat = weight.detach().view(-1)
        for place in range(len(flat)):
            kept, ends = flat[place].item(), []
            for step in (1e-5, -1e-5):
                flat[place] = kept + step
                ends.append(mean_reward())
            flat[place] = kept
            expected = np.append(expected, (ends[0] - ends[1]) / 2e-5)
    found = np.zeros_like(expected)
    probabilities = controller(rows)[0].detach().exp()
    for row, probability, reward in zip(rows, probabilities, rewards, strict=True):
        loss = policy_loss(controller(row[None])[0], np.array([reward - 0.3]))  # any baseline
        gradient = torch.autograd.grad(loss, weights, materialize_grads=True)
        found -= float(probability) * torch.cat([part.flatten() for part in gradient]).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.abs(expected).max() > 1e-2


def test_a_loss_of_many_is_the_mean_of_the_losses_of_each():
    log_p, advantages = torch.tensor([-1.0, -2.0, -0.5]), np.array([0.5, -1.0, 2.0])
    assert policy_loss(log_p, advantages).item() == pytest.approx((0.5 - 2 + 1) / 3)


def test_advantages_are_taken_against_the_moving_average_of_earlier_rewards():
    search = searched(baseline_decay=0.8)
    rewards = np.random.default_rng(2).random(9)
    found = np.concatenate([search.advantages(part) for part in (rewards[:4], rewards[4:])])
    average = lfilter([0.2], [1, -0.8], rewards, zi=[0.8 * rewards[0]])[0]
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], rewards[1:] - average[:-1], rtol=1e-12)
    assert search.baseline == pytest.approx(average[-1])


def test_the_reward_is_the_accuracy_and_the_weighted_entropy(monkeypatch):
    search, given = searched(entropy_weight=0.25), []
    monkeypatch.setattr(search, "advantages", lambda rewards: given.append(rewards) or rewards)
    rows = search.drawn(3)
    entropies = search.controller(torch.from_numpy(rows.astype(np.int64)))[1].numpy()
    search.controller_step(rows, [0.1, 0.9, 0.4])
    np.testing.assert_allclose(given[0], np.array([0.1, 0.9, 0.4]) + 0.25 * entropies)
    assert (entropies > 6 * 1.5).all()  # nearly uniform over five operations on six edges


def test_the_controller_alone_learns_a_made_up_reward():
    """The share of genes that are as wanted."""
    search = searched(controller_learning_rate=0.02)
    wanted = [4, 4, 4, 1, 1, 1]

    def share_right(rows):
        return (rows == wanted).mean(axis=1)

    before = share_right(search.drawn(200)).mean()
    for _ in range(100):
        rows = search.drawn(20)
        search.controller_step(rows, share_right(rows))
    assert before < 0.3
    assert share_right(search.drawn(200)).mean() > 0.8


# -- the search -------------------------------------------------------------------------------------


def test_the_rate_goes_down_and_up_along_a_cosine():
    search = searched(learning_rate=0.05, last_learning_rate=0.0005, cycle=10)
    rates = []
    for epoch in range(21):
        search.epoch = epoch
        search.set_rate()
        rates.append(search.optimizer.param_groups[0]["lr"])
    middle, half = 0.02525, 0.02475
    expected = {0: middle + half, 5: middle, 10: middle - half, 15: middle, 20: middle + half}
    assert {epoch: rates[epoch] for epoch in expected} == pytest.approx(expected)
    assert rates[2] == pytest.approx(middle + half * 0.8090169943749475)  # (1 + sqrt(5)) / 4


def test_the_best_of_so_many_drawn_is_derived(monkeypatch):
    search, sizes, drawn = searched(), [], []
    true = search.drawn
    monkeypatch.setattr(search, "drawn", lambda n: drawn.append(true(n)) or drawn[-1])
    monkeypatch.setattr(search, "accuracy", lambda row, batch: float(row @ 7 ** np.arange(6) % 11))
    for _ in range(search.epochs):
        proposed = search.propose()
        scores = drawn[-1].astype(int) @ 7 ** np.arange(6) % 11
        assert (proposed.astype(int) @ 7 ** np.arange(6)) % 11 == scores.max()
        assert proposed.tolist() in drawn[-1].tolist()
        sizes.append(len(drawn[-1]))
    assert sizes == [3, 3, 7]


def test_a_needed_convolution_beats_nothing():
    search = searched(
        epochs=6, controller_learning_rate=0.02, controller_steps=10, aggregate=6, candidates=10
    )
    search.controller.exists[:, [place for place in range(5) if place not in (NONE, CONV)]] = False
    for _ in range(6):
        row = search.propose()
    assert search.ending == "all 6 epochs are done"
    assert set(row.tolist()) <= {NONE, CONV}
    share = (search.drawn(200) == CONV).mean()
    assert share > 0.7
    valid = search.data.batch(search.data.valid)
    assert search.accuracy(row, valid) > 0.9
    assert search.accuracy(np.full(6, NONE), valid) < 0.7


def test_all_values_that_a_gene_has_are_drawn_and_no_others():
    search = searched("mobile")
    rows = search.drawn(300)
    assert search.space.valid(rows).all()
    assert [len(set(column)) for column in rows.T.tolist()] == list(search.space.cardinalities)


@pytest.mark.parametrize("space", ["nats_topology", "macro"])
def test_a_state_taken_half_way_leads_to_the_same_end(space):
    settings = {"data": {"train": 16, "valid": 16}, "controller_steps": 1, "candidates": 2}
    strategy, other = played(space, **settings), played(space, seed=5, **settings)
    strategy.ask()
    state = strategy.state()
    expected = [strategy.ask().genes.tolist() for _ in range(2)]
    other.restore(state)
    assert [other.ask().genes.tolist() for _ in range(2)] == expected
    weights = zip(
        strategy.searches[0].controller.parameters(), other.searches[0].controller.parameters(), strict=True
    )
    assert all(torch.equal(*pair) for pair in weights)
    assert strategy.searches[0].space.valid(np.array(expected[-1], dtype=np.uint8)).all()


def test_a_loss_that_is_no_number_ends_the_run():
    search = searched(learning_rate=1e30, last_learning_rate=1e30, clip=0.0)
    search.propose()
    search.propose()
    assert search.ending.startswith("the loss became nan in epoch")
