"""The command line `nasbench-suite`, one file per command."""

from nasbench_suite.cli.app import main

__all__ = ["main"]
