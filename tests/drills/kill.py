"""Kills a leaderboard, a build and an import at random moments, again and again, and looks at what is left.

    python tests/drills/kill.py leaderboard|build|import [--kills 100]

The command is given anew after every kill, in the same folder, until it ends; then its results must be those
of a run that nobody killed, and nothing half-written may be left. Finished blocks may never become fewer.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from machine import COMMAND, report

RULES = """
title = "A drill"
summary = "Made up."
tasks = ["graph/cora"]
evaluations = 100
runs = 3000
resamples = 100
[[strategies]]
strategy = "random_search"
[[strategies]]
strategy = "regularized_evolution"
"""
PLAN = """
benchmark = "drill"
task = "drill/digits"
space = "nats_topology"
recipe = "short"
seeds = [0]
limit = 12
block = 1
[data]
name = "digits"
train = 200
valid = 100
test = 100
[skeleton]
inputs = 1
classes = 10
dims = 2
width = 4
depth = 1
style = "light"
"""
MEASURED = ("seconds", "ran_on", "peak_bytes", "description", "sha256")
"""What differs from run to run: how long it took, and on what."""


def leaderboard(folder):
    """Prepare a board; return the command, where finished blocks lie, and the results."""
    (folder / "rules.toml").write_text(RULES)
    return ["leaderboard", "run", ".", "--jobs", "2", "--quiet"], "runs/**/block-*.h5", ["results.h5"]


def build(folder):
    """Prepare a build."""
    (folder / "build.toml").write_text(PLAN)
    return ["build", "build.toml", "--work", "work", "--jobs", "2", "--quiet"], "work/*.npz", ["curves.h5"]


def import_(folder):
    """Prepare a file of 15,625 architectures."""
    from nasbench_suite import get_space

    space, rng = get_space("nats_topology"), np.random.default_rng(0)
    names = space.format(space.decode(np.arange(space.n_codes)))
    lines = [f"{n},{v:.6f},{t:.6f}" for n, v, t in zip(names, *rng.random((2, len(names))), strict=True)]
    (folder / "mine.csv").write_text("\n".join(["cell,valid,test", *lines, ""]))
    asked = "--name mine/drill --space nats_topology --arch cell --valid accuracy=valid --test accuracy=test"
    return ["import", "table", "mine.csv", *asked.split(), "--quiet"], "nothing", ["data/**/*.h5"]


PREPARED = {"leaderboard": leaderboard, "build": build, "import": import_}


def digest(path):
    """Return a checksum of what a file says, without what was measured."""
    if path.name != "curves.h5":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    found = hashlib.sha256()
    with h5py.File(path) as file:
        for name in sorted(set(file) - set(MEASURED)):
            if isinstance(file[name], h5py.Dataset) and "seconds" not in name:
                found.update(name.encode() + np.ascontiguousarray(file[name][()]).tobytes())
    return found.hexdigest()


def results(folder, patterns):
    """Return checksums of all results by path."""
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): digest(path) for path in paths}


def started(folder, command):
    """Start the command in a group of its own."""
    environment = {**os.environ, "NASBENCH_SUITE_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *command],
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finished(folder, command):
    """Run to the end; return the seconds it took."""
    begun = time.perf_counter()
    process = started(folder, command)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {errors.decode()}")
    return time.perf_counter() - begun


def main():
    """Kill as often as is asked for, and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=PREPARED)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draws, kills, ends, left = random.Random(asked.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        whole.mkdir()
        command, blocks, patterns = PREPARED[asked.what](whole)
        finished(whole, command)  # tables are made on first use
        shutil.rmtree(whole)
        whole.mkdir()
        PREPARED[asked.what](whole)
        seconds = finished(whole, command)
        expected = results(whole, patterns)
        assert expected, "the command left no result"
        while kills < asked.kills:
            folder = Path(place) / f"folder-{ends}"
            folder.mkdir()
            PREPARED[asked.what](folder)
            known: dict[str, str] = {}
            while True:
                process = started(folder, command)
                try:
                    process.wait(draws.uniform(0.0, 1.1 * seconds))
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    kills += 1
                now = {str(path): digest(path) for path in folder.glob(blocks)}
                lost = {path for path, value in known.items() if now.get(path) != value}
                assert not lost, f"kill {kills} lost {lost}"
                known = now
                if process.returncode == 0:
                    break
                assert process.returncode == -signal.SIGKILL, process.stderr.read().decode()
                if kills >= asked.kills:
                    finished(folder, command)
                    break
            assert results(folder, patterns) == expected, "other results than without a kill"
            ends += 1
            left += len(list(folder.rglob(".*.part")))
            shutil.rmtree(folder)
    report(
        f"kill-{asked.what}",
        {
            "kills": kills,
            "runs_to_the_end": ends,
            "seconds_of_a_whole_run": round(seconds, 1),
            "lost": 0,
            "results_that_differ": 0,
            "half_written_files_left": left,
        },
    )


if __name__ == "__main__":
    main()
