"""Supernets against stand-alone networks, sums by hand and a count of memory by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.training.choices import Choice, Gate, mixed_gates, sampled_gates
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.operations import ReluConvNorm
from nasbench_suite.training.step_memory import step_bytes
from nasbench_suite.training.supernet import Supernet, SupernetOptions, supernet_spaces

LIGHT = Skeleton(inputs=1, classes=3, dims=1, width=4, depth=1, style="light")
each_space = pytest.mark.parametrize("space", ["macro", "mobile", "nats_topology"])


def supernet(space, skeleton=LIGHT, **options):
    torch.manual_seed(0)
    return Supernet(space, skeleton, SupernetOptions(affine=True, **options)).double()


def inputs(n=6, length=16, seed=1):
    return torch.randn(n, 1, length, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def of_choice(name, row):
    """Return where a stand-alone network's state lies in the supernet, which has all operations there."""
    parts = name.split(".")
    at = {"stages": 4, "blocks": 1}.get(parts[0])
    if at is None:
        return f"network.{name}"
    gene = int(parts[at])
    return ".".join(["network", *parts[: at + 1], "operations", str(row[gene]), *parts[at + 1 :]])


@each_space
def test_a_sampled_path_is_the_stand_alone_network_with_its_weights(space):
    everything, known = supernet(space), get_space(space)
    state = everything.state_dict()
    for row in known.sample(np.random.default_rng(3), 4):
        alone = build_network(space, row, LIGHT).double().train()
        own = {n: state[of_choice(n, row)] for n, _ in alone.named_parameters()}
        alone.load_state_dict(own, strict=False)
        assert torch.allclose(everything(inputs(), sampled_gates(row)), alone(inputs()), atol=1e-12)


@each_space
def test_the_supernet_has_the_weights_of_every_operation_once(space):
    known = get_space(space)
    zeros = np.zeros(known.n_genes, dtype=np.uint8)
    alone = build_network(space, zeros, LIGHT)
    shared = size(alone) - sum(size(m) for gene in range(known.n_genes) for m in operations(alone, gene))
    searched = 0
    for gene, limit in enumerate(known.cardinalities):
        for value in range(limit):
            row = zeros.copy()
            row[gene] = value
            with torch.device("meta"):  # weights are never filled in
                searched += sum(size(m) for m in operations(build_network(space, row, LIGHT), gene))
    assert size(supernet(space)) == shared + searched


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def operations(network, gene):
    """Return the operations of one gene, everywhere that they stand."""
    if hasattr(network, "blocks"):
        return [network.blocks[gene]]
    return [cell.edges[gene] for cells in network.stages for cell in cells]


@each_space
def test_a_mixed_gate_is_the_weighted_sum_of_what_its_operations_give(space):
    everything = supernet(space)
    widest = max(everything.cardinalities)
    weights = torch.rand(len(everything.cardinalities), widest, dtype=torch.double)
    everything(inputs(), mixed_gates(weights, everything.cardinalities))
    choice = everything.choices[1]
    channels = next((m for m in choice.modules() if isinstance(m, nn.Conv1d)), None).in_channels
    x = torch.randn(5, channels, 8, dtype=torch.double)
    choice.gate = mixed_gates(weights, everything.cardinalities)[choice.gene]
    each = torch.stack([operation(x) for operation in choice.operations])
    by_hand = torch.einsum("o,o...->...", weights[choice.gene, : len(each)], each)
    assert torch.allclose(choice(x), by_hand, atol=1e-12)


@each_space
def test_a_gate_that_is_one_hot_gives_what_the_sampled_path_gives(space):
    everything, known = supernet(space), get_space(space)
    row = known.sample(np.random.default_rng(0), 1)[0]
    weights = torch.zeros(known.n_genes, max(known.cardinalities), dtype=torch.double)
    weights[range(known.n_genes), row.tolist()] = 1
    mixed = everything(inputs(), mixed_gates(weights, known.cardinalities))
    assert torch.allclose(mixed, everything(inputs(), sampled_gates(row)), atol=1e-12)


@each_space
def test_gradients_of_gates_are_those_of_finite_differences(space):
    everything, known = supernet(space), get_space(space)
    weights = torch.rand(known.n_genes, max(known.cardinalities), dtype=torch.double).requires_grad_()
    labels = torch.tensor([0, 1, 2, 0, 1, 2])

    def loss(values):
        logits = everything(inputs(), mixed_gates(values, known.cardinalities))
        return nn.functional.cross_entropy(logits, labels)

    (found,) = torch.autograd.grad(loss(weights), weights)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        way = torch.randn(weights.shape, dtype=torch.double, generator=generator)
        step = 1e-8 * way
        with torch.no_grad():
            slope = (loss(weights + step) - loss(weights - step)) / 2e-8
        assert float(slope) == pytest.approx(float((found * way).sum()), rel=1e-4, abs=1e-6)


def test_the_scale_of_a_gate_multiplies_its_result():
    everything = supernet("nats_topology")
    choice = everything.choices[0]
    x = torch.randn(2, 4, 8, dtype=torch.double)
    choice.gate = Gate({1: None}, torch.tensor(0.25, dtype=torch.double))
    assert torch.equal(choice(x), 0.25 * x)


