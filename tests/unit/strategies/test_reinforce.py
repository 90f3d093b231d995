"""REINFORCE against automatic differentiation and the Adam of torch, one run at a time."""

import numpy as np
import pytest
import torch
from scipy import stats

from nasbench_suite import get_space
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.reinforce import Reinforce


class TorchRun:
    """One run: a vector of logits per gene, torch's softmax, autograd and Adam."""

    def __init__(self, probabilities, cardinalities, *, rate, momentum, scale):
        self.logits = [
            torch.tensor(np.log(row[:size]), requires_grad=True)
            for row, size in zip(probabilities, cardinalities, strict=True)
        ]
        self.optimiser = torch.optim.Adam(self.logits, lr=rate)
        self.momentum, self.scale, self.rewards = momentum, scale, []

    def learn(self, genes, value):
        self.rewards.append(value * self.scale)
        weights = self.momentum ** np.arange(len(self.rewards))[::-1]
        baseline = np.dot(weights, self.rewards) / weights.sum()  # the corrected moving average, written out
        log_likelihood = sum(
            torch.log_softmax(logits, 0)[int(gene)] for logits, gene in zip(self.logits, genes, strict=True)
        )
        self.optimiser.zero_grad()
        (-(self.rewards[-1] - baseline) * log_likelihood).backward()
        self.optimiser.step()

    def probabilities(self):
        return [torch.softmax(logits, 0).detach().numpy() for logits in self.logits]


@pytest.mark.parametrize("name", ["graph", "nats_topology"])
@pytest.mark.parametrize(
    "settings", [{}, {"learning_rate": 0.3, "baseline_momentum": 0.5, "reward_scale": 2.0}]
)
def test_policies_are_those_of_autograd_and_adam(name, settings):
    space, runs = get_space(name), 4
    strategy = Reinforce(space, runs=runs, seed=1, initial_deviation=0.5, **settings)
    used = strategy.hyperparameters
    twins = [
        TorchRun(
            probabilities,
            space.cardinalities,
            rate=used["learning_rate"],
            momentum=used["baseline_momentum"],
            scale=used["reward_scale"],
        )
        for probabilities in strategy.probabilities()
    ]
    rng = np.random.default_rng(2)
    for _ in range(15):
        proposals, values = strategy.ask(), rng.random(runs)
        strategy.tell(proposals, Evaluations(values))
        for run, twin in enumerate(twins):
            twin.learn(proposals.genes[run], values[run].item())
            for gene, expected in enumerate(twin.probabilities()):
                found = strategy.probabilities()[run, gene]
                np.testing.assert_allclose(found[: len(expected)], expected, rtol=1e-6)
                assert not found[len(expected) :].any()


def test_proposals_follow_the_policy():
    space = get_space("nats_topology")
    strategy = Reinforce(space, seed=3, initial_deviation=1.0)
    drawn = np.concatenate([strategy.ask().genes for _ in range(8000)])
    for gene, expected in enumerate(strategy.probabilities()[0]):
        counts = np.bincount(drawn[:, gene], minlength=5)
        assert stats.chisquare(counts, expected * len(drawn)).pvalue > 1e-3


def test_values_that_a_gene_lacks_are_never_drawn():
    space = get_space("graph_proteins")
    strategy = Reinforce(space, runs=3000, seed=4, initial_deviation=5.0)
    assert space.valid(strategy.ask().genes).all()


def test_a_run_without_results_does_not_learn():
    strategy = Reinforce(get_space("graph"), runs=2, seed=5)
    before = strategy.probabilities()
    for value in (0.4, 0.5, 0.6):
        strategy.tell(strategy.ask(), Evaluations(np.array([np.nan, value])))
    assert np.array_equal(strategy.probabilities()[0], before[0])
    assert not np.array_equal(strategy.probabilities()[1], before[1])


def test_the_first_result_is_its_own_baseline_also_after_a_missing_one():
    strategy = Reinforce(get_space("graph"), runs=1, seed=6)
    before = strategy.probabilities()
    for value in (np.nan, 0.8):
        strategy.tell(strategy.ask(), Evaluations(np.array([value])))
    np.testing.assert_allclose(strategy.probabilities(), before, rtol=1e-12)
