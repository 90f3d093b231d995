"""The controller of ENAS against its equations in NumPy, and against laws of probability."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from nasbench_suite.strategies.gene_controller import GeneController

CARDINALITIES = (2, 4, 3)
ROWS = torch.tensor(list(product(*map(range, CARDINALITIES))))


@pytest.fixture
def controller():
    torch.manual_seed(0)
    settings = {"hidden": 5, "layers": 2, "temperature": 0.7, "tanh_constant": 1.5, "initial_range": 0.9}
    return GeneController(CARDINALITIES, **settings).double()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(weights, layer, x, hidden, memory):
    """One step of one layer; PyTorch's order of gates is in, forget, new, out."""
    name = f"cells.{layer}."
    gates = weights[name + "weight_ih"] @ x + weights[name + "bias_ih"]
    gates = gates + weights[name + "weight_hh"] @ hidden + weights[name + "bias_hh"]
    write, forget, new, read = np.split(gates, 4)
    memory = sigmoid(forget) * memory + sigmoid(write) * np.tanh(new)
    return sigmoid(read) * np.tanh(memory), memory


def log_probability(weights, row):
    x, states, total = weights["first"][0], [(np.zeros(5), np.zeros(5))] * 2, 0.0
    for gene, limit in zip(row, CARDINALITIES, strict=True):
        for layer in range(2):
            states[layer] = lstm(weights, layer, x, *states[layer])
            x = states[layer][0]
        outputs = (weights["head.weight"] @ x + weights["head.bias"])[:limit]
        logits = 1.5 * np.tanh(outputs / 0.7)
        total += logits[gene] - np.log(np.exp(logits).sum())
        x = weights["tokens.weight"][gene]
    return total


def test_log_probabilities_are_those_of_the_equations(controller):
    weights = {name: value.detach().numpy() for name, value in controller.named_parameters()}
    expected = [log_probability(weights, row) for row in ROWS.tolist()]
    np.testing.assert_allclose(controller(ROWS)[0].detach(), expected, rtol=1e-12)
    assert np.ptp(expected) > 0.3


def test_probabilities_add_to_one(controller):
    assert controller(ROWS)[0].exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_the_mean_of_entropies_on_the_way_is_the_entropy_of_the_whole(controller):
    """The chain rule of entropy."""
    log_p, entropies = controller(ROWS)
    whole = stats.entropy(log_p.detach().exp().numpy())
    assert (log_p.exp() * entropies).sum().item() == pytest.approx(whole, rel=1e-12)
    assert not entropies.requires_grad


def test_architectures_are_drawn_as_often_as_their_probabilities_say(controller):
    uniform = torch.from_numpy(np.random.default_rng(1).random((20000, 3)))
    drawn = controller.sample(uniform)
    counts = (drawn[:, None] == ROWS).all(2).sum(0).numpy()
    assert counts.sum() == 20000
    assert stats.chisquare(counts, 20000 * controller(ROWS)[0].detach().exp().numpy()).pvalue > 1e-3


def test_a_uniform_number_that_rounding_makes_one_draws_the_last_value_that_a_gene_has(controller):
    assert controller.float().sample(torch.ones((1, 3))).tolist() == [[1, 3, 2]]


def test_weights_begin_within_the_range():
    torch.manual_seed(2)
    settings = {"hidden": 32, "layers": 2, "temperature": 5.0, "tanh_constant": 2.5}
    made = GeneController((5,) * 6, initial_range=0.1, **settings)
    values = torch.cat([weight.flatten() for weight in made.parameters()]).detach().numpy()
    assert stats.kstest(values, stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-3
