"""BOHB: Hyperband's brackets, filled by a pair of kernel density estimators instead of at random.

Falkner, Klein, Hutter: "BOHB: Robust and Efficient Hyperparameter Optimization at Scale" (ICML 2018),
Algorithms 1 and 2, in the form of the authors' package HpBandSter, which NAS-Bench-101, NAS-Bench-201 and
NATS-Bench ran. Brackets: Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband" (JMLR 2018).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces.base import Genes
from nasbench_suite.strategies.brackets import BracketSearch, Stage

_SMALLEST_DENSITY = 1e-32
"""HpBandSter's floor under both densities before it divides them."""
_MOST_REDRAWS = 100
"""How often an invalid candidate is drawn again; then the observed architecture it lies around is taken."""


def bracket_stages(bracket: int, rungs: int, eta: int) -> list[Stage]:
    """Return the stages of the bracket with this number, counted from 0; they repeat after `rungs` brackets.

    Bracket sizes are those of HpBandSter (`BOHB.get_next_iteration`): `floor(rungs / (s + 1)) * eta^s`
    architectures begin a bracket of `s + 1` stages, and each stage keeps one in `eta`.
    """
    last = rungs - 1 - bracket % rungs
    first_size = rungs // (last + 1) * eta**last
    return [Stage(rungs - 1 - last + step, max(first_size // eta**step, 1)) for step in range(last + 1)]


@dataclass(frozen=True, slots=True)
class CategoricalKDE:
    """One product-kernel density estimate over categorical genes per run.

    The kernel is that of Aitchison and Aitken (Biometrika 1976): `1 - h` for an equal value and `h / (L - 1)`
    for another, where the gene has `L` values and `h` is at most `(L - 1) / L`, at which all are equal.
    statsmodels' `KDEMultivariate`, which HpBandSter uses, counts as `L` the values among the points and does
    not bound `h`: where all points agree on a gene, any other value has infinite density, and a density may
    be negative. Both steer the published searches.

    Attributes
    ----------
    points
        Architectures the density rests on, uint8 `[n_genes, runs, n]`.
    bandwidths
        `h`, float64 `[n_genes, runs]`.
    different
        `h / (L - 1)`, float64 `[n_genes, runs]`.
    """

    points: NDArray[np.uint8]
    bandwidths: NDArray[np.float64]
    different: NDArray[np.float64]

    @classmethod
    def fit(
        cls, points: NDArray[np.uint8], min_bandwidth: float, cardinalities: NDArray[np.int64] | None = None
    ) -> "CategoricalKDE":
        """Set the bandwidths by the normal reference rule, or to `min_bandwidth` where that is larger.

        The rule is `1.06 sd n^(-1 / (4 + n_genes))`, the deviation that of the values' numbers. Without
        `cardinalities`, int64 `[n_genes]`, levels and bounds are statsmodels'.
        """
        n_genes, _, n = points.shape
        values = np.arange(int(points.max()) + 1)
        counts = np.stack([np.count_nonzero(points == value, axis=2) for value in values], axis=2)
        mean = counts @ values / n
        variance = (counts * (values - mean[:, :, None]) ** 2).sum(axis=2) / n
        rule = 1.06 * np.sqrt(variance) * n ** (-1 / (4 + n_genes))
        bandwidths, levels = np.maximum(rule, min_bandwidth), np.count_nonzero(counts, axis=2)
        if cardinalities is not None:
            levels = cardinalities[:, None]
            bandwidths = np.minimum(bandwidths, (levels - 1) / levels)
        with np.errstate(divide="ignore", invalid="ignore"):
            different = bandwidths / (levels - 1)
        return cls(points, bandwidths, different)

    def density(self, genes: Genes) -> NDArray[np.float64]:
        """Return the density of one architecture per run, uint8 `[runs, n_genes]`: float64 `[runs]`."""
        product = np.ones(self.points.shape[1:])
        with np.errstate(invalid="ignore"):
            for gene, points in enumerate(self.points):
                same = points == genes[:, gene, None]
                product *= np.where(same, 1 - self.bandwidths[gene, :, None], self.different[gene, :, None])
            found: NDArray[np.float64] = product.mean(axis=1)
        return found


class _Observations:
    """What all runs have seen at one budget, in arrays that grow as needed."""

    def __init__(self, n_genes: int, runs: int):
        self.n = 0
        self._genes = np.zeros((n_genes, runs, 0), dtype=np.uint8)
        self._scores = np.zeros((runs, 0))

    def add(self, genes: Genes, scores: NDArray[np.float64]) -> None:
        """Add one architecture and its score per run."""
        if self.n == self._scores.shape[1]:
            wider = ((0, 0), (0, max(self.n, 32)))
            self._genes = np.pad(self._genes, ((0, 0), *wider))
            self._scores = np.pad(self._scores, wider)
        self._genes[:, :, self.n] = genes.T
        self._scores[:, self.n] = scores
        self.n += 1

    def best_first(self) -> NDArray[np.uint8]:
        """Return each run's architectures, the best first and equals by age: uint8 `[n_genes, runs, n]`."""
        order = np.argsort(-self._scores[:, : self.n], axis=1, kind="stable")
        return np.take_along_axis(self._genes[:, :, : self.n], order[None], axis=2)


class Bohb(BracketSearch):
    """Brackets filled from a model.

    A new architecture is drawn around a good one, `num_samples` times; the draw with the best ratio of the
    densities of good and bad architectures is proposed. Both rest on the largest budget that has enough
    results.
    """

    name = "bohb"
    eta: int
    min_epochs: int
    max_epochs: int
    rungs: int
    num_samples: int
    random_fraction: float
    top_n_percent: int
    min_points_in_model: int
    min_bandwidth: float
    kernel: str

    def setup(self) -> None:
        """Lay out the budgets and begin the first bracket.

        Raises
        ------
        NasbenchSuiteError
            When `min_epochs` exceeds `max_epochs`.
        """
        self._min_points = max(self.min_points_in_model, self.space.n_genes + 1)
        self._cardinalities = np.array(self.space.cardinalities)
        super().setup()
        self._observations = [_Observations(self.space.n_genes, self.runs) for _ in self.epochs]
        self._model_rung = -1  # the largest budget with a model
        self._model: tuple[CategoricalKDE, CategoricalKDE] | None = None  # of that budget; None if outdated

    def stages_of(self, bracket: int, rungs: int) -> list[Stage]:
        """Return the stages of a bracket: HpBandSter's."""
        return bracket_stages(bracket, rungs, self.eta)

    # -- the model ---------------------------------------------------------------------------------

    def learn(self, rung: int, genes: Genes, scores: NDArray[np.float64]) -> None:
        """Keep results of budgets that may still get a model, those below the model's budget excepted."""
        if rung < self._model_rung:
            return
        seen = self._observations[rung]
        seen.add(genes, scores)
        good, bad = self._split(seen.n)
        if min(good, bad) > self.space.n_genes:
            self._model_rung, self._model = rung, None

    def _split(self, n: int) -> tuple[int, int]:
        """Return how many of `n` results are good, and how many of the others are bad."""
        good = min(max(self._min_points, self.top_n_percent * n // 100), n)
        bad = max(self._min_points, (100 - self.top_n_percent) * n // 100)
        return good, min(bad, n - good)

    def _fitted(self) -> tuple[CategoricalKDE, CategoricalKDE]:
        """Return the densities of the good and the bad."""
        if self._model is None:
            seen = self._observations[self._model_rung]
            ranked = seen.best_first()
            good, bad = self._split(seen.n)
            levels = self._cardinalities if self.kernel == "aitchison_aitken" else None
            self._model = (
                CategoricalKDE.fit(ranked[:, :, :good], self.min_bandwidth, levels),
                CategoricalKDE.fit(ranked[:, :, good : good + bad], self.min_bandwidth, levels),
            )
        return self._model

    def new(self) -> Genes:
        """Return an architecture per run, from the model or at random: `[runs, n_genes]`."""
        if self._model_rung < 0:
            return self.space.sample(self.rng, self.runs)
        good, bad = self._fitted()
        drawn = self._draw(good)
        chosen = _most_promising(drawn, good, bad)
        genes: Genes = drawn[chosen, np.arange(self.runs)]
        at_random = (chosen < 0) | (self.rng.random(self.runs) < self.random_fraction)
        if at_random.any():
            genes[at_random] = self.space.sample(self.rng, int(at_random.sum()))
        return genes

    def _draw(self, good: CategoricalKDE) -> Genes:
        """Draw `num_samples` valid architectures per run around good ones: `[num_samples, runs, n_genes]`."""
        run = np.tile(np.arange(self.runs), self.num_samples)
        centre, drawn = self._around(good, run)
        wrong = np.flatnonzero(~self.space.valid(drawn))
        for _ in range(_MOST_REDRAWS):
            if not wrong.size:
                break
            centre[wrong], drawn[wrong] = self._around(good, run[wrong])
            wrong = wrong[~self.space.valid(drawn[wrong])]
        drawn[wrong] = centre[wrong]
        return drawn.reshape(self.num_samples, self.runs, -1)

    def _around(self, good: CategoricalKDE, run: NDArray[np.int64]) -> tuple[Genes, Genes]:
        """Return a good architecture of each of the runs, and the same with genes drawn anew.

        HpBandSter draws a gene anew, from all its values, with the probability of its bandwidth.
        """
        which = self.rng.integers(good.points.shape[2], size=len(run))
        centre = good.points[:, run, which].T
        anew = self.rng.random(centre.shape) < good.bandwidths[:, run].T
        values = (self.rng.random(centre.shape) * self._cardinalities).astype(np.uint8)
        return centre, np.where(anew, values, centre)


def _most_promising(drawn: Genes, good: CategoricalKDE, bad: CategoricalKDE) -> NDArray[np.int64]:
    """Return the number of each run's draw with the smallest ratio of bad to good density; -1 if none.

    Infinite densities are met as HpBandSter meets them: an infinite good density makes the ratio zero, an
    infinite bad density beside a finite good one ends the search with that draw, and a draw with neither
    ratio is passed over.
    """
    runs = drawn.shape[1]
    best, chosen, searching = np.full(runs, np.inf), np.full(runs, -1), np.ones(runs, dtype=bool)
    for number, genes in enumerate(drawn):
        likely, unlikely = good.density(genes), bad.density(genes)
        with np.errstate(invalid="ignore"):
            # fmax reads an undefined bad density as the floor; an undefined good one stays undefined.
            ratio = np.fmax(unlikely, _SMALLEST_DENSITY) / np.maximum(likely, _SMALLEST_DENSITY)
        final = searching & ~np.isfinite(ratio) & np.isfinite(likely)
        better = searching & (ratio < best)
        chosen[final | better] = number
        best[better] = ratio[better]
        searching &= ~final
    return chosen