def test_zeros_alone_give_zeros_and_pass_no_gradient_on():
    choice = supernet("nats_topology").choices[0]
    x = torch.randn(2, 4, 8, dtype=torch.double, requires_grad=True)
    choice.gate = Gate({0: torch.tensor(0.5)})
    y = choice(x)
    assert torch.equal(y, torch.zeros_like(x))
    y.sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_operations_without_a_weight_are_not_computed():
    everything = supernet("nats_topology")
    computed = []
    for choice in everything.choices:
        for place, operation in enumerate(choice.operations):
            operation.register_forward_hook(lambda *_, g=choice.gene, p=place: computed.append((g, p)))
    everything(inputs(), sampled_gates(np.array([3, 1, 2, 0, 4, 3])))
    assert set(computed) == {(0, 3), (1, 1), (2, 2), (3, 0), (4, 4), (5, 3)}
    assert len(computed) == 3 * 6  # a cell in each of three stages


def test_gates_are_gone_after_a_pass_and_after_one_that_fails():
    everything = supernet("nats_topology")
    row = np.zeros(6, dtype=np.uint8)
    everything(inputs(), sampled_gates(row))
    assert all(choice.gate is None for choice in everything.choices)
    with pytest.raises(NasbenchSuiteError, match="takes inputs of shape"):
        everything(inputs()[:, :, :2], sampled_gates(row))
    assert all(choice.gate is None for choice in everything.choices)


def test_inference_uses_the_statistics_of_the_batch():
    everything = supernet("nats_topology")
    gates = sampled_gates(np.array([3, 3, 3, 3, 3, 3]))
    learning = everything.train()(inputs(), gates)
    assert torch.equal(everything.eval()(inputs(), gates), learning)
    assert not [name for name, _ in everything.named_buffers()]


def test_normalisations_of_choices_have_scales_only_if_asked_for():
    torch.manual_seed(0)
    plain = Supernet("nats_topology", LIGHT)
    inside = [m for c in plain.choices for m in c.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(inside) == 3 * 6 * 2
    assert all(norm.weight is None and norm.bias is None for norm in inside)
    assert plain.network.norm.weight is not None
    scaled = supernet("nats_topology")
    assert scaled.choices[0].operations[2].norm.weight is not None


def test_partial_channels_shuffle_what_passes_by_with_what_is_mixed():
    everything = supernet("nats_topology", replace(LIGHT, width=8), share=4)
    choice = everything.choices[0]
    x = torch.randn(3, 8, 10, dtype=torch.double)
    choice.gate = Gate({4: torch.tensor(2.0, dtype=torch.double)})
    taken = 2 * nn.functional.avg_pool1d(x[:, :2], 3, 1, 1, count_include_pad=False)
    y = torch.cat([taken, x[:, 2:]], dim=1).numpy(force=True)
    by_hand = np.stack([y[:, group * 2 + member] for member in range(2) for group in range(4)], axis=1)
    assert np.allclose(choice(x).numpy(force=True), by_hand)


def test_partial_channels_must_divide_the_width_and_keep_it():
    with pytest.raises(NasbenchSuiteError, match="width of 6 is no multiple of 4"):
        supernet("nats_topology", replace(LIGHT, width=6), share=4)
    with pytest.raises(NasbenchSuiteError, match="changes the number of channels"):
        supernet("macro", share=2)


def test_what_stands_for_an_identity_can_be_chosen():
    made = []

    def skip(dims, channels):
        made.append((dims, channels))
        return nn.Conv1d(channels, channels, 1, bias=False)

    everything = supernet("macro", skip=skip)
    # Five layers keep the shape, and all of them are as wide as the stem.
    assert made == [(1, 4)] * 5
    assert not [m for c in everything.choices for m in c.operations if isinstance(m, nn.Identity)]


def test_a_space_without_a_supernet_is_refused_by_name():
    assert supernet_spaces() == ["macro", "mobile", "nats_topology"]
    with pytest.raises(UnknownNameError, match="nats_topology"):
        Supernet("nats_topolgy", LIGHT)


def test_the_memory_of_a_step_is_what_is_counted_by_hand():
    """One linear-like network: the tensors that autograd keeps can be listed."""

    class Two(Choice):
        def __init__(self):
            super().__init__(0, [ReluConvNorm(1, 4, 4, 3)])

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.choice = Two()
            self.classifier = nn.Linear(4, 2)

        def forward(self, x, gates):
            self.choice.gate = gates[0]
            return self.classifier(self.choice(x).mean(2))

    small = Small()
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1, momentum=0.9)
    x, labels = torch.randn(8, 4, 10), torch.randint(2, (8,))
    nn.functional.cross_entropy(small(x, sampled_gates([0])), labels).backward()
    optimizer.step()
    weights = 4 * 4 * 3 + 4 + 4 + 4 * 2 + 2
    running = 4 + 4  # normalisation keeps its running mean and variance at hand
    activations = 2 * 8 * 4 * 10  # after ReLU (kept by it and by the convolution) and after the convolution
    small_ones = (
        4 + 4 + 8 * 4 + 8 * 2 + 1
    )  # saved mean and deviation, features, log likelihoods, total weight
    labels_bytes = 8 * 8
    expected = 4 * (3 * weights + running + activations + small_ones) + labels_bytes
    assert step_bytes(small, optimizer, (x, labels), sampled_gates([0])) == expected


def test_a_mixed_step_holds_more_than_a_sampled_one():
    everything = Supernet("nats_topology", LIGHT)
    optimizer = torch.optim.SGD(everything.parameters(), lr=0.1)
    batch = (inputs().float(), torch.tensor([0, 1, 2, 0, 1, 2]))
    mixed = step_bytes(everything, optimizer, batch, mixed_gates(torch.ones(6, 5), [5] * 6))
    sampled = step_bytes(everything, optimizer, batch, sampled_gates(np.array([3, 3, 3, 3, 3, 3])))
    assert mixed > 1.5 * sampled
