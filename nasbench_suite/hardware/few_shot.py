"""A new device from few measurements and what other devices are known to take.

What architectures cost on the new device, relative to its mean, is a draw from a Gaussian process: a sum of
what they cost on the known devices, of how many operations of each kind they have, and of single choices,
plus noise. How much each part weighs is not known, so predictions are averaged over a grid of weights by how
well these explain the measurements, the overall scale integrated out (Student's t; Rasmussen, Williams:
"Gaussian Processes for Machine Learning", 2006, sections 2.2 and 5.2). Which architectures to measure is
chosen before any is: one after the other that of which least is known (maximal posterior variance).

The task is that of HELP (Lee, Lee, Chong, Hwang: NeurIPS 2021), which trains a network by meta-learning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import rankdata

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.spaces import Genes, SearchSpace
from nasbench_suite.tabular.row_index import row_keys

_DEVICES, _COUNTS, _CHOICES = (0.0, 0.1, 0.3, 1.0), (0.1, 0.3, 1.0), (0.0, 0.1, 0.3)
_NOISES = (0.02, 0.05, 0.1, 0.2)
_FOR_CHOOSING = (0.5, 0.5, 0.1)
"""Weights by which architectures to measure are chosen."""
_NOISE_FOR_CHOOSING = 0.1
_OUTER = 0.05
"""Share of the cheapest and of the dearest architectures that are not measured: broken ones are there."""
_SHAPE, _SCALE = 1.0, 0.01
"""Of the inverse gamma distribution of the overall scale: hardly anything is known of it."""
_FEWEST = 2
Features = NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """What the cost of architectures may be made of: centred columns, every part of total variance one.

    Attributes
    ----------
    devices
        Costs on the known devices, relative to their means, `[n, devices]`.
    counts
        How many genes have each value, `[n, values]`.
    choices
        Which gene has which value, `[n, genes x values]`.
    """

    devices: Features
    counts: Features
    choices: Features

    def __iter__(self):  # type: ignore[no-untyped-def]  # the parts in order
        return iter((self.devices, self.counts, self.choices))

    def weighted(self, weights: Sequence[float]) -> Features:
        """Return all columns side by side, each part times its weight, and a constant."""
        columns = [weight * part for weight, part in zip(weights, self, strict=True)]
        return np.concatenate([*columns, np.ones((len(self.counts), 1))], axis=1)


def parts_of(space: SearchSpace, genes: Genes, known: Costs) -> Parts:
    """Return the parts of architectures.

    Parameters
    ----------
    space, genes
        Architectures, uint8 `[n, n_genes]`.
    known
        Their costs on the known devices, `[n, devices]`.

    Raises
    ------
    NasbenchSuiteError
        When a cost is missing.
    """
    if not np.isfinite(known).all():
        missing = int((~np.isfinite(known).all(axis=1)).sum())
        raise NasbenchSuiteError(
            f"{missing} architectures have no cost on some known device; leave out the device, or them."
        )
    values = max(space.cardinalities)
    hot = (genes[:, :, None] == np.arange(values)).astype(np.float64)
    return Parts(
        devices=_scaled(known / known.mean(axis=0)),
        counts=_scaled(hot.sum(axis=1)),
        choices=_scaled(hot.reshape(len(genes), -1)),
    )


def _scaled(columns: Features) -> Features:
    centred = columns - columns.mean(axis=0)
    total = np.sqrt(centred.var(axis=0).sum())
    scaled: Features = centred / total if total > 0 else centred
    return scaled


def choose_samples(parts: Parts, known: Costs, samples: int) -> NDArray[np.intp]:
    """Return which architectures to measure, `[samples]`, in the order of what they tell.

    Parameters
    ----------
    parts, known
        See `parts_of`.
    samples
        How many.

    Raises
    ------
    NasbenchSuiteError
        When there are fewer that may be measured.
    """
    rank = np.mean([rankdata(column) / len(known) for column in known.T], axis=0)
    open_ = (rank > _OUTER) & (rank < 1 - _OUTER)
    if not _FEWEST <= samples <= open_.sum():
        raise NasbenchSuiteError(
            f"{samples} samples cannot be chosen from {int(open_.sum()):,} architectures; give a number from "
            f"{_FEWEST} to that."
        )
    features = parts.weighted(_FOR_CHOOSING)
    covariance = np.eye(features.shape[1])
    variance = np.where(open_, (features**2).sum(axis=1), -np.inf)
    found: list[int] = []
    for _ in range(samples):
        place = int(variance.argmax())
        found.append(place)
        moved = covariance @ features[place]
        total = _NOISE_FOR_CHOOSING**2 + features[place] @ moved
        variance -= (features @ moved) ** 2 / total
        variance[place] = -np.inf
        covariance -= np.outer(moved, moved) / total
    return np.array(found, dtype=np.intp)


def predict_costs(parts: Parts, measured: NDArray[np.intp], costs: Costs) -> Costs:
    """Return what all architectures cost on a device of which few costs are known, `[n]`.

    Parameters
    ----------
    parts
        Of all architectures.
    measured, costs
        Which were measured, and what they cost, `[samples]`.

    Raises
    ------
    NasbenchSuiteError
        When there are fewer than two, or a cost is not above zero.
    """
    if len(costs) < _FEWEST or not (np.isfinite(costs) & (costs > 0)).all():
        raise NasbenchSuiteError(
            f"a device is learnt from at least {_FEWEST} costs above zero; give numbers that were measured."
        )
    mean = float(costs.mean())
    targets = costs / mean - 1
    here = [part[measured] for part in parts]
    kernels = [part @ part.T for part in here]
    grid = list(product(_DEVICES, _COUNTS, _CHOICES, _NOISES))
    solved = [
        solve(
            1
            + sum(weight**2 * kernel for weight, kernel in zip(weights, kernels, strict=True))
            + noise**2 * np.eye(len(targets)),
            targets,
        )
        for *weights, noise in grid
    ]
    evidence = np.array([one for _, one in solved])
    share = np.exp(evidence - evidence.max())
    share /= share.sum()
    weighted = np.array([solution for solution, _ in solved]) * share[:, None]
    relative = np.full(len(parts.counts), weighted.sum())
    squares = np.array([weights for *weights, _ in grid]) ** 2
    for part, known_part, square in zip(parts, here, squares.T, strict=True):
        relative += part @ (known_part.T @ (square @ weighted))
    return np.maximum(mean * (1 + relative), 0.0)


def solve(covariance: Features, targets: Costs) -> tuple[Costs, float]:
    """Return `covariance^-1 targets`, and how well the covariance explains the targets.

    Parameters
    ----------
    covariance
        `[n, n]`, up to a scale whose inverse gamma distribution is `_SHAPE`, `_SCALE`.
    targets
        `[n]`.

    Returns
    -------
    solution
        `[n]`.
    evidence
        Logarithm of the density of Student's t that the targets then have, up to a constant.
    """
    factor = cho_factor(covariance, lower=True)
    solution: Costs = cho_solve(factor, targets)
    misfit = _SCALE + float(targets @ solution) / 2
    evidence = -np.log(np.diag(factor[0])).sum() - (_SHAPE + len(targets) / 2) * np.log(misfit)
    return solution, float(evidence)


class FewShotCosts(CostModel):
    """A device that was learnt from few measurements, for the architectures of a table.

    Parameters
    ----------
    space, genes
        The architectures that other devices are known for, `[n, n_genes]`.
    known
        Their costs there, `[n, devices]`.
    measured, costs
        Which of them were measured on the new device, and what they cost, `[samples]`.
    quantity, device
        See `CostModel`.

    Raises
    ------
    NasbenchSuiteError
        When a cost is missing, not above zero, or there are fewer than two.
    """

    def __init__(
        self,
        space: SearchSpace,
        genes: Genes,
        known: Costs,
        measured: NDArray[np.intp],
        costs: Costs,
        quantity: str,
        device: str,
    ):
        self.space, self.quantity, self.device = space, quantity, device
        keys = row_keys(space, genes, "string")
        order = np.argsort(keys)
        self._keys = keys[order]
        self._costs = predict_costs(parts_of(space, genes, known), measured, costs)[order]

    def predict(self, genes: Genes) -> Costs:
        """Return predicted costs, NaN for architectures that the other devices do not know."""
        keys = row_keys(self.space, genes, "string")
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._costs[places], np.nan)
