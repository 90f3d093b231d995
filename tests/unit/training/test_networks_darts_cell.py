"""Networks of DARTS's cells: both cells written out by hand, and published numbers of parameters."""

from dataclasses import replace

import pytest
import torch
from filled_networks import Hand, assert_gives, filled, signals
from torch.nn import functional

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.training.counting import count
from nasbench_suite.training.networks import Skeleton, build_network, official_skeleton
from nasbench_suite.training.networks.darts_cell import dropped

SMALL = Skeleton(inputs=2, classes=3, width=3, depth=4)
NORMAL = (
    "('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 0), ('dil_conv_3x3', 2), "
    "('max_pool_3x3', 1), ('sep_conv_5x5', 3), ('dil_conv_5x5', 0), ('skip_connect', 4)"
)
REDUCTION = (
    "('skip_connect', 0), ('max_pool_3x3', 1), ('avg_pool_3x3', 0), ('skip_connect', 2), "
    "('dil_conv_3x3', 1), ('sep_conv_3x3', 2), ('sep_conv_5x5', 1), ('dil_conv_5x5', 4)"
)
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), "
    "('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
P_DARTS = (
    "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0), ('dil_conv_5x5', 4)], "
    "normal_concat=range(2, 6), reduce=[('avg_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 0), "
    "('dil_conv_5x5', 2), ('max_pool_3x3', 0), ('dil_conv_3x3', 1), ('dil_conv_3x3', 1), "
    "('dil_conv_5x5', 3)], reduce_concat=range(2, 6))"
)
NAS_BENCH_301_RESULT = (
    "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 1), "
    "('dil_conv_3x3', 0), ('dil_conv_5x5', 2), ('sep_conv_3x3', 1), ('skip_connect', 2)], "
    "normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 0), "
    "('dil_conv_5x5', 1), ('sep_conv_3x3', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 2), "
    "('dil_conv_3x3', 3)], reduce_concat=range(2, 6))"
)


def genes(text=None):
    made_up = f"Genotype(normal=[{NORMAL}], normal_concat=range(2, 6), reduce=[{REDUCTION}], "
    return get_space("darts_cell").parse(text or made_up + "reduce_concat=range(2, 6))")


@pytest.mark.parametrize(
    ("text", "width", "auxiliary", "parameters"),
    [
        # logged by quark0/darts's train.py for its default, DARTS_V2, without auxiliary head; paper: 3.3 M
        (DARTS_V2, 36, False, 3_349_342),
        # chenxin061/pdarts, issue 7
        (P_DARTS, 36, False, 3_433_798),
        (P_DARTS, 36, True, 3_910_224),
        # automl/nasbench301, surrogate_models/test/results_fidelity_0/results_0.json
        (NAS_BENCH_301_RESULT, 50, True, 6_369_358),
    ],
)
def test_published_numbers_of_parameters(text, width, auxiliary, parameters):
    with torch.device("meta"):
        network = build_network(
            "darts_cell", genes(text), Skeleton(width=width, depth=20, auxiliary=auxiliary)
        )
    assert count(network, (3, 32, 32)).parameters == parameters


class DartsHand(Hand):
    def separable(self, x, name, **how):
        channels = x.shape[1]
        filtered = self.conv(x.clamp(min=0), f"{name}.depthwise", groups=channels, **how)
        return self.norm(self.conv(filtered, f"{name}.pointwise"), f"{name}.norm")

    def twice(self, x, name, stride=1):
        return self.separable(self.separable(x, f"{name}.0", stride=stride), f"{name}.1")

    def factorized(self, x, name):
        """Even and odd places, zeros where an odd size ends."""
        x = x.clamp(min=0)
        beside = functional.pad(x, (0, 1) * self.dims)
        for axis in range(2, 2 + self.dims):
            beside = beside.narrow(axis, 1, x.shape[axis])
        for axis in range(2, 2 + self.dims):
            places = torch.arange(0, x.shape[axis], 2)
            x, beside = x.index_select(axis, places), beside.index_select(axis, places)
        joined = torch.cat([self.conv(x, f"{name}.even"), self.conv(beside, f"{name}.odd")], dim=1)
        return self.norm(joined, f"{name}.norm")

    def inputs(self, before_last, last, name, *, after_reduction):
        prepare = self.factorized if after_reduction else self.relu_conv_norm
        return prepare(before_last, f"{name}.before_last"), self.relu_conv_norm(last, f"{name}.last")

    def normal(self, zero, one, name):
        e = f"{name}.edges"
        two = self.twice(zero, f"{e}.0") + self.average3(one)
        three = zero + self.separable(two, f"{e}.3", dilation=2)
        four = self.maximum3(one) + self.twice(three, f"{e}.5")
        five = self.separable(zero, f"{e}.6", dilation=2) + four
        return torch.cat([two, three, four, five], dim=1)

    def reduction(self, zero, one, name):
        e = f"{name}.edges"
        two = self.factorized(zero, f"{e}.0") + self.maximum3(one, stride=2)
        three = self.average3(zero, stride=2) + two
        four = self.separable(one, f"{e}.4", dilation=2, stride=2) + self.twice(two, f"{e}.5")
        five = self.twice(one, f"{e}.6", stride=2) + self.separable(four, f"{e}.7", dilation=2)
        return torch.cat([two, three, four, five], dim=1)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("style", ["official", "light"])
