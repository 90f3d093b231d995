"""DrNAS: the operations' weights are drawn from a Dirichlet distribution, which learns.

Chen et al.: "DrNAS: Dirichlet Neural Architecture Search" (ICLR 2021), section 3.
"""

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from nasbench_suite.strategies.darts import Darts
from nasbench_suite.strategies.supernet_search import Batch
from nasbench_suite.training.choices import Gate
from nasbench_suite.training.supernet import Supernet, SupernetOptions

_SPACE_OF_CELLS = "nats_topology"


class DrNas(Darts):
    """First-order DARTS with drawn weights, in two stages.

    A gene's weights are a draw from the Dirichlet distribution with concentration `elu(alpha) + 1`, another
    in every pass; its gradient is the pathwise one. After half of the epochs, rounded up, every gene keeps
    the `operations_second` operations with the largest means, and more channels go through them: one in
    `partial_second` instead of one in `partial_first`. Partial channels are for nats_topology alone; in
    chains of layers all channels go through the operations in both stages.

    Attributes
    ----------
    kept
        The operations that every gene still has, in ascending order.
    """

    name = "drnas"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    alpha_learning_rate: float
    alpha_beta1: float
    frozen_epochs: int
    regulariser: str
    regulariser_weight: float
    partial_first: int
    partial_second: int
    operations_second: int

    def prepare(self) -> None:
        """Draw alpha and make its optimiser."""
        self.alpha_weight_decay = 0.0  # the regulariser is part of the objective
        super().prepare()
        self.kept = [list(range(limit)) for limit in self.space.cardinalities]

    def supernet_options(self) -> SupernetOptions:
        """Return options with the partial channels of this epoch's stage."""
        if self.setting.space != _SPACE_OF_CELLS:
            return SupernetOptions()
        second = self.epoch >= self.first_stage()
        share = min(self.partial_first, self.partial_second) if second else self.partial_first
        return SupernetOptions(share=share)

    def first_stage(self) -> int:
        """Return the number of epochs of the first stage."""
        return (self.epochs + 1) // 2

    def search_epoch(self) -> None:
        """Begin the second stage where its time has come, and train for one epoch."""
        if self.epoch == self.first_stage():
            self.prune()
            self.widen()
        super().search_epoch()

    @torch.no_grad()
    def prune(self) -> None:
        """Keep those operations of every gene that have the largest means."""
        means = self.probabilities().tolist()
        self.kept = [
            sorted(sorted(places, key=of_gene.__getitem__, reverse=True)[: self.operations_second])
            for places, of_gene in zip(self.kept, means, strict=True)
        ]

    def widen(self) -> None:
        """Let more channels go through the operations: those that did so keep their weights and momentum.

        The weights between new channels and any others are drawn anew.
        """
        options = self.supernet_options()
        if options == self.supernet.options:
            return
        narrow, optimizer = self.supernet, self.optimizer
        with self.seeded():
            self.supernet = self.build_supernet()
        self.optimizer = self.weight_optimizer(self.supernet)
        copy_corners(narrow, optimizer, self.supernet, self.optimizer)

    def concentrations(self) -> list[Tensor]:
        """Return the concentrations of the operations that each gene keeps (section 3.1)."""
        return [F.elu(self.alpha[gene, places]) + 1 for gene, places in enumerate(self.kept)]

    def probabilities(self) -> Tensor:
        """Return the means of all weights, `[n_genes, operations]`, zero where an operation is gone."""
        means = torch.zeros_like(self.alpha)
        for gene, concentration in enumerate(self.concentrations()):
            means[gene, self.kept[gene]] = concentration / concentration.sum()
        return means

    def gates(self, *, learn: bool) -> list[Gate]:
        """Return the gates of a step, drawn anew, with a gradient where alpha is to learn."""
        with torch.set_grad_enabled(learn), self.seeded():
            drawn = [  # not validated, so that a failed search ends as such and not with a ValueError
                Dirichlet(concentration, validate_args=False).rsample()
                for concentration in self.concentrations()
            ]
        return [
            Gate(dict(zip(places, weights, strict=True)))
            for places, weights in zip(self.kept, drawn, strict=True)
        ]

    def alpha_step(self, train: Batch, valid: Batch) -> None:
        """Take one step on alpha, the weights as they are; none while alpha is frozen in each stage."""
        since = self.epoch - (self.first_stage() if self.epoch >= self.first_stage() else 0)
        if since < self.frozen_epochs:
            return
        self.alpha.grad = torch.autograd.grad(self.loss(valid) + self.penalty(), self.alpha)[0]
        self.alpha_optimizer.step()

    def penalty(self) -> Tensor:
        """Return `regulariser_weight` times how far the distributions are from flat, summed over genes.

        Either half the squared distance of alpha from 0, where the concentration is 1, or the divergence of
        Kullback and Leibler from the Dirichlet distribution to the flat one, in nats (section 3.2).
        """
        if self.regulariser == "l2":
            parts = [self.alpha[gene, places].square().sum() / 2 for gene, places in enumerate(self.kept)]
        else:
            parts = [
                kl_divergence(
                    Dirichlet(concentration, validate_args=False), Dirichlet(torch.ones_like(concentration))
                )
                for concentration in self.concentrations()
            ]
        return self.regulariser_weight * torch.stack(parts).sum()


@torch.no_grad()
def copy_corners(
    narrow: Supernet, of_narrow: torch.optim.Optimizer, wide: Supernet, of_wide: torch.optim.Optimizer
) -> None:
    """Copy weights and momentum of a supernet into the first channels of a wider one; the rest stays.

    Parameters
    ----------
    narrow, of_narrow
        The supernet and the optimiser of its weights.
    wide, of_wide
        Those with at least as many channels in every layer; the momentum of what is new is zero.
    """
    for weight, wider in zip(narrow.parameters(), wide.parameters(), strict=True):
        corner = tuple(slice(size) for size in weight.shape)
        wider[corner] = weight
        velocity = of_narrow.state[weight].get("momentum_buffer")
        if velocity is not None:
            of_wide.state[wider]["momentum_buffer"] = torch.zeros_like(wider)
            of_wide.state[wider]["momentum_buffer"][corner] = velocity
