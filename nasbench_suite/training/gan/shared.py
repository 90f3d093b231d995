"""A generator whose weights all architectures of a space share, against one discriminator.

Gong et al.: "AutoGAN" (ICCV 2019), section 3.2. A step trains what one architecture has of the weights. At
first only the first cells are there and what they make is coarse; cells that are added find the weights of
the others trained.
"""

from dataclasses import replace

import numpy as np
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.folded import FoldedGenerator
from nasbench_suite.training.gan.generator import gan_space
from nasbench_suite.training.gan.judge import Judge, Judgement
from nasbench_suite.training.gan.setting import GanSetting
from nasbench_suite.training.step_memory import held_bytes


class SharedGan:
    """Shared weights of the generators of a space, and their discriminator.

    Parameters
    ----------
    setting
        The space, the data, the recipe (its steps and judgements are not used, and neither decay nor
        moving average) and what judges.
    seed
        Of the initial weights.
    """

    def __init__(self, setting: GanSetting, seed: int):
        self.setting = setting
        self.cells = gan_space(setting.space).n_cells
        inputs = setting.inputs("train")
        recipe = replace(setting.recipe, decay=False, average=0.0)
        first = gan_space(setting.space).decode(np.zeros(1, dtype=np.int64))
        self._adversaries = Adversaries(setting.space, first, recipe, seed, inputs)
        self._inputs = {self.cells: inputs}
        self._judges: dict[tuple[int, int], Judge] = {}

    def step(self, row: Genes, depth: int, noise: Tensor, real: Tensor) -> tuple[float, float]:
        """Take a step with one architecture; return the losses of generator and discriminator.

        Parameters
        ----------
        row
            uint8 `[n_genes]`; genes of cells beyond `depth` do not matter.
        depth
            How many cells there are.
        noise
            `[critic steps, batch, latent]`.
        real
            Which training inputs, int64 `[critic steps, batch]`.
        """
        if depth not in self._inputs:
            self._inputs[depth] = coarse(self._inputs[self.cells], self.cells - depth)
        own = self._adversaries
        own.inputs, own.generator = self._inputs[depth], self._generator(row, depth)
        own.losses.zero_()
        own.step(noise, real)
        generator, critic = own.losses[:, 0].tolist()
        return generator, critic

    def judge(self, row: Genes, depth: int, count: int) -> Judgement:
        """Judge so many signals or images of one architecture, beside real ones as coarse as they are."""
        self._adversaries.generator = self._generator(row, depth)
        return self._judge(depth, count)(self._adversaries)

    def _judge(self, depth: int, count: int) -> Judge:
        if (depth, count) not in self._judges:
            at_once = min(count, self.setting.recipe.judged_batch)
            recipe = replace(self.setting.recipe, judged=count // at_once * at_once, judged_batch=at_once)
            valid, test = (coarse(self.setting.inputs(p), self.cells - depth) for p in ("valid", "test"))
            self._judges[depth, count] = Judge(self.setting.classifier, recipe, valid, test)
        return self._judges[depth, count]

    def step_bytes(self, row: Genes) -> int:
        """Return the bytes that a generator's step holds with all cells, see `step_memory`."""
        own, recipe = self._adversaries, self.setting.recipe
        generator = self._generator(row, self.cells)
        weights = own.weights.detach().requires_grad_()
        noise = weights.new_zeros(recipe.batch, recipe.latent)

        def loss() -> Tensor:
            return -own.discriminator(own.critic_weights, generator(weights, noise)).mean()

        return held_bytes(loss, [weights], own.state)

    def _generator(self, row: Genes, depth: int) -> FoldedGenerator:
        weights, shape = self._adversaries.weights, self.setting.data.shape
        how = (self.setting.recipe, shape, weights.device, weights.dtype, depth)
        return FoldedGenerator(self.setting.space, row[None], *how)


def coarse(inputs: Tensor, halvings: int) -> Tensor:
    """Return inputs `[n, channels, *size]` in which every run or square of `2^halvings` is its mean."""
    run = 1 << halvings
    pool = F.avg_pool1d if inputs.ndim == 3 else F.avg_pool2d
    return F.interpolate(pool(inputs, run), size=inputs.shape[2:], mode="nearest")
