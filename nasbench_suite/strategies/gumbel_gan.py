"""A plain generative adversarial network over genes: what GA-NAS does by reinforcement, done by gradients.

Goodfellow et al.: "Generative Adversarial Networks" (NeurIPS 2014), with the generator's loss that does not
saturate (section 3); its outputs are discrete by the straight-through Gumbel-softmax of Jang, Gu, Poole:
"Categorical Reparameterization with Gumbel-Softmax" (ICLR 2017), as Kusner and Hernandez-Lobato proposed
for networks that write sequences ("GANs for Sequences of Discrete Elements", 2016).
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.spaces.base import Genes, SearchSpace
from nasbench_suite.strategies.generative_rounds import GenerativeRounds

_ATTEMPTS = 8
"""How often invalid architectures are drawn again; then random ones take their place."""


class GumbelGan(GenerativeRounds):
    """All runs at once: every run has a generator and a discriminator of its own.

    The generator makes one-hot genes out of noise, the discriminator tells them from those of the best
    architectures so far; gradients go through the samples. In a round each takes `steps` steps.
    """

    name = "gumbel_gan"
    initial: int
    top: int
    proposals: int
    steps: int
    batch: int
    noise: int
    hidden: int
    generator_rate: float
    discriminator_rate: float
    temperature: float

    def make(self) -> None:
        """Draw the weights of every run."""
        width = sum(self.space.cardinalities)
        self.generator = _TwoLayers(self.runs, self.rng, self.noise, self.hidden, width)
        self.discriminator = _TwoLayers(self.runs, self.rng, width, self.hidden, 1)
        self._generator_optimiser = torch.optim.Adam(
            self.generator.weights, lr=self.generator_rate, betas=(0.5, 0.999), fused=True
        )
        self._judge_optimiser = torch.optim.Adam(
            self.discriminator.weights, lr=self.discriminator_rate, betas=(0.5, 0.999), fused=True
        )

    def draw(self, number: int) -> Genes:
        """Return what the generators draw, `[runs, number, n_genes]`; random ones where it stays invalid."""
        with torch.no_grad():
            genes = self._genes_of(self.samples(number))
            for _ in range(_ATTEMPTS):
                wrong = ~self._valid(genes)
                if not wrong.any():
                    return genes
                genes = np.where(wrong[:, :, None], self._genes_of(self.samples(number)), genes)
        wrong = ~self._valid(genes)
        genes[wrong] = self.space.sample(self.rng, int(wrong.sum()))
        return genes

    def learn(self) -> None:
        """Let discriminator and generator learn in turn."""
        truth = self.truth()
        for _ in range(self.steps):
            true = one_hot(self.space, self.some(truth, self.batch))
            made = self.samples(self.batch)
            on_true, on_made = self.discriminator(true), self.discriminator(made.detach())
            loss = F.softplus(-on_true).mean(dim=1) + F.softplus(on_made).mean(dim=1)
            self._step(self._judge_optimiser, loss)
            self._step(self._generator_optimiser, F.softplus(-self.discriminator(made)).mean(dim=1))

    def samples(self, number: int) -> Tensor:
        """Return one-hot genes, `[runs, number, sum of cardinalities]`, whose gradient is that of softmax."""
        shape = (self.runs, number)
        noise = torch.from_numpy(self.rng.normal(size=(*shape, self.noise)).astype(np.float32))
        logits = self.generator(noise)
        gumbel = torch.from_numpy(self.rng.gumbel(size=logits.shape).astype(np.float32))
        parts = torch.split((logits + gumbel) / self.temperature, list(self.space.cardinalities), dim=2)
        return torch.cat([_straight_through(part.softmax(2)) for part in parts], dim=2)

    def _genes_of(self, samples: Tensor) -> Genes:
        parts = torch.split(samples, list(self.space.cardinalities), dim=2)
        return torch.stack([part.argmax(2) for part in parts], dim=2).numpy().astype(np.uint8)

    def _valid(self, genes: Genes) -> np.ndarray:
        return self.space.valid(genes.reshape(-1, genes.shape[-1])).reshape(genes.shape[:2])

    @staticmethod
    def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]  # runs share no weights
        optimiser.step()


class _TwoLayers:
    """A network with one hidden layer for every run, `[runs, batch, in]` to `[runs, batch, out]`."""

    def __init__(self, runs: int, rng: np.random.Generator, n_in: int, hidden: int, n_out: int):
        def normal(fan_in: int, fan_out: int) -> Tensor:
            values = rng.normal(scale=np.sqrt(2 / fan_in), size=(runs, fan_in, fan_out))
            return torch.from_numpy(values.astype(np.float32)).requires_grad_()

        self.first, self.second = normal(n_in, hidden), normal(hidden, n_out)
        self.biases = [torch.zeros(runs, 1, n, requires_grad=True) for n in (hidden, n_out)]
        self.weights = [self.first, self.second, *self.biases]

    def __call__(self, x: Tensor) -> Tensor:
        hidden = F.leaky_relu(torch.baddbmm(self.biases[0], x, self.first), 0.2)
        return torch.baddbmm(self.biases[1], hidden, self.second)


def one_hot(space: SearchSpace, genes: Genes) -> Tensor:
    """Return genes `[..., n_genes]` as one-hot, float32 `[..., sum of cardinalities]`."""
    parts = [np.eye(n, dtype=np.float32)[genes[..., gene]] for gene, n in enumerate(space.cardinalities)]
    return torch.from_numpy(np.concatenate(parts, axis=-1))


def _straight_through(soft: Tensor) -> Tensor:
    """Return the one-hot vector of the largest value, with the gradient of the values."""
    hard = F.one_hot(soft.argmax(2), soft.shape[2]).to(soft.dtype)
    return hard + (soft - soft.detach())
