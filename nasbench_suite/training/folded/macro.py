"""Folded networks of NAS-Bench-Macro's layers on signals: the `light` skeleton of `networks/macro.py`."""

import torch

from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.macro import OPERATIONS
from nasbench_suite.training.folded.activations import Buffers, members
from nasbench_suite.training.folded.head import Head, Stem
from nasbench_suite.training.folded.macro_layers import (
    Boundary,
    Layer,
    LayerWeights,
    layer_weights,
    make_layer,
)
from nasbench_suite.training.folded.network import FoldedNetwork
from nasbench_suite.training.folded.parameters import FoldedParameters
from nasbench_suite.training.networks.macro import layer_shapes
from nasbench_suite.training.networks.skeleton import Skeleton


class MacroWeights:
    """Where the weights of a group of networks lie; shared by the networks that train and that infer.

    Parameters
    ----------
    genes
        uint8 `[M, 8]`, sorted by row so that models with a layer in common stand together.
    skeleton
        Style `light`, `dims` 1.
    device
        Where to compute.
    """

    def __init__(self, genes: Genes, skeleton: Skeleton, device: torch.device):
        self.genes, self.skeleton = genes, skeleton
        self.parameters = folded = FoldedParameters(device)
        everyone = range(len(genes))
        self.stem = (
            folded.matrix("stem.0.weight", everyone, skeleton.width, skeleton.inputs),
            folded.norm("stem.1", everyone, skeleton.width),
        )
        self.shapes = layer_shapes(skeleton)
        self.layers: list[list[LayerWeights]] = []
        for layer, shape in enumerate(self.shapes):
            self.layers.append(
                [
                    layer_weights(folded, f"blocks.{layer}", gene, who, shape)
                    for gene in range(len(OPERATIONS))
                    for who in members(genes[:, layer] == gene, device)
                ]
            )
        last = self.shapes[-1][1]
        self.norm = folded.norm("head.0", everyone, last)
        self.classifier = folded.matrix("classifier.weight", everyone, skeleton.classes, last)
        self.classifier_bias = folded.column("classifier.bias", everyone, skeleton.classes)
        folded.allocate()


class FoldedMacro(FoldedNetwork):
    """The networks of a group; the parameters are those of `FoldedTopology`."""

    def __init__(self, weights: MacroWeights, length: int, batch: int, *, training: bool):
        self.parameters = weights.parameters
        buffers = Buffers(weights.parameters.device)
        models = len(weights.genes)
        shape = (models, weights.skeleton.width, length, batch)
        last = first = Boundary(0, shape, buffers, training)
        self.steps: list[Layer] = []
        for place, (_, outputs, stride) in enumerate(weights.shapes, start=1):
            length = -(-length // stride)
            target = Boundary(place, (models, outputs, length, batch), buffers, training)
            for layer in weights.layers[place - 1]:
                self.steps.append(make_layer(layer, last, target, stride, buffers, training=training))
            last = target
        self.stem = Stem(*weights.stem, first.value, first.grad, buffers, training=training)
        self.head = Head(
            weights.norm,
            weights.classifier,
            weights.classifier_bias,
            last.value,
            last.grad,
            buffers,
            training=training,
        )
