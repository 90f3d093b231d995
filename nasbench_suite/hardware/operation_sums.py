"""A cost as a sum over operations, fitted to measurements: one number for every value of every gene.

ProxylessNAS (Cai, Zhu, Han: ICLR 2019, section 3.3) adds measured blocks up; where only whole networks were
measured, least squares find what each operation adds. The ridge is as small as keeps the solution unique.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes, SearchSpace

_RIDGE = 1e-3


class OperationSums(CostModel):
    """Fits `constant + sum over genes of entries[gene, value]` to measured costs.

    Parameters
    ----------
    space
        The space.
    genes, costs
        Architectures that were measured, uint8 `[n, n_genes]`, and their costs, `[n]`.
    quantity, device
        See `CostModel`.

    Attributes
    ----------
    entries
        What a value of a gene adds, `[n_genes, values]`; their mean over the samples is in `constant`.
    constant
        The mean cost of the samples.

    Raises
    ------
    NasbenchSuiteError
        When there is no sample, or one is not finite.
    """

    def __init__(self, space: SearchSpace, genes: Genes, costs: Costs, quantity: str, device: str = ""):
        if not len(costs) or not np.isfinite(costs).all():
            raise NasbenchSuiteError("costs are fitted to measured ones; give at least one, all finite.")
        self.space, self.quantity, self.device = space, quantity, device
        features = self._features(genes)
        self.constant, self._centre = float(np.mean(costs)), features.mean(axis=0)
        centred = features - self._centre
        inner = centred.T @ centred + _RIDGE * np.eye(features.shape[1])
        self._weights = np.linalg.solve(inner, centred.T @ (costs - self.constant))
        self.entries = self._weights.reshape(space.n_genes, -1)

    def predict(self, genes: Genes) -> Costs:
        """Return the sums; see `CostModel.predict`."""
        found: Costs = self.constant + (self._features(genes) - self._centre) @ self._weights
        return found

    def _features(self, genes: Genes) -> NDArray[np.float64]:
        self.space.key(genes)  # says which row is none of the space's
        values = np.arange(max(self.space.cardinalities))
        hot: NDArray[np.float64] = (np.asarray(genes)[:, :, None] == values).astype(np.float64)
        return hot.reshape(len(genes), -1)
