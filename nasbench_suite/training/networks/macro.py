"""Networks of NAS-Bench-Macro.

Su et al.: "Prioritized architecture sampling with Monto-Carlo tree search" (CVPR 2021), with the authors'
code (repository NAS-Bench-Macro).
"""

from collections.abc import Sequence

from torch import nn

from nasbench_suite.spaces.macro import OPERATIONS, STAGES
from nasbench_suite.training.networks.network import ChainNetwork
from nasbench_suite.training.networks.skeleton import Skeleton
from nasbench_suite.training.operations import (
    Dims,
    InvertedBottleneck,
    conv,
    conv_norm_relu,
    norm,
)

HEAD = 1280
"""Channels of the official network's last convolution."""
BOTTLENECKS = {"mb3_3x3": (3, 3), "mb6_5x5": (6, 5)}
"""Expansion and kernel size of the operations that are inverted bottlenecks."""


class MacroNetwork(ChainNetwork):
    """Eight blocks in three stages.

    Every stage halves the resolution. Style `official`: every stage doubles the channels too, from `width` to
    `8 * width`; the stem is a 3x3 convolution, the head a 1x1 convolution to 1280 channels. Style `light`:
    all layers have `width` channels, so that the first stage is as wide as the last; the stem is a 1x1
    convolution without ReLU, which of a single input channel would keep one sign or both by the chance of
    the initial weights; the head only normalises.

    Attributes
    ----------
    stem
        Convolution, normalisation and (`official` only) ReLU.
    blocks
        Eight of `InvertedBottleneck`, `nn.Identity`, or convolution and normalisation where the identity
        must change the shape.
    head
        Convolution (`official` only), normalisation and ReLU.
    classifier
        The linear layer behind the global average.
    """

    def __init__(self, genes: Sequence[int], skeleton: Skeleton):
        super().__init__(skeleton)
        dims, width, official = skeleton.dims, skeleton.width, skeleton.style == "official"
        begin = nn.Sequential(conv(dims, skeleton.inputs, width), norm(dims, width))
        self.stem = conv_norm_relu(dims, skeleton.inputs, width, 3) if official else begin
        shapes = layer_shapes(skeleton)
        self.blocks = nn.ModuleList(
            block(dims, OPERATIONS[gene], *shape) for gene, shape in zip(genes, shapes, strict=True)
        )
        last = shapes[-1][1]
        ending = HEAD if official else last
        only_norm = nn.Sequential(norm(dims, last), nn.ReLU())
        self.head = conv_norm_relu(dims, last, HEAD) if official else only_norm
        self.classifier = nn.Linear(ending, skeleton.classes)


def layer_shapes(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Return inputs, outputs and stride of every layer."""
    shapes, width = [], skeleton.width
    growth = 2 if skeleton.style == "official" else 1
    for layers in STAGES:
        shapes.append((width, growth * width, 2))
        width *= growth
        shapes += [(width, width, 1)] * (layers - 1)
    return shapes


def block(dims: Dims, operation: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return the block of a layer; the identity becomes a 1x1 convolution where the shape changes."""
    if operation in BOTTLENECKS:
        return InvertedBottleneck(dims, inputs, outputs, *BOTTLENECKS[operation], stride=stride)
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(conv(dims, inputs, outputs, stride=stride), norm(dims, outputs))
