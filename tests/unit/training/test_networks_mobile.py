"""Networks of inverted bottlenecks, ProxylessNAS's and MnasNet's: by hand, and as published."""

import csv
import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch
from filled_networks import Hand, assert_gives, filled, signals

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.training.counting import count
from nasbench_suite.training.networks import Skeleton, build_network, official_skeleton
from nasbench_suite.training.networks.scaling import scaled_widths

# Kernel size and expansion of each layer, a dash where it is left out, stage by stage.
CPU = "36 33 33 33  36 33 33 53  36 - - 33  56 33 33 33  56 53 53 33  56"
GPU = "53 - - -  73 - - 33  76 - - 53  56 - 33 53  76 76 76 56  76"
MOBILE = "53 33 - -  73 33 53 53  76 53 53 53  56 53 53 53  76 76 73 73  76"
MOBILENET_V2 = "36 36 - -  36 36 36 -  36 36 36 36  36 36 36 -  36 36 36 -  36"
WIDTHS = (4, 5, 6, 7, 7, 8, 8, 9, 12)
SMALL = Skeleton(inputs=2, classes=3, widths=WIDTHS)


def mobile(text):
    blocks = text.split()
    names = ["Zero" if block == "-" else f"{block[0]}x{block[0]}_MBConv{block[1]}" for block in blocks]
    return get_space("mobile").parse("-".join(names))


@pytest.mark.parametrize(
    ("text", "widths", "parameters", "millions"),
    [
        # parameters: osmr/imgclsmob, `proxylessnas.py`; multiply-adds: mit-han-lab/proxylessnas, `logs/`
        (CPU, (40, 24, 32, 48, 88, 104, 216, 360, 1432), 4_361_648, 439.2),
        (GPU, (40, 24, 32, 56, 112, 128, 256, 432, 1728), 7_119_848, 465.3),
        (MOBILE, (32, 16, 32, 40, 80, 96, 192, 320, 1280), 4_080_512, 320.4),
        (MOBILE, (48, 24, 40, 56, 112, 136, 256, 448, 1792), 6_857_568, None),
        # torchvision, `mobilenetv2.py`
        (MOBILENET_V2, (32, 16, 24, 32, 64, 96, 160, 320, 1280), 3_504_872, None),
    ],
    ids=["cpu", "gpu", "mobile", "mobile14", "mobilenet_v2"],
)
def test_published_networks_have_their_published_numbers(text, widths, parameters, millions):
    with torch.device("meta"):
        network = build_network("mobile", mobile(text), replace(official_skeleton("mobile"), widths=widths))
    counts = count(network, (3, 224, 224))
    assert counts.parameters == parameters
    assert millions is None or round(counts.multiply_adds / 1e6, 1) == millions


