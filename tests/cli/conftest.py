"""The command line as a user has it: a process of its own, judged by exit code, output and files."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def home_of_data(data_folder):
    """The data folder of commands: that of all tests, where a file does not say otherwise."""
    return data_folder


@pytest.fixture
def cli(tmp_path, home_of_data):
    """Run a command in a folder of this test's own.

    It returns what was printed: the output, the errors where another `code` than 0 is expected, or `both`.
    """

    def run(*arguments, code=0, both=False, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "nasbench_suite.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "200",
                "NASBENCH_SUITE_DATA": str(home_of_data),
                **(env or {}),
            },
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr if both else done.stdout if code == 0 else done.stderr

    return run
