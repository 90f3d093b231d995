"""ProxylessNAS: one path of the supernet is open at a time, and the gates learn what the others would do.

Cai, Zhu, Han: "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware" (ICLR 2019),
sections 3.2 and 3.3; the authors' code (mit-han-lab/proxylessnas, folder `search`) where the paper is silent.
"""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.alpha_search import AlphaSearch
from nasbench_suite.strategies.cost_loss import add_linear, mul_log
from nasbench_suite.strategies.supernet_search import Batch
from nasbench_suite.training.choices import Gate, sampled_gates
from nasbench_suite.training.layer_costs import Kind, LayerCosts, layer_costs

_UNITS_PER_COST = 1e6
"""Costs are given in millions; their logarithms are those of single multiply-adds or parameters."""


class ProxylessNas(AlphaSearch):
    """Weights learn on paths drawn by their probabilities; alpha learns every few steps, after a warm-up.

    A path's probability is the softmax of alpha over the operations that its gene has; the most likely ones
    are derived (section 3.2).

    Attributes
    ----------
    costs, reference_cost
        What architectures cost, and what they are held against, in millions; None and 0 without `cost`.
    baseline
        Of the rewards of `reinforce`; None before the first.
    """

    name = "proxylessnas"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    label_smoothing: float
    warm_up: float
    warm_up_learning_rate: float
    update: str
    alpha_scale: float
    alpha_learning_rate: float
    alpha_beta1: float
    alpha_beta2: float
    alpha_weight_decay: float
    alpha_interval: int
    cost: str
    cost_loss: str
    cost_alpha: float
    cost_beta: float
    cost_lambda: float
    reference: float
    reinforce_batch: int
    reward_exponent: float
    baseline_momentum: float

    def prepare(self) -> None:
        """Draw alpha, make its optimiser and count what operations cost."""
        super().prepare()
        self.draw_alpha(self.alpha_scale, (self.alpha_beta1, self.alpha_beta2), self.alpha_weight_decay)
        self.weight_steps = 0
        self.baseline: float | None = None
        self.costs: LayerCosts | None = None
        self.reference_cost = 0.0
        if self.cost != "none":
            self.costs = layer_costs(self.setting, cast(Kind, self.cost))
            self.reference_cost = self.reference or self.costs.mean()

    # -- an epoch ----------------------------------------------------------------------------------------

    @property
    def warm_up_epochs(self) -> int:
        """Epochs at the beginning in which alpha does not learn."""
        return int(self.warm_up * self.epochs)

    def set_rate(self) -> None:
        """Set the learning rate of the weights: half a cosine in the warm-up, another after it."""
        warm = self.warm_up_epochs
        if self.epoch < warm:
            first, last, done = self.warm_up_learning_rate, 0.0, self.epoch / warm
        else:
            first, last = self.learning_rate, self.last_learning_rate
            done = (self.epoch - warm) / (self.epochs - warm)
        for group in self.optimizer.param_groups:
            group["lr"] = last + (first - last) * 0.5 * (1 + math.cos(math.pi * done))

    def search_epoch(self) -> None:
        """Let the weights take a step for every batch, and alpha one after every `alpha_interval` of them."""
        self.set_rate()
        judged, losses = self.valid_batches(self.batch), []
        for batch in self.train_batches():
            losses.append(self.weight_step(sampled_gates(self.draw(1)[0]), *batch))
            self.weight_steps += 1
            if self.epoch >= self.warm_up_epochs and self.weight_steps % self.alpha_interval == 0:
                losses.append(self.alpha_step(next(judged)))
        self.require_finite(losses)

    def weight_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy with smoothed labels."""
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def alpha_step(self, batch: Batch) -> Tensor:
        """Take one step on alpha with a batch of validation inputs; return what it descends, a scalar."""
        if self.update == "reinforce":
            self.alpha.grad, loss = self.reinforce_gradient(batch)
            self.alpha_optimizer.step()
            return loss
        taken = self.drawn_pairs() if self.update == "two" else self.exists
        before = self.alpha.detach().clone()
        self.alpha.grad, loss = self.gate_gradient(batch, taken, self.drawn(taken))
        self.alpha_optimizer.step()
        if self.update == "two":
            self.rescale(before, taken)
        return loss

    # -- probabilities and draws -------------------------------------------------------------------------

    def _keys(self, among: Tensor) -> Tensor:
        """Return alpha with Gumbel noise: the order of these is that of draws without replacement."""
        uniform = self.uniform(*among.shape).to(self.alpha.dtype).clamp(min=torch.finfo(torch.float32).tiny)
        noisy = self.alpha.detach() - (-uniform.log()).log()
        return noisy.masked_fill(~among, -torch.inf)

    def drawn(self, among: Tensor) -> Tensor:
        """Draw one of each gene's operations by their probabilities among those of a mask, `[n_genes]`."""
        return self._keys(among).argmax(1)

    def drawn_pairs(self) -> Tensor:
        """Draw two of each gene's operations by their probabilities, without replacement, as a mask."""
        places = self._keys(self.exists).topk(2, dim=1).indices
        return torch.zeros_like(self.exists).scatter(1, places, value=True)

    def draw(self, n: int) -> Genes:
        """Draw architectures by the probabilities of their operations, uint8 `[n, n_genes]`."""
        rows = torch.stack([self.drawn(self.exists) for _ in range(n)])
        return rows.cpu().numpy().astype(np.uint8)

    # -- gradients of alpha ------------------------------------------------------------------------------

    def gate_gradient(self, batch: Batch, taken: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient of alpha, `[n_genes, operations]`, and the loss.

        Equation (4): in the gradient of the loss a gate stands for the probability of its path, so that

            d loss / d alpha_i = sum over j of (d loss / d gate_j) p_j (delta_ij - p_i)

        with probabilities among the paths taken. Section 3.2.1 has two of them, the authors' code also all.

        Parameters
        ----------
        batch
            Validation inputs and labels.
        taken
            Paths that are computed, a mask `[n_genes, operations]`.
        active
            The one path of each gene whose gate is open, `[n_genes]`.
        """
        inputs, labels = batch
        probabilities = self.masked_alpha(taken).softmax(1)
        gates = F.one_hot(active, taken.shape[1]).to(inputs.dtype).requires_grad_()
        logits = self.supernet(inputs, binary_gates(gates, taken))
        loss = self.with_cost(F.cross_entropy(logits, labels), probabilities)
        of_gates, of_cost = torch.autograd.grad(loss, [gates, probabilities], materialize_grads=True)
        found = torch.autograd.grad(probabilities, self.alpha, of_gates + of_cost)
        return found[0], loss.detach()

    def with_cost(self, loss: Tensor, probabilities: Tensor) -> Tensor:
        """Return the loss with the expected cost in it, section 3.3."""
        if self.costs is None:
            return loss
        expected = self.costs.expected(probabilities)
        if self.cost_loss == "add_linear":
            return add_linear(loss, expected, self.reference_cost, self.cost_lambda)
        reference = self.reference_cost * _UNITS_PER_COST
        return mul_log(loss, expected * _UNITS_PER_COST, reference, self.cost_alpha, self.cost_beta)

    @torch.no_grad()
    def rescale(self, before: Tensor, taken: Tensor) -> None:
        """Shift the two parameters that took a step so that their paths are together as likely as before.

        Section 3.2.1; all others become what they were `before`, whatever the optimiser has done to them.
        """
        together = [alpha.masked_fill(~taken, -torch.inf).logsumexp(1) for alpha in (before, self.alpha)]
        shifted = self.alpha + (together[0] - together[1])[:, None]
        self.alpha.copy_(torch.where(taken, shifted, before))

    def reinforce_gradient(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return an estimate of the gradient of minus the expected reward, and minus the mean reward.

        Section 3.3.2, over `reinforce_batch` architectures that are judged by one batch; the
        baseline moves before it is used, as in the authors' code.
        """
        rows = self.draw(self.reinforce_batch)
        rewards = self.rewards(rows, batch)
        mean = float(rewards.mean())
        before = mean if self.baseline is None else self.baseline
        self.baseline = before + self.baseline_momentum * (mean - before)
        gradient = self.policy_gradient(rows, rewards - self.baseline)
        return gradient, torch.tensor(-mean, device=self.device)

    def policy_gradient(self, rows: Genes, advantages: Tensor) -> Tensor:
        """Return the gradient of minus the mean of advantage times log-probability of the rows."""
        log_p = self.masked_alpha().log_softmax(1)
        places = torch.from_numpy(rows.astype(np.int64)).to(self.device)
        of_rows = log_p[torch.arange(len(log_p), device=self.device), places].sum(1)
        return torch.autograd.grad(-(advantages * of_rows).mean(), self.alpha)[0]

    def rewards(self, rows: Genes, batch: Batch) -> Tensor:
        """Return accuracy times a power of the reference over the cost, `[n]`; accuracy without costs."""
        rewards = np.array([self.accuracy(row, batch) for row in rows])
        if self.costs is not None:
            rewards *= (self.reference_cost / self.costs.of(rows)) ** self.reward_exponent
        return torch.from_numpy(rewards).to(self.alpha)

    # -- what is found -----------------------------------------------------------------------------------

    def typical_gates(self) -> Sequence[Gate]:
        """Return the gates of a step on alpha, the larger of the two kinds of steps."""
        if self.update == "reinforce":
            return sampled_gates(self.draw(1)[0])
        taken = self.drawn_pairs() if self.update == "two" else self.exists
        return binary_gates(F.one_hot(self.drawn(taken), taken.shape[1]).float(), taken)


def binary_gates(gates: Tensor, taken: Tensor) -> list[Gate]:
    """Return gates that compute the paths of a mask, each times its number in `gates`, one or zero.

    Both are `[n_genes, operations]`.
    """
    return [
        Gate({place: gates[gene, place] for place in np.flatnonzero(row).tolist()})
        for gene, row in enumerate(taken.cpu().numpy())
    ]
