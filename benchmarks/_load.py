"""The load generator: OTLP requests as fast as they are answered, or at a rate, from a process and
a core of its own.

    report = load(Load("http://127.0.0.1:4318", spans=600_000))

A span has 5 attributes; 10 make a trace; all ids are random. Times are those of now: where they
come again and again, an index on them is touched at places as random as the ids. A request is built
from a template in which only the ids and the times, whose places are known, are written anew: 1.1
us a span, so that the server is what is measured. A request that is refused (429, 503, UNAVAILABLE)
is sent again after 50 ms.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from struct import Struct
from typing import Any, Literal
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from benchmarks._cores import LOAD_CORE, on_core

Protocol = Literal["http", "grpc", "json"]
PAUSE_SECONDS = 0.05
_FIXED64 = Struct("<Q").pack


@dataclass(frozen=True)
class Load:
    """What to send. `rate`: spans per second over all connections, which take turns; None: as fast
    as it goes."""

    endpoint: str
    spans: int
    protocol: Protocol = "http"
    batch: int = 500
    connections: int = 4
    rate: float | None = None
    spans_per_trace: int = 10
    keep_traces: bool = False
    """Report the ids of the traces that were answered for."""


@dataclass
class Report:
    """What came of it. Times of answers in milliseconds."""

    seconds: float = 0.0
    answered: int = 0
    """Spans in requests that were answered with success."""
    refused: int = 0
    """Requests that had to come again."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0
    trace_ids: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


def load(what: Load, core: int | None = LOAD_CORE) -> Report:
    """Send it from a process of its own, on a core of its own where there are two."""
    with start(what, core) as process:
        output, _ = process.communicate(json.dumps(asdict(what)))
    if process.returncode:
        raise RuntimeError(f"The load generator ended with {process.returncode}.")
    return Report(**json.loads(output))


