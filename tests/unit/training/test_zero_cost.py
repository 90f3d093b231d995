"""Zero-cost proxies against finite differences, closed forms, other implementations and published values."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import stats
from torch import nn

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.zero_cost import PROXIES, proxy_names, zero_cost
from nasbench_suite.training.zero_cost import zen as zen_module
from nasbench_suite.training.zero_cost.saliency import layers_of, weights_of
from nasbench_suite.training.zero_cost.synflow import without_normalisation

SKELETON = Skeleton(inputs=1, classes=3, dims=1, width=2, depth=1, style="light")
LABELS = torch.tensor([0, 1, 2, 1, 0, 2, 1, 0])


def small(space="macro", text="12121212", skeleton=SKELETON):
    torch.manual_seed(0)
    return build_network(space, get_space(space).parse(text), skeleton).double()


@pytest.fixture
def inputs():
    return torch.randn(8, 1, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def loss_of(network, inputs):
    return F.cross_entropy(network(inputs), LABELS)


def numeric_gradient(network, inputs, weight, step=1e-5):
    """Return the gradient of the loss with respect to a weight by central differences."""
    found = torch.zeros_like(weight)
    flat, out = weight.data.view(-1), found.view(-1)
    with torch.no_grad():
        for place in range(len(flat)):
            kept = flat[place].item()
            flat[place] = kept + step
            upper = loss_of(network, inputs)
            flat[place] = kept - step
            out[place] = (upper - loss_of(network, inputs)) / (2 * step)
            flat[place] = kept
    return found


def test_sums_over_weights_are_those_of_central_differences(inputs):
    network = small()
    pairs = [(weight.detach(), numeric_gradient(network, inputs, weight)) for weight in weights_of(network)]
    expected = {
        "grad_norm": sum(g.norm() for _, g in pairs),
        "plain": sum((w * g).sum() for w, g in pairs),
        "snip": sum((w * g).abs().sum() for w, g in pairs),
        "l2_norm": sum(w.norm() for w, _ in pairs),
    }
    for name, value in expected.items():
        found = float(PROXIES[name](copy.deepcopy(network), inputs, LABELS))
        assert found == pytest.approx(float(value), rel=1e-4, abs=1e-7), name


def test_grasp_is_minus_weights_times_hessian_times_gradient_by_differences(inputs):
    network = small()
    weights = weights_of(network)
    gradient = torch.autograd.grad(loss_of(network, inputs), weights)
    step, ends = 1e-8, []  # larger steps along so large a gradient switch rectifiers
    for sign in (1, -1):
        moved = copy.deepcopy(network)
        with torch.no_grad():
            for weight, along in zip(weights_of(moved), gradient, strict=True):
                weight.add_(along, alpha=sign * step)
        ends.append(torch.autograd.grad(loss_of(moved, inputs), weights_of(moved)))
    expected = sum(
        -(weight.detach() * (upper - lower) / (2 * step)).sum()
        for weight, upper, lower in zip(weights, *ends, strict=True)
    )
    assert float(PROXIES["grasp"](network, inputs, LABELS)) == pytest.approx(float(expected), rel=1e-4)


def test_fisher_is_the_squared_gradient_of_gates_on_channels(inputs):
    network = small()
    gates = []

    def gated(module, given, output):
        gate = torch.ones(output.shape[:2] + (1,) * (output.ndim - 2), dtype=output.dtype, requires_grad=True)
        gates.append(gate)
        return output * gate

    for layer in layers_of(network):
        layer.register_forward_hook(gated)
    loss = loss_of(network, inputs)
    expected = sum(0.5 * g.square().mean(0).sum() for g in torch.autograd.grad(loss, gates))
    assert float(PROXIES["fisher"](small(), inputs, LABELS)) == pytest.approx(float(expected), rel=1e-9)


def test_the_flow_of_a_chain_is_conserved_by_every_layer(inputs):
    # Without normalisation a chain passes the same flow through every layer, so that the sum over layers is
    # their number times the output, less the classifier's biases, which no weight passes on.
    text = "10101010"  # bottlenecks whose residual leads around them, so they are taken out
    network = small(text=text)
    flat = copy.deepcopy(network)
    without_normalisation(flat)
    with torch.no_grad():
        for parameter in flat.parameters():
            parameter.abs_()
    for block in flat.blocks:
        if hasattr(block, "residual"):
            block.residual = False
    plain = copy.deepcopy(flat)
    with torch.no_grad():
        output = float((plain(torch.ones(1, 1, 16, dtype=torch.float64)) - plain.classifier.bias).sum())
    layers = len(list(layers_of(plain)))
    found = float(PROXIES["synflow"](flat, inputs, LABELS))
    assert np.exp(found) == pytest.approx(layers * output, rel=1e-9)


def jacobian(network, inputs):
    """Return gradients of the sum of all outputs with respect to each input, one value at a time."""
    found = np.zeros((len(inputs), inputs[0].numel()))
    step = 1e-6
    with torch.no_grad():
        for place in range(found.shape[1]):
            for row in range(len(inputs)):
                moved = [inputs.clone(), inputs.clone()]
                moved[0][row].view(-1)[place] += step
                moved[1][row].view(-1)[place] -= step
                found[row, place] = (network(moved[0]).sum() - network(moved[1]).sum()) / (2 * step)
    return found


def test_jacobians_are_correlated_as_by_numpy(inputs):
    network = small(text="12012010")
    rows = jacobian(network, inputs)
    values = np.linalg.eigvalsh(np.corrcoef(rows))
    expected = -(np.log(values + 1e-5) + 1 / (values + 1e-5)).sum()
    assert float(PROXIES["jacob_cov"](network, inputs, LABELS)) == pytest.approx(expected, rel=2e-2)
    by_class = [np.log(np.abs(np.corrcoef(rows[label == LABELS])) + 1e-5).sum() for label in range(3)]
    assert float(PROXIES["epe_nas"](network, inputs, LABELS)) == pytest.approx(
        np.abs(by_class).sum(), rel=1e-3
    )


@pytest.mark.parametrize(
    ("space", "text"),
    [
        ("macro", "12121212"),
        ("nats_topology", "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"),
    ],
)
def test_switches_are_counted_as_equal_bits(inputs, space, text):
    network = small(space, text)
    seen = []
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.register_forward_pre_hook(lambda _, given: seen.append((given[0] > 0).flatten(1).numpy()))
    with torch.no_grad():
        network(inputs)
    bits = np.concatenate(seen, axis=1)
    kernel = (bits[:, None] == bits).sum(-1).astype(float)
    expected = np.linalg.slogdet(kernel)[1]
    assert len(seen) > 6
    assert float(PROXIES["naswot"](small(space, text), inputs, LABELS)) == pytest.approx(expected)


def test_zen_grows_with_the_change_of_the_input_and_knows_what_norms_took_away(inputs, monkeypatch):
    torch.manual_seed(3)
    found = float(PROXIES["zen"](small(), inputs, LABELS))
    monkeypatch.setattr(zen_module, "STEP", zen_module.STEP / 100)
    torch.manual_seed(3)
    assert float(PROXIES["zen"](small(), inputs, LABELS)) == pytest.approx(found - np.log(100), abs=0.2)


def test_zen_is_the_same_however_large_the_weights_are():
    # Weights are drawn anew, so those that the network came with do not matter.
    given, larger = small(), small()
    with torch.no_grad():
        for weight in weights_of(larger):
            weight.mul_(7)
    values = []
    for network in (given, larger):
        torch.manual_seed(5)
        values.append(float(PROXIES["zen"](network, torch.zeros(8, 1, 16, dtype=torch.float64), LABELS)))
    assert values[0] == values[1]


def test_values_do_not_depend_on_the_others_of_a_batch():
    space = get_space("nats_topology")
    genes = space.sample(np.random.default_rng(0), 4)
    skeleton = Skeleton(inputs=1, classes=3, dims=1, width=4, depth=1, style="light")
    inputs = torch.randn(8, 1, 16, generator=torch.Generator().manual_seed(2))
    names = proxy_names()
    whole = zero_cost("nats_topology", genes, skeleton, inputs, LABELS)
    assert sorted(whole) == names
    before = torch.random.get_rng_state()
    done = []
    single = zero_cost(
        "nats_topology", genes[2:3], skeleton, inputs, LABELS, progress=lambda *at: done.append(at)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert done == [(1, 1)]
    for name in names:
        assert single[name][0] == whole[name][2] or np.isnan(whole[name][2])
    other = zero_cost("nats_topology", genes[2:3], skeleton, inputs, LABELS, names=["snip"], seed=1)
    assert list(other) == ["snip"]
    assert other["snip"][0] != single["snip"][0]


def test_a_proxy_that_is_not_known_is_refused(inputs):
    with pytest.raises(NasbenchSuiteError, match="no zero-cost proxy 'snp'; did you mean snip"):
        zero_cost("macro", np.zeros((1, 8), dtype=np.uint8), SKELETON, inputs, LABELS, names=["snp"])


LEAST_AGREEMENT = {
    "epe_nas": 0.55,
    "fisher": 0.65,
    "flops": 0.98,
    "grad_norm": 0.9,
    "grasp": 0.6,
    "jacob_cov": 0.7,
    "l2_norm": 0.9,
    "naswot": 0.9,
    "params": 0.999,
    "snip": 0.9,
    "synflow": 0.99,
    "zen": 0.9,
}
"""Spearman's correlation with NAS-Bench-Suite-Zero's column over 200 cells. Inputs are noise here and images
there, and weights are other draws. The sign of `plain` is chance, in both."""


@pytest.mark.slow
def test_ranks_of_200_cells_agree_with_the_published_columns(shared_data):
    table = pd.read_csv(shared_data / "zero_cost" / "nats_topology_cifar10.csv.gz")
    chosen = table.sample(200, random_state=0)
    space = get_space("nats_topology")
    genes = np.stack([space.parse(text) for text in chosen["arch_str"]])
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 3, 32, 32, generator=generator)
    labels = torch.arange(16) % 10
    found = zero_cost("nats_topology", genes, Skeleton(), inputs, labels)
    columns = {"jacob_cov": "jacov", "naswot": "nwot"}
    for name, least in LEAST_AGREEMENT.items():
        published = chosen[columns.get(name, name)].to_numpy()
        both = np.isfinite(found[name]) & np.isfinite(published)
        assert both.sum() > 150, name
        assert stats.spearmanr(found[name][both], published[both])[0] > least, name
