"""Networks of NAS-Bench-101: one cell written out by hand, and the authors' own examples of widths."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from filled_networks import Hand, assert_gives, filled, signals

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.networks.nasbench101 import vertex_channels

# 0→1, 0→4, 0→5; 1→2, 1→3, 1→4; 2→5; 3→5; 4→5
CELL = "100111110001011:0210"
SMALL = Skeleton(inputs=2, classes=3, width=8, depth=2)
LINEAR = [(0, 1), (1, 2), (2, 3)]
TWO_ENDS = [(0, 1), (0, 2), (1, 3), (2, 3)]
THREE_ENDS = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]
ONE_BEFORE_TWO = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)]
ALSO_AN_END = [(0, 1), (0, 3), (1, 2), (1, 4), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("inputs", "outputs", "edges", "expected"),
    [
        (16, 8, LINEAR, [16, 8, 8, 8]),
        (1, 5, [(0, 1)], [1, 5]),
        (8, 16, TWO_ENDS, [8, 8, 8, 16]),
        (8, 15, TWO_ENDS, [8, 8, 7, 15]),
        (8, 8, THREE_ENDS, [8, 3, 3, 2, 8]),
        (8, 9, ONE_BEFORE_TWO, [8, 5, 5, 4, 9]),
        (8, 15, ALSO_AN_END, [8, 8, 7, 7, 15]),
    ],
)
def test_widths_are_those_of_the_authors_tests(inputs, outputs, edges, expected):
    """Examples of google-research/nasbench, `model_builder_test.py`."""
    assert vertex_channels(inputs, outputs, len(expected), edges) == expected


def by_hand(hand, x, name):
    """`CELL`: its ends 2, 3 and 4 share the output's channels, of which two are left over."""
    shares = {8: (3, 3, 2), 16: (6, 5, 5), 32: (11, 11, 10)}

    def project(target):
        return hand.conv_norm(x, f"{name}.projections.{target}").clamp(min=0)

    first = hand.conv_norm(project(1), f"{name}.operations.0").clamp(min=0)
    outputs = hand.state[f"{name}.projections.5.0.weight"].shape[0]
    widths = shares[outputs]
    assert first.shape[1] == widths[0]
    second = hand.maximum3(first)
    third = hand.conv_norm(first[:, : widths[1]], f"{name}.operations.2").clamp(min=0)
    fourth = hand.conv_norm(first[:, : widths[2]] + project(4), f"{name}.operations.3").clamp(min=0)
    return torch.cat([second, third, fourth], dim=1) + project(5)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("style", ["official", "light"])
def test_a_network_is_what_it_is_by_hand(dims, style):
    genes = get_space("nasbench101").parse(CELL)
    network = filled(build_network("nasbench101", genes, replace(SMALL, dims=dims, style=style)))
    x, hand = signals(dims, 2, 8), Hand(network, dims)
    expected = hand.conv_norm(x, "stem").clamp(min=0)
    for stack in range(3):
        if stack:
            for axis in range(2, 2 + dims):
                expected = expected.unfold(axis, 2, 2).amax(-1)
        for place in range(2):
            expected = by_hand(hand, expected, f"stacks.{stack}.{place}")
    assert_gives(network, x, hand.classified(expected))


def test_a_cell_without_vertices_is_a_projection():
    network = filled(build_network("nasbench101", get_space("nasbench101").parse("1:"), SMALL))
    x, hand = signals(2, 8, 4), Hand(network, 2)
    expected = hand.conv_norm(x, "stacks.0.0.projections.1").clamp(min=0)
    torch.testing.assert_close(network.stacks[0][0](x), expected)


def test_what_lies_on_no_path_is_not_built():
    """Vertices 2 and 3 of 7 lead nowhere; what is left is 0→1→6 and 0→6."""
    space = get_space("nasbench101")
    rows = [space.parse(text) for text in ("110001000011000000000:01201", "111:0")]
    assert space.format(np.array(rows)) == ["111:0"] * 2
    names = [
        [name for name, _ in build_network("nasbench101", row, SMALL).named_parameters()] for row in rows
    ]
    assert names[0] == names[1]


def test_an_odd_size_is_rounded_up_between_stacks():
    network = build_network("nasbench101", get_space("nasbench101").parse(CELL), replace(SMALL, dims=1))
    assert network.pool(torch.zeros((1, 1, 9))).shape[-1] == 5


def test_too_few_channels_to_share_are_refused():
    with pytest.raises(NasbenchSuiteError, match=r"share them among 3 vertices; make the .* width 3"):
        build_network("nasbench101", get_space("nasbench101").parse(CELL), replace(SMALL, width=2))


def test_weights_begin_as_in_tensorflow():
    """Variance 1/inputs, cut off at two standard deviations of the normal that is cut; see the docstring."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(
            "nasbench101", get_space("nasbench101").parse("101:0"), replace(SMALL, width=64)
        )
    weight = network.stacks[1][1].operations[0][0].weight
    inputs = 128 * 9
    assert weight.var().item() == pytest.approx(1 / inputs, rel=0.02)
    limit = 2 / np.sqrt(inputs) / 0.8796256610342398
    assert 0.99 * limit < weight.abs().max().item() <= limit
    linear = network.classifier
    assert not linear.bias.any()
    assert linear.weight.abs().max().item() <= np.sqrt(6 / (256 + 3))


def test_running_statistics_move_by_three_in_a_thousand():
    network = build_network("nasbench101", get_space("nasbench101").parse(CELL), SMALL)
    network(torch.ones((2, 2, 8, 8)))
    norm = network.stem[1]
    batch_mean = network.stem[0](torch.ones((2, 2, 8, 8))).mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, 0.003 * batch_mean)
