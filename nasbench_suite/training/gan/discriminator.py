"""The discriminator, the same for all generators: three convolutions and a linear layer.

Miyato et al.: "Spectral Normalization for Generative Adversarial Networks" (ICLR 2018). AutoGAN's is a
residual network; this one is the convolutional network of that paper's table 3, cut down to signals of
40 numbers and images of about 30 pixels.
"""

import math
from itertools import pairwise

import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from nasbench_suite.training.gan.recipe import GanRecipe

SLOPE = 0.1
"""Of leaky ReLU below zero."""
N_CONVS = 3
"""Convolutions of kernel 4 and stride 2; each halves the length."""


def critic_widths(recipe: GanRecipe, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the channels of the input and after every convolution."""
    return (shape[0], recipe.critic_channels, *[2 * recipe.critic_channels] * (N_CONVS - 1))


def critic_features(recipe: GanRecipe, shape: tuple[int, ...]) -> int:
    """Return how many numbers are scored."""
    return critic_widths(recipe, shape)[-1] * math.prod(length >> N_CONVS for length in shape[1:])


class Discriminator(nn.Module):
    """Maps signals or images `[n, channels, *size]` to scores `[n]`, large for real ones.

    In training every pass first takes a step of power iteration; in evaluation it takes the singular
    vectors as they are.

    Parameters
    ----------
    recipe
        Says how many channels there are.
    shape
        Channels and size of the inputs.
    """

    def __init__(self, recipe: GanRecipe, shape: tuple[int, ...]):
        super().__init__()
        self.gain = recipe.critic_gain
        conv = nn.Conv1d if len(shape) == 2 else nn.Conv2d
        self.convs = nn.ModuleList(
            spectral_norm(conv(inputs, outputs, 4, stride=2, padding=1))
            for inputs, outputs in pairwise(critic_widths(recipe, shape))
        )
        self.score = spectral_norm(nn.Linear(critic_features(recipe, shape), 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one score per input."""
        x = inputs
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE) * self.gain
        scores: Tensor = self.score(x.flatten(1))[:, 0]
        return scores
