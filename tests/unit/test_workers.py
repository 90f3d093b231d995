"""Worker processes: what becomes of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

KILLED = """
import os
import signal
import time

from nasbench_suite.workers import workers


def who(_):
    time.sleep(0.3)
    return os.getpid()


if __name__ == "__main__":
    with workers(2) as executor:
        pids = set()
        while len(pids) < 2:
            pids |= set(executor.map(who, range(2)))
        print(*pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [int(pid) for pid in done.stdout.split()]
    assert len(left) == 2
    until = time.monotonic() + 20
    while left and time.monotonic() < until:
        left = [pid for pid in left if works(pid)]
        time.sleep(0.05)
    assert left == []


def works(pid):
    """Tell whether a process is there and has not ended, where the system says so."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
