"""A policy by message passing: a gene hears from those that its operation is fed by, and from all before it.

As D-VAE does (Zhang et al., NeurIPS 2019, section 3.1) every place is visited once, in an order in which
whatever feeds it comes first; so what is known of the partial graph is all that has been chosen so far.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.gene_policy import GenePolicy


class MessagePolicy(GenePolicy):
    """States of genes; each is a sum over its parents' messages, a mean over all earlier ones, and its place.

    Parameters
    ----------
    space, runs, rng, hidden, initial_range
        See `GenePolicy`; parents are `SearchSpace.gene_parents`.
    """

    def __init__(
        self, space: SearchSpace, runs: int, rng: np.random.Generator, *, hidden: int, initial_range: float
    ):
        super().__init__(space, runs, rng, hidden=hidden, initial_range=initial_range)
        self.tokens = self._uniform(1 + int(self.cardinalities.sum()), hidden)
        self.places = self._uniform(len(self.cardinalities), hidden)
        self.message = self._uniform(2 * hidden, hidden)
        self.readout = self._uniform(2 * hidden, hidden)
        self.heads = [self._uniform(hidden, self.width) for _ in self.cardinalities]
        self.weights = [self.tokens, self.places, self.message, self.readout, *self.heads]

    def log_policies(self, genes: Genes) -> Iterator[Tensor]:
        """Yield policies; see `GenePolicy.log_policies`."""
        run = torch.arange(self.runs)[:, None]
        told: list[Tensor] = []
        for gene, parents in enumerate(self.space.gene_parents):
            state = self.places[:, gene : gene + 1].expand(-1, genes.shape[1], -1)
            if parents:
                state = state + torch.bmm(torch.stack([told[p] for p in parents]).sum(0), self.message)
            if told:
                state = state + torch.bmm(torch.stack(told).mean(0), self.readout)
            state = state.tanh()
            logits = torch.bmm(state, self.heads[gene]) + self.forbidden[gene]
            yield torch.log_softmax(logits, dim=2)
            token = self.first_token[gene] + genes[:, :, gene].astype(np.int64)
            told.append(torch.cat([self.tokens[run, torch.from_numpy(token)], state], dim=2))
