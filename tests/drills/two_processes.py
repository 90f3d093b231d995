"""Two processes on one data folder: both import a table, and ask a shipped one for the first time, at once.

python tests/drills/two_processes.py [--times 20]
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from kill import import_
from machine import COMMAND, report


def main():
    """Let two processes do the same thing at the same time, again and again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=20)
    asked = parser.parse_args()
    sums: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command, _, _ = import_(folder)
        first = ["query", "graph/cora", "0011:gcn,gcn,gcn,gcn"]
        environment = {**os.environ, "NASBENCH_SUITE_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}
        for _ in range(asked.times):
            shutil.rmtree(folder / "data", ignore_errors=True)
            for words in (command, first):
                both = [
                    subprocess.Popen(
                        [*COMMAND, *words],
                        cwd=folder,
                        env=environment,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                    )
                    for _ in range(2)
                ]
                for process in both:
                    _, errors = process.communicate()
                    assert process.returncode == 0, errors.decode()
            for path in (folder / "data").rglob("*.h5"):
                name = str(path.relative_to(folder / "data"))
                sums.setdefault(name, set()).add(hashlib.sha256(path.read_bytes()).hexdigest())
            left = list((folder / "data").rglob(".*.part"))
            assert not left, left
    assert all(len(found) == 1 for found in sums.values()), sums
    report("two-processes", {"times": asked.times, "files": sorted(sums), "that_differ": 0})


if __name__ == "__main__":
    main()
