"""NPENAS: evolution whose many children are judged by a predictor, and few of them evaluated.

Wei et al.: "NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search" (IEEE TNNLS 2022),
Algorithm 1, in the variant NP: the predictor's mean decides.
"""

import numpy as np

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.predictor_search import PredictorSearch, Values
from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.surrogates.mlp_bank import MlpBank


class Npenas(PredictorSearch):
    """The predictors of all runs are trained at once."""

    name = "npenas"
    initial: int
    batch: int
    candidates: int
    encoding: str
    longest_path: int
    members: int
    layers: int
    units: int
    epochs: int
    training_batch: int
    learning_rate: float
    weight_decay: float
    parents: int

    def drawn_candidates(self) -> Genes:
        """Mutate the best architectures so far, each equally often."""
        return self.mutants(self.best(self.parents))

    def acquisition(self, candidates: Genes) -> Values:
        """Train the predictors anew and return what they predict."""
        features = self.encoded(self.genes)
        sizes = [features.shape[2], *[self.units] * self.layers, 1]
        bank = MlpBank.drawn(self.runs * self.members, sizes, self.rng)
        how = Descent(self.epochs, self.training_batch, self.learning_rate, weight_decay=self.weight_decay)
        bank.fit(features, self.standardised(), how, self.rng)
        found: Values = np.asarray(bank.predict(self.encoded(candidates)).mean(axis=1).T)
        return found
