"""The command line as a user has it, judged by exit code, output and files."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from nasbench_suite.cli.app import main


@pytest.fixture
def home_of_data(data_folder):
    """The data folder of commands: that of all tests, where a file does not say otherwise."""
    return data_folder


@pytest.fixture
def cli(tmp_path, home_of_data, monkeypatch):
    """Run a command in a folder of this test's own.

    It returns what was printed: the output, the errors where another `code` than 0 is expected, or `both`.
    Where it matters that a command is a process of its own, tests start one.
    """

    def run(*arguments, code=0, both=False, env=None):
        out, errors = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
            patch.chdir(tmp_path)
            for name, value in {
                "COLUMNS": "200",
                "NASBENCH_SUITE_DATA": str(home_of_data),
                **(env or {}),
            }.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["nasbench-suite", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        said = out.getvalue(), errors.getvalue()
        assert (ended.value.code or 0) == code, "".join(said)
        return "".join(said) if both else said[0] if code == 0 else said[1]

    return run
