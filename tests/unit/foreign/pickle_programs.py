"""Pieces of hand-made pickles for the tests of the readers."""

import pickle

import numpy as np

PLAIN = {"valid_perf": 0.5, "perf": 0.25, "latency": 1e-3, "para": 1.5}


RECORD = {**PLAIN, "perf": np.float64(0.25), "para": np.float32(1.5)}


def lookup(module, name):
    """The opcode GLOBAL: push `module.name`."""
    return f"c{module}\n{name}\n".encode()


def pushed(value):
    """The opcodes that push a plain value."""
    return pickle.dumps(value, protocol=2)[2:-1]


def called(function, *arguments):
    """A whole pickle that calls a looked-up function."""
    return b"\x80\x02" + function + pushed(arguments) + b"R."
