"""Fields that no version of OTLP has yet, through a collector that forwards, in every message."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flujo_otel.wire.protobuf import delimited, tag
from support.backends import GrpcBackend, HttpBackend, wait_until
from support.collector import collector

LARGE = "x" * 1500
"""A thousand spans of it are over 1 MiB, which the collector takes in parts."""


def unknown(where: str) -> bytes:
    return delimited(tag(500, 2), where.encode())


def a_span(number: int, text: str) -> Span:
    span = Span(
        trace_id=bytes([7] * 16),
        span_id=number.to_bytes(8, "big"),
        name=f"{number}",
        start_time_unix_nano=1_700_000_000 * 10**9,
        end_time_unix_nano=1_700_000_001 * 10**9,
    )
    pair = span.attributes.add(key="text")
    pair.value.string_value = text
    pair.value.MergeFromString(unknown("value"))
    pair.MergeFromString(unknown("attribute"))
    span.events.add(name="event").MergeFromString(unknown("event"))
    span.links.add(trace_id=bytes([8] * 16), span_id=bytes([8] * 8)).MergeFromString(
        unknown("link")
    )
    span.status.MergeFromString(unknown("status"))
    span.MergeFromString(unknown("span"))
    return span


def a_request(spans: int, text: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for service in ("a", "b"):
        resource_spans = request.resource_spans.add(schema_url="https://example.com/1")
        pair = resource_spans.resource.attributes.add(key="service.name")
        pair.value.string_value = service
        resource_spans.resource.MergeFromString(unknown("resource"))
        resource_spans.MergeFromString(unknown(f"beside the resource {service}"))
        scope_spans = resource_spans.scope_spans.add(schema_url="https://example.com/2")
        scope_spans.scope.name = service
        scope_spans.scope.MergeFromString(unknown("scope"))
        scope_spans.MergeFromString(unknown(f"beside the scope {service}"))
        first = ord(service) * 10_000
        scope_spans.spans.extend(a_span(first + n, text) for n in range(spans))
    return request


def around_spans(request: ExportTraceServiceRequest) -> Iterator[tuple[str, bytes]]:
    """Each span with all that stands around it, as a request of its own."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                alone = ExportTraceServiceRequest()
                outer = alone.resource_spans.add()
                outer.MergeFromString(without(resource_spans, "scope_spans"))
                inner = outer.scope_spans.add()
                inner.MergeFromString(without(scope_spans, "spans"))
                inner.spans.append(span)
                yield span.name, alone.SerializeToString(deterministic=True)


def without(message: object, field: str) -> bytes:
    rest = type(message)()
    rest.CopyFrom(message)  # type: ignore[attr-defined]
    rest.ClearField(field)  # type: ignore[attr-defined]
    return bytes(rest.SerializeToString())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("spans", "text"), [(2, "short"), (500, LARGE)])
@pytest.mark.parametrize("made", [HttpBackend, GrpcBackend])
def test_they_arrive_where_they_stood(
    tmp_path: Path, made: type[HttpBackend] | type[GrpcBackend], spans: int, text: str
) -> None:
    backend = made()
    request = a_request(spans, text)
    try:
        with collector(tmp_path / "otel.db", forward=[backend.url]) as running:
            assert 200 == running.post(request.SerializeToString()).status
            wait_until(lambda: len(backend.taken.spans) >= 2 * spans, "all are forwarded")
    finally:
        backend.close()
    expected = dict(around_spans(request))
    assert 2 * spans == len(expected)
    assert expected == dict(each for sent in backend.taken.requests for each in around_spans(sent))
