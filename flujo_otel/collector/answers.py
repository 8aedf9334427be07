"""What is answered: one function says which status an error gets, for both transports.

Encodings by hand (two messages of two fields each), so that an answer costs no library.
"""

import json
import logging
from enum import IntEnum
from typing import Final, NamedTuple

from flujo_otel import guard
from flujo_otel.errors import FlujoOtelError, MalformedRequest, Overloaded, StoreError
from flujo_otel.wire.partial_success import PartialSuccess
from flujo_otel.wire.protobuf import delimited, signed_varint, tag, varint
from flujo_otel.wire.transport import RETRY_INFO

STORE_RETRY_SECONDS: Final = 5.0
"""What clients are told to wait where the database takes no writes: a lock is gone by then."""
_logger = logging.getLogger("flujo_otel")
_MESSAGE_CHARACTERS: Final = 2000


class Code(IntEnum):
    """google.rpc.Code, as far as it is answered here."""

    OK = 0
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Encoding(IntEnum):
    """How a request's body is written; its answer is written alike. Databases have these numbers
    (`spanstore.backlog.KeptRequest`): none is ever given to another."""

    PROTOBUF = 0
    JSON = 1

    @property
    def content_type(self) -> bytes:
        """As HTTP names it."""
        return _CONTENT_TYPES[self]


_CONTENT_TYPES: Final = (b"application/x-protobuf", b"application/json")


class Refusal(FlujoOtelError):
    """A request that is refused for itself, whatever its data: `http` and `grpc` say how.

    `retry_after_seconds` not None: it may be sent again later.
    """

    def __init__(
        self, http: int, grpc: Code, message: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.http = http
        self.grpc = grpc
        self.retry_after_seconds = retry_after_seconds


class Status(NamedTuple):
    """What a client is told of an error, over either transport."""

    http: int
    grpc: Code
    message: str
    retry_after_seconds: float | None = None
    """Not None: sending the same again later is the thing to do."""


def status_of(error: Exception) -> Status:
    """Permanent errors get a status that ends a client's tries, retryable ones one that keeps them
    up (OTLP specification, "Failures"). Nothing of an unexpected error is told but that it was."""
    message = str(error)[:_MESSAGE_CHARACTERS]
    match error:
        case Refusal():
            return Status(error.http, error.grpc, message, error.retry_after_seconds)
        case MalformedRequest():
            return Status(400, Code.INVALID_ARGUMENT, message)
        case Overloaded():
            return Status(503, Code.UNAVAILABLE, message, error.retry_after_seconds)
        case StoreError():
            # Even of a file that is another program's: whoever runs this server may name another,
            # and a client that goes on trying keeps its spans till then.
            return Status(503, Code.UNAVAILABLE, message, STORE_RETRY_SECONDS)
    _report(error)
    return Status(500, Code.INTERNAL, "flujo-otel failed on this request; it was not stored.")


def too_large(limit_bytes: int) -> Refusal:
    """A request over the limit: permanent, so that a client splits it and does not repeat it."""
    return Refusal(
        413,
        Code.RESOURCE_EXHAUSTED,
        f"The request is over {limit_bytes} bytes after decompression; send fewer spans in one.",
    )


def stopping() -> Refusal:
    """A request that the server ends before it could take."""
    return Refusal(503, Code.UNAVAILABLE, "The server stops; send it again.", 1.0)


def accepted(encoding: Encoding, partial_success: PartialSuccess) -> bytes:
    """An Export*ServiceResponse; of metrics and logs nothing is ever rejected. All well: empty, for
    clients warn of an empty partial_success."""
    rejected = partial_success.rejected_spans
    message = partial_success.error_message[:_MESSAGE_CHARACTERS]
    if not rejected and not message:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    if encoding is Encoding.JSON:
        # 64-bit integers are strings in OTLP's JSON.
        partial = {"rejectedSpans": str(rejected), "errorMessage": message}
        return json.dumps({"partialSuccess": partial}).encode()
    count = tag(1, 0) + signed_varint(rejected) if rejected else b""
    return delimited(tag(1, 2), count + _text(2, message))


def encode_status(encoding: Encoding, status: Status) -> bytes:
    """A google.rpc.Status, with a RetryInfo where the client is to come again."""
    if encoding is Encoding.JSON:
        return json.dumps({"code": int(status.grpc), "message": status.message}).encode()
    code = tag(1, 0) + varint(status.grpc)
    return code + _text(2, status.message) + _retry_info(status.retry_after_seconds)


def _report(error: Exception) -> None:
    if not guard.report("receiving", error):
        _logger.error("A request failed for a fault of flujo-otel.", exc_info=error)


def _retry_info(retry_after_seconds: float | None) -> bytes:
    if retry_after_seconds is None:
        return b""
    seconds, rest = divmod(round(retry_after_seconds * 1e9), 10**9)
    duration = tag(1, 0) + varint(seconds) + tag(2, 0) + varint(rest)
    retry_info = delimited(tag(1, 2), duration)
    any_of = delimited(tag(1, 2), RETRY_INFO) + delimited(tag(2, 2), retry_info)
    return delimited(tag(3, 2), any_of)


def _text(field: int, text: str) -> bytes:
    return delimited(tag(field, 2), text.encode("utf-8", "backslashreplace")) if text else b""
