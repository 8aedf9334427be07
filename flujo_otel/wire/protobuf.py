"""The few pieces of the protobuf wire format that OTLP needs to be written.

Our own, because the cost of a span in the traced process is what users feel: building the message
through the protobuf library took 13.6 us a span with 5 attributes on the machine where this took 3,
and the base install stays without it. tests/property/test_wire.py holds the bytes against the
library's.
"""

from struct import Struct

_FIXED32 = Struct("<I").pack
_FIXED64 = Struct("<Q").pack
_SMALL = tuple(bytes((n,)) for n in range(128))
_INT64_RANGE = 1 << 64


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
