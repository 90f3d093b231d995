"""Networks of NAS-Bench-Macro, written out by hand."""

import pytest
import torch
from filled_networks import Hand, assert_gives, filled, signals

from nasbench_suite import get_space
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.operations import InvertedBottleneck

SHAPES = {
    "official": [(3, 6, 2), (6, 6, 1), (6, 12, 2), *[(12, 12, 1)] * 2, (12, 24, 2), *[(24, 24, 1)] * 2],
    "light": [(3, 3, stride) for stride in (2, 1, 2, 1, 1, 2, 1, 1)],
}
"""Channels in and out and the stride of each layer with width 3."""


def inverted(hand, x, name, inputs, outputs, stride, expansion):
    inside = inputs * expansion
    wide = hand.conv_norm(x, f"{name}.expand").clamp(min=0)
    filtered = hand.conv_norm(wide, f"{name}.depthwise", stride=stride, groups=inside).clamp(min=0)
    narrow = hand.conv_norm(filtered, f"{name}.project")
    return x + narrow if stride == 1 and inputs == outputs else narrow


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("style", ["official", "light"])
@pytest.mark.parametrize("text", ["02012100", "10220011"])
def test_a_network_is_what_it_is_by_hand(dims, style, text):
    genes = get_space("macro").parse(text)
    skeleton = Skeleton(inputs=2, classes=3, width=3, dims=dims, style=style)
    network = filled(build_network("macro", genes, skeleton))
    x, hand = signals(dims, 2, 9), Hand(network, dims)
    expected = hand.conv_norm(x, "stem")
    expected = expected.clamp(min=0) if style == "official" else expected
    for layer, (digit, shape) in enumerate(zip(text, SHAPES[style], strict=True)):
        name, (inputs, outputs, stride) = f"blocks.{layer}", shape
        if digit != "0":
            expected = inverted(hand, expected, name, *shape, expansion={"1": 3, "2": 6}[digit])
        elif stride == 2 or inputs != outputs:
            expected = hand.conv_norm(expected, name, stride=stride)
        assert expected.shape[1] == outputs
    ended = hand.conv_norm(expected, "head") if style == "official" else hand.norm(expected, "head.0")
    assert_gives(network, x, hand.classified(ended.clamp(min=0)))


@pytest.mark.parametrize("style", ["official", "light"])
def test_kernels_and_residuals_are_those_of_the_operations(style):
    blocks = build_network("macro", get_space("macro").parse("12121212"), Skeleton(style=style)).blocks
    assert all(isinstance(block, InvertedBottleneck) for block in blocks)
    assert [block.depthwise[0].kernel_size for block in blocks] == [(3, 3), (5, 5)] * 4
    assert [block.residual for block in blocks] == [layer not in (0, 2, 5) for layer in range(8)]


def test_a_signal_of_forty_becomes_twenty_ten_and_five():
    network = build_network(
        "macro", get_space("macro").parse("21212121"), Skeleton(inputs=1, dims=1, style="light")
    )
    sizes = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, given, out: sizes.append(out.shape[-1]))
    network(torch.zeros((2, 1, 40)))
    assert sizes == [20, 20, 10, 10, 10, 5, 5, 5]
