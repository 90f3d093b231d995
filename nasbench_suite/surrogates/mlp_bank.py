"""Many small perceptrons trained at once, each group on samples of its own: one ensemble per search."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.training.threads import one_thread

Values = NDArray[np.float64]


class MlpBank:
    """Perceptrons with ReLU, whose weights lie behind each other.

    Parameters
    ----------
    weights, biases
        Of every layer: `[networks, inputs, outputs]` and `[networks, 1, outputs]`, the last with one output.
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor]):
        self.weights, self.biases = list(weights), list(biases)

    @classmethod
    def drawn(cls, networks: int, sizes: Sequence[int], rng: np.random.Generator) -> "MlpBank":
        """Draw weights uniformly within the bounds of Glorot and Bengio (2010), as Keras does; biases are 0.

        Parameters
        ----------
        networks
            How many.
        sizes
            Inputs and outputs of the layers: columns, hidden units ..., 1.
        rng
            Draws the weights of one network after those of another.
        """
        count = sum(a * b for a, b in pairwise(sizes))
        flat = torch.from_numpy(rng.uniform(-1, 1, size=(networks, count)).astype(np.float32))
        weights, biases, place = [], [], 0
        for a, b in pairwise(sizes):
            part = flat[:, place : place + a * b].reshape(networks, a, b)
            weights.append((part * math.sqrt(6 / (a + b))).requires_grad_())
            biases.append(torch.zeros(networks, 1, b, requires_grad=True))
            place += a * b
        return cls(weights, biases)

    def __len__(self) -> int:
        return len(self.weights[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs `[networks, n]` for inputs `[networks, n, columns]`."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.baddbmm(bias, x, weight).relu()
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])[:, :, 0]

    def fit(
        self,
        features: NDArray[np.float32],
        targets: Values,
        how: Descent,
        rng: np.random.Generator,
        *,
        absolute: bool = False,
    ) -> None:
        """Train on one thread.

        Parameters
        ----------
        features, targets
            `[groups, n, columns]` and `[groups, n]`; the networks are divided among the groups in equal
            parts, those of the first group first.
        how, rng
            See `Descent`.
        absolute
            Whether the loss is the mean absolute error, not the mean squared one.
        """
        x, y = _tensor(features), torch.from_numpy(targets.astype(np.float32))
        group = torch.arange(len(self)) // (len(self) // len(x))

        def loss(places: Tensor) -> Tensor:
            error = self.forward(x[group[:, None], places]) - y[group[:, None], places]
            return (error.abs() if absolute else error.square()).mean(1).sum()

        with one_thread():
            how.run([*self.weights, *self.biases], loss, x.shape[1], len(self), rng)

    @torch.no_grad()
    def predict(self, features: NDArray[np.float32]) -> Values:
        """Return outputs `[groups, networks / groups, n]` for features `[groups, n, columns]`."""
        groups = len(features)
        x = _tensor(features).repeat_interleave(len(self) // groups, dim=0)
        with one_thread():
            found = self.forward(x)
        return found.reshape(groups, -1, features.shape[1]).numpy().astype(np.float64)


def _tensor(features: NDArray[np.float32]) -> Tensor:
    """Return features as a tensor; a copy where they are read-only, which tensors cannot be."""
    return torch.from_numpy(features if features.flags.writeable else features.copy())
