"""GA-NAS: a generator learns by reinforcement what a discriminator takes for the best architectures so far.

Rezaei, Han, Niu, Salameh, Mills, Lian, Lu, Jui: "Generative Adversarial Neural Architecture Search" (IJCAI
2021, pp. 2227-2234). PPO is that of Schulman et al.: "Proximal Policy Optimization Algorithms" (2017),
equation 7, for episodes with one reward at their end.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.gene_policy import GenePolicy
from nasbench_suite.strategies.message_policy import MessagePolicy
from nasbench_suite.strategies.pair_discriminator import PairDiscriminator
from nasbench_suite.strategies.sequence_policy import SequencePolicy
from nasbench_suite.training.threads import one_thread

_LEAST_DEVIATION = 1e-6
_REDRAWS = 8
"""How often more are drawn to find proposals that a run has not evaluated; then others fill up."""


class GaNas(Strategy):
    """All runs at once: every run has a generator and a discriminator of its own.

    A round begins when the proposals of the last one are evaluated. The best `top` architectures that the run
    has evaluated are the truth; generator and discriminator play `steps` steps against each other, without
    any evaluation, and the generator draws the next `proposals`.

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

    def setup(self) -> None:
        """Draw the weights and the first architectures of every run."""
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
        self._genes = np.zeros((self.runs, 0, self.space.n_genes), dtype=np.uint8)
        self._scores = np.zeros((self.runs, 0))
        drawn = self.space.sample(self.rng, self.runs * self.initial)
        self._queue = drawn.reshape(self.runs, self.initial, self.space.n_genes)
        self._told = np.zeros((self.runs, self.initial))
        self._next = 0

    def ask(self) -> Proposals:
        """Propose the next architecture of every round."""
        return Proposals(self._queue[:, self._next].copy())

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep the results; when the round is complete, learn and draw the next one."""
        self._told[:, self._next] = self.rewards(evaluations)
        self._next += 1
        if self._next < self._queue.shape[1]:
            return
        self._genes = np.concatenate([self._genes, self._queue], axis=1)
        self._scores = np.concatenate([self._scores, self._told], axis=1)
        with one_thread():
            self._learn()
            self._queue = self._fresh()
        self._told = np.zeros((self.runs, self.proposals))
        self._next = 0

    # -- a round -----------------------------------------------------------------------------------------

    def truth(self) -> Genes:
        """Return the best distinct architectures of every run, `[runs, top, n_genes]`, best first.

        They begin anew where a run has fewer.
        """
        found = np.zeros((self.runs, self.top, self.space.n_genes), dtype=np.uint8)
        for run, (genes, scores) in enumerate(zip(self._genes, self._scores, strict=True)):
            ordered = genes[np.argsort(-scores, kind="stable")]
            _, first = np.unique(ordered, axis=0, return_index=True)
            best = ordered[np.sort(first)][: self.top]
            found[run] = np.resize(best, (self.top, self.space.n_genes))
        return found

    def _learn(self) -> None:
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
                self.discriminator.logits(self._some(truth), self._some(truth)),
                self.discriminator.logits(self._some(truth), drawn),
            )
            self._step(self._judge_optimiser, loss)
            with torch.no_grad():
                rewards = F.logsigmoid(self.discriminator.logits(self._some(truth), drawn))
            self._reinforce(drawn, rewards)

    def _some(self, truth: Genes) -> Genes:
        """Draw from the truth, `[runs, batch, n_genes]`."""
        places = self.rng.integers(truth.shape[1], size=(self.runs, self.batch, 1))
        return np.take_along_axis(truth, places, axis=1)

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

    def _fresh(self) -> Genes:
        """Draw the next proposals, those first that the run has not evaluated, `[runs, proposals, n_genes]`.

        Where the generator has none left, others are moved one step away from what it draws.
        """
        pools = [self.policy.draw(self.rng, self.proposals) for _ in range(_REDRAWS)]
        moved = self.space.mutate(self.rng, pools[0].reshape(-1, self.space.n_genes))
        drawn = np.concatenate([*pools, moved.reshape(pools[0].shape)], axis=1)
        queue = np.zeros((self.runs, self.proposals, self.space.n_genes), dtype=np.uint8)
        for run in range(self.runs):
            queue[run] = _unseen(drawn[run], self._genes[run], self.proposals)
        return queue


def _unseen(drawn: Genes, seen: Genes, number: int) -> Genes:
    """Return `number` of the drawn rows: the first that are new, then the others in their order."""
    known = {row.tobytes() for row in seen}
    new: list[Genes] = []
    old: list[Genes] = []
    for row in drawn:
        key = row.tobytes()
        (old if key in known else new).append(row)
        known.add(key)
        if len(new) == number:
            break
    chosen: Genes = np.array((new + old)[:number])
    return chosen


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
