"""A recurrent policy: an LSTM whose input is the value of the gene before.

Zoph, Le: "Neural Architecture Search with Reinforcement Learning" (ICLR 2017), section 3.1.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.gene_policy import GenePolicy


class SequencePolicy(GenePolicy):
    """LSTMs with a token for every value of every gene and a head for every gene.

    Parameters
    ----------
    space, runs, rng, hidden, initial_range
        See `GenePolicy`.
    layers
        Of the LSTM.
    """

    def __init__(
        self,
        space: SearchSpace,
        runs: int,
        rng: np.random.Generator,
        *,
        hidden: int,
        layers: int,
        initial_range: float,
    ):
        super().__init__(space, runs, rng, hidden=hidden, initial_range=initial_range)
        self.tokens = self._uniform(1 + int(self.cardinalities[:-1].sum()), hidden)
        self.cells = [self._uniform(2 * hidden, 4 * hidden) for _ in range(layers)]
        self.biases = [self._uniform(1, 4 * hidden) for _ in range(layers)]
        self.heads = [self._uniform(hidden, self.width) for _ in self.cardinalities]
        self.weights = [self.tokens, *self.cells, *self.biases, *self.heads]

    def log_policies(self, genes: Genes) -> Iterator[Tensor]:
        """Yield policies, each value fed back; the first step is the same for the whole batch, done once."""
        batch = genes.shape[1]
        hidden = [torch.zeros(self.runs, 1, self.hidden) for _ in self.cells]
        memory = [torch.zeros(self.runs, 1, self.hidden) for _ in self.cells]
        run = torch.arange(self.runs)[:, None]
        for gene in range(self.space.n_genes):
            token = np.zeros((self.runs, 1), dtype=np.int64)
            if gene == 1:
                hidden = [state.expand(-1, batch, -1) for state in hidden]
                memory = [state.expand(-1, batch, -1) for state in memory]
            if gene:
                token = self.first_token[gene - 1] + genes[:, :, gene - 1].astype(np.int64)
            value = self.tokens[run, torch.from_numpy(token)]
            for layer, (weight, bias) in enumerate(zip(self.cells, self.biases, strict=True)):
                gates = torch.baddbmm(bias, torch.cat([value, hidden[layer]], dim=2), weight)
                write, forget, read, new = gates.chunk(4, dim=2)
                memory[layer] = forget.sigmoid() * memory[layer] + write.sigmoid() * new.tanh()
                hidden[layer] = value = read.sigmoid() * memory[layer].tanh()
            logits = torch.bmm(value, self.heads[gene]) + self.forbidden[gene]
            yield torch.log_softmax(logits, dim=2).expand(-1, batch, -1)
