"""OTLP over HTTP, as an ASGI application.

Bare ASGI: four routes need no router, and starlette would add 100 ms to the start.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

from flujo_otel.collector.access import Access, authorization_of
from flujo_otel.collector.answers import (
    Code,
    Encoding,
    Refusal,
    Status,
    accepted,
    encode_status,
    status_of,
    stopping,
    too_large,
)
from flujo_otel.collector.body import Body
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.reception import Reception
from flujo_otel.wire.transport import TRACES_PATH, Signal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Health = Callable[[bool], Mapping[str, Any]]
"""What /healthz answers with; True: to somebody who may know all. Called in several threads."""

HEALTH_PATH: Final = "/healthz"
_SIGNALS: Final = {
    TRACES_PATH: Signal.TRACES,
    "/v1/metrics": Signal.METRICS,
    "/v1/logs": Signal.LOGS,
}
_ENCODINGS: Final = {encoding.content_type: encoding for encoding in Encoding}
_GZIP: Final = {b"": False, b"identity": False, b"gzip": True, b"x-gzip": True}
_JSON: Final = Encoding.JSON.content_type
_HEADERS_OF: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {
    401: ((b"www-authenticate", b"Bearer"),),
    405: ((b"allow", b"POST"),),
    415: ((b"accept-encoding", b"gzip, identity"),),
}
"""What RFC 9110 asks to be said beside some statuses."""


class Response(NamedTuple):
    """All of an HTTP response."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Disconnected(Exception):
    """The client went away in the middle of its request: nobody to answer."""


class HttpReceiver:
    """The application."""

    def __init__(
        self,
        reception: Reception,
        access: Access,
        deadlines: Deadlines,
        health: Health,
    ) -> None:
        self._reception = reception
        self._access = access
        self._deadlines = deadlines
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        headers: Headers = scope["headers"]
        origin = None
        try:
            origin = self._checked(headers)
            response = await self._route(scope, headers, receive)
        except Disconnected:
            return
        except asyncio.CancelledError:
            # By uvicorn, which says 500 to whom it has no more time for: clients drop spans on it.
            response = refused(status_of(stopping()), _encoding_of(headers))
        except Exception as error:
            response = refused(self._refuse(scope, error), _encoding_of(headers))
        if origin is not None:
            response = response._replace(headers=(*response.headers, *_cors(origin)))
        await _respond(response, send)

    def _refuse(self, scope: Scope, error: Exception) -> Status:
        is_export = scope["method"] == "POST" and scope["path"] in _SIGNALS
        return self._reception.refuse(error, _SIGNALS[scope["path"]] if is_export else None)

    def _checked(self, headers: Headers) -> bytes | None:
        """The page that sends, if it is one and may. Raises Refusal."""
        origin = None
        hosts = 0
        for name, value in headers:
            if name == b"host":
                hosts += 1
                self._access.check_host(value if hosts == 1 else b"")
            elif name == b"origin":
                self._access.check_origin(value)
                origin = value
        return origin

    async def _route(self, scope: Scope, headers: Headers, receive: Receive) -> Response:
        path, method = scope["path"], scope["method"]
        if path == HEALTH_PATH:
            return await self._healthz(method, headers)
        if method == "OPTIONS" and path in _SIGNALS:
            return Response(204, b"")
        self._access.check_token(authorization_of(headers))
        if path not in _SIGNALS:
            raise Refusal(
                404,
                Code.NOT_FOUND,
                "Nothing is here. OTLP goes to POST /v1/traces; /healthz says how things are.",
            )
        if method != "POST":
            raise Refusal(405, Code.UNIMPLEMENTED, f"{path} takes POST.")
        return await self._export(_SIGNALS[path], headers, receive)

    async def _healthz(self, method: str, headers: Headers) -> Response:
        if method not in ("GET", "HEAD"):
            raise Refusal(405, Code.UNIMPLEMENTED, f"{HEALTH_PATH} takes GET.")
        knows_the_token = self._access.has_token(authorization_of(headers))
        # In a thread: to try a locked database takes a second, which nobody else is to wait.
        health = await asyncio.to_thread(self._health, knows_the_token)
        return Response(200 if health["state"] == "ok" else 503, json.dumps(health).encode())

    async def _export(self, signal: Signal, headers: Headers, receive: Receive) -> Response:
        encoding = _encoding_of(headers)
        if encoding is None:
            raise Refusal(
                415,
                Code.INVALID_ARGUMENT,
                "The Content-Type must be application/x-protobuf or application/json.",
            )
        body = self._reception.body(gzipped=_is_gzipped(headers, self._reception.limit_bytes))
        try:
            async with self._deadlines.reading():
                await _read(receive, body)
            answer = await self._reception.take(signal, body.complete(), encoding)
        finally:
            body.release()
        content = accepted(encoding, answer)
        return Response(200, content, encoding.content_type)


async def _read(receive: Receive, body: Body) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        await body.add(message["body"])
        if not message["more_body"]:
            return


def _encoding_of(headers: Headers) -> Encoding | None:
    for name, value in headers:
        if name == b"content-type":
            return _ENCODINGS.get(value.partition(b";")[0].strip().lower())
    return None


def _is_gzipped(headers: Headers, limit_bytes: int) -> bool:
    """Raises Refusal: another compression, of the body or of its way here (which the HTTP parser
    passes by: RFC 9112, 6.1), or a length that is over the limit as it stands."""
    gzipped, length_bytes = False, 0
    for name, value in headers:
        if name == b"content-encoding":
            known = _GZIP.get(value.strip().lower())
            if known is None or gzipped:
                raise Refusal(
                    415, Code.UNIMPLEMENTED, "The Content-Encoding must be gzip or identity."
                )
            gzipped = known
        elif name == b"transfer-encoding" and value.strip(b"\t ,").lower() != b"chunked":
            raise Refusal(501, Code.UNIMPLEMENTED, "The Transfer-Encoding must be chunked alone.")
        elif name == b"content-length":
            # Leading zeros are sound, and int() takes no more than 4,300 digits.
            length_bytes = int(value.lstrip(b"0") or b"0")
    if not gzipped and length_bytes > limit_bytes:
        raise too_large(limit_bytes)
    return gzipped


def refused(status: Status, encoding: Encoding | None) -> Response:
    """The response to what is not taken; in JSON where the client speaks neither encoding."""
    encoding = Encoding.JSON if encoding is None else encoding
    headers = _HEADERS_OF.get(status.http, ())
    if status.retry_after_seconds is not None:
        seconds = str(max(1, math.ceil(status.retry_after_seconds))).encode()
        headers = (*headers, (b"retry-after", seconds))
    body = encode_status(encoding, status)
    return Response(status.http, body, encoding.content_type, headers)


def _cors(origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """For a page that may send: its own origin, never `*`."""
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"authorization, content-encoding, content-type"),
        (b"vary", b"Origin"),
    )


async def _respond(response: Response, send: Send) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        *response.headers,
    ]
    if response.status == 204:
        del headers[:2]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
