"""Local search followed step by step by a plain reading of its rules."""

import numpy as np
import pytest

from nasbench_suite import Budget
from nasbench_suite.loop import play
from nasbench_suite.strategies.local_search import LocalSearch


def neighbours_of(space, row):
    """All valid rows at Hamming distance one, by brute force."""
    rows = []
    for gene, cardinality in enumerate(space.cardinalities):
        for value in range(cardinality):
            changed = row.copy()
            changed[gene] = value
            rows.append(changed)
    rows = np.stack(rows)
    rows = rows[space.valid(rows) & (rows != row).any(axis=1)]
    return {tuple(neighbour) for neighbour in rows.tolist()}


def follow(space, trace, starts, whole):
    """Check a run, a list of (row, score); return how often it moved and how often it began again."""
    moves = restarts = step = 0
    while step + starts <= len(trace):
        centre = max(trace[step : step + starts], key=lambda seen: seen[1])  # the first of the best
        step += starts
        while True:
            left, best = neighbours_of(space, centre[0]), centre
            while left and step < len(trace) and (whole or best is centre):
                row, score = trace[step]
                left.remove(tuple(row.tolist()))  # a neighbour, and not looked at before
                best = (row, score) if score > best[1] else best
                step += 1
            if step == len(trace):
                return moves, restarts
            if best is centre:
                restarts += 1
                break
            centre = best
            moves += 1
    return moves, restarts


@pytest.mark.parametrize("improvement", ["first", "best"])
@pytest.mark.parametrize("starts", [1, 10])
@pytest.mark.parametrize("task_name", ["cora", "made_up"])
def test_runs_climb_whole_neighbourhoods_and_begin_again_at_local_optima(
    request, task_name, improvement, starts
):
    task = request.getfixturevalue(task_name)
    strategy = LocalSearch(task.space, runs=6, seed=2, improvement=improvement, starts=starts)
    runs = play(strategy, task, Budget(evaluations=500))
    for run in range(6):
        trace = list(zip(runs.genes[run], runs.valid[run].tolist(), strict=True))
        moves, restarts = follow(task.space, trace, starts, whole=improvement == "best")
        assert moves >= 4
        assert restarts >= 2


def test_neighbours_are_visited_in_random_order(made_up):
    strategy = LocalSearch(made_up.space, runs=4000, seed=3, starts=1)
    runs = play(strategy, made_up, Budget(evaluations=2))
    gene = (runs.genes[:, 0] != runs.genes[:, 1]).argmax(axis=1)
    counts = np.bincount(gene, minlength=6)
    assert abs(counts - 4000 / 6).max() < 5 * np.sqrt(4000 / 6)
