"""Policies that write architectures gene by gene: one for every run, the run axis a batch axis."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.spaces.base import Genes, SearchSpace

_LEAST_LOG = -1e9
"""Stands for the logarithm of zero where it is multiplied by zero."""


class GenePolicy(ABC):
    """Probabilities of the values of every gene, given the genes before it.

    Shapes below are `[runs, batch, ...]`; weights are `[runs, in, out]`, and runs share none.

    Parameters
    ----------
    space
        Of the architectures.
    runs
        Number of policies.
    rng
        Draws the weights, uniformly.
    hidden
        Width.
    initial_range
        All weights begin between this and its negative.

    Attributes
    ----------
    weights
        All tensors that learn.
    """

    weights: list[Tensor]

    def __init__(
        self, space: SearchSpace, runs: int, rng: np.random.Generator, *, hidden: int, initial_range: float
    ):
        self.space, self.runs, self.hidden = space, runs, hidden
        self.cardinalities = np.array(space.cardinalities)
        self.first_token = 1 + np.concatenate([[0], self.cardinalities.cumsum()])
        self.width = int(self.cardinalities.max())
        exists = np.arange(self.width) < self.cardinalities[:, None]
        self.forbidden = torch.from_numpy(np.where(exists, 0.0, -np.inf).astype(np.float32))
        self._rng, self._range = rng, initial_range

    def _uniform(self, n_in: int, n_out: int) -> Tensor:
        values = self._rng.uniform(-self._range, self._range, size=(self.runs, n_in, n_out))
        return torch.from_numpy(values.astype(np.float32)).requires_grad_()

    @abstractmethod
    def log_policies(self, genes: Genes) -> Iterator[Tensor]:
        """Yield the log-policy of each gene, `[runs, batch, values]`, given the genes before it.

        `genes` `[runs, batch, n_genes]` may be filled in while this runs: gene `i` is read after its policy
        was yielded.
        """

    def draw(self, rng: np.random.Generator, batch: int) -> Genes:
        """Draw `batch` architectures of every run, again where one is invalid: `[runs, batch, n_genes]`."""
        with torch.no_grad():
            genes = self._draw(rng, batch)
            while not (valid := self._valid(genes)).all():
                genes = np.where(valid[:, :, None], genes, self._draw(rng, batch))
        return genes

    def _valid(self, genes: Genes) -> NDArray[np.bool_]:
        rows = genes.reshape(-1, genes.shape[-1])
        return self.space.valid(rows).reshape(genes.shape[:2])

    def _draw(self, rng: np.random.Generator, batch: int) -> Genes:
        genes = np.zeros((self.runs, batch, self.space.n_genes), dtype=np.uint8)
        for gene, log_policy in enumerate(self.log_policies(genes)):
            cumulative = log_policy.exp().cumsum(dim=2).numpy()
            drawn = rng.random((self.runs, batch, 1)) * cumulative[:, :, -1:]
            last = self.cardinalities[gene] - 1
            genes[:, :, gene] = np.minimum((cumulative <= drawn).sum(axis=2), last)
        return genes

    def likelihoods(self, genes: Genes) -> tuple[Tensor, Tensor]:
        """Return log-likelihoods of architectures and the entropy along them, `[runs, batch]` each."""
        log_likelihood = torch.zeros(genes.shape[:2])
        entropy = torch.zeros(genes.shape[:2])
        for gene, log_policy in enumerate(self.log_policies(genes)):
            chosen = torch.from_numpy(genes[:, :, gene].astype(np.int64))[:, :, None]
            log_likelihood = log_likelihood + log_policy.gather(2, chosen)[:, :, 0]
            finite = log_policy.clamp(min=_LEAST_LOG)
            entropy = entropy - (finite.exp() * finite).sum(dim=2)
        return log_likelihood, entropy
