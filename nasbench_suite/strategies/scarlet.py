"""SCARLET-NAS: a fair supernet whose identities learn, and a search of its front by NSGA-II.

Chu, Zhang, Li, Xu, Li: "SCARLET-NAS: Bridging the Gap between Stability and Scalability in Weight-sharing
Neural Architecture Search" (ICCV Workshops 2021, arXiv 1908.06022). Strict fairness is that of Chu, Zhang,
Xu: "FairNAS" (ICCV 2021), Algorithm 1; the search that of Deb et al.: "NSGA-II" (2002).
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.pareto import front_ranks, ranks_and_crowding, survivors
from nasbench_suite.strategies.supernet_search import Batch, SupernetSearch
from nasbench_suite.training.choices import Gate, sampled_gates
from nasbench_suite.training.layer_costs import layer_costs
from nasbench_suite.training.linear_skips import LinearSkip
from nasbench_suite.training.supernet import SupernetOptions

_JUDGED_AT_ONCE = 500


class Scarlet(SupernetSearch):
    """Trains the supernet for `epochs` proposals, then has one generation of NSGA-II in each that follows.

    Attributes
    ----------
    members
        The population, uint8 `[n, n_genes]`, at most `population`, best first once it is judged.
    values
        What is maximised: accuracy in the supernet, minus millions of multiply-adds, millions of parameters,
        float64 `[n, 3]`; None before the search.
    """

    name = "scarlet"
    epochs: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    clip: float
    stabilized: bool
    generations: int
    population: int
    crossover_probability: float
    mutation_probability: float
    accuracy_weight: float
    multiply_adds_weight: float
    parameters_weight: float
    judged_inputs: int

    def supernet_options(self) -> SupernetOptions:
        """Return options with a 1x1 convolution for every identity."""
        return SupernetOptions(skip=LinearSkip if self.stabilized else None)

    def prepare(self) -> None:
        """Draw the first population, and count what operations cost."""
        super().prepare()
        self.members = self.admitted(lambda wanted: self.space.sample(self.rng, wanted), self.population)
        self.values: NDArray[np.float64] | None = None
        self.multiply_adds = layer_costs(self.setting, "flops_millions")
        self.parameters = layer_costs(self.setting, "params_millions")
        self.known: dict[bytes, float] = {}

    @property
    def weights(self) -> tuple[float, float, float]:
        """Weights of the objectives in the crowding distance."""
        return self.accuracy_weight, self.multiply_adds_weight, self.parameters_weight

    def last_epoch(self) -> int:
        """Return the epochs of training and the generations together."""
        return self.epochs + self.generations

    def search_epoch(self) -> None:
        """Train for one epoch, or search for one generation when training is done."""
        if self.epoch >= self.epochs:
            self.generation()
            return
        self.set_rate()
        self.require_finite([self.fair_step(batch) for batch in self.train_batches()])

    # -- training ----------------------------------------------------------------------------------------

    def fair_rows(self) -> Genes:
        """Draw paths in which every operation of every gene is, uint8 `[passes, n_genes]`.

        As many as the gene with most operations has. The operations of a gene stand in the order of a
        permutation of its own; where they are fewer than passes, those of another permutation follow.
        """
        passes = max(self.space.cardinalities)
        columns = []
        for limit in self.space.cardinalities:
            rounds = [self.rng.permutation(limit) for _ in range(-(-passes // limit))]
            columns.append(np.concatenate(rounds)[:passes])
        return np.stack(columns, axis=1).astype(np.uint8)

    def fair_step(self, batch: Batch) -> torch.Tensor:
        """Take one step on the weights with the sum of all fair paths' gradients; return the mean loss."""
        inputs, labels = batch
        self.supernet.train()
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for row in self.fair_rows():
            loss = self.weight_loss(self.supernet(inputs, sampled_gates(row)), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        self.step()
        return torch.stack(losses).mean()

    # -- search ------------------------------------------------------------------------------------------

    def generation(self) -> None:
        """Judge the first population, or breed children and keep the best of both."""
        rows = self.members
        if self.values is not None:
            rows = np.concatenate([rows, self.children()])
        _, first = np.unique(self.space.canonical(rows), axis=0, return_index=True)
        rows = rows[np.sort(first)]
        values, violations = self.judged(rows), self.violations(rows)
        kept = survivors(values, self.population, self.weights, violations)
        self.members, self.values = rows[kept], values[kept]

    def violations(self, rows: Genes) -> NDArray[np.float64]:
        """Return 1 for those that miss a constraint, `[n]`."""
        missed = np.zeros(len(rows), bool) if self.admits is None else ~self.admits(rows)
        return missed.astype(np.float64)

    def judged(self, rows: Genes) -> NDArray[np.float64]:
        """Return what is maximised, `[n, 3]`."""
        accuracy = self.accuracies(rows)
        return np.stack([accuracy, -self.multiply_adds.of(rows), self.parameters.of(rows)], axis=1)

    def accuracies(self, rows: Genes) -> NDArray[np.float64]:
        """Return accuracies on validation inputs with the shared weights, `[n]`; each row is judged once."""
        new = [row for row in rows if row.tobytes() not in self.known]
        batches = self.judging_batches(self.judged_inputs, _JUDGED_AT_ONCE)
        found = self.inherited_accuracies(new, batches)
        self.known.update(zip((row.tobytes() for row in new), found.tolist(), strict=True))
        return np.array([self.known[row.tobytes()] for row in rows])

    def children(self) -> Genes:
        """Breed as many children as the population has members at most, uint8 `[population, n_genes]`."""
        mothers, fathers = self.selected(), self.selected()
        crossed = self.rng.random(len(mothers)) < self.crossover_probability
        children = mothers.copy()
        children[crossed] = self.space.crossover(self.rng, mothers[crossed], fathers[crossed])
        mutated = self.rng.random(len(children)) < self.mutation_probability
        children[mutated] = self.space.mutate(self.rng, children[mutated])
        return children

    def selected(self) -> Genes:
        """Hold a tournament of two for every child: the better front wins, then the larger distance."""
        assert self.values is not None
        ranks, crowding = ranks_and_crowding(self.values, self.weights, self.violations(self.members))
        place = np.empty(len(ranks), dtype=np.int64)
        place[np.lexsort((-crowding, ranks))] = np.arange(len(ranks))
        rivals = self.rng.integers(len(place), size=(2, self.population))
        winners = np.where(place[rivals[0]] <= place[rivals[1]], rivals[0], rivals[1])
        return cast(Genes, self.members[winners])

    # -- what is found -----------------------------------------------------------------------------------

    def typical_gates(self) -> Sequence[Gate]:
        """Return the gates of one of a step's passes, which come one after the other."""
        return sampled_gates(self.fair_rows()[0])

    def derive(self) -> Genes:
        """Return the most accurate architecture of the first front, or any before there is one."""
        if self.values is None:
            return cast(Genes, self.members[0])
        front = np.flatnonzero(front_ranks(self.values, self.violations(self.members)) == 0)
        return cast(Genes, self.members[front[self.values[front, 0].argmax()]])
