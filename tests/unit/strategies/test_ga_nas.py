"""GA-NAS: its losses by hand, its networks against torch's modules, what they learn and rounds are."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import Budget, get_space
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.loop import play
from nasbench_suite.strategies.ga_nas import GaNas, advantages, discriminator_loss, ppo_loss
from nasbench_suite.strategies.message_policy import MessagePolicy
from nasbench_suite.strategies.pair_discriminator import PairDiscriminator

INF = np.inf
SPACE = get_space("nats_topology")
SMALL = {"initial": 12, "top": 4, "proposals": 6, "steps": 3, "batch": 8, "hidden": 8}


def test_the_clipped_objective_by_hand():
    """Ratios 1.5, 1.5, 0.5, 0.5 with advantages 2, -2, 2, -2: only gains are cut, at 1.2 and 0.8."""
    before = torch.zeros(1, 4)
    now = torch.log(torch.tensor([[1.5, 1.5, 0.5, 0.5]]))
    advantage = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    expected = -(1.2 * 2 + 1.5 * -2 + 0.5 * 2 + 0.8 * -2) / 4
    assert ppo_loss(now, before, advantage, 0.2).tolist() == pytest.approx([expected])


def test_at_the_first_step_its_gradient_is_that_of_reinforce():
    now = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    advantage = torch.tensor([[1.0, -0.5, 2.0]])
    ppo_loss(now, now.detach(), advantage, 0.2).sum().backward()
    assert now.grad.tolist()[0] == pytest.approx((-advantage / 3).tolist()[0])


def test_advantages_are_scaled_run_by_run():
    rewards = torch.tensor([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0], [-INF, 1.0, 1.0, 2.0]])
    found = advantages(rewards)
    deviation = math.sqrt((4 + 1 + 0 + 9) / 4)
    assert found[0].tolist() == pytest.approx([-2 / deviation, -1 / deviation, 0, 3 / deviation])
    assert found[1].tolist() == [0, 0, 0, 0]
    assert found[2].tolist() == pytest.approx([-1 / math.sqrt(3)] * 3 + [math.sqrt(3)])
    assert advantages(torch.full((1, 3), -INF)).tolist() == [[0, 0, 0]]


def test_the_discriminators_loss_is_the_cross_entropy():
    true, generated = torch.tensor([[0.0, 2.0]]), torch.tensor([[-1.0, 0.0]])

    def log_sigmoid(value):
        return math.log(1 / (1 + math.exp(-value)))

    expected = -(log_sigmoid(0) + log_sigmoid(2)) / 2 - (log_sigmoid(1) + log_sigmoid(0)) / 2
    assert float(discriminator_loss(true, generated)) == pytest.approx(expected)


def test_the_discriminator_is_that_of_torchs_modules():
    ours = PairDiscriminator(SPACE, 2, np.random.default_rng(0), hidden=5)
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for bias in ours.biases:
            bias += torch.from_numpy(rng.normal(size=bias.shape).astype(np.float32))
    good, other = (SPACE.sample(rng, 6).reshape(2, 3, 6) for _ in range(2))
    with torch.no_grad():
        found = ours.logits(good, other)
        for run in range(2):

            def linear(weight, bias, run=run):
                layer = nn.Linear(*weight.shape[1:])
                layer.weight.copy_(weight[run].T)
                layer.bias.copy_(bias[run, 0])
                return layer

            first = linear(ours.embedding, ours.biases[0])
            code = linear(ours.code, ours.biases[1])
            joint, last = linear(ours.joint, ours.biases[2]), linear(ours.last, ours.biases[3])

            def encode(genes, first=first, code=code):
                hot = np.eye(5)[genes].reshape(len(genes), -1).astype(np.float32)
                return code(first(torch.from_numpy(hot)).relu())

            both = torch.cat([encode(good[run]), encode(other[run])], dim=1).relu()
            assert found[run].tolist() == pytest.approx(last(joint(both).relu())[:, 0].tolist(), rel=1e-4)


def test_the_discriminator_learns_a_planted_difference():
    """Good cells have no pooling; those that are not shown to it are told apart, too."""
    rng = np.random.default_rng(0)
    judge = PairDiscriminator(SPACE, 3, rng, hidden=16)
    optimiser = torch.optim.Adam(judge.weights, lr=0.01)

    def cells(pooling):
        genes = rng.integers(4, size=(3, 64, 6)).astype(np.uint8)
        if pooling:
            genes[np.arange(3)[:, None], np.arange(64), rng.integers(6, size=(3, 64))] = 4
        return genes

    for _ in range(120):
        loss = discriminator_loss(
            judge.logits(cells(False), cells(False)), judge.logits(cells(False), cells(True))
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert (judge.logits(cells(False), cells(False)) > 0).float().mean() > 0.9
        assert (judge.logits(cells(False), cells(True)) < 0).float().mean() > 0.9


@pytest.mark.parametrize("name", ["nats_topology", "graph", "macro", "nasbench101"])
def test_messages_are_those_of_the_partial_graph(name):
    """Recomputed gene by gene for one architecture; what comes later changes nothing that was before."""
    space = get_space(name)
    policy = MessagePolicy(space, 2, np.random.default_rng(0), hidden=4, initial_range=0.7)
    genes = space.sample(np.random.default_rng(1), 6).reshape(2, 3, -1)
    with torch.no_grad():
        found = [each.numpy() for each in policy.log_policies(genes)]
        told = []
        for gene, parents in enumerate(space.gene_parents):
            assert all(parent < gene for parent in parents)
            state = policy.places[1, gene].clone()
            if parents:
                state += sum(told[parent] for parent in parents) @ policy.message[1]
            if told:
                state += sum(told) / len(told) @ policy.readout[1]
            state = state.tanh()
            logits = state @ policy.heads[gene][1]
            size = space.cardinalities[gene]
            expected = torch.log_softmax(logits[:size], 0)
            np.testing.assert_allclose(found[gene][1, 2, :size], expected.numpy(), rtol=1e-4, atol=1e-5)
            assert np.isneginf(found[gene][1, 2, size:]).all()
            token = policy.tokens[1, policy.first_token[gene] + int(genes[1, 2, gene])]
            told.append(torch.cat([token, state]))


def test_edges_of_a_topology_cell_hear_from_what_ends_at_their_ends():
    assert SPACE.gene_parents == ((), (), (0, 1), (), (0, 3), (1, 2, 3, 4))


@pytest.mark.parametrize("generator", ["sequence", "messages"])
def test_proposals_of_a_round_are_new_and_valid(made_up, generator):
    runs = play(GaNas(SPACE, runs=5, seed=1, generator=generator, **SMALL), made_up, Budget(evaluations=60))
    for genes in runs.genes:
        assert len(np.unique(genes[12:], axis=0)) == 48
        assert SPACE.valid(genes).all()


def test_the_truth_is_the_best_of_what_was_evaluated():
    strategy = GaNas(SPACE, runs=2, seed=1, **SMALL)
    strategy._genes = np.stack([SPACE.sample(np.random.default_rng(run), 9) for run in range(2)])
    strategy._genes[0, 5] = strategy._genes[0, 2]
    strategy._scores = np.tile(np.array([1.0, 5, 9, 2, 7, 8, -INF, 3, 4]), (2, 1))
    assert np.array_equal(strategy.truth()[0], strategy._genes[0, [2, 4, 1, 8]])
    assert np.array_equal(strategy.truth()[1], strategy._genes[1, [2, 5, 4, 1]])


@pytest.mark.parametrize(
    "settings",
    [{}, {"generator": "messages"}, {"learning": "likelihood"}, {"judge": "results"}],
)
def test_what_it_proposes_gets_better(settings):
    """Cells are worth the number of their 3x3 convolutions; random ones have 1.2."""
    strategy = GaNas(SPACE, runs=4, seed=3, **settings)
    worth = []
    for _ in range(250):
        proposals = strategy.ask()
        worth.append((proposals.genes == 3).sum(axis=1))
        strategy.tell(proposals, Evaluations(worth[-1].astype(float)))
    worth = np.array(worth)
    assert abs(worth[:50].mean() - 1.2) < 0.2
    assert worth[-40:].mean() > 2.4


def test_runs_do_not_move_each_other():
    def last(scale):
        strategy = GaNas(SPACE, runs=2, seed=4, **SMALL)
        for _ in range(30):
            proposals = strategy.ask()
            worth = (proposals.genes == 3).sum(axis=1).astype(float)
            strategy.tell(proposals, Evaluations(worth * np.array([1.0, scale])))
        with torch.no_grad():
            genes = np.zeros((2, 3, 6), np.uint8)
            return [each.numpy() for each in strategy.policy.log_policies(genes)]

    for one, other in zip(last(1.0), last(-1.0), strict=True):
        assert np.array_equal(one[0], other[0])
