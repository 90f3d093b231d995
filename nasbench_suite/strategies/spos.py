"""SPOS: a supernet trained along uniform single paths, then evolution with the weights that it leaves.

Guo et al.: "Single Path One-Shot Neural Architecture Search with Uniform Sampling" (ECCV 2020), sections 3.2
and 3.4, Algorithm 1. With `split_gene`, the supernet is split as in Zhao et al.: "Few-shot Neural
Architecture Search" (ICML 2021), section 3.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.rsps import Rsps
from nasbench_suite.strategies.supernet_search import Batch
from nasbench_suite.training.supernet import Supernet


@dataclass
class Part:
    """A sub-supernet, in which one gene is fixed, and what trains its weights."""

    supernet: Supernet
    optimizer: torch.optim.SGD


class Spos(Rsps):
    """Epochs of training, epochs of the split supernets where there are such, then generations.

    Attributes
    ----------
    population, generations
        Architectures judged per generation, and number of generations.
    parents
        The best architectures so far, from which the next generation descends.
    mutation
        Probability with which each gene of a mutant is drawn anew.
    tries
        Draws per wanted child; those that were judged before do not count.
    judged_inputs
        Validation inputs that a generation is judged by, 0 for all; at most `judged_batch` at once.
    split_gene, split_epochs, split_learning_rate
        The gene that is split, -1 for none; how long its sub-supernets train, and their first learning rate.
    parts
        The sub-supernets by operation of the split gene; empty before the split.
    judged
        Accuracies with inherited weights, by genes; each architecture is judged once.
    waiting
        Architectures of the next generation.
    """

    name = "spos"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    label_smoothing: float
    candidates: int
    judged_batch: int
    judged_inputs: int
    population: int
    generations: int
    parents: int
    mutation: float
    tries: int
    split_gene: int
    split_epochs: int
    split_learning_rate: float

    def prepare(self) -> None:
        """Make the optimiser and draw the first generation.

        Raises
        ------
        NasbenchSuiteError
            When the space has no gene `split_gene`.
        """
        if self.split_gene >= self.space.n_genes:
            raise NasbenchSuiteError(
                f"split_gene is {self.split_gene}, and architectures of space {self.space.name!r} have genes "
                f"0 to {self.space.n_genes - 1}; -1 splits none."
            )
        self.fixed = -1
        super().prepare()
        self.parts: list[Part] = []
        self.judged: dict[tuple[int, ...], float] = {}
        self.waiting = self.with_new([], self.population, super().path)

    def last_epoch(self) -> int:
        """Return the number of epochs and generations together."""
        return self.trained_epochs() + self.generations

    def trained_epochs(self) -> int:
        """Return the number of epochs in which weights are trained."""
        return self.epochs + (self.split_epochs if self.split_gene >= 0 else 0)

    def search_epoch(self) -> None:
        """Train for one epoch, or play one generation."""
        if self.epoch >= self.trained_epochs():
            self.generation()
            return
        if self.epoch < self.epochs:
            self.train_epoch()
        else:
            self.train_parts()
        self.chosen = self.best_of(self.candidates)

    def set_rate(self) -> None:
        """Set the learning rate of this epoch: it falls linearly, and once more after the split."""
        first, share = self.learning_rate, self.epoch / self.epochs
        if self.epoch >= self.epochs:
            first, share = self.split_learning_rate, (self.epoch - self.epochs) / self.split_epochs
        for group in self.optimizer.param_groups:
            group["lr"] = first + (self.last_learning_rate - first) * share

    def weight_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy with smoothed labels."""
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    # -- few-shot ----------------------------------------------------------------------------------

    def path(self) -> Genes:
        """Return an architecture drawn uniformly among those of the supernet that is trained."""
        row = super().path()
        if self.fixed >= 0:
            row[self.split_gene] = self.fixed
        return row

    def split(self) -> None:
        """Copy the supernet once for every operation of the split gene."""
        self.optimizer.zero_grad(set_to_none=True)  # else every copy would have its own gradients
        for _ in range(self.space.cardinalities[self.split_gene]):
            supernet = copy.deepcopy(self.supernet)
            self.parts.append(Part(supernet, self.weight_optimizer(supernet)))

    def train_parts(self) -> None:
        """Train each sub-supernet for one epoch on paths with its own operation; the first time, split."""
        if not self.parts:
            self.split()
        for operation, part in enumerate(self.parts):
            self.fixed, self.supernet, self.optimizer = operation, part.supernet, part.optimizer
            self.train_epoch()
        self.fixed = -1

    def inherited_accuracy(self, row: Genes, batch: Batch) -> float:
        """Return the accuracy of an architecture in the sub-supernet of its operation, if there is one."""
        part = self.parts[int(row[self.split_gene])].supernet if self.parts else None
        return self.accuracy(row, batch, part)

    # -- evolution ---------------------------------------------------------------------------------

    def generation(self) -> None:
        """Judge the architectures that wait, and breed the next ones from the best so far."""
        batches = self.judging_batches(self.judged_inputs, self.judged_batch)
        found = self.inherited_accuracies(self.waiting, batches)
        self.judged.update(zip(map(key, self.waiting), found.tolist(), strict=True))
        ranked = sorted(self.judged, key=self.judged.__getitem__, reverse=True)
        parents = np.array(ranked[: self.parents], dtype=np.uint8)
        self.chosen = parents[0]
        self.waiting = self.bred(parents)

    def bred(self, parents: Genes) -> list[Genes]:
        """Return the next generation: half by crossover, half by mutation, random ones where these run out.

        Parameters
        ----------
        parents
            `[parents, n_genes]`.
        """
        half = self.population // 2
        rows = self.with_new([], half, lambda: self.crossed(parents))
        rows = self.with_new(rows, self.population - half, lambda: self.mutated(parents))
        return self.with_new(rows, self.population - len(rows), super().path)

    def with_new(self, rows: list[Genes], number: int, draw: Callable[[], Genes]) -> list[Genes]:
        """Return `rows` and up to `number` drawn ones that were not judged and are not among them."""
        grown, known = list(rows), {*self.judged, *map(key, rows)}
        for _ in range(number * self.tries):
            if len(grown) == len(rows) + number:
                break
            row = draw()
            if key(row) not in known and (self.admits is None or self.admits(row[None])[0]):
                known.add(key(row))
                grown.append(row)
        return grown

    def crossed(self, parents: Genes) -> Genes:
        """Return a child of two parents drawn at random, `[n_genes]`."""
        mother, father = parents[self.rng.integers(len(parents), size=2)]
        child: Genes = self.space.crossover(self.rng, mother[None], father[None])[0]
        return child

    def mutated(self, parents: Genes) -> Genes:
        """Return a random parent with some genes drawn anew, uniformly over all values, `[n_genes]`."""
        parent = parents[self.rng.integers(len(parents))]
        anew = self.rng.random(len(parent)) < self.mutation
        return np.where(anew, super().path(), parent)


def key(row: Genes) -> tuple[int, ...]:
    """Return the genes of an architecture as a key; isomorphic ones differ, as do their inherited weights."""
    return tuple(row.tolist())
