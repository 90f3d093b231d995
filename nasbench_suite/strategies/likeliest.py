"""The likeliest architecture that keeps to constraints, where every gene has its own distribution."""

import heapq
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces.base import Genes, SearchSpace

MOST_TRIED = 50_000
"""Architectures that are looked at before the search gives up."""
_AT_ONCE = 256


def likeliest(
    log_probabilities: NDArray[np.float64], space: SearchSpace, admits: Callable[[Genes], NDArray[np.bool_]]
) -> Genes | None:
    """Return the likeliest admitted architecture, uint8 `[n_genes]`; None if none of `MOST_TRIED` is.

    Parameters
    ----------
    log_probabilities
        Of every operation of every gene, `[n_genes, operations]`; minus infinity where there is none.
    space
        Of the architectures.
    admits
        Tells of a batch `[n, n_genes]` which are, bool `[n]`.
    """
    order = in_order(log_probabilities)
    for _ in range(-(-MOST_TRIED // _AT_ONCE)):
        rows = np.array(list(islice(order, _AT_ONCE)), dtype=np.uint8)
        if not len(rows):
            return None
        rows = rows[space.valid(rows)]
        admitted = rows[admits(rows)] if len(rows) else rows
        if len(admitted):
            first: Genes = admitted[0]
            return first
    return None


def in_order(log_probabilities: NDArray[np.float64]) -> Iterator[tuple[int, ...]]:
    """Yield all combinations of operations, the likeliest first.

    Best first: from a combination lead those that take the next likely operation of one gene, no earlier
    one than the gene that was changed last, so that each is met once.
    """
    order = np.argsort(-log_probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(log_probabilities, order, axis=1)
    limits = np.isfinite(ranked).sum(axis=1).tolist()
    genes = len(limits)
    waiting = [(-float(ranked[:, 0].sum()), (0,) * genes, 0)]
    while waiting:
        cost, places, last = heapq.heappop(waiting)
        yield tuple(order[range(genes), places].tolist())
        for gene in range(last, genes):
            place = places[gene] + 1
            if place < limits[gene]:
                loss = float(ranked[gene, place - 1] - ranked[gene, place])
                heapq.heappush(waiting, (cost + loss, (*places[:gene], place, *places[gene + 1 :]), gene))