def start(what: Load, core: int | None = LOAD_CORE) -> "subprocess.Popen[str]":
    """The process, which begins when it is told (on stdin, in JSON) what to send."""
    return subprocess.Popen(
        [*on_core(core), sys.executable, "-m", "benchmarks._load"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class Requests:
    """Request bodies without end, each with ids of its own."""

    def __init__(self, what: Load) -> None:
        self._json = what.protocol == "json"
        self._per_trace = what.spans_per_trace
        # Without structure, so that they are found nowhere but where they were put.
        self._trace_ids = [
            blake2b(b"trace %d" % n, digest_size=16).digest() for n in range(what.batch)
        ]
        self._span_ids = [
            blake2b(b"span %d" % n, digest_size=8).digest() for n in range(what.batch)
        ]
        # By which they are found in the template; as long as those of today.
        self._times_ns = [(10**18 + 2 * n, 10**18 + 2 * n + 1) for n in range(what.batch)]
        self._template = self._body(what.batch)
        self._places = [self._places_of(number) for number in range(what.batch)]
        self._time_places = [
            [self._template.index(self._time(time_ns)) for time_ns in times_ns]
            for times_ns in self._times_ns
        ]

    def next(self) -> tuple[bytes, list[bytes]]:
        """A body, and its trace ids."""
        count = len(self._places)
        traces = (count + self._per_trace - 1) // self._per_trace
        body, ids = bytearray(self._template), os.urandom(16 * traces + 8 * count)
        found = [ids[16 * n : 16 * n + 16] for n in range(traces)]
        text = self._text
        now_ns = time.time_ns()
        for number, (start_at, end_at) in enumerate(self._time_places):
            start_ns = now_ns + 1000 * number
            for place, time_ns in ((start_at, start_ns), (end_at, start_ns + 1_000_000)):
                moment = self._time(time_ns)
                body[place : place + len(moment)] = moment
        for number, (trace_at, span_at, children_at) in enumerate(self._places):
            trace_id = text(found[number // self._per_trace])
            body[trace_at : trace_at + len(trace_id)] = trace_id
            start = 16 * traces + 8 * number
            span_id = text(ids[start : start + 8])
            for place in (span_at, *children_at):
                body[place : place + len(span_id)] = span_id
        return bytes(body), found

    def _text(self, raw: bytes) -> bytes:
        return raw.hex().encode() if self._json else raw

    def _time(self, time_ns: int) -> bytes:
        return str(time_ns).encode() if self._json else _FIXED64(time_ns)

    def _places_of(self, number: int) -> tuple[int, int, list[int]]:
        """Where a span's two ids stand, and where its children name it."""
        span_id = self._text(self._span_ids[number])
        places = [*_all_places(self._template, span_id)]
        # A span's own id comes before those that name it as their parent: roots are sent first.
        trace_id = self._text(self._trace_ids[number])
        return self._template.index(trace_id), places[0], places[1:]

    def _body(self, count: int) -> bytes:
        request = ExportTraceServiceRequest(
            resource_spans=[
                ResourceSpans(
                    resource=Resource(attributes=[_attribute("service.name", "load")]),
                    scope_spans=[
                        ScopeSpans(
                            scope=InstrumentationScope(name="load", version="1"),
                            spans=[self._span(number) for number in range(count)],
                        )
                    ],
                )
            ]
        )
        return _as_json(request) if self._json else request.SerializeToString()

    def _span(self, number: int) -> Span:
        root = number - number % self._per_trace
        return Span(
            trace_id=self._trace_ids[number],
            span_id=self._span_ids[number],
            parent_span_id=b"" if number == root else self._span_ids[root],
            name="root" if number == root else f"op {number % 7}",
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=self._times_ns[number][0],
            end_time_unix_nano=self._times_ns[number][1],
            attributes=[
                _attribute("a", "hello"),
                _attribute("http.method", "GET"),
                _attribute("n", 42),
                _attribute("f", 1.5),
                _attribute("b", True),
            ],
        )


def _all_places(text: bytes, part: bytes) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + len(part))


def _attribute(key: str, value: str | bool | int | float) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _as_json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON, in which ids are hex and enums are numbers (protobuf's own differs in both)."""
    from google.protobuf.json_format import MessageToDict

    given = MessageToDict(request, use_integers_for_enums=True)
    spans = given["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for span, message in zip(spans, request.resource_spans[0].scope_spans[0].spans, strict=True):
        span["traceId"] = message.trace_id.hex()
        span["spanId"] = message.span_id.hex()
        if message.parent_span_id:
            span["parentSpanId"] = message.parent_span_id.hex()
    return json.dumps(given, separators=(",", ":")).encode()


class Sender:
    """One connection's thread. `offset`: which part of the time between two requests it begins
    late."""

    def __init__(self, what: Load, requests: int, offset: float) -> None:
        self.report = Report()
        self.took_ms: list[float] = []
        self.failure: BaseException | None = None
        self._what = what
        self._requests = requests
        self._offset = offset
        self._bodies = Requests(what)

    def run(self) -> None:
        """Send all; a failure is kept for whoever joins the thread."""
        try:
            post = _grpc_post(self._what) if self._what.protocol == "grpc" else _post(self._what)
            self._run(post)
        except BaseException as error:
            self.failure = error

    def _run(self, post: Callable[[bytes], bool]) -> None:
        rate = self._what.rate
        every = self._what.batch * self._what.connections / rate if rate else 0.0
        due = time.perf_counter() + self._offset * every
        for _ in range(self._requests):
            body, trace_ids = self._bodies.next()
            due += every
            time.sleep(max(0.0, due - time.perf_counter()) if every else 0)
            started = time.perf_counter()
            while not post(body):
                self.report.refused += 1
                time.sleep(PAUSE_SECONDS)
            self.took_ms.append((time.perf_counter() - started) * 1e3)
            self.report.answered += self._what.batch
            if self._what.keep_traces:
                self.report.trace_ids += [trace_id.hex() for trace_id in trace_ids]


def _post(what: Load) -> Callable[[bytes], bool]:
    address = urlsplit(what.endpoint)
    assert address.hostname
    connection = HTTPConnection(address.hostname, address.port, timeout=120)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kind = "application/json" if what.protocol == "json" else "application/x-protobuf"

    def post(body: bytes) -> bool:
        connection.request("POST", "/v1/traces", body, {"Content-Type": kind})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 429, 503):
            raise HTTPException(f"{answer.status} {said[:200]!r}")
        return answer.status == 200

    return post


def _grpc_post(what: Load) -> Callable[[bytes], bool]:
    import grpc

    # A channel each: equal arguments would share one connection under them.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 1 << 26)]
    channel = grpc.insecure_channel(urlsplit(what.endpoint).netloc, options)
    call = channel.unary_unary(
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        request_serializer=None,
        response_deserializer=None,
    )

    def post(body: bytes) -> bool:
        try:
            call(body, timeout=120)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True

    return post


def run(what: Load) -> Report:
    """Send it from this process."""
    each, more = divmod(-(-what.spans // what.batch), what.connections)
    senders = [
        Sender(what, each + (n < more), n / what.connections) for n in range(what.connections)
    ]
    threads = [threading.Thread(target=sender.run) for sender in senders]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    for sender in senders:
        if sender.failure is not None:
            raise sender.failure
    return _sum(senders, seconds)


def _sum(senders: list[Sender], seconds: float) -> Report:
    took = sorted(ms for sender in senders for ms in sender.took_ms)
    return Report(
        seconds=seconds,
        answered=sum(sender.report.answered for sender in senders),
        refused=sum(sender.report.refused for sender in senders),
        p50_ms=took[len(took) // 2],
        p99_ms=took[int(len(took) * 0.99)],
        worst_ms=took[-1],
        trace_ids=[trace_id for sender in senders for trace_id in sender.report.trace_ids],
    )


def main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.read())
    json.dump(asdict(run(Load(**given))), sys.stdout)


if __name__ == "__main__":
    main()
