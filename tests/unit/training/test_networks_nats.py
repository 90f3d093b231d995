"""Networks of the two spaces of NATS-Bench, written out by hand."""

from dataclasses import replace

import pytest
import torch
from filled_networks import Hand, assert_gives, filled, signals

from nasbench_suite import get_space
from nasbench_suite.spaces.nats_topology import EDGES
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.networks.nats_size import CELL
from nasbench_suite.training.operations import ReluConvNorm

ALL_FIVE = "|avg_pool_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
SMALL = Skeleton(inputs=2, classes=3, width=3, depth=2)
each_dims = pytest.mark.parametrize("dims", [1, 2])
each_style = pytest.mark.parametrize("style", ["official", "light"])


def cell_of_all_five(hand, x, name):
    """`ALL_FIVE` as explicit sums; edges are numbered 0→1, 0→2, 1→2, 0→3, 1→3, 2→3."""
    first = hand.average3(x)
    second = hand.relu_conv_norm(x, f"{name}.edges.1") + hand.relu_conv_norm(first, f"{name}.edges.2")
    return x + hand.relu_conv_norm(second, f"{name}.edges.5")


def reduced(hand, x, name, style):
    if style == "light":
        return hand.conv(hand.halved(x), f"{name}.1")
    inner = hand.relu_conv_norm(hand.relu_conv_norm(x, f"{name}.first", stride=2), f"{name}.second")
    return inner + hand.conv(hand.halved(x), f"{name}.shortcut.1")


@each_dims
@each_style
def test_a_topology_network_is_what_it_is_by_hand(dims, style):
    genes = get_space("nats_topology").parse(ALL_FIVE)
    network = filled(build_network("nats_topology", genes, replace(SMALL, dims=dims, style=style)))
    x, hand = signals(dims, 2, 8), Hand(network, dims)
    expected = hand.conv_norm(x, "stem")
    for stage in range(3):
        if stage:
            expected = reduced(hand, expected, f"reductions.{stage - 1}", style)
        for place in range(2):
            expected = cell_of_all_five(hand, expected, f"stages.{stage}.{place}")
    expected = hand.classified(hand.norm(expected, "norm").clamp(min=0))
    assert_gives(network, x, expected)
    assert network.stem[0].kernel_size == ((3,) if style == "official" else (1,)) * dims
    assert network.classifier.in_features == 12


@each_dims
@each_style
@pytest.mark.parametrize("depth", [1, 2])
def test_a_size_network_is_what_it_is_by_hand(dims, style, depth):
    """Channels 4, 2, 6, 2, 8: every cell but the first changes them, by its edges from node 0."""
    genes = get_space("nats_size").parse("16:8:24:8:32")
    skeleton = replace(SMALL, width=2, depth=depth, dims=dims, style=style)
    network = filled(build_network("nats_size", genes, skeleton))
    x, hand = signals(dims, 2, 8), Hand(network, dims)
    expected = hand.conv_norm(x, "stem")
    for stage in range(3):
        if stage:
            expected = reduced(hand, expected, f"reductions.{stage - 1}", style)
        for place in range(depth):
            name = f"stages.{stage}.{place}.edges"
            first = hand.relu_conv_norm(expected, f"{name}.0")
            second = hand.relu_conv_norm(expected, f"{name}.1") + hand.relu_conv_norm(first, f"{name}.2")
            changes = stage > 0 and place == 0
            skipped = hand.conv_norm(expected, f"{name}.3") if changes else expected
            expected = (
                skipped + hand.relu_conv_norm(first, f"{name}.4") + hand.relu_conv_norm(second, f"{name}.5")
            )
    expected = hand.classified(hand.norm(expected, "norm").clamp(min=0))
    assert_gives(network, x, expected)
    assert [cells[0].edges[5].conv.out_channels for cells in network.stages] == [4, 6, 8]


def test_the_fixed_cell_of_the_size_space_is_topology_cell_9930():
    space = get_space("nats_topology")
    text = space.format(space.parse("9930")[None])[0]
    terms = dict(zip(EDGES, CELL, strict=True))
    nodes = ["|".join(f"{terms[source, node]}~{source}" for source in range(node)) for node in (1, 2, 3)]
    assert "+".join(f"|{node}|" for node in nodes) == text


def test_a_convolution_of_nothing_is_still_computed():
    """Its normalisation may make something of it."""
    genes = get_space("nats_topology").parse("|none~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|")
    network = filled(build_network("nats_topology", genes, replace(SMALL, dims=1)))
    cell = network.stages[0][0]
    assert [type(edge) is ReluConvNorm for edge in cell.edges] == [False] * 4 + [True, False]
    given = signals(1, 3, 8)
    norm = cell.edges[4].norm
    constant = norm.bias - norm.running_mean / torch.sqrt(norm.running_var + 1e-5) * norm.weight
    torch.testing.assert_close(cell(given), constant.view(1, 3, 1).expand(3, 3, 8))
    assert (constant != 0).all()


def test_zero_passes_gradients_of_zero():
    genes = get_space("nats_topology").parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    network = build_network("nats_topology", genes, SMALL)
    network(torch.ones((2, 2, 8, 8))).sum().backward()
    gradient = network.stem[0].weight.grad
    assert gradient is not None
    assert not gradient.any()


@pytest.mark.parametrize("size", [9, 10, 11])
def test_an_odd_size_is_rounded_up_on_both_ways_of_a_residual_block(size):
    genes = get_space("nats_topology").parse(ALL_FIVE)
    network = filled(build_network("nats_topology", genes, replace(SMALL, dims=1)))
    x = signals(1, 3, size)
    half = network.reductions[0].shortcut[0](x)
    assert half.shape[-1] == (size + 1) // 2
    torch.testing.assert_close(half[..., size // 2 :], x[..., -1:] if size % 2 else x[..., :0])
    assert network.reductions[0](x).shape == (3, 6, (size + 1) // 2)
