"""The random numbers of GANs: drawn on the CPU, so that every device gets the same.

Initial weights depend on seed, space and architecture; noise and batches on the seed and the step alone,
so that all models of a group share them. The noise of judgements is the same for all seeds.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.training.gan.recipe import GanRecipe

CHUNK = 100
"""Steps whose numbers are drawn at once."""
_WEIGHTS, _STEPS, _JUDGED = 2, 3, 4
"""Besides those of `training/seeds.py`."""


def _generator(seed: int, *key: int) -> torch.Generator:
    number = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1
    return torch.Generator().manual_seed(int(number))


def uniform_rows(space: str, genes: Genes, seed: int, size: int) -> Tensor:
    """Return numbers in [0, 1) for every architecture, float64 `[models, size]`."""
    rows = torch.empty(len(genes), size, dtype=torch.float64)
    for row, own in zip(rows, genes.tolist(), strict=True):
        name = zlib.crc32(f"{space} {' '.join(map(str, own))}".encode())
        torch.rand(size, generator=_generator(seed, _WEIGHTS, name), dtype=torch.float64, out=row)
    return rows


@dataclass(frozen=True)
class StepDraws:
    """What `CHUNK` steps draw.

    Attributes
    ----------
    noise
        `[steps, critic steps, batch, latent]`.
    real
        Which training inputs, int64 `[steps, critic steps, batch]`; drawn with replacement.
    """

    noise: Tensor
    real: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> "StepDraws":
        """Return them on a device, in a precision."""
        noise = self.noise.to(dtype)
        if device.type != "cuda":
            return StepDraws(noise, self.real)
        noise, real = (part.pin_memory().to(device, non_blocking=True) for part in (noise, self.real))
        return StepDraws(noise, real)


def step_draws(recipe: GanRecipe, seed: int, chunk: int, n_real: int) -> StepDraws:
    """Draw for the steps from `chunk * CHUNK` on; there are `n_real` training inputs."""
    generator = _generator(seed, _STEPS, chunk)
    shape = (CHUNK, recipe.critic_steps, recipe.batch)
    noise = torch.randn(*shape, recipe.latent, generator=generator, dtype=torch.float64)
    return StepDraws(noise, torch.randint(n_real, shape, generator=generator))


def judged_noise(recipe: GanRecipe) -> Tensor:
    """Return the noise of every judgement, float64 `[judged, latent]`."""
    return torch.randn(recipe.judged, recipe.latent, generator=_generator(0, _JUDGED), dtype=torch.float64)
