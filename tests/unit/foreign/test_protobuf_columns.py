"""Numbers out of many messages at once, against reading one message after another."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_protobuf import fields

from nasbench_suite.foreign.protobuf_columns import (
    MalformedMessageError,
    WrongMessageError,
    read_columns,
)

PATHS = {
    "count": ((2, 0),),
    "second count": ((2, 1),),
    "total": ((3, 0),),
    "first": ((1, 0), (4, 0)),
    "last": ((1, 2), (4, 0)),
    "deep": ((9, 0), (1, 0), (4, 0)),
}


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def encode(content):
    """A message from pairs of field number and value: float, integer, bytes, or a list of pairs again."""
    parts = []
    for number, value in content:
        if isinstance(value, float):
            parts.append(varint(number << 3 | 1) + struct.pack("<d", value))
        elif isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            inner = encode(value) if isinstance(value, list) else value
            parts.append(varint(number << 3 | 2) + varint(len(inner)) + inner)
    return b"".join(parts)


def one(message, path):
    """The number at a path, by following it field by field; NaN where there is none."""
    value = message
    for number, place in path:
        found = [content for field, _, content in fields(value) if field == number]
        if len(found) <= place:
            return math.nan
        value = found[place]
    return float(value)


doubles = st.tuples(st.sampled_from([3]), st.floats(allow_nan=False))
integers = st.tuples(st.sampled_from([2]), st.integers(0, 2**53))
texts = st.tuples(st.sampled_from([5, 20]), st.binary(max_size=5))
evaluations = st.tuples(
    st.just(1), st.lists(st.tuples(st.just(4), st.floats(allow_nan=False)), max_size=2).map(list)
)
deep = st.tuples(st.just(9), st.lists(evaluations, max_size=2).map(list))
messages = st.lists(st.one_of(doubles, integers, texts, evaluations, deep), max_size=6).map(encode)


@given(st.lists(messages, max_size=12))
def test_numbers_are_those_of_each_message(batch):
    found = read_columns(batch, PATHS)
    for name, path in PATHS.items():
        assert np.array_equal(found[name], [one(message, path) for message in batch], equal_nan=True)


def test_messages_of_one_layout_and_of_many():
    batch = [encode([(1, [(4, number / 7)]), (2, number * 50), (3, float(number))]) for number in range(2000)]
    found = read_columns(batch, PATHS)
    numbers = np.arange(2000)
    assert np.array_equal(found["first"], numbers / 7)
    assert np.array_equal(found["count"], numbers * 50)
    assert np.array_equal(found["total"], numbers)
    assert np.isnan(found["last"]).all()


def test_integers_of_different_lengths_in_messages_of_one_length():
    batch = [encode([(2, 1 << 14)]), encode([(2, 5), (2, 7)]), encode([(2, 1 << 15)])]
    assert len(set(map(len, batch))) == 1
    found = read_columns(batch, PATHS)
    assert found["count"].tolist() == [1 << 14, 5, 1 << 15]
    assert np.array_equal(found["second count"], [math.nan, 7, math.nan], equal_nan=True)


def test_integers_up_to_63_bits():
    assert read_columns([encode([(2, 2**63 - 1)])], PATHS)["count"].tolist() == [float(2**63 - 1)]
    with pytest.raises(WrongMessageError, match="its field for count is no number"):
        read_columns([encode([(2, 2**63)])], PATHS)


@given(st.binary(max_size=30))
def test_any_bytes_are_read_or_refused_as_one_by_one(content):
    paths = {"count": ((2, 0),)}
    try:
        listed = list(fields(content))
    except MalformedMessageError:
        with pytest.raises(WrongMessageError) as refused:
            read_columns([b"", content], paths)
        assert refused.value.message == 1
        return
    values = [value for number, _, value in listed if number == 2]
    if values and (isinstance(values[0], bytes) or values[0] > 2**63 - 1):
        with pytest.raises(WrongMessageError, match="no number"):
            read_columns([content], paths)
    else:
        expected = float(values[0]) if values else math.nan
        assert np.array_equal(read_columns([content], paths)["count"], [expected], equal_nan=True)


def test_no_messages():
    assert {name: len(values) for name, values in read_columns([], PATHS).items()} == dict.fromkeys(PATHS, 0)