@pytest.mark.parametrize("size", [8, 11])
def test_a_network_is_what_it_is_by_hand(dims, style, size):
    """Four cells: normal, reduction, reduction, normal."""
    network = filled(build_network("darts_cell", genes(), replace(SMALL, dims=dims, style=style)))
    x, hand = signals(dims, 2, size), DartsHand(network, dims)
    stem = hand.conv_norm(x, "stem")
    assert stem.shape[1] == (9 if style == "official" else 3)
    first = hand.normal(*hand.inputs(stem, stem, "cells.0", after_reduction=False), "cells.0")
    second = hand.reduction(*hand.inputs(stem, first, "cells.1", after_reduction=False), "cells.1")
    third = hand.reduction(*hand.inputs(first, second, "cells.2", after_reduction=True), "cells.2")
    fourth = hand.normal(*hand.inputs(second, third, "cells.3", after_reduction=True), "cells.3")
    assert_gives(network, x, hand.classified(fourth))


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 20])
def test_reductions_lie_after_a_third_and_after_two_thirds(depth):
    network = build_network("darts_cell", genes(), replace(SMALL, depth=depth, dims=1)).eval()
    sizes = []
    for cell in network.cells:
        cell.register_forward_hook(lambda _, given, output: sizes.append(output.shape[-1]))
    network(torch.zeros((1, 2, 32)))
    thirds = {depth // 3, 2 * depth // 3}
    assert sizes == [32 // 2 ** len([third for third in thirds if third <= cell]) for cell in range(depth)]


@pytest.mark.parametrize("dims", [1, 2])
def test_the_auxiliary_head_is_what_it_is_by_hand(dims):
    skeleton = replace(SMALL, dims=dims, auxiliary=True)
    network = filled(build_network("darts_cell", genes(), skeleton))
    x, hand = signals(dims, 2, 32), Hand(network, dims)
    seen = []
    network.cells[2].register_forward_hook(lambda _, given, output: seen.append(output))
    logits, second = network.with_auxiliary(x)
    pooled = seen[0].clamp(min=0)
    for axis in range(2, 2 + dims):
        pooled = pooled.unfold(axis, 5, 3).mean(-1)
    narrow = hand.norm(hand.conv(pooled, "auxiliary.features.2"), "auxiliary.features.3").clamp(min=0)
    assert narrow.shape[2:] == (2,) * dims
    weight = network.state_dict()["auxiliary.features.5.weight"]
    corner = torch.einsum("ncs,ocs->no", narrow.flatten(2), weight.flatten(2)).view(3, 768, *[1] * dims)
    ended = hand.norm(corner, "auxiliary.features.6").clamp(min=0)
    expected = hand.classified(ended, "auxiliary.classifier")
    torch.testing.assert_close(second, expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(logits, network(x))


def test_an_auxiliary_head_needs_eight_places_and_is_there_only_if_asked_for():
    with_head = build_network("darts_cell", genes(), replace(SMALL, dims=1, auxiliary=True))
    assert with_head(torch.zeros((2, 2, 29))).shape == (2, 3)
    with pytest.raises(NasbenchSuiteError, match="at least 29 in each direction"):
        with_head(torch.zeros((2, 2, 28)))
    without = build_network("darts_cell", genes(), SMALL)
    with pytest.raises(NasbenchSuiteError, match="has no auxiliary head; build it with auxiliary=True"):
        without.with_auxiliary(torch.zeros((2, 2, 32, 32)))


def test_dropped_paths_are_whole_samples_and_keep_the_mean():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.ones((4000, 2, 3))
        kept = dropped(x, 0.2)
    assert torch.equal(kept, kept[:, :1, :1].expand_as(kept))
    assert set(kept.unique().tolist()) == {0.0, 1.25}
    assert kept.mean().item() == pytest.approx(1, abs=0.03)


def test_paths_are_dropped_in_training_alone_and_never_identities():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network("darts_cell", genes(), replace(SMALL, drop_path=0.5))
        cell = network.cells[0]
        before, last = torch.ones((64, 9, 4, 4)), torch.ones((64, 9, 4, 4))
        cell.eval()
        assert torch.equal(cell(before, last, 0.5), cell(before, last, 0.0))
        seen = []
        cell.edges[2].register_forward_hook(lambda _, given, output: seen.append(output))
        cell.edges[3].register_forward_hook(lambda _, given, output: seen.append(output))
        cell.train()
        three = cell(before, last, 0.5)[:, 3:6]
        skipped, convolved = seen
        paths = (three - skipped).flatten(1).abs().amax(dim=1)
        assert 16 < (paths == 0).sum() < 48
        torch.testing.assert_close(three[paths > 0], (skipped + 2 * convolved)[paths > 0])
    assert network.drop_path == official_skeleton("darts_cell").drop_path + 0.3
