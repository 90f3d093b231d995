"""Bayesian optimisation: a Gaussian process, and the expected improvement.

Jones, Schonlau, Welch: "Efficient Global Optimization of Expensive Black-Box Functions" (1998), equation 15,
with the kernel that Snoek, Larochelle, Adams (NeurIPS 2012) found to suit such functions.
"""

import numpy as np
from scipy.special import ndtr

from nasbench_suite.spaces import Genes
from nasbench_suite.strategies.predictor_search import PredictorSearch, Values
from nasbench_suite.surrogates.gaussian_bank import GaussianBank


class Bayesian(PredictorSearch):
    """The Gaussian processes of all runs are fitted at once.

    Candidates are mutants of the best and as many random architectures.
    """

    name = "bayesian"
    initial: int
    batch: int
    candidates: int
    encoding: str
    longest_path: int
    parents: int
    window: int

    def drawn_candidates(self) -> Genes:
        """Return mutants of the best and architectures drawn uniformly, in turn."""
        mutants = self.mutants(self.best(self.parents))
        number = len(mutants)
        rows = self.space.sample(self.rng, number * self.runs).reshape(number, self.runs, -1)
        return np.stack([mutants, rows], axis=1).reshape(2 * number, self.runs, -1)

    def acquisition(self, candidates: Genes) -> Values:
        """Return the expected improvement over the best so far.

        The process rests on the `window` best results of every run, so that its cost does not grow for ever.
        """
        targets = self.standardised()
        kept = np.argsort(-targets, axis=1, kind="stable")[:, : self.window]
        targets = np.take_along_axis(targets, kept, axis=1)
        samples = np.take_along_axis(self.encoded(self.genes), kept[:, :, None], axis=1)
        centre = targets.mean(axis=1, keepdims=True)
        bank = GaussianBank.fit(samples, targets - centre)
        mean, deviation = bank.predict(self.encoded(candidates))
        return expected_improvement(mean + centre, deviation, targets.max(axis=1, keepdims=True)).T


def expected_improvement(mean: Values, deviation: Values, best: Values) -> Values:
    """Return the mean of what a normal variable exceeds `best` by, 0 where it does not.

    Parameters
    ----------
    mean, deviation
        Of the variable.
    best
        What is to be exceeded; shapes broadcast.
    """
    deviation = np.maximum(deviation, 1e-12)
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    found: Values = deviation * (z * ndtr(z) + density)
    return found
