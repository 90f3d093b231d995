"""PNAS: cells grow block by block, and a predictor says which of the larger ones are worth training.

Liu et al.: "Progressive Neural Architecture Search" (ECCV 2018), Algorithm 1, on spaces of this suite.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.progressive import first_blocks, grown, levels
from nasbench_suite.strategies.single_run import SingleRunStrategy
from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.surrogates.encodings import ArchitectureEncoder
from nasbench_suite.surrogates.mlp_bank import MlpBank


class Pnas(SingleRunStrategy):
    """A level after the other; after the last one its other cells, in the order of their predictions.

    Attributes
    ----------
    level
        Blocks of the cells that are evaluated now.
    waiting
        Those of them that are still to be evaluated, the most promising first.
    others
        Cells of the last level that were not, uint8 `[n, n_genes]`.
    seen, scores
        What was evaluated, in order.
    """

    name = "pnas"
    beam: int
    members: int
    units: int
    layers: int
    epochs: int
    training_batch: int
    learning_rate: float

    def setup(self) -> None:
        """Begin with all cells of one block, in an order that is drawn.

        Raises
        ------
        UnknownNameError
            When cells of the space do not grow block by block.
        """
        rows = first_blocks(self.space.name)
        self.level = 1
        self.waiting: list[Genes] = list(rows[self.rng.permutation(len(rows))])
        self.others: Genes = rows[:0]
        self.of_level: list[int] = []
        self.seen: list[Genes] = []
        self.scores: list[float] = []

    def propose(self) -> Genes:
        """Return the most promising cell that waits; with none left go on to the next level."""
        if not self.waiting:
            self.advance()
        return self.waiting[0]

    def observe(self, genes: Genes, score: float) -> None:
        """Keep the result."""
        self.of_level.append(len(self.seen))
        self.seen.append(self.waiting.pop(0))
        self.scores.append(score)

    def advance(self) -> None:
        """Let the level's cells grow, or take the next of the last level; random ones when all are known."""
        if self.level < levels(self.space.name):
            rows = grown(self.space.name, np.stack([self.seen[place] for place in self.of_level]), self.level)
            self.level += 1
            self.of_level = []
        else:
            rows = self.others
        rows = rows[~np.isin(self.space.key(rows), self.space.key(np.stack(self.seen)))]
        if not len(rows):
            self.waiting = list(self.space.sample(self.rng, self.beam))
            return
        order = np.argsort(-self.predicted(rows), kind="stable")
        self.waiting = list(rows[order[: self.beam]])
        self.others = rows[order[self.beam :]]

    def predicted(self, rows: Genes) -> NDArray[np.float64]:
        """Train the ensemble anew on all results and return what it predicts, `[n]`."""
        encoder = ArchitectureEncoder(self.space.name, "one_hot")
        features = encoder.transform(self.space.canonical(np.stack(self.seen)))
        scores = np.array(self.scores)
        finite = np.isfinite(scores)
        if not finite.any():
            return self.rng.random(len(rows))
        scores = np.where(finite, scores, scores[finite].min())
        targets = (scores - scores.mean()) / (scores.std() or 1.0)
        bank = MlpBank.drawn(self.members, [features.shape[1], *[self.units] * self.layers, 1], self.rng)
        how = Descent(self.epochs, self.training_batch, self.learning_rate)
        bank.fit(features[None], targets[None], how, self.rng, absolute=True)
        found = bank.predict(encoder.transform(self.space.canonical(rows))[None])
        mean: NDArray[np.float64] = found[0].mean(axis=0)
        return mean
