"""The machine that computes: what it calls itself, and whether it has a device."""

import platform
from pathlib import Path

import torch

from nasbench_suite.errors import NasbenchSuiteError


def processor() -> str:
    """Return what the processor calls itself, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def check_device(device: str) -> None:
    """Check that networks can be trained on a device.

    Raises
    ------
    NasbenchSuiteError
        When there is none of that name here.
    """
    if device != "cpu" and not (device == "cuda" and torch.cuda.is_available()):
        there = "cpu and cuda" if torch.cuda.is_available() else "cpu alone"
        raise NasbenchSuiteError(f"there is no device {device!r} here; there is {there}.")
