"""The few messages that a backend answers with, read without the protobuf library: a backend may
send anything, and forwarding over HTTP does without that library."""

from collections.abc import Iterator
from typing import Final

from flujo_otel.wire.protobuf import DELIMITED, VARINT, fields, read_varint
from flujo_otel.wire.transport import RETRY_INFO

_INT64_RANGE: Final = 1 << 64
_MOST_FIELDS: Final = 10_000
"""Of a message, which has three: 4 MiB of nothing else took 2 s, in a traced program's process."""


def partial_success(body: bytes) -> tuple[int, str]:
    """Rejected spans and the message of an ExportTraceServiceResponse. Raises ValueError."""
    rejected, message = 0, ""
    for number, value in _fields(body):
        if number == 1 and isinstance(value, bytes):
            for inner, content in _fields(value):
                if inner == 1 and isinstance(content, int):
                    rejected = content if content < _INT64_RANGE >> 1 else 0
                elif inner == 2 and isinstance(content, bytes):
                    message = content.decode("utf-8", "replace")
    return rejected, message


def status(body: bytes) -> tuple[str, float | None]:
    """Message and, where it has a RetryInfo, the delay in seconds of a google.rpc.Status.

    Raises ValueError.
    """
    message, delay = "", None
    for number, value in _fields(body):
        if number == 2 and isinstance(value, bytes):
            message = value.decode("utf-8", "replace")
        elif number == 3 and isinstance(value, bytes):
            delay = _retry_info(value) if delay is None else delay
    return message, delay


def _retry_info(detail: bytes) -> float | None:
    parts = {number: value for number, value in _fields(detail) if isinstance(value, bytes)}
    if parts.get(1) != RETRY_INFO:
        return None
    durations = [value for number, value in _fields(parts.get(2, b"")) if number == 1]
    seconds = nanoseconds = 0
    for duration in durations:
        for number, value in _fields(duration) if isinstance(duration, bytes) else ():
            if number == 1 and isinstance(value, int):
                seconds = value if value < _INT64_RANGE >> 1 else 0
            elif number == 2 and isinstance(value, int):
                nanoseconds = value if value < 1_000_000_000 else 0
    return seconds + nanoseconds / 1e9


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field that is a number or has a length. Raises ValueError."""
    for count, (number, wire_type, _, start, stop) in enumerate(fields(message)):
        if count == _MOST_FIELDS:
            raise ValueError(f"Not an answer: it has over {_MOST_FIELDS} fields.")
        if wire_type == VARINT:
            yield number, read_varint(message, start)[0]
        elif wire_type == DELIMITED:
            yield number, message[start:stop]
