"""OTLP requests to records: nothing a span holds is lost, whatever came is answered in order."""

import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flujo_otel.errors import MalformedRequest
from flujo_otel.model import SpanRecord
from flujo_otel.spanstore.factory import open_writer
from flujo_otel.wire.otlp import decode_protobuf
from flujo_otel.wire.otlp_json import decode_json
from flujo_otel.wire.protobuf import delimited, tag, varint
from flujo_otel.wire.sdk import to_batch
from flujo_otel.wire.span_snapshot import SpanSnapshot, span_snapshot
from support import otlp

# Whole requests are large to draw: many small tests of values are in test_wire.py.
few = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
unknown_fields = st.lists(
    st.one_of(
        st.builds(lambda f, v: tag(f, 0) + varint(v), st.integers(900, 5000), otlp.uint64),
        st.builds(lambda f, v: delimited(tag(f, 2), v), st.integers(900, 5000), st.binary()),
    ),
    max_size=3,
).map(b"".join)


def exact(message: Any) -> bytes:
    """NaN is not equal to itself, its bytes are."""
    return bytes(message.SerializeToString(deterministic=True))


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@few
@given(otlp.spans, unknown_fields)
def test_what_is_stored_of_a_span_is_the_span_with_fields_that_nobody_knows(
    span: Span, unknown: bytes
) -> None:
    span.MergeFromString(unknown)
    for event in span.events:
        event.MergeFromString(unknown)
    decoded = decode_protobuf(otlp.request(span).SerializeToString())
    assert 0 == decoded.partial_success.rejected_spans
    with TemporaryDirectory() as folder:
        db = Path(folder) / "otel.db"
        writer = open_writer(db)
        assert [] == list(writer.write(decoded.batch).rejected)
        writer.close()
        connection = sqlite3.connect(db)
        [(stored,)] = connection.execute("SELECT otlp FROM spans").fetchall()
        connection.close()
    assert exact(span) == exact(Span.FromString(stored))


@few
@given(otlp.requests)
def test_a_request_in_json_gives_the_records_that_it_gives_in_protobuf(
    request: ExportTraceServiceRequest,
) -> None:
    one, other = decode_protobuf(request.SerializeToString()), decode_json(otlp.json_body(request))
    assert one.batch == other.batch
    assert one.partial_success == other.partial_success


