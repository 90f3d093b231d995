"""Writes files in the layout of NAS-Bench-101, independently of the reader; see `nasbench/api.py`."""

import base64
import csv
import gzip
import json
import struct

import numpy as np

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
EPOCHS = (4, 12, 36, 108)
RESULTS = {"training_seconds": 2, "train_accuracy": 3, "valid_accuracy": 4, "test_accuracy": 5}


def _table():
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


_CRC = _table()


def masked_crcs(texts):
    """The masked CRC-32C of every text, byte after byte, side by side for texts of the same length."""
    sums = np.empty(len(texts), dtype=np.uint32)
    lengths = np.array(list(map(len, texts)))
    for length in set(lengths.tolist()):
        places = np.flatnonzero(lengths == length)
        block = np.frombuffer(b"".join(texts[place] for place in places), dtype=np.uint8)
        register = np.full(len(places), 0xFFFFFFFF, dtype=np.uint32)
        for column in block.reshape(len(places), length).T:
            register = (register >> 8) ^ _CRC[(register ^ column) & 255]
        sums[places] = ~register
    return ((sums >> 15) | (sums << 17)) + np.uint32(0xA282EAD8)


def tfrecord(payloads):
    """The bytes of a TFRecord file."""
    heads = [struct.pack("<Q", len(payload)) for payload in payloads]
    sums = zip(masked_crcs(heads).tolist(), masked_crcs(payloads).tolist(), strict=True)
    return b"".join(
        head + struct.pack("<I", of_head) + payload + struct.pack("<I", of_payload)
        for head, payload, (of_head, of_payload) in zip(heads, payloads, sums, strict=True)
    )


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def double(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def text(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def evaluation(epoch, numbers):
    """An `EvaluationData` with its doubles by field, in the order of the fields."""
    return text(1, b"".join(double(field, value) for field, value in sorted({**numbers, 1: epoch}.items())))


def metrics(evaluations, parameters, total_time=100.0):
    """A `ModelMetrics`: evaluations are pairs of epoch and doubles by field."""
    parts = [evaluation(epoch, numbers) for epoch, numbers in evaluations]
    return b"".join(parts) + varint(2 << 3) + varint(parameters) + double(3, total_time)


def record(cell, epochs, message, *, lines=False):
    """A payload; `cell` is hash, adjacency (all bits) and operations."""
    module_hash, adjacency, operations = cell
    encoded = (base64.encodebytes if lines else base64.b64encode)(message).decode()
    return json.dumps([module_hash, epochs, adjacency, operations, encoded]).encode()


def matrix_text(vertices, upper_triangle):
    """All bits of the matrix, from those of its upper triangle."""
    bits = iter(upper_triangle)
    rows = ["".join(next(bits) if j > i else "0" for j in range(vertices)) for i in range(vertices)]
    return "".join(rows)


def cell(line):
    """The official form of a cell of the shared CSV files: hash, adjacency and operations."""
    names = ["input", *(OPERATIONS[int(digit)] for digit in line["ops"]), "output"]
    return line["hash"], matrix_text(int(line["vertices"]), line["upper_triangle"]), ",".join(names)


def read_lines(path, most=None):
    """The lines of a shared CSV file."""
    with gzip.open(path, "rt", newline="") as file:
        return [line for _, line in zip(range(most or 10**9), csv.DictReader(file), strict=False)]


def made_up(number, epochs):
    """Fields of an evaluation that depend on a number and the epochs, as 32-bit floats like the official."""
    share = (number * 0.6180339887498949 + epochs * 0.01) % 1
    accuracies = np.float32([0.1 + 0.8 * share, 0.9 - 0.8 * share, 0.5 + 0.4 * share])
    seconds = np.float32(epochs * (10 + 5 * share))
    return {2: float(seconds), **dict(zip((3, 4, 5), map(float, accuracies), strict=True))}
