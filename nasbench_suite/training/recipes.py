"""How networks are trained: the published recipes, and two short ones of our own for small signals.

A recipe says what the optimiser does; what is done to the images belongs to the data (`training/data/`),
and what surrounds the cell to the skeleton (`training/networks/skeleton.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError

Optimizer = Literal["sgd", "rmsprop"]
Schedule = Literal["cosine by epoch", "cosine by step", "constant"]


@dataclass(frozen=True)
class Recipe:
    """One way to train a network.

    Attributes
    ----------
    name
        What `get_recipe` answers to.
    source
        The paper and the code that the settings come from.
    epochs, batch
        Passes over the training data, and inputs per step.
    learning_rate
        At the start.
    schedule
        `cosine by epoch`: `lr / 2 * (1 + cos(pi * epoch / epochs))`, the same in a whole epoch; `cosine by
        step`: the same by step; `constant`.
    last_learning_rate
        What the cosine ends at.
    optimizer, momentum, nesterov
        `sgd` as PyTorch's; `rmsprop` as TensorFlow's, with `decay` of the squared gradient and `epsilon`
        under the root.
    weight_decay
        Times every parameter, added to its gradient.
    norm_momentum
        Share of the new batch in the running statistics of batch normalisation; None: what the network has.
    drop_last
        Whether a last, smaller batch of an epoch is left out.
    clip
        The largest norm of the gradient; 0 for no limit.
    label_smoothing
        Share of the target that goes to all classes alike.
    report
        `last`: the result of the last epoch; `best`: of the best by test accuracy, as some authors do.
    """

    name: str
    source: str
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    schedule: Schedule = "cosine by epoch"
    last_learning_rate: float = 0.0
    optimizer: Optimizer = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    decay: float = 0.9
    epsilon: float = 1.0
    norm_momentum: float | None = None
    drop_last: bool = False
    clip: float = 0.0
    label_smoothing: float = 0.0
    report: Literal["last", "best"] = "last"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise NasbenchSuiteError(f"a recipe's {name} must be at least 1, not {getattr(self, name)}.")
        if not self.learning_rate > 0:
            raise NasbenchSuiteError(f"a recipe's learning_rate must be above 0, not {self.learning_rate}.")

    def steps(self, samples: int) -> int:
        """Return the number of steps of an epoch over `samples` inputs.

        Raises
        ------
        NasbenchSuiteError
            When there are fewer than fill one batch and smaller batches are left out.
        """
        steps = samples // self.batch if self.drop_last else -(-samples // self.batch)
        if steps < 1:
            raise NasbenchSuiteError(
                f"{samples} training inputs do not fill one batch of {self.batch}; take a smaller batch."
            )
        return steps

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Return the learning rate of a step (from 0) of an epoch (from 0) that has `steps` of them."""
        if self.schedule == "constant":
            return self.learning_rate
        done = epoch / self.epochs
        if self.schedule == "cosine by step":
            done = (epoch * steps + step) / (self.epochs * steps)
        span = self.learning_rate - self.last_learning_rate
        return self.last_learning_rate + span * 0.5 * (1 + math.cos(math.pi * done))


_NB201 = (
    "Dong, Yang: NAS-Bench-201 (ICLR 2020), table 1; AutoDL-Projects, configs/nas-benchmark/CIFAR.config: "
    "SGD with Nesterov momentum, cosine by epoch to 0, weight decay on all parameters"
)
_NATS = "Dong, Liu, Musial, Gabrys: NATS-Bench (TPAMI 2021), section 3; settings as NAS-Bench-201's"
_NB101 = (
    "Ying et al.: NAS-Bench-101 (ICML 2019), section 2 and supplement S2; nasbench/lib/config.py and "
    "training_time.py: RMSProp, peak learning rate 0.1 on each of two TPU shards, cosine by step from 0.2 to "
    "0 (the authors' first step has a rate of 0, which is not kept)"
)
_MACRO = (
    "Su et al.: NAS-Bench-Macro, of MCT-NAS (CVPR 2021); the authors' train.py: SGD without Nesterov, "
    "the best epoch's test accuracy is recorded"
)
_SHORT = (
    "ours, chosen on 60 random cells of nats_topology and two seeds on MNIST-1D: see the datasheet of "
    "nats_topology-mnist1d"
)

_SHORT_50 = (
    "ours, `short` with half the batch, chosen on 60 random networks of macro and two seeds on MNIST-1D: see "
    "the datasheet of macro-mnist1d"
)


def _nb201(name: str, epochs: int, source: str) -> Recipe:
    return Recipe(name, source, epochs, 256, 0.1, 5e-4)


def _nb101(epochs: int) -> Recipe:
    return Recipe(
        f"nasbench101-{epochs}",
        _NB101,
        epochs,
        256,
        0.2,
        1e-4,
        schedule="cosine by step",
        optimizer="rmsprop",
        nesterov=False,
        norm_momentum=0.003,
        drop_last=True,
    )


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _nb201("nasbench201-12", 12, _NB201),
        _nb201("nasbench201-200", 200, _NB201),
        _nb201("nats-size-1", 1, _NATS),
        _nb201("nats-size-12", 12, _NATS),
        _nb201("nats-size-90", 90, _NATS),
        *(_nb101(epochs) for epochs in (4, 12, 36, 108)),
        Recipe("nasbench-macro", _MACRO, 50, 256, 0.1, 5e-4, nesterov=False, report="best"),
        Recipe("short", _SHORT, 12, 100, 0.05, 5e-4, drop_last=True),
        Recipe("short-50", _SHORT_50, 12, 50, 0.05, 5e-4, drop_last=True),
    )
}
"""Every recipe by name. `short` and `short-50` are for small signals; the others are the papers'."""


def get_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError("training recipe", name, RECIPES)
    return RECIPES[name]
