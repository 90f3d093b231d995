"""PC-DARTS: DARTS on a part of the channels, and weights of the edges that end at the same node.

Xu et al.: "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search" (ICLR 2020),
sections 3.2 and 3.3.
"""

import torch
from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.nats_topology import EDGES
from nasbench_suite.strategies.darts import Darts
from nasbench_suite.strategies.supernet_search import Batch
from nasbench_suite.training.choices import Gate, mixed_gates
from nasbench_suite.training.supernet import Supernet, SupernetOptions

_INITIAL_SCALE = 1e-3
_SPACE = "nats_topology"


class PcDarts(Darts):
    """First-order DARTS in which one channel in `partial` goes through the operations.

    Edges have parameters beta, `[n_genes]`, of their own: an edge's result is multiplied by the softmax of
    beta over the edges that end at the same node (equation 3). Alpha and beta stand still for the first
    `frozen_epochs`. Only for nats_topology, whose genes are edges between nodes.
    """

    name = "pc_darts"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    partial: int
    frozen_epochs: int
    alpha_learning_rate: float
    alpha_beta1: float
    alpha_weight_decay: float

    def supernet_options(self) -> SupernetOptions:
        """Return options with partial channels."""
        return SupernetOptions(share=self.partial)

    def build_supernet(self) -> Supernet:
        """Return a supernet of nats_topology.

        Raises
        ------
        NasbenchSuiteError
            When the space is another one, or the width is no multiple of `partial`.
        """
        if self.setting.space != _SPACE:
            raise NasbenchSuiteError(
                f"pc_darts weighs the edges that end at the same node, and the space {self.setting.space} "
                f"has no nodes; search {_SPACE}."
            )
        return super().build_supernet()

    def prepare(self) -> None:
        """Draw alpha and beta and make their optimiser."""
        super().prepare()
        self.beta = (_INITIAL_SCALE * torch.randn(len(EDGES))).to(self.device).requires_grad_()
        self.alpha_optimizer.add_param_group({"params": [self.beta]})

    def edge_weights(self) -> Tensor:
        """Return the softmax of beta over the edges that end at the same node, `[n_genes]`."""
        targets = torch.tensor([target for _, target in EDGES], device=self.device)
        beside = targets[:, None] == targets
        return self.beta.expand_as(beside).masked_fill(~beside, -torch.inf).softmax(1).diagonal()

    def gates(self, *, learn: bool) -> list[Gate]:
        """Return the gates of a step, with a gradient where alpha and beta are to learn."""
        with torch.set_grad_enabled(learn):
            gates = mixed_gates(self.probabilities(), self.space.cardinalities)
            scales = self.edge_weights()
        return [Gate(gate.weights, scale) for gate, scale in zip(gates, scales, strict=True)]

    def alpha_step(self, train: Batch, valid: Batch) -> None:
        """Take one step on alpha and beta, the weights as they are; none in the first `frozen_epochs`."""
        if self.epoch < self.frozen_epochs:
            return
        learned = [self.alpha, self.beta]
        gradients = torch.autograd.grad(self.loss(valid), learned)
        for parameter, gradient in zip(learned, gradients, strict=True):
            parameter.grad = gradient
        self.alpha_optimizer.step()

    @torch.no_grad()
    def inherited_accuracy(self, row: Genes, batch: Batch) -> float:
        """Return the accuracy of one architecture with the shared weights and the weights of its edges."""
        inputs, labels = batch
        gates = [
            Gate({int(place): None}, scale) for place, scale in zip(row, self.edge_weights(), strict=True)
        ]
        return float((self.supernet(inputs, gates).argmax(1) == labels).float().mean())
