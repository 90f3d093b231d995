"""The recurrent controller against torch's own LSTMCell, Linear, autograd and Adam, one run at a time."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from nasbench_suite import Proposals, get_space
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.rnn_controller import RnnController


class TorchController(nn.Module):
    """One run's controller, built of torch's modules from the weights of run `run`."""

    def __init__(self, controller, run):
        super().__init__()
        hidden = controller.hidden
        self.sizes = controller.space.cardinalities
        self.tokens = nn.Embedding.from_pretrained(
            controller.policy.tokens[run].detach().clone(), freeze=False
        )
        self.cells = nn.ModuleList()
        for weight, bias in zip(controller.policy.cells, controller.policy.biases, strict=True):
            cell = nn.LSTMCell(hidden, hidden)
            weights = self.in_torchs_order(weight[run].detach().T)
            with torch.no_grad():
                cell.weight_ih.copy_(weights[:, :hidden])
                cell.weight_hh.copy_(weights[:, hidden:])
                cell.bias_ih.copy_(self.in_torchs_order(bias[run, 0].detach()))
                cell.bias_hh.zero_()
            cell.bias_hh.requires_grad_(False)  # torch has two biases, the controller one
            self.cells.append(cell)
        self.heads = nn.ModuleList()
        for size, weight in zip(self.sizes, controller.policy.heads, strict=True):
            head = nn.Linear(hidden, size, bias=False)
            with torch.no_grad():
                head.weight.copy_(weight[run].detach().T[:size])
            self.heads.append(head)

    @staticmethod
    def in_torchs_order(gates):
        write, forget, read, new = gates.chunk(4)
        return torch.cat([write, forget, new, read])

    def forward(self, genes):
        """The log-policy of every gene of every row, given the genes before it."""
        states = [None] * len(self.cells)
        token, offset, policies = torch.zeros(len(genes), dtype=torch.long), 1, []
        for gene, (size, head) in enumerate(zip(self.sizes, self.heads, strict=True)):
            value = self.tokens(token)
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(value, states[layer])
                value = states[layer][0]
            policies.append(torch.log_softmax(head(value), dim=1))
            token, offset = offset + genes[:, gene], offset + size
        return policies


def log_policies(controller, genes):
    """The controller's own, float [runs, batch, values] for every gene."""
    with torch.no_grad():
        return [policy.numpy() for policy in controller.policy.log_policies(genes)]


def assert_same_policies(controller, twins, genes, **tolerance):
    found = log_policies(controller, genes)
    for run, twin in enumerate(twins):
        with torch.no_grad():
            expected = twin(torch.from_numpy(genes[run].astype(np.int64)))
        for gene, policy in enumerate(expected):
            size = policy.shape[1]
            np.testing.assert_allclose(found[gene][run, :, :size], policy.numpy(), **tolerance)
            assert np.isneginf(found[gene][run, :, size:]).all()


