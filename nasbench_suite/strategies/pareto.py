"""Who is better in everything: sorting by domination and by crowding, for searches with several objectives.

Deb, Pratap, Agarwal, Meyarivan: "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (IEEE
Transactions on Evolutionary Computation 6(2), 2002), sections III-A, III-B and, for constraints, VI. All
objectives are maximised; hand one that is minimised over as its negative, and what is missing as minus
infinity. Axes before the last two are independent populations: the runs of a search in lock step.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""Objectives, `[..., n, objectives]`."""


def dominated(values: Values, violations: Values | None = None) -> NDArray[np.bool_]:
    """Tell at `[..., i, j]` of `[..., n, n]` whether `i` is nowhere worse than `j` and somewhere better.

    Parameters
    ----------
    values
        Objectives, `[..., n, objectives]`.
    violations
        By how much constraints are missed, `[..., n]`, 0 where all are met; None without any. Who meets them
        dominates who does not, and of two who do not the one that misses them by less (Definition 1).
    """
    one, other = values[..., :, None, :], values[..., None, :, :]
    better = (one >= other).all(axis=-1) & (one > other).any(axis=-1)
    if violations is None:
        return np.asarray(better)
    own, others = violations[..., :, None], violations[..., None, :]
    return np.asarray((own < others) | ((own == 0) & (others == 0) & better))


def front_ranks(values: Values, violations: Values | None = None) -> NDArray[np.int64]:
    """Return the front of every member, `[..., n]`: 0 for those whom none dominates.

    Front 1 are those whom none dominates once front 0 is taken away, and so on. Equal members are in one
    front.
    """
    above = dominated(values, violations)
    ranks = np.full(values.shape[:-1], -1, dtype=np.int64)
    rank = 0
    while (left := ranks < 0).any():
        ranks[left & ~(above & left[..., None]).any(axis=-2)] = rank
        rank += 1
    return ranks


def crowding_distances(values: Values, weights: Sequence[float] | None = None) -> Values:
    """Return how far apart the neighbours of every member of one front are, `[..., n]`.

    In each objective it is the difference between the next larger and the next smaller value over that
    between the largest and the smallest; the distance is their sum, and infinite for whoever has the largest
    or smallest value of an objective. Of equal values the one that stands earlier counts as the smaller.
    Objectives in which all are equal do not count.

    Parameters
    ----------
    values
        Objectives of one front; minus infinity counts as the smallest finite value, and is the smaller of
        them.
    weights
        How much each objective counts in the sum; one if None. Those with zero do not count at all.
    """
    return _crowding(values, np.zeros(values.shape[:-1], dtype=np.int64), weights)


def _crowding(values: Values, ranks: NDArray[np.int64], weights: Sequence[float] | None) -> Values:
    """Return crowding distances within fronts, `[..., n]`."""
    distances = np.zeros(ranks.shape)
    for objective, column in enumerate(np.moveaxis(values, -1, 0)):
        weight = 1.0 if weights is None else weights[objective]
        if weight > 0:
            distances += weight * _gaps(column, ranks)
    few = (ranks[..., :, None] == ranks[..., None, :]).sum(axis=-1) <= 2
    return np.where(few, np.inf, distances)


def _gaps(column: Values, ranks: NDArray[np.int64]) -> Values:
    """Return, of one objective `[..., n]`, between which values of its front each member lies, over all."""
    column = np.where(np.isfinite(column), column, -np.inf)
    order = np.lexsort((column, ranks), axis=-1)
    sorted_ranks = np.take_along_axis(ranks, order, axis=-1)
    edge = np.ones((*ranks.shape[:-1], 1), dtype=bool)
    change = sorted_ranks[..., 1:] != sorted_ranks[..., :-1]
    first, last = np.concatenate([edge, change], axis=-1), np.concatenate([change, edge], axis=-1)
    place = np.broadcast_to(np.arange(ranks.shape[-1]), ranks.shape)
    begin = np.maximum.accumulate(np.where(first, place, 0), axis=-1)
    end = np.minimum.accumulate(np.where(last, place, place.shape[-1])[..., ::-1], axis=-1)[..., ::-1]
    ranked = _finite(np.take_along_axis(column, order, axis=-1), end)
    least, most = (np.take_along_axis(ranked, at, axis=-1) for at in (begin, end))
    below = np.take_along_axis(ranked, np.maximum(place - 1, 0), axis=-1)
    above = np.take_along_axis(ranked, np.minimum(place + 1, place.shape[-1] - 1), axis=-1)
    span = np.where(most > least, most - least, 1.0)
    gaps = np.where(most > least, np.where(first | last, np.inf, (above - below) / span), 0.0)
    found = np.empty_like(gaps)
    np.put_along_axis(found, order, gaps, axis=-1)
    return found


def _finite(ranked: Values, end: NDArray[np.intp]) -> Values:
    """Replace minus infinity, which stands first in its front, by the front's smallest finite value, or 0."""
    finite = np.isfinite(ranked)
    if finite.all():
        return ranked
    place = np.arange(ranked.shape[-1])
    following = np.minimum.accumulate(np.where(finite, place, len(place))[..., ::-1], axis=-1)[..., ::-1]
    least = np.take_along_axis(ranked, np.minimum(following, len(place) - 1), axis=-1)
    return np.where(finite, ranked, np.where(following <= end, least, 0.0))


def ranks_and_crowding(
    values: Values, weights: Sequence[float] | None = None, violations: Values | None = None
) -> tuple[NDArray[np.int64], Values]:
    """Return the front of every member and its crowding distance within that front, `[..., n]` each."""
    ranks = front_ranks(values, violations)
    return ranks, _crowding(values, ranks, weights)


def survivors(
    values: Values,
    keep: int,
    weights: Sequence[float] | None = None,
    violations: Values | None = None,
) -> NDArray[np.intp]:
    """Return the places of the `keep` best members, best first, `[..., keep]`, or all if there are fewer.

    Whole fronts, and of the last that does not fit those with the largest crowding distance; of equals
    those that stand first.
    """
    ranks, crowding = ranks_and_crowding(values, weights, violations)
    return np.lexsort((-crowding, ranks), axis=-1)[..., :keep]
