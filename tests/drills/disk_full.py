"""A disk that becomes full in the middle: a sentence, exit code 2, and what was there is still whole.

    python tests/drills/disk_full.py

A file system of a few megabytes in memory stands for the disk, with room for half of what the command writes;
mounting it takes an administrator's rights.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from kill import PREPARED, results
from machine import COMMAND, report

SIZE_MB = 16
_PAGE = 4096


def run(folder, command, data):
    """Give the command; return its exit code and what it said."""
    environment = {**os.environ, "NASBENCH_SUITE_DATA": str(data), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*COMMAND, *command], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stderr


def pages(folder):
    """Return how many bytes the files below a folder take, in whole pages."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // _PAGE) * _PAGE for size in sizes)


def main():
    """Fill the disk under each command, make room, and let it go on."""
    found = {}
    for what in PREPARED:
        with tempfile.TemporaryDirectory() as place:
            folder, whole = Path(place) / "small", Path(place) / "whole"
            for path in (folder, whole):
                path.mkdir()
            command, blocks, patterns = PREPARED[what](whole)
            before = pages(whole)
            data = Path(place) / "data"
            code, errors = run(whole, command, whole / "data" if what == "import" else data)
            assert code == 0, errors
            needed = pages(whole) - before
            mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
            subprocess.run(mount, check=True)
            try:
                PREPARED[what](folder)
                filler = folder / "filler"
                free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
                filler.write_bytes(b"x" * max(free - needed // 2, 0))
                code, errors = run(folder, command, folder / "data" if what == "import" else data)
                said = errors.strip().splitlines()[-1] if errors.strip() else ""
                assert code == 2, f"{what}: exit code {code}: {errors}"
                assert "Traceback" not in errors
                kept = len(list(folder.glob(blocks)))
                filler.unlink()
                subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
                code, errors = run(folder, command, folder / "data" if what == "import" else data)
                assert code == 0, errors
                assert results(folder, patterns) == results(whole, patterns)
            finally:
                subprocess.run(["umount", str(folder)], check=True)
            found[what] = {"said": said.replace(str(place), "..."), "blocks_kept": kept}
    report("disk-full", {"commands": found, "results_that_differ": 0})


if __name__ == "__main__":
    main()
