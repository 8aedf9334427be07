"""OTLP messages as the protobuf library makes them, of any content, and their JSON."""

import json
from base64 import b64decode
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

_IDS = ("traceId", "spanId", "parentSpanId")

uint32 = st.integers(0, (1 << 32) - 1)
uint64 = st.integers(0, (1 << 64) - 1)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
int32 = st.integers(-(1 << 31), (1 << 31) - 1)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)

# The one NaN that JSON knows: others differ in bits that it cannot say.
floats = st.floats(allow_nan=False) | st.just(float("nan"))

leaves = st.one_of(
    st.builds(AnyValue),
    st.builds(AnyValue, string_value=st.text()),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=int64),
    st.builds(AnyValue, double_value=floats),
    st.builds(AnyValue, bytes_value=st.binary()),
)


def _pairs(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[list[KeyValue]]:
    keys = st.text() | st.sampled_from(
        ["flujo.run_id", "flujo.cost_usd", "flujo.tokens", "flujo.status", "flujo.step.type"]
    )
    pair = st.builds(KeyValue, key=keys, value=values)
    return st.lists(pair, max_size=2, unique_by=lambda pair: pair.key)


values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=st.lists(inner, max_size=2))),
        st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=_pairs(inner))),
    ),
    max_leaves=3,
)
attributes = _pairs(values)

spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    trace_state=st.text(),
    parent_span_id=st.just(b"") | span_ids,
    flags=uint32,
    name=st.text(),
    kind=int32,
    start_time_unix_nano=uint64,
    end_time_unix_nano=uint64,
    attributes=attributes,
    dropped_attributes_count=uint32,
    events=st.lists(
        st.builds(
            Span.Event,
            time_unix_nano=uint64,
            name=st.text(),
            attributes=attributes,
            dropped_attributes_count=uint32,
        ),
        max_size=1,
    ),
    dropped_events_count=uint32,
    links=st.lists(
        st.builds(
            Span.Link,
            trace_id=trace_ids,
            span_id=span_ids,
            trace_state=st.text(),
            attributes=attributes,
            dropped_attributes_count=uint32,
            flags=uint32,
        ),
        max_size=1,
    ),
    dropped_links_count=uint32,
    status=st.builds(Status, message=st.text(), code=int32),
)
resources = st.builds(Resource, attributes=attributes, dropped_attributes_count=uint32)
scopes = st.builds(InstrumentationScope, name=st.text(), version=st.text(), attributes=attributes)
requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans,
            resource=resources,
            schema_url=st.text(),
            scope_spans=st.lists(
                st.builds(
                    ScopeSpans,
                    scope=scopes,
                    schema_url=st.text(),
                    spans=st.lists(spans, max_size=2),
                ),
                max_size=1,
            ),
        ),
        max_size=2,
    ),
)


def request(*given: Span, service: str = "app") -> ExportTraceServiceRequest:
    """One with these spans."""
    resource = Resource(
        attributes=[KeyValue(key="service.name", value=AnyValue(string_value=service))]
    )
    scope_spans = ScopeSpans(scope=InstrumentationScope(name="tests"), spans=given)
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope_spans])]
    )


def span(number: int, **given: Any) -> Span:
    """Span `number` of a trace; it starts `number` ms after a moment in 2023 and takes 1 ms."""
    start_ns = 1_700_000_000_000_000_000 + number * 1_000_000
    values: dict[str, Any] = {
        "trace_id": b"\x0a" * 16,
        "span_id": number.to_bytes(8, "big"),
        "name": f"span-{number}",
        "start_time_unix_nano": start_ns,
        "end_time_unix_nano": start_ns + 1_000_000,
    }
    return Span(**(values | given))


def as_json(message: ExportTraceServiceRequest) -> dict[str, Any]:
    """The same in OTLP's JSON, by way of protobuf's: ids become hex."""
    found: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    _ids_to_hex(found)
    return found


def json_body(message: ExportTraceServiceRequest) -> bytes:
    return json.dumps(as_json(message)).encode()


def _ids_to_hex(part: Any) -> None:
    if isinstance(part, list):
        for item in part:
            _ids_to_hex(item)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name in _IDS:
                part[name] = b64decode(value).hex()
            else:
                _ids_to_hex(value)
