"""What a training ran on, in words: versions, processor, device; and where it was before it went on here."""

import os
import platform
from importlib import metadata

import torch

from nasbench_suite.processor import processor

Environment = dict[str, str]
"""What a training ran on, in words by name: versions, machine, device, and `before` if it moved."""

_PACKAGES = ("nasbench-suite", "numpy", "torch", "mnist1d")


def environment(device: str, *, compiled: bool = False) -> Environment:
    """Return what a training runs on here, for its record; `compiled` if its network is."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # not every data set needs every package
    found["torch"] = str(torch.__version__)  # with its build, for which CUDA or for a CPU
    found["processor"] = f"{processor()}, {os.cpu_count()} cores"
    found["capability"] = torch.backends.cpu.get_cpu_capability()
    found["device"] = torch.cuda.get_device_name() if device.startswith("cuda") else device
    if compiled:
        found["compiled"] = "inductor"
    return found


def continued(earlier: Environment, epochs: int, here: Environment) -> Environment:
    """Return the environment of a training that goes on here after so many epochs elsewhere.

    It is `here` with an entry `before` that says what ended in which epoch; `earlier` itself where the
    training has not moved. An `earlier` that is empty, as of a file that does not say, is told as unknown.
    """
    machine = {name: text for name, text in earlier.items() if name != "before"}
    if machine == here:
        return earlier
    moved = f"up to epoch {epochs} on {in_words(machine)}"
    return here | {"before": "; ".join(filter(None, [earlier.get("before"), moved]))}


def in_words(ran_on: Environment) -> str:
    """Return the device (of a CPU, what it calls itself), PyTorch's version, and what was before."""
    if not ran_on:
        return "an unknown machine"
    device = ran_on.get("processor", "?") if ran_on["device"] == "cpu" else ran_on["device"]
    before = f" ({ran_on['before']})" if "before" in ran_on else ""
    how = ", compiled" if "compiled" in ran_on else ""
    return f"{device}, PyTorch {ran_on.get('torch', '?')}{how}{before}"
