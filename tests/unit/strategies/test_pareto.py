"""Fronts and crowding against their definitions, member by member, and examples worked by hand."""

import math

import numpy as np
import pytest

from nasbench_suite.strategies.pareto import (
    crowding_distances,
    dominated,
    front_ranks,
    ranks_and_crowding,
    survivors,
)

INF = math.inf


def beats(one, other):
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def peeled(values):
    """Return ranks by taking away, again and again, those whom none of the rest beats."""
    rest, ranks, rank = dict(enumerate(map(tuple, values.tolist()))), {}, 0
    while rest:
        best = [i for i, mine in rest.items() if not any(beats(other, mine) for other in rest.values())]
        for i in best:
            ranks[i] = rank
            del rest[i]
        rank += 1
    return [ranks[i] for i in range(len(values))]


def distances(values, weights):
    """Return crowding distances of values without ties, from the neighbours of each."""
    found = []
    for mine in values.tolist():
        total = 0.0
        for objective, weight in enumerate(weights):
            column = values[:, objective].tolist()
            larger = [v for v in column if v > mine[objective]]
            smaller = [v for v in column if v < mine[objective]]
            if not larger or not smaller:
                total = INF
                continue
            total += weight * (min(larger) - max(smaller)) / (max(column) - min(column))
        found.append(total)
    return found


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [3, 10, 10**6])
def test_ranks_are_those_of_peeling(objectives, levels):
    rng = np.random.default_rng(objectives * levels)
    for n in (1, 2, 7, 60):
        values = rng.integers(levels, size=(n, objectives)).astype(float)
        assert front_ranks(values).tolist() == peeled(values)
        expected = [[beats(a, b) for b in values.tolist()] for a in values.tolist()]
        assert dominated(values).tolist() == expected


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
def test_crowding_is_that_of_the_neighbours(weights):
    values = np.random.default_rng(1).random((40, 3))
    expected = distances(values, weights or (1.0, 1.0, 1.0))
    assert crowding_distances(values, weights) == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(expected).sum() > 30


def test_an_example_worked_by_hand():
    """Front 0 is a, b, c, d; e is beaten by b alone, f by everyone but a."""
    a, b, c, d, e, f = (0.0, 10.0), (2.0, 8.0), (6.0, 2.0), (10.0, 0.0), (1.0, 7.0), (0.0, 0.0)
    values = np.array([f, e, d, c, b, a])
    ranks, crowding = ranks_and_crowding(values)
    assert ranks.tolist() == [2, 1, 0, 0, 0, 0]
    of_b = (6 - 0) / 10 + (10 - 2) / 10
    of_c = (10 - 2) / 10 + (8 - 0) / 10
    assert crowding.tolist() == pytest.approx([INF, INF, INF, of_c, of_b, INF])
    assert survivors(values, 6).tolist() == [2, 5, 3, 4, 1, 0]
    assert survivors(values, 3).tolist() == [2, 5, 3]
    assert survivors(values, 9).tolist() == [2, 5, 3, 4, 1, 0]


def test_weights_decide_who_stays():
    """In the first objective c is alone, in the second b is."""
    values = np.array([(0.0, 10.0), (1.0, 6.0), (5.0, 1.0), (10.0, 0.0)])
    assert survivors(values, 3, (10.0, 1.0)).tolist() == [0, 3, 2]
    assert survivors(values, 3, (1.0, 10.0)).tolist() == [0, 3, 1]
    assert crowding_distances(values, (1.0, 0.0)).tolist() == pytest.approx([INF, 0.5, 0.9, INF])


def test_what_all_have_alike_does_not_count_and_of_equals_the_ends_are_first_and_last():
    values = np.array([(0.0, 7.0), (1.0, 7.0), (1.0, 7.0), (3.0, 7.0), (3.0, 7.0)])
    assert crowding_distances(values).tolist() == pytest.approx([INF, 1 / 3, 2 / 3, 2 / 3, INF])
    assert crowding_distances(np.ones((4, 2))).tolist() == [0, 0, 0, 0]
    assert crowding_distances(np.ones((2, 2))).tolist() == [INF, INF]


def test_missing_results_come_last_and_do_no_harm():
    values = np.array([(-INF, 3.0), (1.0, 1.0), (2.0, 0.5), (-INF, 2.0)])
    ranks, crowding = ranks_and_crowding(values)
    assert ranks.tolist() == [0, 0, 0, 1]
    assert not np.isnan(crowding).any()
    assert ranks_and_crowding(np.full((5, 2), -INF))[1].tolist() == [0, 0, 0, 0, 0]
    assert survivors(np.empty((0, 2)), 3).tolist() == []


@pytest.mark.parametrize("keep", [5, 20, 60])
def test_survivors_are_whole_fronts_and_the_least_crowded_of_the_next(keep):
    values = np.random.default_rng(keep).random((60, 3))
    ranks = np.array(peeled(values))
    left, expected = keep, set()
    for rank in range(ranks.max() + 1):
        front = np.flatnonzero(ranks == rank)
        if len(front) > left:
            apart = distances(values[front], (1.0, 1.0, 1.0))
            taken = sorted(zip(apart, front.tolist(), strict=True), key=lambda pair: -pair[0])[:left]
            border = taken[-1][0] if taken else INF
            expected |= {i for distance, i in taken if distance > border or border < INF}
            break
        expected |= set(front.tolist())
        left -= len(front)
    found = survivors(values, keep).tolist()
    assert len(found) == len(set(found)) == keep
    assert expected <= set(found)
    assert sorted(ranks[found].tolist()) == ranks[found].tolist()
