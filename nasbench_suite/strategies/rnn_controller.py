"""A recurrent controller: an LSTM writes the architecture gene by gene and learns by REINFORCE.

Zoph, Le: "Neural Architecture Search with Reinforcement Learning" (ICLR 2017), section 3. The entropy bonus
is the one of Pham et al., "Efficient Neural Architecture Search" (ICML 2018).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.benchmark import Evaluations
from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.base import Proposals, Strategy


class RnnController(Strategy):
    """Every run has a controller of its own; the run axis is the batch axis of one batched product.

    A controller draws `batch` architectures, waits for their results, and takes one Adam step. Shapes below
    are `[runs, batch, ...]`; weights are `[runs, in, out]`.
    """

    name = "rnn_controller"
    hidden: int
    layers: int
    batch: int
    learning_rate: float
    entropy_weight: float
    baseline_momentum: float
    initial_range: float

    def setup(self) -> None:
        """Draw the weights of all controllers, uniformly as the paper does."""
        self._cardinalities = np.array(self.space.cardinalities)
        self._first_token = 1 + np.concatenate([[0], self._cardinalities.cumsum()])
        width = int(self._cardinalities.max())
        exists = np.arange(width) < self._cardinalities[:, None]
        self._forbidden = torch.from_numpy(np.where(exists, 0.0, -np.inf).astype(np.float32))
        n_tokens = 1 + int(self._cardinalities[:-1].sum())
        self._tokens = self._uniform(n_tokens, self.hidden)
        self._cells = [self._uniform(2 * self.hidden, 4 * self.hidden) for _ in range(self.layers)]
        self._biases = [self._uniform(1, 4 * self.hidden) for _ in range(self.layers)]
        self._heads = [self._uniform(self.hidden, width) for _ in self._cardinalities]
        weights = [self._tokens, *self._cells, *self._biases, *self._heads]
        self._optimiser = torch.optim.Adam(weights, lr=self.learning_rate, fused=True)
        self._baseline = np.full(self.runs, np.nan)
        self._drawn = np.zeros((self.runs, self.batch, self.space.n_genes), dtype=np.uint8)
        self._rewards = np.zeros((self.runs, self.batch))
        self._next = self.batch

    def _uniform(self, n_in: int, n_out: int) -> Tensor:
        values = self.rng.uniform(-self.initial_range, self.initial_range, size=(self.runs, n_in, n_out))
        return torch.from_numpy(values.astype(np.float32)).requires_grad_()

    def ask(self) -> Proposals:
        """Propose the next architecture of every batch, drawing a new batch when the last is used up."""
        if self._next == self.batch:
            with _one_thread(), torch.no_grad():
                self._drawn = self._draw_valid()
            self._next = 0
        return Proposals(self._drawn[:, self._next].copy())

    def tell(self, proposals: Proposals, evaluations: Evaluations) -> None:
        """Keep the results; when the batch is complete, learn from it."""
        self._rewards[:, self._next] = self.rewards(evaluations)
        self._next += 1
        if self._next == self.batch:
            with _one_thread():
                self._learn()

    def _draw_valid(self) -> Genes:
        """Draw a batch per run from the policy, again where an architecture is invalid."""
        genes = self._draw()
        while not (valid := self.space.valid(_rows(genes)).reshape(genes.shape[:2])).all():
            genes = np.where(valid[:, :, None], genes, self._draw())
        return genes

    def _draw(self) -> Genes:
        genes = np.zeros((self.runs, self.batch, self.space.n_genes), dtype=np.uint8)
        for gene, log_policy in enumerate(self._unroll(genes)):
            cumulative = log_policy.exp().cumsum(dim=2).numpy()
            drawn = self.rng.random((self.runs, self.batch, 1)) * cumulative[:, :, -1:]
            last = self._cardinalities[gene] - 1
            genes[:, :, gene] = np.minimum((cumulative <= drawn).sum(axis=2), last)
        return genes

    def _unroll(self, genes: Genes) -> Iterator[Tensor]:
        """Yield the log-policy of each gene, `[runs, batch, values]`, feeding back the genes chosen so far.

        `genes` may be filled in while this runs: gene `i` is read after its policy was yielded. The first
        step is the same for the whole batch and is done once.
        """
        hidden = [torch.zeros(self.runs, 1, self.hidden) for _ in self._cells]
        memory = [torch.zeros(self.runs, 1, self.hidden) for _ in self._cells]
        run = torch.arange(self.runs)[:, None]
        for gene in range(self.space.n_genes):
            token = np.zeros((self.runs, 1), dtype=np.int64)
            if gene == 1:
                hidden = [state.expand(-1, self.batch, -1) for state in hidden]
                memory = [state.expand(-1, self.batch, -1) for state in memory]
            if gene:
                token = self._first_token[gene - 1] + genes[:, :, gene - 1].astype(np.int64)
            value = self._tokens[run, torch.from_numpy(token)]
            for layer, (weight, bias) in enumerate(zip(self._cells, self._biases, strict=True)):
                gates = torch.baddbmm(bias, torch.cat([value, hidden[layer]], dim=2), weight)
                write, forget, read, new = gates.chunk(4, dim=2)
                memory[layer] = forget.sigmoid() * memory[layer] + write.sigmoid() * new.tanh()
                hidden[layer] = value = read.sigmoid() * memory[layer].tanh()
            logits = torch.bmm(value, self._heads[gene]) + self._forbidden[gene]
            yield torch.log_softmax(logits, dim=2).expand(-1, self.batch, -1)

    def _learn(self) -> None:
        """Take one Adam step on `-advantage * log p(architecture) - weight * entropy`, run by run.

        The runs share no weight, so the sum of their losses has each run's own gradient. An architecture
        whose result is missing has no advantage.
        """
        told = np.isfinite(self._rewards)
        average = _mean_where(self._rewards, told)
        fresh = np.isnan(self._baseline)
        momentum = self.baseline_momentum
        moved = momentum * self._baseline + (1 - momentum) * average
        baseline = np.where(fresh, average, np.where(np.isnan(average), self._baseline, moved))
        self._baseline = baseline
        advantage = np.where(told, self._rewards - baseline[:, None], 0.0)
        log_likelihood = torch.zeros(self.runs, self.batch)
        entropy = torch.zeros(self.runs, self.batch)
        for gene, log_policy in enumerate(self._unroll(self._drawn)):
            chosen = torch.from_numpy(self._drawn[:, :, gene].astype(np.int64))[:, :, None]
            log_likelihood = log_likelihood + log_policy.gather(2, chosen)[:, :, 0]
            finite = log_policy.clamp(min=-1e9)  # probability zero times minus infinity is zero
            entropy = entropy - (finite.exp() * finite).sum(dim=2)
        weighted = torch.from_numpy(advantage.astype(np.float32)) * log_likelihood
        loss = -(weighted + self.entropy_weight * entropy).mean(dim=1).sum()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


def _rows(genes: Genes) -> Genes:
    return genes.reshape(-1, genes.shape[-1])


def _mean_where(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average each row over the marked entries; NaN where there are none."""
    count = where.sum(axis=1)
    total = np.where(where, values, 0.0).sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sum in one order whatever the machine's number of cores, so that the same seed gives the same bytes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
