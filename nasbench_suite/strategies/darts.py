"""DARTS: every operation takes part with a weight, and the weights learn by gradient.

Liu, Simonyan, Yang: "DARTS: Differentiable Architecture Search" (ICLR 2019). First order and second order,
Algorithm 1 and equations (5) to (8).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.strategies.alpha_search import AlphaSearch
from nasbench_suite.strategies.supernet_search import Batch
from nasbench_suite.training.choices import Gate, mixed_gates

_INITIAL_SCALE = 1e-3


class Darts(AlphaSearch):
    """Steps on alpha and on the weights take turns; the weights of a gate are the softmax of its alpha.

    As NAS-Bench-201's authors do, the operation with the largest weight is derived, be it `none`.
    """

    name = "darts"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    order: str
    alpha_learning_rate: float
    alpha_beta1: float
    alpha_weight_decay: float
    finite_difference: float

    def prepare(self) -> None:
        """Draw alpha and make its optimiser."""
        super().prepare()
        self.draw_alpha(_INITIAL_SCALE, (self.alpha_beta1, 0.999), self.alpha_weight_decay)

    def gates(self, *, learn: bool) -> list[Gate]:
        """Return the gates of a step, with a gradient where alpha is to learn."""
        weights = self.probabilities()
        return mixed_gates(weights if learn else weights.detach(), self.space.cardinalities)

    def typical_gates(self) -> list[Gate]:
        """Return the gates of a step on the weights."""
        return self.gates(learn=False)

    def search_epoch(self) -> None:
        """Let alpha take a step on validation inputs and the weights one on training inputs, in turn."""
        self.set_rate()
        judged, losses = self.valid_batches(self.batch), []
        for batch in self.train_batches():
            self.alpha_step(batch, next(judged))
            losses.append(self.weight_step(self.gates(learn=False), *batch))
        self.require_finite(losses)

    def alpha_step(self, train: Batch, valid: Batch) -> None:
        """Take one step on alpha."""
        unrolled = self.order == "second"
        self.alpha.grad = self.unrolled_gradient(train, valid) if unrolled else self.plain_gradient(valid)
        self.alpha_optimizer.step()

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, with a graph to weights and alpha."""
        inputs, labels = batch
        return F.cross_entropy(self.supernet(inputs, self.gates(learn=True)), labels)

    def plain_gradient(self, valid: Batch) -> Tensor:
        """Return the gradient of the validation loss with respect to alpha, the weights as they are."""
        return torch.autograd.grad(self.loss(valid), self.alpha)[0]

    def unrolled_gradient(self, train: Batch, valid: Batch) -> Tensor:
        """Return the gradient of the validation loss after one step on the weights.

        Equation (7); the product of the second derivative and a vector is the finite difference of equation
        (8), with steps of `finite_difference` over the vector's norm. The step has momentum and weight decay,
        as in the authors' code.
        """
        weights = list(self.supernet.parameters())
        before = [weight.detach().clone() for weight in weights]
        rate = self.optimizer.param_groups[0]["lr"]
        self._move(weights, self._direction(weights, train), -rate)
        found = torch.autograd.grad(self.loss(valid), [self.alpha, *weights], materialize_grads=True)
        of_alpha, vector = found[0], found[1:]
        self._reset(weights, before)
        norm = torch.sqrt(sum((part.square().sum() for part in vector), torch.zeros((), device=self.device)))
        step = float(self.finite_difference / norm)
        self._move(weights, vector, step)
        upper = torch.autograd.grad(self.loss(train), self.alpha)[0]
        self._reset(weights, before)
        self._move(weights, vector, -step)
        lower = torch.autograd.grad(self.loss(train), self.alpha)[0]
        self._reset(weights, before)
        gradient: Tensor = of_alpha - rate * (upper - lower) / (2 * step)
        return gradient

    def _direction(self, weights: Sequence[Tensor], train: Batch) -> list[Tensor]:
        """Return what the optimiser would take `rate` times from the weights."""
        gradients = torch.autograd.grad(self.loss(train), weights, materialize_grads=True)
        directions = []
        for weight, gradient in zip(weights, gradients, strict=True):
            direction = gradient + self.weight_decay * weight.detach()
            velocity = self.optimizer.state[weight].get("momentum_buffer")
            if velocity is not None:
                direction = direction + self.momentum * velocity
            directions.append(direction)
        return directions

    @torch.no_grad()
    def _move(self, weights: Sequence[Tensor], along: Sequence[Tensor], step: float) -> None:
        for weight, direction in zip(weights, along, strict=True):
            weight.add_(direction, alpha=step)

    @torch.no_grad()
    def _reset(self, weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)
