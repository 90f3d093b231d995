"""How good predictions are: ranks, errors, and whether the deviations are honest."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]

SPARSE_STEP = 1e-3
"""What predictions are rounded to for the sparse Kendall correlation: 0.1 points of an accuracy."""
_LEVELS = np.arange(0.1, 1.0, 0.1)
_WITHIN_ONE = 0.6827
"""Share of a normal distribution within one deviation of its mean."""


@dataclass(frozen=True)
class Scores:
    """Predictions held against what came out; NaN where there is too little for a figure.

    Attributes
    ----------
    samples
        How many.
    kendall, spearman
        Rank correlations (tau-b, rho).
    sparse_kendall
        Kendall's, with predictions rounded to `SPARSE_STEP` (Siems et al., NAS-Bench-301, section 4.2): it
        does not reward orders that differ by less than the noise of training.
    r2
        Share of the variance that is explained.
    mae, rmse
        Mean absolute error, and the root of the mean squared one.
    within_1_sd, within_2_sd
        Share of the results within one and two predicted deviations; 0.683 and 0.954 if these are right.
    calibration_error
        Mean over the levels 0.1, 0.2, ..., 0.9 of the distance between the level and the share of results
        within the central interval of that level of a normal distribution.
    """

    samples: int
    kendall: float
    spearman: float
    sparse_kendall: float
    r2: float
    mae: float
    rmse: float
    within_1_sd: float
    within_2_sd: float
    calibration_error: float

    def rounded(self) -> dict[str, float]:
        """Return the figures by name, to four significant digits; those that are NaN are left out."""
        return {key: float(f"{value:.4g}") for key, value in asdict(self).items() if not np.isnan(value)}


def scores(results: Values, predictions: Values, deviations: Values | None = None) -> Scores:
    """Return the figures of predictions `[n]` and their deviations `[n]`, held against results `[n]`."""
    within = np.full(2, np.nan)
    calibration = np.nan
    error = results - predictions
    if deviations is not None and len(results):
        standardised = np.abs(error) / np.maximum(deviations, np.finfo(float).tiny)
        within = np.array([(standardised <= limit).mean() for limit in (1, 2)])
        widths = stats.norm.ppf(0.5 + _LEVELS / 2)
        calibration = float(np.abs((standardised[:, None] <= widths).mean(axis=0) - _LEVELS).mean())
    rounded = np.round(predictions / SPARSE_STEP)
    variance = results.var() if len(results) else 0.0
    return Scores(
        samples=len(results),
        kendall=_correlation(stats.kendalltau, results, predictions),
        spearman=_correlation(stats.spearmanr, results, predictions),
        sparse_kendall=_correlation(stats.kendalltau, results, rounded),
        r2=float(1 - (error**2).mean() / variance) if variance > 0 else np.nan,
        mae=float(np.abs(error).mean()) if len(error) else np.nan,
        rmse=float(np.sqrt((error**2).mean())) if len(error) else np.nan,
        within_1_sd=float(within[0]),
        within_2_sd=float(within[1]),
        calibration_error=calibration,
    )


def unexplained(errors: Values, spread: Values) -> Values:
    """Return the noise that a spread lacks for the shares of a normal distribution, `[...]`.

    With it, 68.3 % of the results lie within one deviation. The mean of the squared errors would let a few
    architectures that fail to train decide over all others.

    Parameters
    ----------
    errors
        Results less predictions, `[n, ...]`.
    spread
        Deviation of what the members predicted, `[n, ...]`.
    """
    missing = np.quantile(errors**2 - spread**2, _WITHIN_ONE, axis=0)
    found: Values = np.sqrt(np.maximum(missing, 0.0))
    return found


def _correlation(of: object, a: Values, b: Values) -> float:
    """Return a rank correlation, NaN where either side is constant or there are fewer than two."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(of(a, b)[0])  # type: ignore[operator]  # kendalltau or spearmanr
