"""Ensembles of trained networks: the average of what they predict, beside the networks alone.

Members, and the single network that an ensemble is held against, are chosen by validation; test results are
read off at the end. Probabilities are averaged, as in Lakshminarayanan, Pritzel, Blundell: "Simple and
Scalable Predictive Uncertainty Estimation using Deep Ensembles" (NeurIPS 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.training.predictions import LogLikelihoods

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Gains:
    """Accuracies on one split, as fractions.

    Attributes
    ----------
    ensemble
        Of the averaged probabilities.
    best_single
        Of the member that is best by validation.
    mean_single
        Mean over the members.
    """

    ensemble: float
    best_single: float
    mean_single: float

    @property
    def over_best(self) -> float:
        """How much better the ensemble is than its best member by validation."""
        return self.ensemble - self.best_single

    @property
    def over_mean(self) -> float:
        """How much better the ensemble is than its members are on average."""
        return self.ensemble - self.mean_single


@dataclass(frozen=True)
class Ensemble:
    """An ensemble of the networks that are best by validation.

    Attributes
    ----------
    members
        Their places among those it was chosen from, best by validation first.
    valid, test
        What it gains; the former is flattered, since its members were chosen there.
    """

    members: tuple[int, ...]
    valid: Gains
    test: Gains


def ensemble_of_best(
    valid: Sequence[LogLikelihoods],
    test: Sequence[LogLikelihoods],
    valid_labels: Labels,
    test_labels: Labels,
    size: int,
) -> Ensemble:
    """Average the `size` networks that are best by validation.

    Parameters
    ----------
    valid, test
        Log likelihoods of each network, float `[inputs, classes]`, over the inputs of both splits.
    valid_labels, test_labels
        int64 `[inputs]`.
    size
        Number of members; the first of equally good networks comes first.

    Raises
    ------
    ValueError
        When there are fewer networks than members.
    """
    if not 1 <= size <= len(valid):
        raise ValueError(f"an ensemble of {size} needs as many networks; there are {len(valid)}")
    alone = np.array([accuracy(network, valid_labels) for network in valid])
    members = np.argsort(-alone, kind="stable")[:size]
    return Ensemble(
        members=tuple(members.tolist()),
        valid=_gains([valid[member] for member in members], valid_labels),
        test=_gains([test[member] for member in members], test_labels),
    )


def accuracy(scores: NDArray[np.floating], labels: Labels) -> float:
    """Return the share of inputs whose label has the largest score; `scores` is `[inputs, classes]`."""
    return float((scores.argmax(axis=1) == labels).mean())


def _gains(members: Sequence[LogLikelihoods], labels: Labels) -> Gains:
    """Return the accuracies of an ensemble whose first member is the best by validation."""
    averaged = np.mean([np.exp(member.astype(np.float64)) for member in members], axis=0)
    alone = [accuracy(member, labels) for member in members]
    return Gains(accuracy(averaged, labels), alone[0], float(np.mean(alone)))
