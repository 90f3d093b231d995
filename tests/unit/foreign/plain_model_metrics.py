"""One training as NAS-Bench-101's files tell it, and EC-NAS's, which add measured energy.

The payload of a TFRecord is JSON, `[module hash, epochs, adjacency, operations, metrics]`; the metrics are a
protocol buffer in base64: `ModelMetrics` of google-research/nasbench (`nasbench/lib/model_metrics.proto`), or
`ModelMetricsEnergy` of EC-NAS-Bench (`model_metrics_energy.proto`; Bakhtiarifard, Igel, Selvan: "EC-NAS",
ICASSP 2024), whose field 6 of an evaluation is energy where NAS-Bench-101 has the path of a checkpoint.
"""

import binascii
import json
import math
import re
import struct
from typing import Any, NamedTuple

from plain_protobuf import BYTES, DOUBLE, MalformedMessageError, fields

from nasbench_suite.errors import DamagedFileError

_HASH = re.compile(r"[0-9a-f]{32}")
_ADJACENCY = re.compile(r"[01]+")
_LARGEST_INT32 = 2**31 - 1
_EVALUATION_FIELDS = 8
_CHECKPOINT_PATH = 6
_TOTALS = {3: 0, 4: 1, 5: 2, 8: 3}
"""Place of each double of the outer message among the last four fields of `Metrics`."""
_USUAL_START = struct.Struct("<BdBdBdBdBd")
_USUAL_KEYS = tuple(number << 3 | DOUBLE for number in range(1, 6))


class Evaluation(NamedTuple):
    """What was measured at one moment of a training; NaN where the file says nothing.

    Accuracies are fractions. `training_seconds` is the time spent on training so far, evaluation left out.
    Energy (kWh), emissions (g CO2 equivalent) and carbon intensity of the grid (g/kWh) are EC-NAS's only.
    """

    epoch: float
    training_seconds: float
    train_accuracy: float
    valid_accuracy: float
    test_accuracy: float
    energy_kwh: float
    co2eq_grams: float
    carbon_intensity: float


class Metrics(NamedTuple):
    """What a training left behind; NaN where the file says nothing.

    `evaluations` are those of the beginning, the middle and the end in NAS-Bench-101. The totals include the
    time and energy of evaluation.
    """

    evaluations: tuple[Evaluation, ...]
    trainable_parameters: int
    total_seconds: float
    total_energy_kwh: float
    total_co2eq_grams: float
    carbon_intensity: float


class Training(NamedTuple):
    """One training of one cell.

    `adjacency` is the matrix row by row as zeros and ones, `operations` has a name for each vertex.
    """

    module_hash: str
    epochs: int
    adjacency: str
    operations: tuple[str, ...]
    metrics: Metrics

    def matrix(self) -> list[list[int]]:
        """Return the adjacency as `[v][v]`."""
        size = len(self.operations)
        return [[int(bit) for bit in self.adjacency[row * size :][:size]] for row in range(size)]


def decode_training(payload: bytes, source: str) -> Training:
    """Read the payload of a record.

    Parameters
    ----------
    payload
        The bytes of the record.
    source
        File and record, for messages.

    Raises
    ------
    DamagedFileError
        When the payload is not what the format says; whether the cell is one of the space is not checked.
    """
    try:
        record = json.loads(payload)
    except (ValueError, RecursionError):
        raise _damaged(source, "it is no JSON") from None
    if not isinstance(record, list) or len(record) != 5:
        raise _damaged(source, "it is no list of hash, epochs, adjacency, operations and metrics")
    module_hash, epochs, adjacency, operations, raw = record
    if not isinstance(module_hash, str) or not _HASH.fullmatch(module_hash):
        raise _damaged(source, f"its hash is {_short(module_hash)}")
    if type(epochs) is not int or not 0 < epochs <= _LARGEST_INT32:
        raise _damaged(source, f"its number of epochs is {_short(epochs)}")
    if not isinstance(operations, str):
        raise _damaged(source, f"its operations are {_short(operations)}")
    names = tuple(operations.split(","))
    square = len(names) ** 2
    if not isinstance(adjacency, str) or not _ADJACENCY.fullmatch(adjacency) or len(adjacency) != square:
        raise _damaged(source, f"its adjacency is {_short(adjacency)} for {len(names)} operations")
    try:
        metrics = decode_metrics(_from_base64(raw))
    except MalformedMessageError as problem:
        raise _damaged(source, f"of its metrics, {problem}") from problem
    return Training(module_hash, epochs, adjacency, names, metrics)


def decode_metrics(message: bytes) -> Metrics:
    """Read a `ModelMetrics` or `ModelMetricsEnergy` message.

    Fields that are not in `Metrics` are passed over; of several values of a field the last holds, as in every
    reader of protocol buffers.

    Raises
    ------
    MalformedMessageError
        When the bytes are no such message, or have no number of parameters.
    """
    evaluations = []
    totals = [math.nan] * len(_TOTALS)
    parameters = -1
    for number, wire, value in fields(message):
        if number == 1 and wire == BYTES and isinstance(value, bytes):
            evaluations.append(_decode_evaluation(value))
        elif number == 2 and isinstance(value, int):
            parameters = value
        elif number in _TOTALS and isinstance(value, float):
            totals[_TOTALS[number]] = value
        elif number in (1, 2, *_TOTALS):
            raise MalformedMessageError(f"field {number} has wire type {wire}")
    if not 0 <= parameters <= _LARGEST_INT32:
        raise MalformedMessageError("the number of parameters is missing or out of range")
    return Metrics(tuple(evaluations), parameters, *totals)


def _decode_evaluation(message: bytes) -> Evaluation:
    values = [math.nan] * _EVALUATION_FIELDS
    start = 0
    if len(message) >= _USUAL_START.size:
        # Five doubles in order open every message that is published; at once they take a third of the time.
        opening = _USUAL_START.unpack_from(message)
        if opening[::2] == _USUAL_KEYS:
            values[:5] = opening[1::2]
            start = _USUAL_START.size
    for number, wire, value in fields(message, start):
        if number > _EVALUATION_FIELDS or (number == _CHECKPOINT_PATH and wire == BYTES):
            continue
        if not isinstance(value, float):
            raise MalformedMessageError(f"field {number} of an evaluation has wire type {wire}")
        values[number - 1] = value
    return Evaluation(*values)


def _from_base64(raw: Any) -> bytes:
    if not isinstance(raw, str):
        raise MalformedMessageError("they are no text")
    try:
        # EC-NAS's lines end after 76 characters; nothing else may be there but the alphabet.
        return binascii.a2b_base64(raw.replace("\n", ""), strict_mode=True)
    except ValueError:
        raise MalformedMessageError("they are no base64") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _damaged(source: str, fault: str) -> DamagedFileError:
    return DamagedFileError(f"{source} is no training of NAS-Bench-101: {fault}; fetch the file again.")
