"""The controller of ENAS: an LSTM that writes an architecture gene by gene.

Pham et al.: "Efficient Neural Architecture Search via Parameter Sharing" (ICML 2018), section 2.2.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class GeneController(nn.Module):
    """A policy over architectures: each gene depends on those before it.

    The value of a gene is fed back as the input of the next one. All genes share the table of values and the
    last layer, as all choices of a supernet have the same operations; values that a gene lacks have
    probability zero. Logits are `tanh_constant * tanh(output / temperature)`.

    Parameters
    ----------
    cardinalities
        Number of values of every gene.
    hidden, layers
        Width and number of the LSTM's layers.
    temperature, tanh_constant
        What flattens and bounds the logits.
    initial_range
        All weights begin uniform between this and its negative.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        *,
        hidden: int,
        layers: int,
        temperature: float,
        tanh_constant: float,
        initial_range: float,
    ):
        super().__init__()
        values = max(cardinalities)
        self.temperature, self.tanh_constant = temperature, tanh_constant
        self.first = nn.Parameter(torch.empty(1, hidden))
        self.tokens = nn.Embedding(values, hidden)
        self.cells = nn.ModuleList(nn.LSTMCell(hidden, hidden) for _ in range(layers))
        self.head = nn.Linear(hidden, values)
        self.exists: Tensor
        self.register_buffer("exists", torch.arange(values) < torch.tensor(cardinalities)[:, None])
        for weight in self.parameters():
            nn.init.uniform_(weight, -initial_range, initial_range)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probability of architectures and the entropy on their way, `[n]` each.

        Parameters
        ----------
        rows
            int64 `[n, n_genes]`.

        Returns
        -------
        log_probabilities
            With a gradient.
        entropies
            Sum over genes of the entropy of the gene given those before it, in nats; without a gradient.
        """
        policies = list(self._policies(rows))
        chosen = [policy.gather(1, rows[:, gene, None])[:, 0] for gene, policy in enumerate(policies)]
        entropies = [torch.special.entr(policy.detach().exp()).sum(1) for policy in policies]
        return torch.stack(chosen).sum(0), torch.stack(entropies).sum(0)

    @torch.no_grad()
    def sample(self, uniform: Tensor) -> Tensor:
        """Return one architecture, int64 `[n, n_genes]`, for each row of uniform numbers in [0, 1)."""
        rows = torch.zeros(uniform.shape, dtype=torch.int64, device=uniform.device)
        for gene, policy in enumerate(self._policies(rows)):
            cumulative = policy.exp().cumsum(1)
            below = cumulative <= uniform[:, gene, None] * cumulative[:, -1:]
            rows[:, gene] = below.sum(1).minimum(self.exists[gene].nonzero().max())
        return rows

    def _policies(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield the log-probabilities of each gene's values, `[n, values]`.

        `rows` may be filled in meanwhile: gene `i` is read after its policy was yielded.
        """
        value = self.first.expand(len(rows), -1)
        states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.cells)
        for gene, exists in enumerate(self.exists):
            for layer, cell in enumerate(self.cells):
                state = cell(value, states[layer])
                states[layer], value = state, state[0]
            logits = self.tanh_constant * torch.tanh(self.head(value) / self.temperature)
            yield logits.masked_fill(~exists, -torch.inf).log_softmax(1)
            value = self.tokens(rows[:, gene])
