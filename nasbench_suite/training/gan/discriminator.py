"""The discriminator, the same for all generators: three convolutions and a linear layer.

Miyato et al.: "Spectral Normalization for Generative Adversarial Networks" (ICLR 2018). AutoGAN's is a
residual network; this one is the convolutional network of that paper's table 3, cut down to signals of
40 numbers.
"""

from itertools import pairwise

import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from nasbench_suite.training.gan.recipe import LENGTH, GanRecipe

SLOPE = 0.1
"""Of leaky ReLU below zero."""
N_CONVS = 3
"""Convolutions of kernel 4 and stride 2; each halves the length."""


def critic_widths(recipe: GanRecipe) -> tuple[int, ...]:
    """Return the channels of the input and after every convolution."""
    return (1, recipe.critic_channels, *[2 * recipe.critic_channels] * (N_CONVS - 1))


class Discriminator(nn.Module):
    """Maps signals `[n, 1, 40]` to scores `[n]`, large for real ones.

    In training every pass first takes a step of power iteration; in evaluation it takes the singular
    vectors as they are.
    """

    def __init__(self, recipe: GanRecipe):
        super().__init__()
        self.gain = recipe.critic_gain
        widths = critic_widths(recipe)
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv1d(inputs, outputs, 4, stride=2, padding=1))
            for inputs, outputs in pairwise(widths)
        )
        self.score = spectral_norm(nn.Linear(widths[-1] * (LENGTH >> N_CONVS), 1))

    def forward(self, signals: Tensor) -> Tensor:
        """Return one score per signal."""
        x = signals
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE) * self.gain
        scores: Tensor = self.score(x.flatten(1))[:, 0]
        return scores
