"""The controller of AutoGAN: an LSTM that writes one cell, from where a controller before it has ended.

Gong et al.: "AutoGAN" (ICCV 2019), section 3.2 and figure 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Beam:
    """Architectures that are to be continued, and the states that controllers ended them with.

    Attributes
    ----------
    rows
        Genes of the cells that there are, int64 `[n, genes]`.
    hidden, cell
        State of the LSTM, `[n, width]` each.
    """

    rows: Tensor
    hidden: Tensor
    cell: Tensor

    @classmethod
    def empty(cls, width: int) -> "Beam":
        """Return the beginning of all architectures: no cells, and a state of zeros."""
        return cls(torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, width), torch.zeros(1, width))

    def take(self, places: Tensor) -> "Beam":
        """Return the members at some places."""
        return Beam(self.rows[places], self.hidden[places], self.cell[places])

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Draws:
    """Architectures that a controller has drawn.

    Attributes
    ----------
    ends
        With the new cell.
    log_probability
        Of the new cell's genes given the beginning, `[n]`, with a graph to the controller's weights.
    entropy
        Sum over genes of the entropy of the gene given those before it, in nats; `[n]`, without one.
    """

    ends: Beam
    log_probability: Tensor
    entropy: Tensor


class CellController(nn.Module):
    """A policy over the genes of one cell.

    Every gene has a head of its own; its value, embedded, is the input of the next step. The first input is
    zero.

    Parameters
    ----------
    cardinalities
        Number of values of every gene of the cell.
    width
        Of the LSTM.
    """

    def __init__(self, cardinalities: Sequence[int], width: int):
        super().__init__()
        self.lstm = nn.LSTMCell(width, width)
        self.values = nn.ModuleList(nn.Embedding(limit, width) for limit in cardinalities)
        self.heads = nn.ModuleList(nn.Linear(width, limit) for limit in cardinalities)

    def draw(self, starts: Beam, uniform: Tensor) -> Draws:
        """Continue every beginning by a cell.

        Parameters
        ----------
        starts
            `n` of them.
        uniform
            Numbers in [0, 1), `[n, genes of the cell]`.
        """
        state = starts.hidden, starts.cell
        value, genes, chosen, entropies = torch.zeros_like(starts.hidden), [], [], []
        for gene, (head, embedding) in enumerate(zip(self.heads, self.values, strict=True)):
            state = self.lstm(value, state)
            policy = head(state[0]).log_softmax(1)
            shares = policy.detach().exp()
            below = shares.cumsum(1)[:, :-1] <= uniform[:, gene, None]
            genes.append(below.sum(1))
            chosen.append(policy.gather(1, genes[-1][:, None])[:, 0])
            entropies.append(torch.special.entr(shares).sum(1))
            value = embedding(genes[-1])
        rows = torch.cat([starts.rows, torch.stack(genes, 1)], 1)
        ends = Beam(rows, state[0].detach(), state[1].detach())
        return Draws(ends, torch.stack(chosen).sum(0), torch.stack(entropies).sum(0))
