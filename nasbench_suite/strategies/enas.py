"""ENAS: a controller draws architectures, which all train the same weights, and learns from their accuracy.

Pham et al.: "Efficient Neural Architecture Search via Parameter Sharing" (ICML 2018), section 2.2, in the
setting of NAS-Bench-201 (Dong, Yang, ICLR 2020).
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.gene_controller import GeneController
from nasbench_suite.strategies.supernet_search import SupernetSearch
from nasbench_suite.training.choices import Gates, sampled_gates


class Enas(SupernetSearch):
    """Every epoch the weights learn for one pass, then the controller by REINFORCE.

    Attributes
    ----------
    controller, controller_optimizer
        The policy over architectures, and what trains it.
    baseline
        Moving average of the rewards; None before the first.
    """

    name = "enas"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    cycle: int
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    hidden: int
    layers: int
    temperature: float
    tanh_constant: float
    initial_range: float
    controller_learning_rate: float
    controller_beta1: float
    controller_epsilon: float
    controller_clip: float
    controller_steps: int
    aggregate: int
    entropy_weight: float
    baseline_decay: float
    epoch_candidates: int
    candidates: int

    def prepare(self) -> None:
        """Draw the controller's weights and make its optimiser."""
        super().prepare()
        self.controller = GeneController(
            self.space.cardinalities,
            hidden=self.hidden,
            layers=self.layers,
            temperature=self.temperature,
            tanh_constant=self.tanh_constant,
            initial_range=self.initial_range,
        ).to(self.device)
        self.controller_optimizer = torch.optim.Adam(
            self.controller.parameters(),
            lr=self.controller_learning_rate,
            betas=(self.controller_beta1, 0.999),
            eps=self.controller_epsilon,
        )
        self.baseline: float | None = None

    def set_rate(self) -> None:
        """Set the learning rate: half a cosine down in `cycle` epochs, and up again in as many."""
        share = 0.5 * (1 + math.cos(math.pi * self.epoch / self.cycle))
        rate = self.last_learning_rate + (self.learning_rate - self.last_learning_rate) * share
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def search_epoch(self) -> None:
        """Train the weights, each batch in another architecture, then the controller."""
        self.set_rate()
        losses = [self.weight_step(sampled_gates(self.drawn(1)[0]), *batch) for batch in self.train_batches()]
        self.require_finite(losses)
        judged = self.valid_batches(self.batch)
        for _ in range(self.controller_steps):
            rows = self.drawn(self.aggregate)
            self.controller_step(rows, [self.accuracy(row, next(judged)) for row in rows])

    def drawn(self, n: int) -> Genes:
        """Return architectures drawn from the controller, uint8 `[n, n_genes]`."""
        rows = self.controller.sample(self.uniform(n, self.space.n_genes))
        return rows.cpu().numpy().astype(np.uint8)

    def controller_step(self, rows: Genes, accuracies: Iterable[float]) -> None:
        """Take one step on the controller.

        The reward of an architecture is its accuracy and `entropy_weight` times the entropy on its way.

        Parameters
        ----------
        rows
            Drawn from the controller, `[n, n_genes]`.
        accuracies
            Of each, between 0 and 1.
        """
        log_probabilities, entropies = self.controller(self._tensor(rows))
        rewards = np.array(list(accuracies)) + self.entropy_weight * entropies.cpu().numpy()
        loss = policy_loss(log_probabilities, self.advantages(rewards))
        self.controller_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.controller_clip:
            nn.utils.clip_grad_norm_(self.controller.parameters(), self.controller_clip)
        self.controller_optimizer.step()

    def advantages(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rewards less the average of those before, `[n]`, and move the average reward by reward.

        The average begins at the first reward.
        """
        found = np.zeros(len(rewards))
        for place, reward in enumerate(rewards.tolist()):
            baseline = reward if self.baseline is None else self.baseline
            found[place] = reward - baseline
            self.baseline = baseline + (1 - self.baseline_decay) * found[place]
        return found

    def _tensor(self, rows: Genes) -> Tensor:
        return torch.from_numpy(rows.astype(np.int64)).to(self.device)

    def typical_gates(self) -> Gates:
        """Return the gates of the architecture that was derived last."""
        return sampled_gates(self._row)

    def derive(self) -> Genes:
        """Return the best of architectures drawn from the controller, each judged by one validation batch.

        There are `epoch_candidates` of them, and `candidates` in the last epoch.
        """
        last = self.epoch + 1 >= self.epochs
        rows = self.admitted(self.drawn, self.candidates if last else self.epoch_candidates)
        return self.best_by_supernet(rows, self.valid_batches(self.batch))


def policy_loss(log_probabilities: Tensor, advantages: NDArray[np.float64]) -> Tensor:
    """Return what has the negative policy gradient as its gradient (REINFORCE; Williams 1992).

    Parameters
    ----------
    log_probabilities
        Of architectures drawn from the policy, `[n]`, with a graph to its weights.
    advantages
        Rewards less a baseline, `[n]`.
    """
    weights = torch.from_numpy(advantages).to(log_probabilities)
    return -(weights * log_probabilities).mean()
