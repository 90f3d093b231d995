"""How much memory the commands of the other drills need at most: the largest of their processes.

python tests/drills/memory.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from kill import PREPARED, finished
from machine import report


def main():
    """Give each command in a process of its own, and report."""
    found = {}
    for what in PREPARED:
        done = subprocess.run(
            [sys.executable, __file__, what], capture_output=True, text=True, cwd=Path(__file__).parent
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found[what] = json.loads(done.stdout)
    report("memory", {"peak_mb": found})


def one(what):
    """Run a command twice, as tables are made on first use; print its largest process in MB."""
    import resource

    with tempfile.TemporaryDirectory() as place:
        for number in range(2):
            folder = Path(place) / str(number)
            folder.mkdir()
            command, _, _ = PREPARED[what](folder)
            finished(folder, command)
    print(round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))


if __name__ == "__main__":
    one(sys.argv[1]) if len(sys.argv) > 1 else main()
