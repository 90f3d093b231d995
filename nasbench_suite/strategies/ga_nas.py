"""GA-NAS: a generator learns by reinforcement what a discriminator takes for the best architectures so far.

Rezaei, Han, Niu, Salameh, Mills, Lian, Lu, Jui: "Generative Adversarial Neural Architecture Search" (IJCAI
2021, pp. 2227-2234). PPO is that of Schulman et al.: "Proximal Policy Optimization Algorithms" (2017),
equation 7, for episodes with one reward at their end.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.gene_policy import GenePolicy
from nasbench_suite.strategies.generative_rounds import GenerativeRounds
from nasbench_suite.strategies.message_policy import MessagePolicy
from nasbench_suite.strategies.pair_discriminator import PairDiscriminator
from nasbench_suite.strategies.sequence_policy import SequencePolicy

_LEAST_DEVIATION = 1e-6


class GaNas(GenerativeRounds):
    """All runs at once: every run has a generator and a discriminator of its own.

    In a round generator and discriminator play `steps` steps against each other, without any evaluation.

    With `learning = "likelihood"` the generator is fitted to the truth by maximum likelihood, without
    reinforcement or discriminator (the cross-entropy method); with `judge = "results"` it learns by
    reinforcement from the results of its proposals alone.
    """

    name = "ga_nas"
    generator: str
    learning: str
    judge: str
    initial: int
    top: int
    proposals: int
    steps: int
    batch: int
    hidden: int
    generator_rate: float
    discriminator_rate: float
    clip: float
    policy_steps: int
    entropy_weight: float

    def make(self) -> None:
        """Draw the weights of every run."""
        if self.generator == "messages":
            policy: GenePolicy = MessagePolicy(
                self.space, self.runs, self.rng, hidden=self.hidden, initial_range=0.1
            )
        else:
            policy = SequencePolicy(
                self.space, self.runs, self.rng, hidden=self.hidden, layers=1, initial_range=0.1
            )
        self.policy = policy
        self.discriminator = PairDiscriminator(self.space, self.runs, self.rng, hidden=self.hidden)
        self._policy_optimiser = torch.optim.Adam(policy.weights, lr=self.generator_rate, fused=True)
        self._judge_optimiser = torch.optim.Adam(
            self.discriminator.weights, lr=self.discriminator_rate, fused=True
        )

    def draw(self, number: int) -> Genes:
        """Return what the generators draw, `[runs, number, n_genes]`."""
        return self.policy.draw(self.rng, number)

    def learn(self) -> None:
        """Play a round, or learn as the ablations do."""
        if self.learning == "likelihood":
            self._fit(self.truth())
        elif self.judge == "results":
            if self._genes.shape[1] > self._queue.shape[1]:  # the first ones were not the generator's
                self._reinforce(self._queue, torch.from_numpy(self._told.astype(np.float32)))
        else:
            self._play(self.truth())

    def _play(self, truth: Genes) -> None:
        """Let discriminator and generator learn in turn."""
        for _ in range(self.steps):
            drawn = self.policy.draw(self.rng, self.batch)
            loss = discriminator_loss(
                self.discriminator.logits(self.some(truth, self.batch), self.some(truth, self.batch)),
                self.discriminator.logits(self.some(truth, self.batch), drawn),
            )
            self._step(self._judge_optimiser, loss)
            with torch.no_grad():
                rewards = F.logsigmoid(self.discriminator.logits(self.some(truth, self.batch), drawn))
            self._reinforce(drawn, rewards)

    def _reinforce(self, genes: Genes, rewards: Tensor) -> None:
        with torch.no_grad():
            before, _ = self.policy.likelihoods(genes)
        better = advantages(rewards)
        for _ in range(self.policy_steps):
            now, entropy = self.policy.likelihoods(genes)
            loss = ppo_loss(now, before, better, self.clip) - self.entropy_weight * entropy.mean(dim=1)
            self._step(self._policy_optimiser, loss.sum())

    def _fit(self, truth: Genes) -> None:
        for _ in range(self.steps):
            log_likelihood, entropy = self.policy.likelihoods(truth)
            loss = -(log_likelihood + self.entropy_weight * entropy).mean(dim=1).sum()
            self._step(self._policy_optimiser, loss)

    @staticmethod
    def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def discriminator_loss(true: Tensor, generated: Tensor) -> Tensor:
    """Return the cross-entropy of pairs that are to be told apart, summed over runs, of logits."""
    of_true = F.binary_cross_entropy_with_logits(true, torch.ones_like(true), reduction="none")
    of_generated = F.binary_cross_entropy_with_logits(
        generated, torch.zeros_like(generated), reduction="none"
    )
    return (of_true + of_generated).mean(dim=1).sum()


def advantages(rewards: Tensor) -> Tensor:
    """Return rewards less their mean over their deviation, run by run, `[runs, batch]`.

    A missing one (minus infinity) has the smallest reward of its run; all are 0 where they are the same.
    """
    finite = torch.isfinite(rewards)
    least = torch.where(finite, rewards, torch.inf).amin(dim=1, keepdim=True)
    known = torch.where(finite, rewards, torch.where(torch.isfinite(least), least, 0.0))
    centred = known - known.mean(dim=1, keepdim=True)
    deviation = centred.square().mean(dim=1, keepdim=True).sqrt()
    return torch.where(deviation > _LEAST_DEVIATION, centred / deviation.clamp(min=_LEAST_DEVIATION), 0.0)


def ppo_loss(now: Tensor, before: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Return minus the clipped surrogate objective, equation 7 of PPO, `[runs]`.

    Parameters
    ----------
    now, before
        Log-likelihoods under the policy and under the one that drew, `[runs, batch]`.
    advantage
        `[runs, batch]`.
    clip
        How far the ratio of likelihoods may gain from 1.
    """
    ratio = (now - before).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean(dim=1)
