"""A collector in a process of its own, and clients that speak to it in raw bytes."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.programs import (
    TIMEOUT_SECONDS,
    environment,
    peak_mib,
    query,
    wait_until_unpacked,
)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
SMALL_BYTES = 4096


@dataclass
class Collector:
    """A running one."""

    db: Path
    process: "subprocess.Popen[str]"
    ready: dict[str, Any]

    @property
    def http_port(self) -> int:
        return urlsplit(self.ready["http"]).port or 0

    @property
    def grpc_address(self) -> str:
        return urlsplit(self.ready["grpc"]).netloc

    def post(self, body: bytes, content_type: str = PROTOBUF, **headers: str) -> "Response":
        """To /v1/traces. Underscores in names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(request(body, {"content-type": content_type, **named}))

    def send(self, raw: bytes) -> "Response":
        """These bytes over a connection of their own."""
        with self.connect() as connection:
            connection.sendall(raw)
            return receive(connection)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.http_port), timeout=TIMEOUT_SECONDS)

    def names(self) -> list[str]:
        """The names of all spans stored, in order, once there is nothing to unpack."""
        if not self.db.exists():
            return []
        wait_until_unpacked(self.db)
        return [name for (name,) in query(self.db, "SELECT name FROM spans ORDER BY name")]

    def peak_mib(self) -> int:
        """The most memory it has had."""
        return peak_mib(self.process.pid)

    def said(self) -> dict[str, Any]:
        """Its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        said: dict[str, Any] = json.loads(line)
        return said

    def stop(self) -> dict[str, Any]:
        """SIGTERM, then `end`."""
        self.process.terminate()
        return self.end()

    def end(self) -> dict[str, Any]:
        """What it says in the end. It must end well, and have said nothing on stderr."""
        output, errors = self.process.communicate(timeout=TIMEOUT_SECONDS)
        assert (0, "") == (self.process.returncode, errors)
        said: dict[str, Any] = json.loads(output)
        return said


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        """Of the google.rpc.Status that it holds, in whichever encoding."""
        if self.headers["content-type"] == JSON:
            return int(json.loads(self.body)["code"])
        assert self.headers["content-type"] == PROTOBUF
        from google.rpc.status_pb2 import Status

        return int(Status.FromString(self.body).code)


@contextmanager
def collector(
    db: Path, constants: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[Collector]:
    """One on free ports. It must end well, and say nothing on stderr."""
    running = start(db, constants, **options)
    try:
        yield running
        if running.process.poll() is None:
            running.stop()
    finally:
        running.process.kill()
        running.process.communicate()


def start(db: Path, constants: Mapping[str, Any] | None = None, **options: Any) -> Collector:
    process = subprocess.Popen(
        [sys.executable, "-m", "support.collector_process"],
        env=environment(db, PYTHONPATH=str(Path(__file__).parents[1])),
        cwd=next(folder for folder in db.parents if folder.is_dir()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ports = {"http_port": 0, "grpc_port": 0}
    given = {"options": {"db": str(db), **ports, **options}, "constants": constants or {}}
    assert process.stdin is not None
    process.stdin.write(json.dumps(given) + "\n")
    process.stdin.flush()
    running = Collector(db, process, {})
    running.ready = running.said()
    return running


def refused_start(db: Path, **options: Any) -> dict[str, Any]:
    """What one says that cannot start."""
    with (running := start(db, **options)).process:
        assert "error" in running.ready
        return running.ready


def request(
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    path: str = "/v1/traces",
    version: str = "1.1",
) -> bytes:
    """A request as it goes over the wire. Length and Host are added where they are not given."""
    all_headers = {"host": "localhost", "content-length": str(len(body)), **headers}
    lines = [f"{method} {path} HTTP/{version}", *(f"{k}: {v}" for k, v in all_headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def receive(connection: socket.socket) -> Response:
    """The next response. Raises ConnectionError where the server hangs up instead."""
    with connection.makefile("rb") as stream:
        status_line = stream.readline()
        if not status_line:
            raise ConnectionResetError
        assert status_line.startswith(b"HTTP/1.1 "), status_line
        headers = {}
        while line := stream.readline().strip().decode("latin-1"):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = stream.read(int(headers.get("content-length", 0)))
    return Response(int(status_line.split()[1]), headers, body)


@dataclass
class SpanSpec:
    """What a test wants to say of a span."""

    name: str = "span"
    trace_id: bytes = bytes(range(1, 17))
    span_id: bytes = bytes(range(1, 9))
    attributes: dict[str, str] = field(default_factory=dict)


def in_protobuf(*spans: SpanSpec, service: str = "shop") -> bytes:
    """An ExportTraceServiceRequest."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest()
    of = message.resource_spans.add()
    attribute = of.resource.attributes.add(key="service.name")
    attribute.value.string_value = service
    scope = of.scope_spans.add()
    for spec in spans:
        span = scope.spans.add(
            name=spec.name,
            trace_id=spec.trace_id,
            span_id=spec.span_id,
            start_time_unix_nano=10**18,
            end_time_unix_nano=10**18 + 1,
        )
        for key, value in spec.attributes.items():
            span.attributes.add(key=key).value.string_value = value
    return message.SerializeToString()


def in_json(*spans: SpanSpec) -> bytes:
    """The same in JSON."""
    written = [
        {
            "name": spec.name,
            "traceId": spec.trace_id.hex(),
            "spanId": spec.span_id.hex(),
            "startTimeUnixNano": str(10**18),
            "endTimeUnixNano": str(10**18 + 1),
        }
        for spec in spans
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": written}]}]}).encode()


def numbered(name: str, number: int) -> SpanSpec:
    """A span with ids of its own."""
    return SpanSpec(name, trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"))


@contextmanager
def locked(db: Path) -> Iterator[sqlite3.Connection]:
    """The database under a lock of another process's, until ROLLBACK."""
    connection = sqlite3.connect(db, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
    finally:
        connection.close()
