"""What a drill ran on, and what it needed: written into its result."""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

COMMAND = [sys.executable, "-m", "nasbench_suite.cli"]


def described():
    """Return machine, versions and date."""
    return {
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB",
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "h5py": metadata.version("h5py"),
    }


def _memory_gb():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def measured(code, *arguments):
    """Run Python in a process of its own; return what it printed as JSON, with seconds and peak memory."""
    started = time.perf_counter()
    ending = "\nimport resource as _r; print(_r.getrusage(_r.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code + ending, *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    *printed, peak = done.stdout.strip().splitlines()
    found = json.loads(printed[-1]) if printed else {}
    return {
        **found,
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": round(int(peak) / 1024),
    }


def report(name, found):
    """Write a drill's result into the folder `results`, and print it."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    text = json.dumps({"drill": name, **described(), **found}, indent=1)
    (folder / f"{name}.json").write_text(text + "\n")
    print(text)
