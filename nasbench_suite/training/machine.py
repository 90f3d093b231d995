"""Whether the machine that computes has a device."""

import torch

from nasbench_suite.errors import NasbenchSuiteError


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
