"""Networks of ProxylessNAS's space.

Cai, Zhu, Han: "ProxylessNAS" (ICLR 2019), section 4.2, with the authors' code (mit-han-lab/proxylessnas).
"""

from collections.abc import Sequence
from itertools import chain, repeat
from math import sqrt

from torch import nn

from nasbench_suite.spaces.mobile import OPERATIONS, SKIP, STAGES
from nasbench_suite.training.networks.network import ChainNetwork
from nasbench_suite.training.networks.scaling import scaled_widths, strides_of_layers
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import (
    Dims,
    InvertedBottleneck,
    conv_norm_relu,
)

WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320, 1280)
"""The authors' channels of stem, first block, six stages and head."""
STRIDES = (2, 2, 2, 1, 2, 1)
"""Stride of the first layer of each stage."""
LIGHT_STRIDES = (1, 2, 2, 1, 1, 1)
_EPS = 1e-3


class MobileNetwork(ChainNetwork):
    """Stem, a fixed block with expansion 1, 21 layers in six stages, head.

    Style `official`: the stem is a 3x3 convolution that halves the resolution, as do four of the stages.
    Style `light`: the stem is a 1x1 convolution that keeps it, and two stages halve it. Activations are
    ReLU6.

    Channels are those of `WIDTHS` as `scaled_widths` scales them; the authors trained the networks that they
    found with channels that differ from those of the search.

    Convolutions begin normal with a variance of two over the number of outputs of an input (kernel size times
    channels), biases at zero.

    Attributes
    ----------
    stem
        Convolution, normalisation and ReLU6; the fixed block.
    blocks
        21 of `InvertedBottleneck`, or `nn.Identity` where the layer is left out.
    head
        1x1 convolution, normalisation and ReLU6.
    classifier
        The linear layer behind the global average.
    """

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims, official = skeleton.dims, skeleton.style == "official"
        stem, first, *stages, head = scaled_widths(WIDTHS, skeleton)
        kernel, stride = (3, 2) if official else (1, 1)
        begin = conv_norm_relu(
            dims, skeleton.inputs, stem, kernel, stride=stride, eps=_EPS, activation=nn.ReLU6
        )
        self.stem = nn.Sequential(begin, _bottleneck(dims, stem, first, 1, 3, 1))
        self.blocks = nn.ModuleList(
            block(dims, OPERATIONS[gene], *shape)
            for gene, shape in zip(genes, layer_shapes(skeleton), strict=True)
        )
        self.head = conv_norm_relu(dims, stages[-1], head, eps=_EPS, activation=nn.ReLU6)
        self.classifier = nn.Linear(head, skeleton.classes)
        self.apply(initialize)


def layer_shapes(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Return inputs, outputs and stride of every layer."""
    _, first, *stages, _ = scaled_widths(WIDTHS, skeleton)
    outputs = list(chain.from_iterable(map(repeat, stages, STAGES)))
    strides = strides_of_layers(STRIDES if skeleton.style == "official" else LIGHT_STRIDES, STAGES)
    return list(zip([first, *outputs[:-1]], outputs, strides, strict=True))


def block(dims: Dims, operation: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return the block of a layer."""
    if operation == SKIP:
        return nn.Identity()
    size, _, expansion = operation.partition("_MBConv")
    return _bottleneck(dims, inputs, outputs, int(expansion), int(size[0]), stride)


def _bottleneck(
    dims: Dims, inputs: int, outputs: int, expansion: int, kernel: int, stride: int
) -> InvertedBottleneck:
    return InvertedBottleneck(
        dims, inputs, outputs, expansion, kernel, stride=stride, activation=nn.ReLU6, eps=_EPS
    )


def initialize(module: nn.Module) -> None:
    """Draw the initial weights of one layer; `module.apply` does it for all."""
    if isinstance(module, nn.Conv1d | nn.Conv2d) and not module.weight.is_meta:
        outputs_of_an_input = module.weight[0, 0].numel() * module.out_channels
        nn.init.normal_(module.weight, std=sqrt(2 / outputs_of_an_input))
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
