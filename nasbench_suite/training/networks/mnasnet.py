"""Networks of the MnasNet space of Accel-NASBench.

Ahmad et al.: "Accel-NASBench" (DAC 2024); Tan et al.: "MnasNet" (CVPR 2019). The authors' training code is
not in their repository. The channels, which are those of EfficientNet-B0, and the form of
squeeze-and-excitation give the published parameters and multiply-adds of all 5,138 networks. That activations
are ReLU, as in MnasNet, leaves no trace in these numbers.
"""

from collections.abc import Sequence
from itertools import chain, repeat

from torch import nn

from nasbench_suite.spaces.mnasnet import CHOICES
from nasbench_suite.training.networks.network import ChainNetwork
from nasbench_suite.training.networks.scaling import scaled_widths, strides_of_layers
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import InvertedBottleneck, conv_norm_relu

WIDTHS = (32, 16, 24, 40, 80, 112, 192, 320, 1280)
"""Channels of stem, seven blocks and head."""
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of the first layer of each block."""
LIGHT_STRIDES = (1, 2, 2, 1, 1, 1, 1)
_GENES = 4


class MnasnetNetwork(ChainNetwork):
    """Stem, seven blocks of one to four layers each, head.

    Style `official`: the stem is a 3x3 convolution that halves the resolution, as do four of the blocks.
    Style `light`: the stem is a 1x1 convolution that keeps it, and two blocks halve it. Channels are those of
    `WIDTHS` as `scaled_widths` scales them. A squeeze-and-excitation has a quarter of its layer's input
    channels inside.

    Attributes
    ----------
    stem, head
        Convolution, normalisation and ReLU.
    blocks
        `InvertedBottleneck`, one per layer.
    classifier
        The linear layer behind the global average.
    """

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims, official = skeleton.dims, skeleton.style == "official"
        stem, *widths, head = scaled_widths(WIDTHS, skeleton)
        kernel, stride = (3, 2) if official else (1, 1)
        self.stem = conv_norm_relu(dims, skeleton.inputs, stem, kernel, stride=stride)
        choices = chosen(genes)
        layers = [n_layers for _, _, n_layers, _ in choices]
        outputs = list(chain.from_iterable(map(repeat, widths, layers)))
        strides = strides_of_layers(STRIDES if official else LIGHT_STRIDES, layers)
        self.blocks = nn.ModuleList(
            InvertedBottleneck(
                dims,
                inputs,
                wide,
                expansion,
                kernel,
                stride=stride,
                squeeze=max(1, inputs // 4) if squeezes else 0,
            )
            for inputs, wide, stride, (expansion, kernel, _, squeezes) in zip(
                [stem, *outputs[:-1]],
                outputs,
                strides,
                chain.from_iterable(map(repeat, choices, layers)),
                strict=True,
            )
        )
        self.head = conv_norm_relu(dims, outputs[-1], head)
        self.classifier = nn.Linear(head, skeleton.classes)


def chosen(genes: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Return expansion, kernel size, number of layers and squeeze-and-excitation of every block."""
    blocks = [genes[start : start + _GENES] for start in range(0, len(genes), _GENES)]
    return [
        (choices[0][block[0]], choices[1][block[1]], choices[2][block[2]], choices[3][block[3]])
        for choices, block in zip(CHOICES, blocks, strict=True)
    ]
