"""What strategies have in common that train a supernet: batches, steps on the weights, what it ranks.

Weights learn on the training inputs of the task, everything else on its validation inputs, as in the protocol
of NAS-Bench-201.
"""

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from numpy.typing import NDArray
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.one_shot import OneShotError, OneShotSearch
from nasbench_suite.training.choices import Gates, sampled_gates
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.setting import Setting
from nasbench_suite.training.step_memory import step_bytes
from nasbench_suite.training.supernet import Supernet, SupernetOptions

RANKED_INPUTS = 1000
"""Validation inputs that each of them is judged by."""
_RANKED_AT_ONCE = 500

Batch = tuple[Tensor, Tensor]


class SupernetSearch(OneShotSearch):
    """One search that trains one supernet.

    A subclass says what an epoch is (`search_epoch`) and which architecture it stands for (`derive`).

    Attributes
    ----------
    epochs, batch
        Passes over the training inputs, and inputs per step.
    learning_rate, last_learning_rate
        Of the weights: from the first to the last along half a cosine, the same in a whole epoch.
    momentum, nesterov, weight_decay, clip
        Of gradient descent on the weights; `clip` is the largest norm of the gradient, 0 for no limit.
    supernet, optimizer
        The supernet, and what trains its weights.
    """

    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float

    def setup(self) -> None:
        """Build the supernet; its initial weights are the run's own.

        Raises
        ------
        NasbenchSuiteError
            When the task has no networks that classify.
        """
        if not isinstance(self.training, Setting):
            raise NasbenchSuiteError(
                f"{self.name} trains networks that classify, and those of {self.space.name} do not; "
                "take autogan."
            )
        self._choice_weights: list[NDArray[np.float32]] = []
        self._step_bytes = 0
        super().setup()

    @property
    def setting(self) -> Setting:
        """How networks of the task are trained."""
        return cast(Setting, self.training)

    @property
    def data(self) -> TrainingData:
        """The task's data."""
        return self.setting.data

    @property
    def device(self) -> torch.device:
        """Where the data lie and everything is computed."""
        return self.data.inputs.device

    def supernet_options(self) -> SupernetOptions:
        """Return how the supernet is made; override where it is not as usual."""
        return SupernetOptions()

    def build_supernet(self) -> Supernet:
        """Return a supernet on the device, with initial weights from PyTorch's generator."""
        supernet = Supernet(self.setting.space, self.setting.skeleton, self.supernet_options())
        return supernet.to(self.device)

    def prepare(self) -> None:
        """Build the supernet and its optimiser; override to add what is not a weight, and call this."""
        self.supernet = self.build_supernet()
        self.optimizer = self.weight_optimizer(self.supernet)

    def weight_optimizer(self, supernet: Supernet) -> torch.optim.SGD:
        """Return the gradient descent of a supernet's weights."""
        return torch.optim.SGD(
            supernet.parameters(),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            weight_decay=self.weight_decay,
        )

    @abstractmethod
    def typical_gates(self) -> Gates:
        """Return gates as a step of training has them, by which its memory is measured."""

    def choice_weights(self) -> Tensor | None:
        """Return the weights of all operations, `[n_genes, operations]`, where the method has such."""
        return None

    def last_epoch(self) -> int:
        """Return the number of epochs after which the search has ended."""
        return self.epochs

    def set_rate(self) -> None:
        """Set the learning rate of the weights for this epoch."""
        share = 0.5 * (1 + math.cos(math.pi * self.epoch / self.epochs))
        rate = self.last_learning_rate + (self.learning_rate - self.last_learning_rate) * share
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def train_batches(self) -> Iterator[Batch]:
        """Yield the training inputs in batches of equal size, in a new order, augmented."""
        order = self.data.train.cpu().numpy()[self.rng.permutation(len(self.data.train))]
        generator = torch.Generator().manual_seed(int(self.rng.integers(2**62)))
        for step in range(max(1, len(order) // self.batch)):
            part = torch.from_numpy(order[step * self.batch : (step + 1) * self.batch])
            yield self.data.batch(part, generator, augment=True)

    def valid_batches(self, size: int) -> Iterator[Batch]:
        """Yield validation inputs for ever, in batches of `size` and a new order in every round."""
        valid = self.data.valid.cpu().numpy()
        size = min(size, len(valid))
        while True:
            order = valid[self.rng.permutation(len(valid))]
            for step in range(len(order) // size):
                yield self.data.batch(torch.from_numpy(order[step * size : (step + 1) * size]))

    def weight_step(self, gates: Gates, inputs: Tensor, labels: Tensor) -> Tensor:
        """Take one step on the weights; return the loss."""
        self.supernet.train()
        loss = self.weight_loss(self.supernet(inputs, gates), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.step()
        return loss.detach()

    def weight_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the weights; override where it is not the cross-entropy."""
        return F.cross_entropy(logits, labels)

    def step(self) -> None:
        """Let the optimiser take the gradients that are there, clipped."""
        if self.clip:
            nn.utils.clip_grad_norm_(self.supernet.parameters(), self.clip)
        self.optimizer.step()

    @torch.no_grad()
    def accuracy(self, row: Genes, batch: Batch, supernet: Supernet | None = None) -> float:
        """Return the share of a batch that one architecture classifies rightly with the shared weights."""
        inputs, labels = batch
        logits = (supernet or self.supernet)(inputs, sampled_gates(row))
        return float((logits.argmax(1) == labels).float().mean())

    def best_by_supernet(self, rows: Genes, batches: Iterator[Batch]) -> Genes:
        """Return the row that is best with the shared weights, each judged by one batch of its own."""
        scores = [self.inherited_accuracy(row, next(batches)) for row in rows]
        best: Genes = rows[int(np.argmax(scores))]
        return best

    def inherited_accuracy(self, row: Genes, batch: Batch) -> float:
        """Return `accuracy` with the weights that an architecture inherits; override where these differ."""
        return self.accuracy(row, batch)

    def judging_batches(self, inputs: int, at_once: int) -> list[Batch]:
        """Return the first `inputs` validation inputs, all for 0, in batches of about equal size."""
        chosen = self.data.valid[: inputs or None]
        return [self.data.batch(part) for part in chosen.tensor_split(-(-len(chosen) // at_once))]

    def inherited_accuracies(self, rows: Iterable[Genes], batches: Sequence[Batch]) -> NDArray[np.float64]:
        """Return the share of all inputs of some batches that each row classifies rightly, `[n]`."""
        sizes = np.array([len(labels) for _, labels in batches])
        parts = [[self.inherited_accuracy(row, batch) for batch in batches] for row in rows]
        found: NDArray[np.float64] = np.array(parts).reshape(-1, len(batches)) @ (sizes / sizes.sum())
        return found

    def require_finite(self, losses: list[Tensor]) -> None:
        """End the run if a loss of the epoch was no number.

        Raises
        ------
        OneShotError
            Says what the loss became.
        """
        values = torch.stack(losses)
        wrong = values[~torch.isfinite(values)]
        if len(wrong):
            raise OneShotError(f"the loss became {float(wrong[0])}")

    def take_notes(self) -> None:
        """Note the weights of operations, and once what a step holds."""
        weights = self.choice_weights()
        if weights is not None:
            self._choice_weights.append(weights.detach().cpu().numpy().astype(np.float32))
        if not self._step_bytes:
            batch = next(self.train_batches())
            with self.computing():
                self._step_bytes = step_bytes(self.supernet, self.optimizer, batch, self.typical_gates())

    def findings(self) -> dict[str, NDArray[Any]]:
        """Return what the supernet thinks of architectures drawn at random, weights by epoch, and memory.

        `supernet_genes` `[RANKED, n_genes]` are the same in all runs and strategies, `supernet_accuracy`
        `[RANKED]` are their accuracies with the shared weights; `choice_weights` `[epochs, n_genes,
        operations]`; `step_bytes`, see `step_memory`.
        """
        genes = self.ranked_genes()
        with self.computing():
            judged = self.inherited_accuracies(genes, self.judging_batches(RANKED_INPUTS, _RANKED_AT_ONCE))
        found: dict[str, NDArray[Any]] = {
            "supernet_genes": genes,
            "supernet_accuracy": judged,
            "step_bytes": np.array(self._step_bytes, dtype=np.int64),
        }
        if self._choice_weights:
            kept = np.full((self.last_epoch(), *self._choice_weights[0].shape), np.nan, dtype=np.float32)
            kept[: len(self._choice_weights)] = self._choice_weights
            found["choice_weights"] = kept
        return found
