"""BANANAS: an ensemble of perceptrons on paths, and independent Thompson sampling.

White, Neiswanger, Savani: "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search" (AAAI 2021), section 4 and Algorithm 1, with the settings of the authors' code (naszilla).
"""

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.predictor_search import PredictorSearch, Values
from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.surrogates.mlp_bank import MlpBank


class Bananas(PredictorSearch):
    """The perceptrons of all runs are trained at once."""

    name = "bananas"
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
    beta1: float
    beta2: float
    parents: int

    def drawn_candidates(self) -> Genes:
        """Mutate the best architectures so far."""
        return self.mutants(self.best(self.parents))

    def acquisition(self, candidates: Genes) -> Values:
        """Draw once for every candidate from the normal distribution of the members' mean and deviation."""
        found = self.predictions(candidates)
        mean, deviation = found.mean(axis=1), found.std(axis=1)
        drawn: Values = mean + deviation * self.rng.standard_normal(mean.shape)
        return drawn.T

    def predictions(self, candidates: Genes) -> Values:
        """Train the ensembles anew and return what they predict, `[runs, members, candidates]`."""
        features = self.encoded(self.genes)
        sizes = [features.shape[2], *[self.units] * self.layers, 1]
        bank = MlpBank.drawn(self.runs * self.members, sizes, self.rng)
        how = Descent(
            self.epochs,
            self.training_batch,
            self.learning_rate,
            betas=(self.beta1, self.beta2),
            constant=True,
        )
        bank.fit(features, self.standardised(), how, self.rng, absolute=True)
        return bank.predict(self.encoded(candidates))
