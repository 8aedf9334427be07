"""A stream of small traces with ids of their own, sent one request after the other."""

import os
import time
import urllib.request
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

SPANS = 20
"""In each trace."""


def requests() -> Iterator[tuple[str, bytes]]:
    """Trace ids and requests, without end."""
    while True:
        trace_id = os.urandom(16)
        yield trace_id.hex(), _request(trace_id).SerializeToString()


def send(endpoint: str, body: bytes) -> None:
    """Raises where it is not answered with success."""
    request = urllib.request.Request(
        f"{endpoint}/v1/traces", body, {"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert b"" == answer.read()


def _request(trace_id: bytes) -> ExportTraceServiceRequest:
    root = os.urandom(8)
    start_ns = time.time_ns()
    spans = [
        Span(
            trace_id=trace_id,
            span_id=root if number == 0 else os.urandom(8),
            parent_span_id=root if number else b"",
            name=f"span {number}",
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=start_ns + number,
            end_time_unix_nano=start_ns + 1_000_000,
            attributes=[
                KeyValue(key="number", value=AnyValue(int_value=number)),
                KeyValue(key="text", value=AnyValue(string_value="x" * 100)),
            ],
        )
        for number in range(SPANS)
    ]
    service = KeyValue(key="service.name", value=AnyValue(string_value="stream"))
    scope_spans = ScopeSpans(scope=InstrumentationScope(name="stream"), spans=spans)
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=[service]), scope_spans=[scope_spans])
        ]
    )
