"""Searches that must not change by accident: a digest of each strategy's record on one task.

A change here is a change of published numbers: it needs a line in CHANGELOG.md under Leaderboard, and then
`python tests/golden/test_trajectories.py` writes the digests anew.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from nasbench_suite import load_benchmark, search

GOLDEN = Path(__file__).with_name("trajectories.json")
CASES = {
    "random_search": {},
    "local_search": {},
    "local_search_full": {"strategy": "local_search", "settings": {"improvement": "best"}},
    "regularized_evolution": {},
    "genetic": {},
    "reinforce": {},
}
# rnn_controller is left out: another CPU or torch may round its products differently.


def digest(name: str) -> dict[str, object]:
    """Play 20 runs of 200 evaluations and condense what happened."""
    asked = {"strategy": name, **CASES[name]}
    runs = search(
        asked.pop("strategy"), load_benchmark("graph/cora"), evaluations=200, runs=20, seed=7, **asked
    )
    return {
        "first": runs.genes[0, :12].tolist(),
        "genes_sha256": hashlib.sha256(np.ascontiguousarray(runs.genes).data).hexdigest(),
        "best_valid": np.round(runs.valid.max(axis=1), 12).tolist(),
    }


@pytest.mark.parametrize("name", CASES)
def test_trajectory_is_the_kept_one(name):
    kept = json.loads(GOLDEN.read_text())[name]
    now = digest(name)
    assert now["first"] == kept["first"]
    assert now["best_valid"] == kept["best_valid"]
    assert now["genes_sha256"] == kept["genes_sha256"]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: digest(name) for name in CASES}, separators=(",", ":")) + "\n")