@few
@given(otlp.requests)
def test_a_record_says_what_its_bytes_say(request: ExportTraceServiceRequest) -> None:
    sent = [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
    batch = decode_protobuf(request.SerializeToString()).batch
    assert [exact(s) for s in sent] == [record.otlp for record in batch.records]
    resources = {r.resource_id: r for r in batch.resources}
    scopes = {s.scope_id: s for s in batch.scopes}
    for span, record in zip(sent, batch.records, strict=True):
        assert span.trace_id.hex() == record.trace_id
        assert span.span_id.hex() == record.otel_span_id
        assert (span.parent_span_id.hex() or None) == record.otel_parent_id
        assert (span.name, span.kind) == (record.name, record.kind)
        assert 0 <= record.start_time_ns < 1 << 63
        assert record.end_time_ns is not None and 0 <= record.end_time_ns < 1 << 63
        assert (span.flags, span.status.code) == (record.flags, record.status_code)
        assert record.resource_id in resources
        assert record.scope_id in scopes
    sent_resources = {(exact(r.resource), r.schema_url) for r in request.resource_spans}
    assert sent_resources == {(r.otlp, r.schema_url) for r in batch.resources}


@few
@given(otlp.requests)
def test_all_that_is_readable_is_strict_json_that_sqlite_reads(
    request: ExportTraceServiceRequest,
) -> None:
    connection = sqlite3.connect(":memory:")
    batch = decode_protobuf(request.SerializeToString()).batch
    for record in batch.records:
        for text in (record.attributes, record.events or "[]", record.links or "[]"):
            json.loads(text, parse_constant=not_json)
            assert (1,) == connection.execute("SELECT json_valid(?)", (text,)).fetchone()
    connection.close()


def finished(build: Any) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "app"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    build(provider.get_tracer("tracer", "1.2"))
    provider.shutdown()
    return exporter.get_finished_spans()[0]


def refuse(span: SpanSnapshot, error: Exception) -> None:
    raise AssertionError(span.name) from error


readable = tuple(
    field
    for field in SpanRecord._fields
    if field not in ("otlp", "resource_id", "scope_id", "flags")
)
sdk_values = st.one_of(
    st.text(),
    st.booleans(),
    otlp.int64,
    st.floats(),
    st.lists(st.text(), max_size=3),
    st.lists(otlp.int64, max_size=3),
    st.lists(st.floats(), max_size=3),
    st.lists(st.booleans(), max_size=3),
)
sdk_keys = st.text(min_size=1) | st.sampled_from(
    [
        "flujo.run_id",
        "flujo.pipeline.name",
        "flujo.step.type",
        "flujo.status",
        "flujo.cost_usd",
        "flujo.total_tokens",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
    ]
)
sdk_attributes = st.dictionaries(sdk_keys, sdk_values, max_size=4)


@few
@given(sdk_attributes, sdk_attributes, st.sampled_from(list(trace.StatusCode)), st.booleans())
def test_a_span_reads_the_same_whether_our_exporter_stored_it_or_it_came_over_otlp(
    attributes: dict[str, Any], more: dict[str, Any], status: trace.StatusCode, has_parent: bool
) -> None:
    def build(tracer: trace.Tracer) -> None:
        remote = trace.SpanContext(5, 6, True, trace.TraceFlags(1))
        parent = trace.set_span_in_context(trace.NonRecordingSpan(remote)) if has_parent else None
        links = [trace.Link(remote, more)]
        span = tracer.start_span("op", parent, trace.SpanKind.CLIENT, attributes, links)
        span.add_event("happened", more, timestamp=7)
        span.set_status(status, "why" if status is trace.StatusCode.ERROR else None)
        span.end()

    span = finished(build)
    [ours] = to_batch([span_snapshot(span)], refuse).records
    [theirs] = decode_protobuf(encode_spans([span]).SerializeToString()).batch.records
    assert {name: getattr(ours, name) for name in readable} == {
        name: getattr(theirs, name) for name in readable
    }


@pytest.mark.parametrize("decode", [decode_protobuf, decode_json])
@few
@given(body=st.binary())
def test_random_bytes_are_decoded_or_malformed_and_nothing_else(decode: Any, body: bytes) -> None:
    try:
        decode(body)
    except MalformedRequest as error:
        assert str(error).endswith(".")


@few
@given(otlp.requests, st.data())
def test_a_request_cut_short_or_altered_is_decoded_or_malformed_and_nothing_else(
    request: ExportTraceServiceRequest, data: st.DataObject
) -> None:
    for decode, body in (
        (decode_protobuf, request.SerializeToString()),
        (decode_json, otlp.json_body(request)),
    ):
        at = data.draw(st.integers(0, len(body)))
        for broken in (body[:at], body[:at] + data.draw(st.binary(max_size=4)) + body[at + 1 :]):
            try:
                decode(broken)
            except MalformedRequest as error:
                assert str(error).endswith(".")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@few
@given(otlp.requests, json_values, st.data())
def test_json_with_a_value_of_any_kind_in_any_place_is_decoded_or_malformed(
    request: ExportTraceServiceRequest, value: Any, data: st.DataObject
) -> None:
    body = otlp.as_json(request)
    place: Any = body
    while place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = value
            break
        place = place[key]
    try:
        decoded = decode_json(json.dumps(body).encode())
    except MalformedRequest as error:
        assert str(error).endswith(".")
    else:
        assert (decoded.partial_success.rejected_spans == 0) == (
            decoded.partial_success.error_message == ""
        )


def with_texts(span: Span, name: bytes, key: bytes, text: bytes) -> bytes:
    """A request of `span` under another name and with one more attribute, deep inside of another;
    its texts are taken as they are."""
    value = delimited(tag(1, 2), text)
    pair = delimited(tag(1, 2), key) + delimited(tag(2, 2), value)
    tree = delimited(tag(6, 2), delimited(tag(1, 2), pair))
    outer = delimited(tag(1, 2), b"outer") + delimited(tag(2, 2), tree)
    body = span.SerializeToString() + delimited(tag(5, 2), name) + delimited(tag(9, 2), outer)
    return delimited(tag(1, 2), delimited(tag(2, 2), delimited(tag(2, 2), body)))


def escaped(text: bytes) -> bytes:
    return text.decode("utf-8", "backslashreplace").encode()


@few
@given(otlp.spans, st.binary(), st.binary(), st.binary())
def test_texts_that_are_no_utf_8_cost_no_span(
    span: Span, name: bytes, key: bytes, text: bytes
) -> None:
    texts = name, key, text
    found = decode_protobuf(with_texts(span, *texts))
    assert decode_protobuf(with_texts(span, *map(escaped, texts))).batch == found.batch
    broken = sum(each != escaped(each) for each in texts)
    noted = {loss.reason: loss.count for loss in found.losses}
    assert broken == noted.get("text_not_utf8", 0)
    assert (f"Texts that are not UTF-8: {broken}." in found.partial_success.error_message) == (
        broken > 0
    )