class MobileHand(Hand):
    highest = 6.0

    def active(self, x):
        return x.clamp(min=0, max=self.highest)

    def bottleneck(self, x, name, kernel, expansion, outputs, stride, squeeze=False):
        inputs = x.shape[1]
        assert f"{name}.expand.0.weight" not in self.state or expansion > 1
        wide = self.active(self.conv_norm(x, f"{name}.expand")) if expansion > 1 else x
        assert wide.shape[1] == inputs * expansion
        assert self.state[f"{name}.depthwise.0.weight"].shape[-1] == kernel
        filtered = self.conv_norm(wide, f"{name}.depthwise", stride=stride, groups=inputs * expansion)
        filtered = self.active(filtered)
        if squeeze:
            hidden = self.classified(filtered, f"{name}.excite.reduce").clamp(min=0)
            assert hidden.shape[1] == max(1, inputs // 4)
            state = self.state
            weights = hidden @ state[f"{name}.excite.restore.weight"].T + state[f"{name}.excite.restore.bias"]
            filtered = filtered / (1 + torch.exp(-weights)).view(*weights.shape, *[1] * self.dims)
        narrow = self.conv_norm(filtered, f"{name}.project")
        assert narrow.shape[1] == outputs
        return x + narrow if stride == 1 and inputs == outputs else narrow


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(
    ("style", "strides"), [("official", (2, 2, 2, 1, 2, 1)), ("light", (1, 2, 2, 1, 1, 1))]
)
def test_a_mobile_network_is_what_it_is_by_hand(dims, style, strides):
    network = filled(build_network("mobile", mobile(MOBILE), replace(SMALL, dims=dims, style=style)))
    x, hand = signals(dims, 2, 32), MobileHand(network, dims, eps=1e-3)
    stem_stride = 2 if style == "official" else 1
    expected = hand.active(hand.conv_norm(x, "stem.0", stride=stem_stride))
    assert network.stem[0][0].kernel_size == ((3,) if style == "official" else (1,)) * dims
    expected = hand.bottleneck(expected, "stem.1", 3, 1, WIDTHS[1], 1)
    for layer, block in enumerate(MOBILE.split()):
        stage, place = divmod(layer, 4)
        if block != "-":
            kernel, expansion = map(int, block)
            stride = 1 if place else strides[stage]
            expected = hand.bottleneck(
                expected, f"blocks.{layer}", kernel, expansion, WIDTHS[2 + stage], stride
            )
    expected = hand.classified(hand.active(hand.conv_norm(expected, "head")))
    assert_gives(network, x, expected)


MNASNET = "e1k3l2s1-e4k5l1s0-e6k3l3s1-e4k5l2s0-e6k5l1s1-e1k3l4s0-e6k3l1s1"


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize(
    ("style", "strides"), [("official", (1, 2, 2, 2, 1, 2, 1)), ("light", (1, 2, 2, 1, 1, 1, 1))]
)
def test_a_mnasnet_network_is_what_it_is_by_hand(dims, style, strides):
    widths = (4, 3, 8, 5, 5, 9, 6, 3, 7)
    skeleton = replace(SMALL, dims=dims, style=style, widths=widths)
    network = filled(build_network("mnasnet", get_space("mnasnet").parse(MNASNET), skeleton))
    x, hand = signals(dims, 2, 16), MobileHand(network, dims)
    hand.highest = None
    expected = hand.active(hand.conv_norm(x, "stem", stride=2 if style == "official" else 1))
    layer = 0
    for block, text in enumerate(MNASNET.split("-")):
        expansion, kernel, layers, squeeze = (int(text[place]) for place in (1, 3, 5, 7))
        for place in range(layers):
            stride = 1 if place else strides[block]
            expected = hand.bottleneck(
                expected, f"blocks.{layer}", kernel, expansion, widths[1 + block], stride, squeeze=squeeze
            )
            layer += 1
    expected = hand.classified(hand.active(hand.conv_norm(expected, "head")))
    assert_gives(network, x, expected)


@pytest.fixture(scope="module")
def accel_nasbench(shared_data):
    with gzip.open(shared_data / "accel_nasbench" / "imagenet_5138.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def blocks_of(line):
    """Expansion, kernel size, layers and squeeze-and-excitation of the seven blocks of a published line."""
    return [
        (*(int(line[f"block{block}_{part}"]) for part in "ekl"), line[f"block{block}_se"] == "True")
        for block in range(7)
    ]


def test_parameters_of_all_published_mnasnet_networks(accel_nasbench):
    """As sums over layers, which modules confirm for some networks below."""
    widths, found = (16, 24, 40, 80, 112, 192, 320), []
    for line in accel_nasbench:
        inputs, total = 32, 27 * 32 + 2 * 32
        for (expansion, kernel, layers, squeeze), outputs in zip(blocks_of(line), widths, strict=True):
            for _ in range(layers):
                inside, hidden = inputs * expansion, inputs // 4
                total += (inputs + 2) * inside if expansion > 1 else 0
                total += (kernel**2 + 2) * inside + (inside + 2) * outputs
                total += (2 * inside + 1) * hidden + inside if squeeze else 0
                inputs = outputs
        found.append(total + (320 + 2) * 1280 + 1281 * 1000)
    assert found == [round(float(line["params"]) * 1e6) for line in accel_nasbench]
    assert len(found) == 5_138


def test_published_mnasnet_networks_have_their_published_numbers(accel_nasbench):
    """The column `macs` also has four per normalised value and one per value into or out of an average."""
    skeleton, other = official_skeleton("mnasnet"), 0

    def note_norm(layer, given, output):
        nonlocal other
        other += 4 * output.numel()

    def note_average(layer, given, output):
        nonlocal other
        other += given[0].numel() + given[0].shape[1]

    chosen = np.random.default_rng(0).choice(len(accel_nasbench), 40, replace=False)
    for line in [accel_nasbench[place] for place in chosen]:
        text = "-".join(f"e{e}k{k}l{n}s{int(s)}" for e, k, n, s in blocks_of(line))
        with torch.device("meta"):
            network = build_network("mnasnet", get_space("mnasnet").parse(text), skeleton)
        for name, layer in network.named_modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.register_forward_hook(note_norm)
            elif name.endswith("excite"):
                layer.register_forward_hook(note_average)
        other = 7 * 7 * 1280 + 1280
        counts = count(network, (3, 224, 224))
        assert counts.parameters == round(float(line["params"]) * 1e6)
        assert counts.multiply_adds + other == round(float(line["macs"]) * 1e6)


@pytest.mark.parametrize(
    ("width", "style", "expected"),
    [
        # MobileNetV2's rounding at 1.4 and at 0.35 of its channels, as torchvision and Keras have them
        (44.8, "official", [48, 24, 32, 48, 88, 136, 224, 448, 1792]),
        (11.2, "official", [16, 8, 8, 16, 24, 32, 56, 112, 1280]),
        (16, "light", [16, 8, 12, 16, 32, 48, 80, 160, 640]),
        (1, "light", [1, 1, 1, 1, 2, 3, 5, 10, 40]),
    ],
)
def test_widths_are_rounded_as_in_mobilenet_v2(width, style, expected):
    official = (32, 16, 24, 32, 64, 96, 160, 320, 1280)
    assert scaled_widths(official, Skeleton(width=width, style=style)) == expected


@pytest.mark.parametrize("space", ["mobile", "mnasnet"])
def test_another_number_of_widths_is_refused(space):
    genes = get_space(space).sample(np.random.default_rng(0), 1)[0]
    with pytest.raises(NasbenchSuiteError, match=r"this network has 9 widths, such as \(32, 16, .*, not 3\."):
        build_network(space, genes, Skeleton(widths=(8, 8, 8)))


def test_mobile_weights_begin_as_the_authors_begin_them():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network("mobile", mobile(MOBILE), Skeleton(width=32))
    block = network.blocks[16]
    for weight, variance in (
        (block.expand[0].weight, 2 / 576),
        (block.depthwise[0].weight, 2 / 49 / 576),
        (block.project[0].weight, 2 / 192),
    ):
        assert weight.var().item() == pytest.approx(variance, rel=0.05)
        assert abs(weight.mean().item()) < 0.05 * variance**0.5
    assert not network.classifier.bias.any()
