"""A node of a trace tree as an OTLP Span, so that it can be forwarded like any other."""

from hashlib import blake2b
from struct import Struct
from typing import Final

from flujo_otel.wire.protobuf import delimited, tag, varint

_FIXED64 = Struct("<Q").pack
_INTERNAL: Final = 1
_STATUS_ERROR: Final = 2


def encode_span(
    *,
    trace_id: str,
    span_id: str,
    parent_id: str | None,
    name: str,
    start_time_ns: int,
    end_time_ns: int | None,
    is_error: bool,
    attributes: bytes,
) -> bytes:
    """`attributes` as repeated KeyValue fields of ATTRIBUTES. Ids that are none become a hash."""
    parts = [
        delimited(tag(1, 2), otel_id(trace_id, 16)),
        delimited(tag(2, 2), otel_id(span_id, 8)),
        delimited(tag(4, 2), otel_id(parent_id, 8)) if parent_id is not None else b"",
        delimited(tag(5, 2), name.encode()),
        tag(6, 0) + varint(_INTERNAL),
        tag(7, 1) + _FIXED64(start_time_ns),
        tag(8, 1) + _FIXED64(end_time_ns) if end_time_ns is not None else b"",
        attributes,
        delimited(tag(15, 2), tag(3, 0) + varint(_STATUS_ERROR)) if is_error else b"",
    ]
    return b"".join(parts)


ATTRIBUTES: Final = tag(9, 2)


def otel_id(given: str, size_bytes: int) -> bytes:
    """`given` where it is an OTel id in hex of that size; else a fixed hash of it, never zero."""
    if len(given) == 2 * size_bytes:
        try:
            raw = bytes.fromhex(given)
        except ValueError:
            raw = b""
        if len(raw) == size_bytes and any(raw):
            return raw
    digest = blake2b(given.encode(), digest_size=size_bytes).digest()
    return digest if any(digest) else b"\x01" * size_bytes
