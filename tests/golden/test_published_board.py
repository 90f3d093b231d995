"""The published board, played again: every number of the strategies in float64 must come back."""

import pytest

from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.rules import leaderboard_folders
from nasbench_suite.workers import workers

FOLDER = leaderboard_folders()["nas-bench-graph"]


@pytest.mark.slow
def test_published_board_replays_to_the_last_digit(tmp_path):
    kept = load_board(FOLDER / "results.h5")
    exact = [entry for entry in kept.rules.strategies if entry.strategy != "rnn_controller"]
    rules = kept.rules.model_copy(update={"strategies": exact})
    with workers(2) as executor:
        again = run_board(rules, FOLDER, tmp_path, executor=executor)
    for task in rules.tasks:
        for entry in exact:
            assert again.summaries[task][entry.name].test == kept.summaries[task][entry.name].test
            assert again.summaries[task][entry.name].top == kept.summaries[task][entry.name].top


def test_one_task_of_the_published_board_replays_to_the_last_digit(tmp_path):
    kept = load_board(FOLDER / "results.h5")
    entry = next(e for e in kept.rules.strategies if e.strategy == "regularized_evolution")
    rules = kept.rules.model_copy(update={"strategies": [entry], "tasks": ["graph/proteins"]})
    again = run_board(rules, FOLDER, tmp_path)
    new, old = (b.summaries["graph/proteins"][entry.name] for b in (again, kept))
    assert (new.test, new.valid_regret, new.top, new.optimum) == (
        old.test,
        old.valid_regret,
        old.top,
        old.optimum,
    )
