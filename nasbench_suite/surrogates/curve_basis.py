"""Learning curves as few numbers: principal components, so that one regressor per component is enough."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

KEPT_VARIANCE = 0.999
"""Share of the variance of standardised curves that components must explain."""
MOST_COMPONENTS = 8


@dataclass(frozen=True)
class CurveBasis:
    """A linear map between curves and components.

    Attributes
    ----------
    center, scale
        Mean and deviation of every column; the deviation is 1 where it was 0, `[columns]`.
    components
        Orthonormal rows, `[k, columns]`.
    """

    center: Values
    scale: Values
    components: Values

    @classmethod
    def fit(cls, curves: Values) -> "CurveBasis":
        """Return the components of curves `[n, columns]`: as few as explain `KEPT_VARIANCE`, at most eight.

        With a single column the component is that column.
        """
        center, scale = curves.mean(axis=0), curves.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        _, values, rows = np.linalg.svd((curves - center) / scale, full_matrices=False)
        explained = np.cumsum(values**2) / max((values**2).sum(), np.finfo(float).tiny)
        kept = min(int(np.searchsorted(explained, KEPT_VARIANCE)) + 1, MOST_COMPONENTS, len(rows))
        signs = np.where(
            rows[:kept].sum(axis=1) < 0, -1.0, 1.0
        )  # so that the signs do not depend on LAPACK's
        return cls(center, scale, rows[:kept] * signs[:, None])

    def project(self, curves: Values) -> Values:
        """Return components `[n, k]` of curves `[n, columns]`."""
        found: Values = (curves - self.center) / self.scale @ self.components.T
        return found

    def rebuild(self, components: Values) -> Values:
        """Return curves `[..., columns]` with the given components `[..., k]`."""
        found: Values = components @ self.components * self.scale + self.center
        return found
