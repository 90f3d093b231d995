"""The wire format of protocol buffers, field by field: what the vectorised reader is held against.

A message is a sequence of fields, each a key (field number times 8 plus wire type) and a value
(protobuf.dev, "Encoding"). What a field means is known only to who wrote the `.proto` file.
"""

import struct
from collections.abc import Iterator

from nasbench_suite.foreign.protobuf_columns import (
    BYTES,
    DOUBLE,
    FIXED32,
    VARINT,
    MalformedMessageError,
)

_DOUBLE = struct.Struct("<d")
_LONGEST_VARINT = 10


Field = tuple[int, int, float | int | bytes]
"""Number, wire type and value of a field: int for VARINT, float for DOUBLE, bytes otherwise."""


def fields(message: bytes, start: int = 0) -> Iterator[Field]:
    """Yield the fields of a message in the order in which they are stored.

    Parameters
    ----------
    message
        The bytes of the message.
    start
        The byte at which to begin.

    Raises
    ------
    MalformedMessageError
        When the message is truncated, or has groups, field number 0 or integers of more than 64 bits.
    """
    place = start
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if not number:
            raise MalformedMessageError("it has a field of number 0")
        if wire == VARINT:
            value, place = _varint(message, place)
            yield number, wire, value
            continue
        length = 8
        if wire == BYTES:
            length, place = _varint(message, place)
        elif wire == FIXED32:
            length = 4
        elif wire != DOUBLE:
            raise MalformedMessageError(f"field {number} has wire type {wire}")
        content = message[place : place + length]
        if len(content) < length:
            raise MalformedMessageError(f"it ends within field {number}")
        place += length
        yield number, wire, _DOUBLE.unpack(content)[0] if wire == DOUBLE else content


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Read an integer of seven bits a byte, the lowest first; return it and the place after it."""
    if place < len(message) and message[place] < 0x80:
        return message[place], place + 1
    value = 0
    for shift, byte in enumerate(message[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            if value >> 64:
                break
            return value, place + shift + 1
    else:
        if len(message) - place < _LONGEST_VARINT:
            raise MalformedMessageError("it ends within an integer")
    raise MalformedMessageError("an integer has more than 64 bits")
