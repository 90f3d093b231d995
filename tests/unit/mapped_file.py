"""A small mapped file with arrays of several types, for tests that damage it, and programs that write it."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

from nasbench_suite.mapped import ArrayLayout, create_mapped, open_mapped
from nasbench_suite.sealed import Kind

KIND = Kind("thing", 3, "make it again")
HEAD = {"text": "äöü", "numbers": [1, 2.5, None], "nested": {"b": 1, "a": 2}}
ARRAYS = {
    "small": np.arange(7, dtype=np.int32),
    "group/values": np.linspace(-1, 1, 60).reshape(3, 4, 5),
    "group/genes": np.arange(33, dtype=np.uint8).reshape(11, 3),
    "keys": np.array([0, 2**64 - 1], dtype=np.uint64),
    "empty": np.zeros((0, 4), dtype=np.int32),
}


def write(path, arrays=ARRAYS, head=HEAD):
    """Write arrays to a mapped file."""
    layouts = {
        name: ArrayLayout(array.dtype.str, array.shape, {"unit": f"of {name}"})
        for name, array in arrays.items()
    }
    with create_mapped(path, KIND, head, layouts) as places:
        for name, array in arrays.items():
            places[name].open("r+")[...] = array
    return path


def read_all(path):
    """Open a file and touch every array."""
    file = open_mapped(path, KIND)
    return {name: file.array(name) for name in file.names()}


def dataset_ranges(path):
    """Where the bytes of every array that has any lie, as HDF5 says."""
    with h5py.File(path) as file:
        ids = {name: file[name].id for name in ARRAYS if file[name].size}
        return {name: range(i.get_offset(), i.get_offset() + i.get_storage_size()) for name, i in ids.items()}


def sealed_bytes(path):
    """How many bytes the mark, the seal and the manifest are."""
    mark, seal, _ = path.read_bytes().split(b"\n", 2)
    return len(mark) + len(seal) + 2 + int(seal.split()[2])


def program(code, *arguments):
    """A command that runs Python code which may import this module."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def output_of(code, *arguments, **variables):
    """Run Python code that may import this module, in a process of its own."""
    command, env = program(code, *arguments), {**environment(), **variables}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env, timeout=60).stdout


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
