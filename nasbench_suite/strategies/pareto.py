"""Who is better in everything: sorting by domination and by crowding, for searches with several objectives.

Deb, Pratap, Agarwal, Meyarivan: "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (IEEE
Transactions on Evolutionary Computation 6(2), 2002), sections III-A and III-B. All objectives are maximised;
hand one that is minimised over as its negative, and what is missing as minus infinity.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""Objectives, `[n, objectives]`."""


def dominated(values: Values) -> NDArray[np.bool_]:
    """Tell at `[i, j]` of `[n, n]` whether `i` is nowhere worse than `j` and somewhere better."""
    one, other = values[:, None], values[None]
    return np.asarray((one >= other).all(axis=2) & (one > other).any(axis=2))


def front_ranks(values: Values) -> NDArray[np.int64]:
    """Return the front of every member, `[n]`: 0 for those whom none dominates.

    Front 1 are those whom none dominates once front 0 is taken away, and so on. Equal members are in one
    front.
    """
    above = dominated(values)
    ranks = np.full(len(values), -1, dtype=np.int64)
    while (left := ranks < 0).any():
        ranks[left & ~above[left].any(axis=0)] = ranks.max() + 1
    return ranks


def crowding_distances(values: Values, weights: Sequence[float] | None = None) -> Values:
    """Return how far apart the neighbours of every member of one front are, `[n]`.

    In each objective it is the difference between the next larger and the next smaller value over that
    between the largest and the smallest; the distance is their sum, and infinite for whoever has the largest
    or smallest value of an objective. Of equal values the one that stands earlier counts as the smaller.
    Objectives in which all are equal do not count.

    Parameters
    ----------
    values
        Objectives of one front; minus infinity counts as the smallest finite value.
    weights
        How much each objective counts in the sum; one if None. Those with zero do not count at all.
    """
    n, objectives = values.shape
    if n <= 2:
        return np.full(n, np.inf)
    factors = np.ones(objectives) if weights is None else np.asarray(weights, dtype=np.float64)
    values = _finite(values)
    counts = (factors > 0) & (np.ptp(values, axis=0) > 0)
    values, factors = values[:, counts], factors[counts]
    order = values.argsort(axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    share = np.full(ranked.shape, np.inf)
    share[1:-1] = factors * (ranked[2:] - ranked[:-2]) / (ranked[-1] - ranked[0])
    distances = np.empty_like(share)
    np.put_along_axis(distances, order, share, axis=0)
    return np.asarray(distances.sum(axis=1))


def _finite(values: Values) -> Values:
    finite = np.isfinite(values)
    least = np.where(finite, values, np.inf).min(axis=0)
    return np.where(finite, values, np.where(np.isfinite(least), least, 0.0))


def ranks_and_crowding(
    values: Values, weights: Sequence[float] | None = None
) -> tuple[NDArray[np.int64], Values]:
    """Return the front of every member and its crowding distance within that front, `[n]` each."""
    ranks = front_ranks(values)
    crowding = np.empty(len(values))
    for rank in range(int(ranks.max(initial=-1)) + 1):
        front = ranks == rank
        crowding[front] = crowding_distances(values[front], weights)
    return ranks, crowding


def survivors(values: Values, keep: int, weights: Sequence[float] | None = None) -> NDArray[np.intp]:
    """Return the places of the `keep` best members, best first, `[keep]`, or all if there are fewer.

    Whole fronts, and of the last that does not fit those with the largest crowding distance; of equals
    those that stand first.
    """
    ranks, crowding = ranks_and_crowding(values, weights)
    return np.lexsort((-crowding, ranks))[:keep]
