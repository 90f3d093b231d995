"""The plain adversarial search: its samples, its gradients, what it learns."""

import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import get_space
from nasbench_suite.strategies.gumbel_gan import GumbelGan, _straight_through, _TwoLayers, one_hot

SPACE = get_space("nats_topology")
SMALL = {"initial": 12, "top": 4, "proposals": 6, "steps": 3, "batch": 16, "hidden": 16, "noise": 4}


def made(space=SPACE, runs=2, **settings):
    return GumbelGan(space, runs=runs, seed=0, **{**SMALL, **settings})


def test_samples_are_one_hot_genes():
    gan = made()
    with torch.no_grad():
        samples = gan.samples(50)
    assert samples.shape == (2, 50, 30)
    parts = samples.reshape(2, 50, 6, 5)
    assert torch.equal(parts.sum(3), torch.ones(2, 50, 6))
    assert set(parts.flatten().tolist()) == {0.0, 1.0}
    genes = gan._genes_of(samples)
    assert torch.equal(one_hot(SPACE, genes), samples)


def test_samples_have_the_probabilities_of_the_logits():
    """The Gumbel-max trick: the largest of logits plus Gumbel noise is distributed as their softmax."""
    gan = made(runs=1)
    with torch.no_grad():
        for weight in gan.generator.weights:
            weight.zero_()
        gan.generator.biases[1][0, 0, :5] = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5])
        frequencies = gan.samples(40_000)[0, :, :5].mean(0)
    expected = torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5]).softmax(0)
    np.testing.assert_allclose(frequencies, expected, atol=0.01)


def test_the_gradient_is_that_of_the_softmax():
    logits = torch.tensor([[[0.3, -0.2, 1.0]]], requires_grad=True)
    upstream = torch.tensor([0.5, -1.0, 2.0])
    (_straight_through(logits.softmax(2)) * upstream).sum().backward()
    soft = logits.detach().softmax(2)[0, 0]
    jacobian = torch.diag(soft) - torch.outer(soft, soft)
    np.testing.assert_allclose(logits.grad[0, 0], jacobian @ upstream, rtol=1e-5)


def test_networks_are_those_of_torchs_modules():
    ours = _TwoLayers(2, np.random.default_rng(0), 4, 5, 3)
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for bias in ours.biases:
            bias += torch.arange(bias.shape[2]) / 3
        found = ours(x)
        for run in range(2):
            first, second = nn.Linear(4, 5), nn.Linear(5, 3)
            for layer, weight, bias in (
                (first, ours.first, ours.biases[0]),
                (second, ours.second, ours.biases[1]),
            ):
                layer.weight.copy_(weight[run].T)
                layer.bias.copy_(bias[run, 0])
            torch.testing.assert_close(found[run], second(nn.functional.leaky_relu(first(x[run]), 0.2)))


def test_it_learns_what_the_truth_has_in_common():
    """The truth of run 0 has 3x3 convolutions on the first edges, that of run 1 has skips there."""
    gan = made(batch=32, discriminator_rate=0.01)
    rng = np.random.default_rng(1)
    genes = rng.integers(5, size=(2, 40, 6)).astype(np.uint8)
    genes[0, :20, :3], genes[1, :20, :3] = 3, 1
    gan._genes = genes
    gan._scores = np.tile(np.repeat([1.0, 0.0], 20), (2, 1))
    gan.top = 20
    for _ in range(60):
        gan.learn()
    drawn = gan.draw(200)
    assert (drawn[0, :, :3] == 3).mean() > 0.8
    assert (drawn[1, :, :3] == 1).mean() > 0.8


@pytest.mark.parametrize("name", ["nasbench101", "graph", "macro"])
def test_what_it_draws_is_valid(name):
    space = get_space(name)
    gan = made(space)
    drawn = gan.draw(30)
    assert space.valid(drawn.reshape(60, -1)).all()


def test_random_ones_take_the_place_of_what_stays_invalid(monkeypatch):
    gan = made()
    monkeypatch.setattr(
        type(SPACE), "valid", lambda self, genes: (genes != 0).all(axis=1) & (genes.sum(axis=1) > 11)
    )
    monkeypatch.setattr(type(SPACE), "sample", lambda self, rng, n: np.full((n, 6), 4, np.uint8))
    with torch.no_grad():
        gan.generator.biases[1][:, :, 0::5] = 50.0  # nothing but `none`
    assert (gan.draw(10) == 4).all()
