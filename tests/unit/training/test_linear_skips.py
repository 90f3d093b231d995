"""Stabilisers folded into what follows them: the same numbers, and only where that is so."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.training.choices import sampled_gates
from nasbench_suite.training.linear_skips import LinearSkip, fold_into, fold_skips
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.operations import conv
from nasbench_suite.training.supernet import Supernet, SupernetOptions

CHANGES_SHAPE = (0, 2, 5)
"""Layers of the macro space that begin a stage."""


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def supernet(dims, style, space="macro"):
    skeleton = Skeleton(inputs=2, classes=3, dims=dims, width=3, depth=1, style=style)
    return Supernet(space, skeleton, SupernetOptions(skip=LinearSkip)).double()


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(1, 1, 1), (1, 2, 1), (3, 1, 1), (5, 2, 1), (3, 1, 2)]
)
def test_a_convolution_does_the_work_of_the_stabiliser_before_it(dims, kernel, stride, dilation):
    skip = LinearSkip(dims, 3).double()
    following = conv(dims, 3, 5, kernel, stride=stride, dilation=dilation).double()
    x = torch.randn(4, 3, *[9] * dims, dtype=torch.double)
    expected = following(skip(x))
    fold_into(skip, following)
    assert torch.allclose(following(x), expected, rtol=1e-12, atol=1e-12)


def test_a_bias_stays_as_it_is_and_groups_are_refused():
    skip, following = LinearSkip(1, 4).double(), nn.Conv1d(4, 4, 3, padding=1).double()
    x = torch.randn(2, 4, 6, dtype=torch.double)
    expected = following(skip(x))
    fold_into(skip, following)
    assert torch.allclose(following(x), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(NasbenchSuiteError, match="groups"):
        fold_into(skip, nn.Conv1d(4, 4, 3, groups=2).double())


def must_stay(row, style):
    """Return the layers whose stabiliser cannot go: before a residual block, or before a normalisation."""
    stays = []
    for layer, value in enumerate(row):
        if value == 0 and layer not in CHANGES_SHAPE:
            last = layer == 7
            kept_shape = not last and layer + 1 not in CHANGES_SHAPE
            if (last and style == "light") or (kept_shape and row[layer + 1] != 0):
                stays.append(layer)
    return stays


def rows():
    """Return rows with every pattern of identities in the last stage, others drawn."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(3, size=(8, 8)).astype(np.uint8)
    drawn[:, 5:] = list(product((0, 2), repeat=3))
    return [np.zeros(8, dtype=np.uint8), *drawn, get_space("macro").parse("10200100")]


@pytest.mark.parametrize(("dims", "style"), [(1, "light"), (1, "official"), (2, "official")])
def test_a_folded_path_gives_the_same_logits(dims, style):
    whole = supernet(dims, style)
    x = torch.randn(6, 2, *[12] * dims, dtype=torch.double)
    before = {name: weight.clone() for name, weight in whole.state_dict().items()}
    gone = 0
    for row in rows():
        folded = fold_skips(whole, row)
        assert torch.allclose(folded(x), whole(x, sampled_gates(row)), rtol=1e-9, atol=1e-10)
        left = [layer for layer, block in enumerate(folded.blocks) if isinstance(block, LinearSkip)]
        assert left == must_stay(row, style)
        gone += sum(isinstance(block, nn.Identity) for block in folded.blocks)
    assert gone > 10
    assert all(torch.equal(weight, before[name]) for name, weight in whole.state_dict().items())


def test_before_a_block_that_adds_its_input_folding_would_change_the_result():
    whole = supernet(1, "light")
    row = get_space("macro").parse("10000000")
    row[2:5] = 1, 0, 1
    x = torch.randn(6, 2, 12, dtype=torch.double)
    folded = fold_skips(whole, row)
    expected = folded(x)
    fold_into(folded.blocks[3], folded.blocks[4].expand[0])
    folded.blocks[3] = nn.Identity()
    assert not torch.allclose(folded(x), expected, rtol=1e-3)


def test_another_space_is_refused():
    with pytest.raises(NasbenchSuiteError, match="macro"):
        fold_skips(supernet(1, "light", "nats_topology"), np.zeros(6, dtype=np.uint8))


def test_identities_that_change_the_shape_are_not_stabilised():
    kinds = [type(choice.operations[0]) for choice in supernet(1, "light").choices]
    assert kinds == [nn.Sequential if layer in CHANGES_SHAPE else LinearSkip for layer in range(8)]
