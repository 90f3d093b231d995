"""Many small models at once, each against the same model alone and against another implementation."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.surrogates.gaussian_bank import LENGTHS, NOISES, GaussianBank
from nasbench_suite.surrogates.mlp_bank import MlpBank


def made_up(groups, n=40, columns=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(groups, n, columns)).astype(np.float32)
    y = np.sin(x[:, :, 0]) + x[:, :, 1] ** 2 + 0.1 * rng.normal(size=(groups, n))
    return x, y - y.mean(1, keepdims=True)


def test_perceptrons_are_those_of_pytorch():
    bank = MlpBank.drawn(3, [5, 8, 8, 1], np.random.default_rng(0))
    x, _ = made_up(3)
    for network in range(3):
        layers = []
        for weight, bias in zip(bank.weights, bank.biases, strict=True):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight.data, linear.bias.data = weight[network].T, bias[network, 0]
            layers += [linear, torch.nn.ReLU()]
        with torch.no_grad():
            alone = torch.nn.Sequential(*layers[:-1])(torch.from_numpy(x[network]))[:, 0]
        np.testing.assert_allclose(bank.predict(x)[network, 0], alone.numpy(), rtol=1e-5, atol=1e-6)


def test_initial_weights_have_the_bounds_of_glorot_and_bengio():
    bank = MlpBank.drawn(50, [30, 20, 1], np.random.default_rng(1))
    first = bank.weights[0].detach().numpy()
    bound = np.sqrt(6 / 50)
    assert np.abs(first).max() == pytest.approx(bound, rel=1e-2)
    assert stats.kstest(first.ravel()[:5000], "uniform", args=(-bound, 2 * bound)).pvalue > 1e-3
    assert not any(bias.any() for bias in bank.biases)


def test_networks_learn_as_they_would_alone(monkeypatch):
    """The gradient of one does not depend on the others: with orders and weights alike, so are the ends."""
    x, y = made_up(2)
    how = Descent(20, 8, 0.01, weight_decay=0.01)
    order = np.random.default_rng(5).random((1, 40))

    class Fixed:
        def random(self, shape):
            return np.broadcast_to(order, shape).copy()

    both = MlpBank.drawn(4, [5, 16, 1], np.random.default_rng(3))
    start = [part.detach().clone() for part in (*both.weights, *both.biases)]
    both.fit(x, y, how, Fixed())
    for network, group in ((0, 0), (1, 0), (2, 1), (3, 1)):
        own = [part[network : network + 1].clone().requires_grad_() for part in start]
        alone = MlpBank(own[:2], own[2:])
        alone.fit(x[group : group + 1], y[group : group + 1], how, Fixed())
        found = both.predict(x)[group, network % 2]
        np.testing.assert_allclose(found, alone.predict(x[group : group + 1])[0, 0], rtol=1e-4, atol=1e-5)


def test_training_is_that_of_pytorchs_adamw():
    x, y = made_up(1, n=16)
    how = Descent(30, 16, 0.02, betas=(0.8, 0.9), weight_decay=0.1, constant=True)  # one batch: no order
    bank = MlpBank.drawn(1, [5, 6, 1], np.random.default_rng(2))
    network = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1))
    for place, layer in enumerate((network[0], network[2])):
        layer.weight.data = bank.weights[place].detach()[0].T.clone()
        layer.bias.data = bank.biases[place].detach()[0, 0].clone()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02, betas=(0.8, 0.9), weight_decay=0.1)
    inputs, targets = torch.from_numpy(x[0]), torch.from_numpy(y[0].astype(np.float32))
    for _ in range(30):
        optimizer.zero_grad()
        (network(inputs)[:, 0] - targets).abs().mean().backward()
        optimizer.step()
    bank.fit(x, y, how, np.random.default_rng(0), absolute=True)
    np.testing.assert_allclose(
        bank.predict(x)[0, 0], network(inputs)[:, 0].detach().numpy(), rtol=1e-3, atol=1e-4
    )


def test_the_rate_falls_along_half_a_cosine_to_zero():
    weight = torch.zeros(1, 1, requires_grad=True)
    seen = []

    def loss(places):
        seen.append(weight.item())
        return weight.sum()

    Descent(10, 1, 0.1).run([weight], loss, 1, 1, np.random.default_rng(0))
    # With a constant gradient Adam moves by the learning rate.
    steps = -np.diff([*seen, weight.item()])
    np.testing.assert_allclose(steps, 0.05 * (1 + np.cos(np.pi * np.arange(10) / 10)), rtol=1e-3, atol=1e-6)


def test_training_that_cannot_be_is_refused():
    with pytest.raises(NasbenchSuiteError, match="at least one epoch"):
        Descent(0, 8, 0.1)


def test_gaussian_processes_are_scikit_learns_with_the_same_kernel():
    x, y = made_up(3)
    bank = GaussianBank.fit(x, y)
    new = made_up(3, n=15, seed=4)[0]
    mean, deviation = bank.predict(new)
    for group in range(3):
        noise = (bank.lower[group] @ bank.lower[group].T)[0, 0] - 1
        assert np.isclose(noise, NOISES, rtol=1e-3).any()
        variance, scale = bank.variance[group], bank.scale[group]
        kernel = ConstantKernel(variance) * (Matern(scale, nu=2.5) + WhiteKernel(noise))
        alone = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(x[group], y[group])
        expected, spread = alone.predict(new[group], return_std=True)
        np.testing.assert_allclose(mean[group], expected, rtol=1e-3, atol=1e-4)
        # scikit-learn's deviation has the noise of an observation in it.
        np.testing.assert_allclose(deviation[group] ** 2 + variance * noise, spread**2, rtol=1e-3, atol=1e-4)


def test_the_kernel_of_a_gaussian_process_is_the_likeliest_of_the_grid():
    x, y = made_up(2)
    bank = GaussianBank.fit(x, y)
    for group in range(2):
        differences = x[group, :, None].astype(np.float64) - x[group]
        typical = np.sqrt((differences**2).sum(-1).mean())
        found = {}
        for length in LENGTHS:
            for noise in NOISES:
                shape = Matern(length * typical, nu=2.5)(x[group].astype(np.float64))
                covariance = shape + (noise + 1e-8) * np.eye(40)
                variance = y[group] @ np.linalg.solve(covariance, y[group]) / 40
                density = stats.multivariate_normal(np.zeros(40), variance * covariance, allow_singular=True)
                found[length, noise] = density.logpdf(y[group]), length * typical, variance
        _, scale, variance = max(found.values())
        assert bank.scale[group] == pytest.approx(scale, rel=1e-3)
        assert bank.variance[group] == pytest.approx(variance, rel=1e-3)
