"""The few pieces of the protobuf wire format that OTLP needs to be written, and a reader of it that
finds fields and makes nothing of them.

Our own, because the cost of a span in the traced process is what users feel: building the message
through the protobuf library took 13.6 us a span with 5 attributes on the machine where this took 3,
and the base install stays without it. tests/property/test_wire.py holds the bytes against the
library's.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final

VARINT: Final = 0
DELIMITED: Final = 2
GROUP: Final = 3
_GROUP_END: Final = 4
_MOST_GROUPS: Final = 100
"""Within one another, as the library has it."""
_GROUP_BYTES: Final = 1024 * 1024
"""Of a group, which is read through before anybody can say that it is too much."""

_FIXED32 = Struct("<I").pack
_FIXED64 = Struct("<Q").pack
_SMALL = tuple(bytes((n,)) for n in range(128))
_INT64_RANGE = 1 << 64
_SIZES = {1: 8, 5: 4}
_VARINT_BYTES = 10


def varint(value: int) -> bytes:
    """`value` (0 <= value < 2**64) as a base-128 varint."""
    if value < 128:
        return _SMALL[value]
    if value < 16384:
        return bytes((value & 127 | 128, value >> 7))
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed_varint(value: int) -> bytes:
    """An int64 as protobuf writes it: negative numbers in two's complement, ten bytes long."""
    return varint(value if value >= 0 else value + _INT64_RANGE)


def tag(field: int, wire_type: int) -> bytes:
    """A field's key. Wire types: 0 varint, 1 fixed64, 2 length-delimited, 5 fixed32."""
    return varint(field << 3 | wire_type)


def delimited(key: bytes, content: bytes) -> bytes:
    """A length-delimited field with its key."""
    return key + varint(len(content)) + content


def fixed32(key: bytes, value: int) -> bytes:
    """A fixed32 field with its key."""
    return key + _FIXED32(value)


def fixed64(key: bytes, value: int) -> bytes:
    """A fixed64 field with its key."""
    return key + _FIXED64(value)


def fields(
    message: bytes, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, int, int, int, int]]:
    """Of each field in `message[start:end]`: number, wire type, and the places of its key, of its
    value (of a length-delimited one: without the length) and of what follows. A group is one field.

    Raises ValueError where this is no message, perhaps after the first fields.
    """
    # Plain tuples, since hostile requests hold millions of fields: a NamedTuple costs twice that.
    end = len(message) if end is None else end
    place = start
    while place < end:
        key_at = place
        key, place = read_varint(message, place)
        wire_type = key & 7
        value_at = place
        if wire_type == DELIMITED:
            size_bytes, value_at = read_varint(message, place)
            place = value_at + size_bytes
        elif wire_type == VARINT:
            _, place = read_varint(message, place)
        elif wire_type in _SIZES:
            place += _SIZES[wire_type]
        elif wire_type == GROUP:
            place = _behind_group(message, place, end, key >> 3)
        else:
            raise ValueError(f"Not a message in protobuf: no field has wire type {wire_type}.")
        if place > end:
            raise ValueError("Not a message in protobuf: a field ends beyond its message.")
        if not key >> 3:
            raise ValueError("Not a message in protobuf: no field has the number 0.")
        yield key >> 3, wire_type, key_at, value_at, place


def _behind_group(message: bytes, place: int, end: int, number: int) -> int:
    """OTLP has none, but fields that it has not are sound. Raises ValueError."""
    end = min(end, place + _GROUP_BYTES)
    begun = [number]
    while begun and place < end:
        key, place = read_varint(message, place)
        wire_type = key & 7
        if wire_type == DELIMITED:
            size_bytes, place = read_varint(message, place)
            place += size_bytes
        elif wire_type == VARINT:
            _, place = read_varint(message, place)
        elif wire_type in _SIZES:
            place += _SIZES[wire_type]
        elif wire_type == GROUP and len(begun) < _MOST_GROUPS:
            begun.append(key >> 3)
        elif wire_type != _GROUP_END or begun.pop() != key >> 3:
            raise ValueError("Not a message in protobuf: its groups do not fit together.")
    if begun:
        raise ValueError("Not a message in protobuf: a group in it does not end.")
    return place


def read_varint(message: bytes, place: int) -> tuple[int, int]:
    """The number at `place`, and the place behind it. Raises ValueError where it does not end."""
    value = shift = 0
    for byte in message[place : place + _VARINT_BYTES]:
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("Not a message in protobuf: a number in it does not end.")
