"""GDAS: one operation per choice, drawn with Gumbel noise; the draw has a gradient.

Dong, Yang: "Searching for a Robust Neural Architecture in Four GPU Hours" (CVPR 2019), section 3.2 and
Algorithm 1, with the settings of NAS-Bench-201.
"""

import torch
from torch import Tensor

from nasbench_suite.strategies.darts import Darts
from nasbench_suite.training.choices import Gate


class Gdas(Darts):
    """Every step draws an architecture from alpha; only that is computed.

    Alpha, its optimiser and the derived architecture are those of `Darts`.
    """

    name = "gdas"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    alpha_learning_rate: float
    alpha_beta1: float
    alpha_weight_decay: float
    tau_first: float
    tau_last: float

    def search_epoch(self) -> None:
        """Let the weights take a step on training inputs and alpha one on validation inputs, in turn."""
        self.set_rate()
        judged, losses = self.valid_batches(self.batch), []
        for batch in self.train_batches():
            losses.append(self.weight_step(self.gates(learn=False), *batch))
            self.alpha.grad = self.plain_gradient(next(judged))
            self.alpha_optimizer.step()
        self.require_finite(losses)

    def temperature(self) -> float:
        """Return the temperature of this epoch: from the first to the last in equal steps."""
        share = min(1.0, self.epoch / max(1, self.epochs - 1))
        return self.tau_first + (self.tau_last - self.tau_first) * share

    def relaxed(self) -> Tensor:
        """Return a draw from the relaxed distribution over each gene's operations, `[n_genes, operations]`.

        The softmax of (log-probability + Gumbel noise) / temperature; its largest entry is a draw from the
        softmax of alpha.
        """
        logs = self.masked_alpha().log_softmax(1)
        noise = torch.from_numpy(self.rng.gumbel(size=tuple(logs.shape))).to(logs)
        return ((logs + noise) / self.temperature()).softmax(1)

    def gates(self, *, learn: bool) -> list[Gate]:
        """Return gates with the operation that was drawn alone.

        Where alpha is to learn, its weight is one and has the gradient of its entry in the relaxed draw.
        """
        relaxed = self.relaxed()
        drawn = relaxed.argmax(1).tolist()
        if not learn:
            return [Gate({place: None}) for place in drawn]
        entries = [row[place] for row, place in zip(relaxed, drawn, strict=True)]
        return [Gate({place: 1 + (p - p.detach())}) for place, p in zip(drawn, entries, strict=True)]
