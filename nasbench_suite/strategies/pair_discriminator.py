"""Tells pairs of good architectures from pairs of a good and a generated one: one for every run.

Rezaei et al.: "Generative Adversarial Neural Architecture Search" (IJCAI 2021). Both architectures go through
the same encoder; a layer on both codes gives the logit that the second is as good as the first.
"""

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces.base import Genes, SearchSpace


class PairDiscriminator:
    """Encodes genes by a sum of embeddings and one hidden layer.

    Shapes below are `[runs, batch, ...]`; weights are `[runs, in, out]`, and runs share none.

    Parameters
    ----------
    space
        Of the architectures.
    runs
        Number of discriminators.
    rng
        Draws the weights.
    hidden
        Width of the code and of the layer on both codes.

    Attributes
    ----------
    weights
        All tensors that learn.
    """

    def __init__(self, space: SearchSpace, runs: int, rng: np.random.Generator, *, hidden: int):
        self.runs = runs
        self._offsets = np.concatenate([[0], np.cumsum(space.cardinalities)[:-1]])

        def normal(n_in: int, n_out: int, fan_in: int) -> Tensor:
            values = rng.normal(scale=np.sqrt(2 / fan_in), size=(runs, n_in, n_out))
            return torch.from_numpy(values.astype(np.float32)).requires_grad_()

        self.embedding = normal(sum(space.cardinalities), hidden, space.n_genes)
        self.code = normal(hidden, hidden, hidden)
        self.joint = normal(2 * hidden, hidden, 2 * hidden)
        self.last = normal(hidden, 1, hidden)
        self.biases = [torch.zeros(runs, 1, n, requires_grad=True) for n in (hidden, hidden, hidden, 1)]
        self.weights = [self.embedding, self.code, self.joint, self.last, *self.biases]

    def encode(self, genes: Genes) -> Tensor:
        """Return codes of architectures `[runs, batch, n_genes]`, `[runs, batch, hidden]`."""
        tokens = torch.from_numpy(genes.astype(np.int64) + self._offsets)
        run = torch.arange(self.runs)[:, None, None]
        summed = self.embedding[run, tokens].sum(dim=2) + self.biases[0]
        return torch.baddbmm(self.biases[1], summed.relu(), self.code)

    def logits(self, good: Genes, other: Genes) -> Tensor:
        """Return how sure it is that `other` is as good as `good`, pair by pair, `[runs, batch]`."""
        both = torch.cat([self.encode(good), self.encode(other)], dim=2).relu()
        joint = torch.baddbmm(self.biases[2], both, self.joint).relu()
        return torch.baddbmm(self.biases[3], joint, self.last)[:, :, 0]
