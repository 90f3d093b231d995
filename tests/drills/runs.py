"""A leaderboard of a hundred thousand runs: time, memory, and the size of what is kept.

    python tests/drills/runs.py [--runs 50000]

Two strategies have so many runs each, of a hundred evaluations.
"""

import argparse
import tempfile
from pathlib import Path

from machine import measured, report

BOARD = """
import json, sys, time
from pathlib import Path
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.render import write_pages
from nasbench_suite.leaderboards.results import save_board
from nasbench_suite.leaderboards.rules import Rules

folder = Path(sys.argv[2])
rules = Rules.model_validate({
    "title": "Many runs", "summary": "A drill.", "tasks": ["graph/cora"], "evaluations": 100,
    "runs": int(sys.argv[1]),
    "strategies": [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}],
})
started = time.perf_counter()
board = run_board(rules, folder, folder / "runs")
played = time.perf_counter() - started
save_board(board, folder / "results.h5")
write_pages(board, folder, "many")
print(json.dumps({"play_and_judge_seconds": round(played, 1)}))
"""


def main():
    """Play, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = {"runs": 2 * asked.runs, "evaluations_of_each": 100, **measured(BOARD, asked.runs, folder)}
        records = sum(path.stat().st_size for path in (folder / "runs").rglob("*.h5"))
        found |= {
            "records_mb": round(records / 1e6),
            "results_mb": round((folder / "results.h5").stat().st_size / 1e6, 2),
        }
    report("runs", found)


if __name__ == "__main__":
    main()
