"""Gradient descent on many networks at once, whose weights lie behind each other in the same tensors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError


@dataclass(frozen=True)
class Descent:
    """How networks are trained: Adam with decoupled weight decay, the rate along half a cosine to zero.

    Attributes
    ----------
    epochs, batch
        Passes over the samples, and samples per step; the last batch of an epoch is left out if smaller.
    learning_rate, betas, weight_decay
        Adam's; the rate is that of the first step.
    constant
        Whether the rate stays what it is.
    """

    epochs: int
    batch: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    constant: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not self.learning_rate > 0:
            raise NasbenchSuiteError(
                "training takes at least one epoch, a batch of at least 1 and a learning rate above 0; not "
                f"epochs={self.epochs}, batch={self.batch}, learning_rate={self.learning_rate}."
            )

    def run(
        self,
        parameters: Sequence[Tensor],
        loss: Callable[[Tensor], Tensor],
        samples: int,
        networks: int,
        rng: np.random.Generator,
    ) -> None:
        """Train.

        Parameters
        ----------
        parameters
            What is trained; the first axis is that of the networks.
        loss
            Takes the places of samples, int64 `[networks, batch]`, and returns the sum of the networks'
            losses: so the gradient of one does not depend on how many there are.
        samples
            How many there are.
        networks
            How many are trained; each sees the samples in an order of its own.
        rng
            Draws the orders.
        """
        optimizer = torch.optim.AdamW(
            parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay
        )
        batch = min(self.batch, samples)
        steps = samples // batch
        for epoch in range(self.epochs):
            orders = np.argsort(rng.random((networks, samples)), axis=1)
            for step in range(steps):
                if not self.constant:
                    done = (epoch * steps + step) / (self.epochs * steps)
                    rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
                    optimizer.param_groups[0]["lr"] = rate
                places = torch.from_numpy(orders[:, step * batch : (step + 1) * batch].copy())
                optimizer.zero_grad(set_to_none=True)
                loss(places).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
