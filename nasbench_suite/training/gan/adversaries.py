"""Generators and discriminators of a group in training: their weights, and what a step does to them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nasbench_suite.spaces import Genes
from nasbench_suite.training.gan.draws import uniform_rows
from nasbench_suite.training.gan.folded import FoldedDiscriminator, FoldedGenerator, fold_of
from nasbench_suite.training.gan.recipe import GanRecipe


@dataclass
class _Player:
    """The weights of one side, `[models, size]`, with the state of Adam beside them."""

    weights: Tensor
    rate: float
    first: Tensor = field(init=False)
    second: Tensor = field(init=False)
    steps: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.second = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.steps = self.weights.new_zeros(())

    @torch.no_grad()
    def descend(self, grad: Tensor, recipe: GanRecipe, alive: Tensor, steps: int) -> None:
        """Take a step of Adam, all on the device; `steps` is how many there will be."""
        fading, slowing = recipe.betas
        rate = self.rate * (1 - self.steps / steps) if recipe.decay else self.rate
        self.steps += 1
        self.first.lerp_(grad, 1 - fading)
        self.second.mul_(slowing).addcmul_(grad, grad, value=1 - slowing)
        scale = (self.second / (1 - slowing**self.steps)).sqrt_().add_(recipe.epsilon)
        moved = self.weights - self.first / scale * (rate / (1 - fading**self.steps))
        self.weights.copy_(torch.where(alive, moved, self.weights))

    @property
    def state(self) -> list[Tensor]:
        return [self.weights, self.first, self.second, self.steps]


class Adversaries:
    """Many generators, each with a discriminator of its own, trained on the same noise and inputs.

    Nothing in a step waits for the device, and all that it changes it changes in place, so that it can
    be captured as a CUDA graph.

    Parameters
    ----------
    space, genes
        The architectures, uint8 `[models, n_genes]`.
    recipe
        How to train.
    seed
        Of the initial weights.
    inputs
        The training signals or images, `[n, channels, *size]`, on the device and in the precision to compute
        in.

    Attributes
    ----------
    generator, discriminator
        What computes them.
    losses
        Sums over steps since they were last zeroed: `[2, models]`, the generators' and the
        discriminators'.
    alive
        Which models are still trained, bool `[models, 1]`.
    """

    def __init__(self, space: str, genes: Genes, recipe: GanRecipe, seed: int, inputs: Tensor):
        device, dtype, shape = inputs.device, inputs.dtype, tuple(inputs.shape[1:])
        self.recipe, self.inputs, self._fold = recipe, inputs, fold_of(shape)
        self.generator = FoldedGenerator(space, genes, recipe, shape, device, dtype)
        self.discriminator = FoldedDiscriminator(recipe, shape)
        own, critic = self.generator.layout, self.discriminator.layout
        widest = 2 * recipe.critic_channels
        uniform = uniform_rows(space, genes, seed, own.size + critic.size + widest).to(device, dtype)
        for_own, for_critic, for_vectors = torch.split(uniform, [own.size, critic.size, widest], 1)
        self._own = _Player(own.initial(for_own), recipe.generator_rate)
        self._critic = _Player(critic.initial(for_critic), recipe.critic_rate)
        self._average = self._own.weights.clone()
        self.discriminator.start(self._critic.weights, for_vectors)
        self.losses = inputs.new_zeros(2, len(genes))
        self.alive = torch.ones(len(genes), 1, dtype=torch.bool, device=device)

    @property
    def weights(self) -> Tensor:
        """The generators' weights, `[models, size]`."""
        return self._own.weights

    @property
    def critic_weights(self) -> Tensor:
        """The discriminators' weights, `[models, size]`."""
        return self._critic.weights

    @property
    def judged_weights(self) -> Tensor:
        """The weights that are judged: the generators' moving average, if the recipe has one."""
        return self._average if self.recipe.average else self._own.weights

    @property
    def state(self) -> list[Tensor]:
        """All that a step changes, in place."""
        vectors = [*self.discriminator.left, *self.discriminator.right]
        return [*self._own.state, *self._critic.state, *vectors, self._average, self.losses]

    def step(self, noise: Tensor, real: Tensor) -> None:
        """Take a step of the generators, after those of the discriminators.

        Parameters
        ----------
        noise
            `[critic steps, batch, latent]`.
        real
            Which training inputs, int64 `[critic steps, batch]`.
        """
        for place in range(self.recipe.critic_steps - 1):
            with torch.no_grad():
                made = self.generator(self._own.weights, noise[place])
            self._teach_critic(made, real[place])
        weights = self._own.weights.detach().requires_grad_()
        made = self.generator(weights, noise[-1])
        self._teach_critic(made.detach(), real[-1])
        loss = -self.discriminator(self._critic.weights, made).mean(1)
        (grad,) = torch.autograd.grad(loss.sum(), weights)
        self._own.descend(grad, self.recipe, self.alive, self.recipe.steps)
        self.losses[0] += loss.detach()
        if self.recipe.average:
            self._average.lerp_(self._own.weights, 1 - self.recipe.average)

    def _teach_critic(self, made: Tensor, real: Tensor) -> None:
        models, batch = len(self.alive), len(real)
        self.discriminator.iterate(self._critic.weights)
        fold = self._fold(batch)
        shown = self.inputs[real]
        both = fold.beside(fold.folded(shown.expand(models, *shown.shape)), made)
        weights = self._critic.weights.detach().requires_grad_()
        scores = self.discriminator(weights, both)
        loss = (1 - scores[:, :batch]).relu().mean(1) + (1 + scores[:, batch:]).relu().mean(1)
        (grad,) = torch.autograd.grad(loss.sum(), weights)
        self._critic.descend(grad, self.recipe, self.alive, self.recipe.steps * self.recipe.critic_steps)
        self.losses[1] += loss.detach() / self.recipe.critic_steps

    @torch.no_grad()
    def finite(self) -> Tensor:
        """Tell which models have finite weights and losses, bool `[models]`."""
        rows = (self._own.weights.isfinite().all(1), self._critic.weights.isfinite().all(1))
        return rows[0] & rows[1] & self.losses.isfinite().all(0)

    @torch.no_grad()
    def drop(self, dead: Tensor) -> None:
        """Zero and freeze models, bool `[models]`, so that they cost no more than the others."""
        self.alive &= ~dead[:, None]
        for player in (self._own, self._critic):
            for rows in player.state[:3]:
                rows.masked_fill_(dead[:, None], 0.0)
        self._average.masked_fill_(dead[:, None], 0.0)
