"""REINFORCE with one independent categorical distribution per gene, as NAS-Bench-201 plays it.

Williams, "Simple Statistical Gradient-Following Algorithms" (Machine Learning 8, 1992); the form and its
settings: Dong and Yang, NAS-Bench-201 (ICLR 2020), section 5, and NATS-Bench (TPAMI 2021).
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy

_Logits = NDArray[np.float64]


class Reinforce(Strategy):
    """Logits `[runs, genes, values]` climb the log-likelihood of what was better than a moving average.

    The moving average is corrected for its start (divided by `1 - momentum^t`) and takes in the reward
    before the advantage is formed, as the published code does.
    """

    name = "reinforce"
    learning_rate: float
    baseline_momentum: float
    reward_scale: float
    initial_deviation: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float

    def setup(self) -> None:
        """Draw the initial logits; values a gene does not have stay at minus infinity."""
        cardinalities = np.array(self.space.cardinalities)
        shape = (self.runs, self.space.n_genes, int(cardinalities.max()))
        self._exists = np.arange(shape[2]) < cardinalities[:, None]
        self._logits = self.initial_deviation * self.rng.standard_normal(shape)
        self._first_moment = np.zeros(shape)
        self._second_moment = np.zeros(shape)
        self._average = np.zeros(self.runs)
        self._steps = 0

    def ask(self) -> Proposals:
        """Draw one architecture per run from the policy, again where it is invalid."""
        cumulative = self.probabilities().cumsum(axis=2)
        genes = np.zeros((self.runs, self.space.n_genes), dtype=np.uint8)
        rows = np.arange(self.runs)
        while rows.size:
            drawn = self.rng.random((len(rows), self.space.n_genes, 1))
            genes[rows] = (cumulative[rows] < drawn * cumulative[rows, :, -1:]).sum(axis=2)
            rows = rows[~self.space.valid(genes[rows])]
        return Proposals(genes)

    def probabilities(self) -> _Logits:
        """Return the policy of every run, float64 `[runs, genes, values]`."""
        logits = np.where(self._exists, self._logits, -np.inf)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        return weights / weights.sum(axis=2, keepdims=True)

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Take one Adam step on `-advantage * log p(proposal)`; a missing result leaves its run alone."""
        self._steps += 1
        reward = self.rewards(evaluations) * self.reward_scale
        told = np.isfinite(reward)
        reward = np.where(told, reward, 0.0)
        momentum = self.baseline_momentum
        moved = momentum * self._average + (1 - momentum) * reward
        self._average = np.where(told, moved, self._average)
        baseline = self._average / (1 - momentum**self._steps)
        advantage = np.where(told, reward - baseline, 0.0)
        chosen = proposals.genes[:, :, None] == np.arange(self._logits.shape[2])
        self._adam_step(advantage[:, None, None] * (self.probabilities() - chosen))

    def _adam_step(self, gradient: _Logits) -> None:
        """Adam (Kingma and Ba 2015, Algorithm 1), all runs at once."""
        beta1, beta2 = self.adam_beta1, self.adam_beta2
        self._first_moment += (1 - beta1) * (gradient - self._first_moment)
        self._second_moment += (1 - beta2) * (gradient**2 - self._second_moment)
        first = self._first_moment / (1 - beta1**self._steps)
        second = self._second_moment / (1 - beta2**self._steps)
        self._logits -= self.learning_rate * first / (np.sqrt(second) + self.adam_epsilon)