@pytest.mark.parametrize("name", ["graph", "nats_topology"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_policy_is_that_of_torchs_modules(name, layers):
    space = get_space(name)
    controller = RnnController(space, runs=3, seed=1, hidden=6, layers=layers, batch=9, initial_range=0.8)
    genes = space.sample(np.random.default_rng(2), 27).reshape(3, 9, -1)
    twins = [TorchController(controller, run) for run in range(3)]
    assert_same_policies(controller, twins, genes, rtol=2e-5, atol=1e-6)


def learn(twin, optimiser, genes, rewards, baseline, entropy_weight):
    policies = twin(torch.from_numpy(genes.astype(np.int64)))
    loss = 0.0
    for row, reward in enumerate(rewards):
        for gene, policy in enumerate(policies):
            probability = policy[row].exp()
            loss = loss - (reward - baseline) * policy[row, int(genes[row, gene])]
            loss = loss + entropy_weight * (probability * policy[row]).sum()
    optimiser.zero_grad()
    (loss / len(rewards)).backward()
    optimiser.step()


@pytest.mark.parametrize("entropy_weight", [0.0, 0.5])
def test_runs_learn_as_torch_does_and_each_by_itself(entropy_weight):
    space, runs, batch = get_space("graph"), 3, 4
    controller = RnnController(
        space,
        runs=runs,
        seed=3,
        hidden=5,
        batch=batch,
        initial_range=0.8,
        learning_rate=0.02,
        entropy_weight=entropy_weight,
        baseline_momentum=0.75,
    )
    twins = [TorchController(controller, run) for run in range(runs)]
    optimisers = [torch.optim.Adam(twin.parameters(), lr=0.02) for twin in twins]
    rng, baselines = np.random.default_rng(4), [None] * runs
    for _ in range(5):
        genes, rewards = np.zeros((runs, batch, 5), np.uint8), rng.uniform(0, 10, (runs, batch))
        for member in range(batch):
            proposals = controller.ask()
            genes[:, member] = proposals.genes
            controller.tell(proposals, Evaluations(rewards[:, member]))
        for run, (twin, optimiser) in enumerate(zip(twins, optimisers, strict=True)):
            average, before = rewards[run].mean(), baselines[run]
            baselines[run] = average if before is None else 0.75 * before + 0.25 * average
            learn(twin, optimiser, genes[run], rewards[run].tolist(), baselines[run], entropy_weight)
        assert_same_policies(controller, twins, genes, rtol=1e-3, atol=1e-3)


def test_the_results_of_one_run_do_not_move_another():
    def policies(values):
        controller = RnnController(get_space("graph"), runs=2, seed=5, hidden=5, batch=3)
        for step in range(9):
            controller.tell(controller.ask(), Evaluations(np.array([0.1 * step, values[step]])))
        return log_policies(controller, np.zeros((2, 3, 5), np.uint8))

    one, other = policies(np.linspace(0, 1, 9)), policies(np.linspace(1, 0, 9))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a[0], b[0])
        assert not np.array_equal(a[1], b[1])


def test_a_batch_without_results_teaches_nothing():
    controller = RnnController(get_space("graph"), runs=2, seed=6, hidden=5, batch=3, entropy_weight=0.0)
    genes = np.zeros((2, 3, 5), np.uint8)
    before = log_policies(controller, genes)
    for _ in range(3):
        controller.tell(controller.ask(), Evaluations(np.array([np.nan, 0.5])))
    assert all(
        np.array_equal(a[0], b[0]) for a, b in zip(before, log_policies(controller, genes), strict=True)
    )


def test_proposals_follow_the_policy():
    space = get_space("nats_topology")
    controller = RnnController(space, seed=7, hidden=4, batch=6000, initial_range=3.0)
    drawn = [controller.ask().genes]
    for _ in range(5999):  # one result less than it takes to learn
        controller.tell(Proposals(drawn[-1]), Evaluations(np.zeros(1)))
        drawn.append(controller.ask().genes)
    drawn = np.concatenate(drawn)
    for gene, policy in enumerate(log_policies(controller, drawn[None])):
        expected = np.exp(policy[0].astype(np.float64)).sum(axis=0)
        counts = np.bincount(drawn[:, gene], minlength=5)
        assert stats.chisquare(counts, expected / expected.sum() * 6000).pvalue > 1e-3


def test_the_number_of_threads_changes_nothing_and_is_left_as_it_was():
    def proposals(threads):
        torch.set_num_threads(threads)
        controller = RnnController(get_space("graph"), runs=40, seed=8)
        seen = []
        for _ in range(24):
            asked = controller.ask()
            seen.append(asked.genes)
            controller.tell(asked, Evaluations(asked.genes.sum(axis=1).astype(float)))
        assert torch.get_num_threads() == threads
        return np.stack(seen)

    before = torch.get_num_threads()
    try:
        assert np.array_equal(proposals(1), proposals(2))
    finally:
        torch.set_num_threads(before)
