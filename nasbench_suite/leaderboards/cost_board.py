"""How well cost models predict what devices take: ranks, and errors, on architectures that were not measured.

The protocol with `trim` is that of HELP (Lee et al., NeurIPS 2021): Spearman's correlation after the cheapest
and dearest tenth are dropped. `within` counts predictions that are off by at most 5 or 10 %, as BRP-NAS does
(Dudziak et al., NeurIPS 2020). Models that get random measurements are judged over several draws.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nasbench_suite.hardware.cost_model import Costs
from nasbench_suite.hardware.counted_costs import CountedCosts
from nasbench_suite.hardware.device_table import DeviceTable, device_table
from nasbench_suite.hardware.few_shot import choose_samples, parts_of, predict_costs
from nasbench_suite.hardware.learned_costs import LearnedCosts
from nasbench_suite.hardware.operation_sums import OperationSums
from nasbench_suite.leaderboards.cost_rules import FITTED, CostRules, ModelEntry

Progress = Callable[[int, int], None]
_RELATIVE_ROUNDING = 1e-10
"""Predictions of an accelerator by 50 measurements lie 1e-11 or less apart, or 1e-8 and more."""


@dataclass(frozen=True)
class CostScores:
    """How well a model predicts a device, means over draws.

    Attributes
    ----------
    trimmed
        Spearman's correlation without the cheapest and dearest architectures.
    spearman, kendall
        Rank correlations (tau-b) over all.
    within_5, within_10
        Share of predictions that are off by at most 5 and 10 % of the true cost; NaN for counts.
    deviation
        Of `trimmed` over draws; NaN where there is one.
    """

    trimmed: float
    spearman: float
    kendall: float
    within_5: float
    within_10: float
    deviation: float


@dataclass(frozen=True)
class Repeatability:
    """How far costs of architectures differ that are isomorphic and have the same operations.

    Such architectures do the same work in another order: either the measurement is noisy, or the order
    matters to the device. A predictor that only sees how many operations there are can be no nearer.

    Attributes
    ----------
    pairs
        Number of pairs.
    within_10
        Share of pairs that differ by at most 10 %.
    deviation
        Standard deviation of the logarithm of one cost.
    """

    pairs: int
    within_10: float
    deviation: float


@dataclass(frozen=True)
class CostBoard:
    """A board of cost models.

    Attributes
    ----------
    rules
        What was asked for.
    table_sha256
        Of the table.
    scores
        By label of the model and device.
    noise
        How well costs repeat, by device.
    shown
        What the first model predicts of every device, and the truth, in table order: `[2, n]` each.
    """

    rules: CostRules
    table_sha256: str
    scores: Mapping[str, Mapping[str, CostScores]]
    noise: Mapping[str, Repeatability]
    shown: Mapping[str, NDArray[np.float64]]

    def means(self, label: str) -> CostScores:
        """Return the mean over devices."""
        found = list(self.scores[label].values())
        return CostScores(
            *(float(np.mean([getattr(one, field.name) for one in found])) for field in fields(CostScores))
        )


def judge_costs(rules: CostRules, progress: Progress) -> CostBoard:
    """Judge the models of a board.

    Raises
    ------
    UnknownNameError
        When the table does not know a device.
    NasbenchSuiteError
        When the table is not here, or a cost of a device is missing.
    """
    known = device_table(rules.task, rules.quantity, rules.known)
    unseen = device_table(rules.task, rules.quantity, rules.unseen)
    scores: dict[str, dict[str, CostScores]] = {entry.label: {} for entry in rules.models}
    shown = {}
    total = len(rules.models) * len(rules.unseen)
    for place, entry in enumerate(rules.models):
        knowing = _with_fewer_known(rules, entry, known)
        for other, device in enumerate(rules.unseen):
            progress(place * len(rules.unseen) + other, total)
            predicted, found = _judged(rules, entry, knowing, unseen.of(device))
            scores[entry.label][device] = found
            if not place:
                shown[device] = np.stack([predicted, unseen.of(device)])
    progress(total, total)
    noise = {device: _repeatability(unseen, unseen.of(device)) for device in unseen.devices}
    return CostBoard(rules, unseen.sha256, scores, noise, shown)


def _with_fewer_known(rules: CostRules, entry: ModelEntry, devices: DeviceTable) -> DeviceTable:
    """Return devices of which only some costs are known, the others sums over operations fitted to these."""
    if not entry.known_samples:
        return devices
    space, genes = devices.space, devices.genes
    rows = np.random.default_rng(rules.seed).choice(len(genes), entry.known_samples, replace=False)
    sums = [
        OperationSums(space, genes[rows], known[rows], "cost").predict(genes) for known in devices.costs.T
    ]
    return replace(devices, costs=np.stack(sums, axis=1))


def _repeatability(devices: DeviceTable, costs: Costs) -> Repeatability:
    alike = np.column_stack([devices.space.key(devices.genes), np.sort(devices.genes, axis=1)])
    order = np.lexsort(alike.T[::-1])
    same = (alike[order[1:]] == alike[order[:-1]]).all(axis=1)
    gaps = np.log(costs[order[1:]][same] / costs[order[:-1]][same])
    if not len(gaps):
        return Repeatability(0, np.nan, np.nan)
    near = float((np.abs(gaps) <= np.log(1.1)).mean())
    return Repeatability(len(gaps), near, float(np.sqrt((gaps**2).mean() / 2)))


def _judged(
    rules: CostRules, entry: ModelEntry, devices: DeviceTable, costs: Costs
) -> tuple[Costs, CostScores]:
    """Return predictions of the first draw for all architectures, and the scores over all draws."""
    draws = rules.seeds if entry.model in FITTED and entry.model != "few_shot" else 1
    first, found = np.empty(0), []
    for draw in range(draws):
        predicted, measured = _predict(entry, devices, costs, np.random.default_rng([rules.seed, draw]))
        rest = np.setdiff1d(np.arange(len(costs)), measured)
        found.append(_scores(predicted[rest], costs[rest], rules.trim, fitted=entry.model in FITTED))
        first = first if draw else predicted
    trimmed, spearman, kendall, within_5, within_10 = (float(value) for value in np.mean(found, axis=0))
    deviation = float(np.std([one[0] for one in found], ddof=1)) if draws > 1 else np.nan
    return first, CostScores(trimmed, spearman, kendall, within_5, within_10, deviation)


def _predict(
    entry: ModelEntry, devices: DeviceTable, costs: Costs, rng: np.random.Generator
) -> tuple[Costs, NDArray[np.intp]]:
    """Return predictions for all architectures, and which of them were measured."""
    space, genes = devices.space, devices.genes
    if entry.model == "few_shot":
        parts = parts_of(space, genes, devices.costs)
        measured = choose_samples(parts, devices.costs, entry.samples)
        return predict_costs(parts, measured, costs[measured]), measured
    if entry.model not in FITTED:
        return CountedCosts(space.name, entry.model).predict(genes), np.empty(0, dtype=np.intp)
    measured = rng.choice(len(genes), entry.samples, replace=False)
    if entry.model == "roofline":
        from nasbench_suite.hardware.roofline import Roofline  # loads torch

        return Roofline(space.name).fit(genes[measured], costs[measured]).predict(genes), measured
    made = OperationSums if entry.model == "operation_sums" else LearnedCosts
    return made(space, genes[measured], costs[measured], "cost").predict(genes), measured


def _scores(predicted: Costs, costs: Costs, trim: float, *, fitted: bool) -> list[float]:
    low, high = np.quantile(costs, [trim, 1 - trim])
    inner = (costs > low) & (costs < high) if trim else np.ones(len(costs), dtype=bool)
    error = np.abs(predicted / costs - 1)
    ranked = _without_rounding(predicted)
    return [
        float(stats.spearmanr(ranked[inner], costs[inner]).statistic),
        float(stats.spearmanr(ranked, costs).statistic),
        float(stats.kendalltau(ranked, costs).statistic),
        *(float((error <= bound).mean()) if fitted else np.nan for bound in (0.05, 0.1)),
    ]


def _without_rounding(predicted: Costs) -> Costs:
    """Return predictions of which those are equal that differ by rounding alone.

    The same operations in another order have sums that differ in the last digits, otherwise on every
    processor; a rank correlation would take that for an order.
    """
    order = np.argsort(predicted)
    ascending = predicted[order]
    apart = np.diff(ascending) > _RELATIVE_ROUNDING * np.abs(ascending[1:])
    equal = np.concatenate([[0], np.cumsum(apart)])
    ranked = np.empty(len(predicted))
    ranked[order] = equal
    return ranked
