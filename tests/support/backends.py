"""Real OTLP backends that answer as a test tells them, and can be killed and revived."""

import gzip
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_SECONDS = 30.0

Reply = Callable[["Handler"], None]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {WAIT_SECONDS:.0f} s: {what}")
        time.sleep(0.01)


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


class Taken:
    """The requests that a backend said yes to."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []

    @property
    def spans(self) -> list[Span]:
        return [span for request in self.requests for span in spans_of(request)]

    @property
    def names(self) -> Counter[str]:
        return Counter(span.name for span in self.spans)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        backend = self.server.backend
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.request_message = ExportTraceServiceRequest.FromString(body)
        backend.seen += 1
        backend.paths.append(self.path)
        backend.taken.headers.append({k.lower(): v for k, v in self.headers.items()})
        if len(list(spans_of(self.request_message))) > backend.most_spans:
            status(413, "too large")(self)
            return
        reply = backend.replies.popleft() if backend.replies else backend.otherwise
        reply(self)

    def take(self) -> None:
        self.server.backend.taken.requests.append(self.request_message)

    def answer(
        self, code: int, body: bytes = b"", kind: str = "application/x-protobuf", **headers: str
    ) -> None:
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    backend: "HttpBackend"
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], backend: "HttpBackend") -> None:
        self.backend = backend
        self.connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        pass


class HttpBackend:
    """Answers with `replies`, one a request, then as `otherwise` does."""

    def __init__(self) -> None:
        self.taken = Taken()
        self.replies: deque[Reply] = deque()
        self.otherwise: Reply = ok
        self.most_spans = 1 << 30
        self.seen = 0
        self.paths: list[str] = []
        self._server: _Server | None = None
        self.port = 0
        self.revive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Close the listener and reset every connection."""
        assert self._server is not None
        server, self._server = self._server, None
        server.shutdown()
        server.server_close()
        for connection in list(server.connections):
            reset(connection)

    def revive(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self.kill()


def reset(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    except OSError:
        pass


def ok(handler: Handler) -> None:
    handler.take()
    handler.answer(200)


def status(code: int, words: str = "", **headers: str) -> Reply:
    """An error with these words as text."""
    return lambda handler: handler.answer(code, words.encode(), "text/plain", **headers)


def status_message(code: int, words: str) -> Reply:
    """An error whose body is a google.rpc.Status, as OTLP asks for."""
    body = b"\x08\x03\x12" + bytes([len(words)]) + words.encode()
    return lambda handler: handler.answer(code, body)


def partial(rejected: int, words: str) -> Reply:
    def reply(handler: Handler) -> None:
        handler.take()
        message = ExportTraceServiceResponse()
        message.partial_success.rejected_spans = rejected
        message.partial_success.error_message = words
        handler.answer(200, message.SerializeToString())

    return reply


def hang_up(handler: Handler) -> None:
    """A reset in place of an answer."""
    handler.close_connection = True
    reset(handler.connection)


def take_and_hang_up(handler: Handler) -> None:
    """Taken, but the answer never comes."""
    handler.take()
    hang_up(handler)


def huge(code: int = 200) -> Reply:
    """An answer that never ends."""

    def reply(handler: Handler) -> None:
        handler.take()
        handler.send_response(code)
        handler.send_header("content-type", "text/plain")
        handler.end_headers()
        handler.close_connection = True
        sent = 0
        try:
            while sent < 1 << 30:
                sent += handler.connection.send(b"x" * 65536)
        except OSError:
            pass

    return reply


def slow(seconds: float) -> Reply:
    def reply(handler: Handler) -> None:
        time.sleep(seconds)
        ok(handler)

    return reply


def dripping(begun: bytes, dripped: bytes, seconds: float) -> Reply:
    """What is `begun`, then a byte every 20 ms, and never an end."""

    def reply(handler: Handler) -> None:
        handler.close_connection = True
        deadline = time.monotonic() + seconds
        try:
            handler.connection.sendall(begun)
            while time.monotonic() < deadline:
                handler.connection.sendall(dripped)
                time.sleep(0.02)
        except OSError:
            pass

    return reply


class GrpcBackend:
    """The same over gRPC: `replies` are called with the context, and may abort it."""

    def __init__(self, **options: int) -> None:
        self.taken = Taken()
        self.replies: deque[Callable[[grpc.ServicerContext], Message | None]] = deque()
        self.otherwise: Callable[[grpc.ServicerContext], Message | None] = lambda _: None
        self.seen = 0
        self.port = 0
        self._options = tuple((f"grpc.{name}", value) for name, value in options.items())
        self.revive()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def revive(self) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(4), options=self._options)
        method = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=ExportTraceServiceRequest.FromString,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        handler = grpc.method_handlers_generic_handler(service, {"Export": method})
        self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def close(self) -> None:
        self._server.stop(None).wait()

    def _export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> Message:
        self.seen += 1
        self.taken.headers.append(dict(context.invocation_metadata()))
        reply = self.replies.popleft() if self.replies else self.otherwise
        answer = reply(context)
        self.taken.requests.append(request)
        return answer or ExportTraceServiceResponse()


def abort(
    code: grpc.StatusCode, words: str = "", retry_seconds: float | None = None
) -> Callable[[grpc.ServicerContext], Message | None]:
    def reply(context: grpc.ServicerContext) -> None:
        if retry_seconds is not None:
            details = (("grpc-status-details-bin", _status_with_retry_info(words, retry_seconds)),)
            context.set_trailing_metadata(details)
        context.abort(code, words)

    return reply


def _status_with_retry_info(words: str, seconds: float) -> bytes:
    """A google.rpc.Status, written by hand: googleapis-common-protos is no dependency of ours."""
    from google.protobuf.duration_pb2 import Duration

    delay = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9)).SerializeToString()
    info = b"\x0a" + bytes([len(delay)]) + delay
    detail = AnyMessage(
        type_url="type.googleapis.com/google.rpc.RetryInfo", value=info
    ).SerializeToString()
    text = words.encode()
    return b"\x08\x08\x12" + bytes([len(text)]) + text + b"\x1a" + bytes([len(detail)]) + detail
