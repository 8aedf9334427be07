"""The OTLP Span message: assembled from its pieces, or rebuilt from a row's columns.

Most spans of a traced process are exactly what their columns say, so they are stored without their
bytes, which would cost the process 5 us each and the file a third of its size; `of_columns` makes
them when somebody wants them. tests/property/test_wire.py holds both ways against each other.
"""

import json
from hashlib import blake2b
from typing import Any, Final

from flujo_otel.wire.protobuf import delimited, fixed32, fixed64, tag, varint
from flujo_otel.wire.values import encode_attributes

ATTRIBUTES: Final = tag(9, 2)
EVENTS: Final = tag(11, 2)
EVENT_ATTRIBUTES: Final = tag(3, 2)

_TRACE_ID: Final = tag(1, 2)
_SPAN_ID: Final = tag(2, 2)
_TRACE_STATE: Final = tag(3, 2)
_PARENT_ID: Final = tag(4, 2)
_NAME: Final = tag(5, 2)
_KIND: Final = tag(6, 0)
_START: Final = tag(7, 1)
_END: Final = tag(8, 1)
_STATUS: Final = tag(15, 2)
_FLAGS: Final = tag(16, 5)
_EVENT_TIME: Final = tag(1, 1)
_EVENT_NAME: Final = tag(2, 2)


def assemble(
    *,
    trace_id: bytes,
    span_id: bytes,
    trace_state: str,
    parent_id: bytes | None,
    name: str,
    kind: int,
    start_time_ns: int,
    end_time_ns: int | None,
    attributes: bytes,
    events: bytes,
    links: bytes,
    status_code: int,
    status_message: str,
    flags: int,
) -> bytes:
    """A Span message. `attributes`, `events` and `links` are fields with their keys, and may have
    the fields that say how many were dropped behind them."""
    return b"".join(
        (
            delimited(_TRACE_ID, trace_id),
            delimited(_SPAN_ID, span_id),
            string(_TRACE_STATE, trace_state),
            b"" if parent_id is None else delimited(_PARENT_ID, parent_id),
            delimited(_NAME, name.encode()),
            _KIND + varint(kind),
            fixed64(_START, start_time_ns),
            b"" if end_time_ns is None else fixed64(_END, end_time_ns),
            attributes,
            events,
            links,
            _status(status_code, status_message),
            fixed32(_FLAGS, flags),
        )
    )


def of_columns(
    *,
    trace_id: str,
    otel_span_id: str,
    otel_parent_id: str | None,
    name: str,
    kind: int,
    start_time_ns: int,
    end_time_ns: int | None,
    status_code: int,
    status_message: str | None,
    attributes: str,
    events: str | None,
    flags: int,
) -> bytes:
    """The Span message of a row that was stored without: see `model.SpanRecord`.

    Ids that are no OTel ids become a fixed hash.
    """
    return assemble(
        trace_id=otel_id(trace_id, 16),
        span_id=otel_id(otel_span_id, 8),
        trace_state="",
        parent_id=None if otel_parent_id is None else otel_id(otel_parent_id, 8),
        name=name,
        kind=kind,
        start_time_ns=start_time_ns,
        end_time_ns=end_time_ns,
        attributes=encode_attributes(ATTRIBUTES, json.loads(attributes))[0],
        events=b"".join(map(_event_of, json.loads(events))) if events else b"",
        links=b"",
        status_code=status_code,
        status_message=status_message or "",
        flags=flags,
    )


def event(name: str, time_ns: int, attributes: bytes) -> bytes:
    """An Event message; `attributes` under EVENT_ATTRIBUTES."""
    return fixed64(_EVENT_TIME, time_ns) + string(_EVENT_NAME, name) + attributes


def _event_of(stored: dict[str, Any]) -> bytes:
    attributes = encode_attributes(EVENT_ATTRIBUTES, stored["attributes"])[0]
    return delimited(EVENTS, event(stored["name"], stored["time_ns"], attributes))


def _status(code: int, message: str) -> bytes:
    content = string(tag(2, 2), message) + (tag(3, 0) + varint(code) if code else b"")
    return delimited(_STATUS, content) if content else b""


def string(key: bytes, text: str) -> bytes:
    """A string field; proto3 leaves empty ones out."""
    return delimited(key, text.encode("utf-8", "backslashreplace")) if text else b""


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
