"""REINFORCE with one independent categorical distribution per gene, as NAS-Bench-201 plays it.

Williams, "Simple Statistical Gradient-Following Algorithms" (Machine Learning 8, 1992); the form and its
settings: Dong and Yang, NAS-Bench-201 (ICLR 2020), section 5, and NATS-Bench (TPAMI 2021).
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies.base import Proposals, Strategy

_Values = NDArray[np.float64]


class Reinforce(Strategy):
    """Logits climb the log-likelihood of what was better than a moving average.

    Arrays are `[values, runs, genes]`: with the values first, sums over them run along whole vectors. The
    moving average is corrected for its start (divided by `1 - momentum^t`) and takes in the reward before
    the advantage is formed, as the published code does.
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
        """Draw the initial logits; values that a gene does not have stay at minus infinity."""
        cardinalities = np.array(self.space.cardinalities)
        shape = (int(cardinalities.max()), self.runs, self.space.n_genes)
        self._values = np.arange(shape[0], dtype=np.uint8)[:, None, None]
        self._logits = self.initial_deviation * self.rng.standard_normal(shape)
        self._logits[np.broadcast_to(self._values >= cardinalities, shape)] = -np.inf
        self._last_value = cardinalities - 1
        self._policy = self._softmax()
        self._first_moment = np.zeros(shape)
        self._second_moment = np.zeros(shape)
        self._average = np.zeros(self.runs)
        self._told = np.zeros(self.runs, dtype=np.int64)
        self._steps = 0

    def ask(self) -> Proposals:
        """Draw one architecture per run from the policy, again where it is invalid."""
        cumulative = self._policy.cumsum(axis=0)
        total = cumulative[-1]
        genes = np.zeros((self.runs, self.space.n_genes), dtype=np.uint8)
        rows = np.arange(self.runs)
        while rows.size:
            drawn = self.rng.random((len(rows), self.space.n_genes)) * total[rows]
            genes[rows] = np.minimum((cumulative[:, rows] <= drawn).sum(axis=0), self._last_value)
            rows = rows[~self.space.valid(genes[rows])]
        return Proposals(genes)

    def probabilities(self) -> _Values:
        """Return the policy of every run, float64 `[runs, genes, values]`."""
        return np.ascontiguousarray(np.moveaxis(self._policy, 0, 2))

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Take one Adam step on `-advantage * log p(proposal)`; nothing is learnt from a missing result."""
        self._steps += 1
        reward = self.rewards(evaluations) * self.reward_scale
        told = np.isfinite(reward)
        reward = np.where(told, reward, 0.0)
        momentum = self.baseline_momentum
        moved = momentum * self._average + (1 - momentum) * reward
        self._average = np.where(told, moved, self._average)
        self._told += told
        baseline = self._average / (1 - momentum ** np.maximum(self._told, 1))
        advantage = np.where(told, reward - baseline, 0.0)
        chosen = proposals.genes == self._values
        self._adam_step(advantage[:, None] * (self._policy - chosen), told[:, None])
        self._policy = self._softmax()

    def _softmax(self) -> _Values:
        weights = np.exp(self._logits - self._logits.max(axis=0))
        policy: _Values = weights / weights.sum(axis=0)
        return policy

    def _adam_step(self, gradient: _Values, told: NDArray[np.bool_]) -> None:
        """Adam (Kingma and Ba 2015, Algorithm 1), all runs at once; runs without a result do not move."""
        beta1, beta2 = self.adam_beta1, self.adam_beta2
        self._first_moment += (1 - beta1) * (gradient - self._first_moment)
        self._second_moment += (1 - beta2) * (gradient**2 - self._second_moment)
        first = self._first_moment / (1 - beta1**self._steps)
        second = self._second_moment / (1 - beta2**self._steps)
        self._logits -= told * self.learning_rate * first / (np.sqrt(second) + self.adam_epsilon)
