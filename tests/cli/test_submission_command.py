"""A strategy of one's own from its file to somebody else's board, by the command line."""

import json
import sys

import pytest

from nasbench_suite.leaderboards.results import load_board

COMMAND = [sys.executable, "-m", "nasbench_suite.cli"]
RULES = """
title = "A contest"
summary = "Made up."
tasks = ["graph/cora"]
evaluations = 25
runs = 6
resamples = 50
[[strategies]]
strategy = "random_search"
"""
STRATEGY = '''
from nasbench_suite import SingleRunStrategy


class Sampler(SingleRunStrategy):
    """Draws anew."""

    def propose(self):
        return self.space.sample(self.rng, 1)[0]

    def observe(self, genes, score):
        pass
'''


@pytest.fixture
def home_of_data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def board(cli, tmp_path):
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "rules.toml").write_text(RULES)
    cli("leaderboard", "run", folder, "--jobs", "1", "--quiet")
    return folder


@pytest.fixture
def submission(cli, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "sampler.py").write_text(STRATEGY)
    (folder / "rules.toml").write_text(f'{RULES}[[strategies]]\nstrategy = "sampler.py:Sampler"\n')
    cli("leaderboard", "run", folder, "--jobs", "1", "--quiet")
    cli("submit", folder, "--strategy", "Sampler", "--out", tmp_path / "sampler.zip", "--about", "Draws.")
    return tmp_path / "sampler.zip"


def test_a_strategy_gets_onto_a_board(cli, board, submission, tmp_path):
    out = tmp_path / "with"
    told = cli("leaderboard", "add", board, submission, "--out", out, "--run-code", "--quiet", "--json")
    ranking = [row["strategy"] for row in json.loads(told)["ranking"]]
    assert sorted(ranking) == ["Sampler", "random_search"]
    assert {"rules.toml", "Sampler.py", "results.h5", "board.md", "board.html"} <= {
        path.name for path in out.iterdir()
    }
    kept = load_board(out / "results.h5")
    cli("leaderboard", "run", out, "--out", tmp_path / "again", "--jobs", "1", "--quiet")
    again = load_board(tmp_path / "again" / "results.h5")  # the rules that were written play the same board
    assert again.summaries["graph/cora"]["Sampler"].test == kept.summaries["graph/cora"]["Sampler"].test


@pytest.mark.slow
def test_what_does_not_hold_is_refused_and_nothing_written(cli, board, submission, tmp_path):
    (board / "rules.toml").write_text(RULES.replace("evaluations = 25", "evaluations = 20"))
    cli("leaderboard", "run", board, "--jobs", "1", "--quiet")
    out = tmp_path / "with"
    told = cli("leaderboard", "add", board, submission, "--out", out, code=2)
    assert "Sampler was played by other rules: its evaluations is 25, the board's 20" in told
    submission.write_bytes(submission.read_bytes()[:-100])
    assert "cannot be read" in cli("leaderboard", "add", board, submission, "--out", out, code=2)
    assert not out.exists()
    assert "no strategy 'x'" in cli("submit", board, "--strategy", "x", code=2)
