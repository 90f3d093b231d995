"""A recurrent controller: an LSTM writes the architecture gene by gene and learns by REINFORCE.

Zoph, Le: "Neural Architecture Search with Reinforcement Learning" (ICLR 2017), section 3. The entropy bonus
is the one of Pham et al., "Efficient Neural Architecture Search" (ICML 2018).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.sequence_policy import SequencePolicy
from nasbench_suite.training.threads import one_thread


class RnnController(Strategy):
    """Every run has a controller of its own; the run axis is the batch axis of one batched product.

    A controller draws `batch` architectures, waits for their results, and takes one Adam step. Shapes below
    are `[runs, batch, ...]`; weights are `[runs, in, out]`.
    """

    name = "rnn_controller"
    hidden: int
    layers: int
    batch: int
    learning_rate: float
    entropy_weight: float
    baseline_momentum: float
    initial_range: float

    def setup(self) -> None:
        """Draw the weights of all controllers, uniformly as the paper does."""
        self.policy = SequencePolicy(
            self.space,
            self.runs,
            self.rng,
            hidden=self.hidden,
            layers=self.layers,
            initial_range=self.initial_range,
        )
        self._optimiser = torch.optim.Adam(self.policy.weights, lr=self.learning_rate, fused=True)
        self._baseline = np.full(self.runs, np.nan)
        self._drawn = np.zeros((self.runs, self.batch, self.space.n_genes), dtype=np.uint8)
        self._rewards = np.zeros((self.runs, self.batch))
        self._next = self.batch

    def ask(self) -> Proposals:
        """Propose the next architecture of every batch, drawing a new batch when the last is used up."""
        if self._next == self.batch:
            with one_thread():
                self._drawn = self.policy.draw(self.rng, self.batch)
            self._next = 0
        return Proposals(self._drawn[:, self._next].copy())

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep the results; when the batch is complete, learn from it."""
        self._rewards[:, self._next] = self.rewards(evaluations)
        self._next += 1
        if self._next == self.batch:
            with one_thread():
                self._learn()

    def _learn(self) -> None:
        """Take one Adam step on `-advantage * log p(architecture) - weight * entropy`, run by run.

        The runs share no weight, so the sum of their losses has each run's own gradient. An architecture
        whose result is missing has no advantage.
        """
        told = np.isfinite(self._rewards)
        average = _mean_where(self._rewards, told)
        fresh = np.isnan(self._baseline)
        momentum = self.baseline_momentum
        moved = momentum * self._baseline + (1 - momentum) * average
        baseline = np.where(fresh, average, np.where(np.isnan(average), self._baseline, moved))
        self._baseline = baseline
        advantage = np.where(told, self._rewards - baseline[:, None], 0.0)
        log_likelihood, entropy = self.policy.likelihoods(self._drawn)
        weighted = torch.from_numpy(advantage.astype(np.float32)) * log_likelihood
        loss = -(weighted + self.entropy_weight * entropy).mean(dim=1).sum()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


def _mean_where(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average each row over the marked entries; NaN where there are none."""
    count = where.sum(axis=1)
    total = np.where(where, values, 0.0).sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean
