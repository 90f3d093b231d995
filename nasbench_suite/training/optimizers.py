"""The optimisers of recipes: PyTorch's gradient descent, and RMSProp as TensorFlow has it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from nasbench_suite.training.recipes import Recipe


class TensorFlowRmsprop(torch.optim.Optimizer):
    """RMSProp as in TensorFlow 1: `epsilon` under the root, the learning rate inside the velocity.

    With NAS-Bench-101's `epsilon` of 1 that is another optimiser than PyTorch's `RMSprop`, which adds it to
    the root: `ms = decay * ms + (1 - decay) * g^2; v = momentum * v + lr * g / sqrt(ms + epsilon); p = p -
    v`, with `ms` starting at one.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        momentum: float,
        decay: float,
        epsilon: float,
        weight_decay: float,
    ):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "decay": decay,
            "epsilon": epsilon,
            "weight_decay": weight_decay,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take one step with the gradients that are there."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["mean_square"] = torch.ones_like(parameter)
                    state["velocity"] = torch.zeros_like(parameter)
                grad = parameter.grad.add(parameter, alpha=group["weight_decay"])
                square, velocity = state["mean_square"], state["velocity"]
                square.mul_(group["decay"]).addcmul_(grad, grad, value=1 - group["decay"])
                root = square.add(group["epsilon"]).sqrt_()
                velocity.mul_(group["momentum"]).addcdiv_(grad, root, value=group["lr"])
                parameter.sub_(velocity)


def make_optimizer(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe."""
    if recipe.optimizer == "rmsprop":
        return TensorFlowRmsprop(
            parameters,
            recipe.learning_rate,
            momentum=recipe.momentum,
            decay=recipe.decay,
            epsilon=recipe.epsilon,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.SGD(
        parameters,
        recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov and recipe.momentum > 0,
    )
