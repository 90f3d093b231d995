"""A cost learnt from measured architectures: a Gaussian process of its logarithm.

Relative errors are what counts of a latency (BRP-NAS, Dudziak et al., NeurIPS 2020, counts those within
10 %), so logarithms are learnt. The features are one-hot genes and how many genes have each value.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes, SearchSpace

_CHOSEN = 300
"""Samples by which the kernel is found. With 800 the mean rank correlation of 900 samples on the board
`hardware-help` was 0.959 in place of 0.952, for nineteen times the arithmetic of every step of the search."""


class LearnedCosts(CostModel):
    """Predicts costs with a Gaussian process.

    Parameters
    ----------
    space
        The space.
    genes, costs
        Architectures that were measured, uint8 `[n, n_genes]`, and their costs, above 0, `[n]`.
    quantity, device
        See `CostModel`.

    Raises
    ------
    NasbenchSuiteError
        When there are fewer than two samples, or a cost is not above 0.
    """

    def __init__(self, space: SearchSpace, genes: Genes, costs: Costs, quantity: str, device: str = ""):
        from nasbench_suite.surrogates.gaussian_process import GaussianProcess

        if not (np.isfinite(costs) & (costs > 0)).all():
            raise NasbenchSuiteError("costs are learnt as logarithms; leave out those that are not above 0.")
        self.space, self.quantity, self.device = space, quantity, device
        self._process = GaussianProcess(lengths="each", chosen=_CHOSEN)
        self._process.fit(self._features(genes), np.log(costs))

    def predict(self, genes: Genes) -> Costs:
        """Return the exponential of the mean logarithm; see `CostModel.predict`."""
        found: Costs = np.exp(self._process.predict(self._features(genes)))
        return found

    def _features(self, genes: Genes) -> NDArray[np.float64]:
        self.space.key(genes)  # says which row is none of the space's
        hot = (np.asarray(genes)[:, :, None] == np.arange(max(self.space.cardinalities))).astype(np.float64)
        return np.concatenate([hot.reshape(len(genes), -1), hot.sum(axis=1)], axis=1)
