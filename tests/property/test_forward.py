"""What is forwarded is exactly what came in: messages equal after parsing, unknown fields too."""

from collections.abc import Iterator
from contextlib import closing
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from flujo_otel.forward.request import encode
from flujo_otel.model import Batch, SpanRecord
from flujo_otel.spanstore.destinations import Filter
from flujo_otel.spanstore.factory import open_destinations, open_writer
from flujo_otel.wire.message import of_columns
from flujo_otel.wire.otlp import decode_protobuf
from support.backends import spans_of
from support.records import record

_TEXT = st.text(max_size=12)
_UNSIGNED_32 = st.integers(0, 2**32 - 1)
_TIME = st.integers(0, 2**63 - 1)
# Fields that no version of OTLP has yet: a varint, a text.
_UNKNOWN = st.sampled_from([b"", b"\xf8\x3f\x07", b"\xfa\x3f\x03new"])
# Of the number that `wire.unknown_fields` uses, as no sender should.
_AS_OURS = st.just(b"\xfa\xff\xff\xff\x0f\x02no")


def any_values() -> st.SearchStrategy[AnyValue]:
    plain = st.one_of(
        st.builds(AnyValue),
        st.builds(AnyValue, string_value=_TEXT),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
        st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
        st.builds(AnyValue, bytes_value=st.binary(max_size=8)),
    )
    return st.recursive(plain, _nested, max_leaves=4)


def _nested(inner: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    def array(values: list[AnyValue]) -> AnyValue:
        value = AnyValue()
        value.array_value.values.extend(values)
        return value

    def table(values: list[KeyValue]) -> AnyValue:
        value = AnyValue()
        value.kvlist_value.values.extend(values)
        return value

    pairs = st.builds(KeyValue, key=_TEXT, value=inner)
    return st.lists(inner, max_size=3).map(array) | st.lists(pairs, max_size=3).map(table)


ATTRIBUTES = st.lists(
    st.builds(KeyValue, key=_TEXT, value=any_values()), max_size=3, unique_by=lambda pair: pair.key
)
EVENTS = st.builds(
    Span.Event,
    time_unix_nano=_TIME,
    name=_TEXT,
    attributes=ATTRIBUTES,
    dropped_attributes_count=_UNSIGNED_32,
)
LINKS = st.builds(
    Span.Link,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    trace_state=_TEXT,
    attributes=ATTRIBUTES,
    dropped_attributes_count=_UNSIGNED_32,
    flags=_UNSIGNED_32,
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(_TIME)
    span = Span(
        trace_id=draw(st.binary(min_size=16, max_size=16).filter(any)),
        span_id=draw(st.binary(min_size=8, max_size=8).filter(any)),
        parent_span_id=draw(st.just(b"") | st.binary(min_size=8, max_size=8)),
        trace_state=draw(_TEXT),
        flags=draw(_UNSIGNED_32),
        name=draw(_TEXT),
        kind=draw(st.integers(0, 5)),
        start_time_unix_nano=start,
        end_time_unix_nano=draw(st.integers(max(start, 1), 2**63 - 1)),
        attributes=draw(ATTRIBUTES),
        dropped_attributes_count=draw(_UNSIGNED_32),
        events=draw(st.lists(EVENTS, max_size=2)),
        dropped_events_count=draw(_UNSIGNED_32),
        links=draw(st.lists(LINKS, max_size=2)),
        dropped_links_count=draw(_UNSIGNED_32),
    )
    if draw(st.booleans()):
        span.status.CopyFrom(Status(code=draw(st.integers(0, 2)), message=draw(_TEXT)))
    return Span.FromString(span.SerializeToString() + draw(_UNKNOWN))


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(1, 3))):
        resource = request.resource_spans.add(schema_url=draw(_TEXT))
        resource.resource.CopyFrom(
            Resource.FromString(
                Resource(
                    attributes=draw(ATTRIBUTES), dropped_attributes_count=draw(_UNSIGNED_32)
                ).SerializeToString()
                + draw(_UNKNOWN | _AS_OURS)
            )
        )
        for _ in range(draw(st.integers(1, 2))):
            scope = resource.scope_spans.add(schema_url=draw(_TEXT))
            scope.scope.CopyFrom(
                InstrumentationScope.FromString(
                    InstrumentationScope(
                        name=draw(_TEXT), version=draw(_TEXT), attributes=draw(ATTRIBUTES)
                    ).SerializeToString()
                    + draw(_UNKNOWN | _AS_OURS)
                )
            )
            scope.spans.extend(draw(st.lists(spans(), min_size=1, max_size=3)))
            scope.MergeFromString(draw(_UNKNOWN | _AS_OURS))
        resource.MergeFromString(draw(_UNKNOWN | _AS_OURS))
    # A span that is there twice is stored once, as it came last.
    for number, span in enumerate(spans_of(request)):
        span.span_id = bytes([number + 1]) + span.span_id[1:]
    return request


def beside(message: ResourceSpans | ScopeSpans) -> bytes:
    """What is in it beside the fields that have a name."""
    rest = type(message).FromString(message.SerializeToString())
    for field, _ in message.ListFields():
        rest.ClearField(field.name)
    return bytes(rest.SerializeToString())


def flat(request: ExportTraceServiceRequest) -> Iterator[tuple[bytes, ...]]:
    """Each span with what is around it, in the form in which equal messages have equal bytes."""
    for resource in request.resource_spans:
        beside_resource = beside(resource)
        for scope in resource.scope_spans:
            beside_scope = beside(scope)
            for span in scope.spans:
                yield (
                    beside_resource,
                    beside_scope,
                    resource.resource.SerializeToString(deterministic=True),
                    resource.schema_url.encode(),
                    scope.scope.SerializeToString(deterministic=True),
                    scope.schema_url.encode(),
                    span.SerializeToString(deterministic=True),
                )


@settings(max_examples=60, deadline=None)
@given(requests())
def test_every_span_is_forwarded_as_it_came_in(request: ExportTraceServiceRequest) -> None:
    decoded = decode_protobuf(request.SerializeToString())
    assert (0, "") == (
        decoded.partial_success.rejected_spans,
        decoded.partial_success.error_message,
    )
    with TemporaryDirectory() as folder:
        db = Path(folder) / "spans.db"
        with closing(open_writer(db)) as writer, closing(open_destinations(db)) as store:
            assert not writer.write(decoded.batch).rejected
            page = store.page(0, Filter(), 1000, 1 << 30)
            body = encode(page.spans, store.resource, store.scope)
    sent = ExportTraceServiceRequest.FromString(body)
    assert sorted(flat(request)) == sorted(flat(sent))


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@st.composite
def stored_without_bytes(draw: st.DrawFn) -> list[SpanRecord]:
    return [
        record(
            number,
            draw(st.none() | st.integers(1, 99)),
            otlp=draw(st.none() | st.binary(max_size=50)),
            name=draw(TEXTS),
            status_message=draw(st.none() | TEXTS),
            attributes=dumps(draw(st.dictionaries(TEXTS, TEXTS, max_size=3)), ensure_ascii=False),
            trace_id=draw(st.just("a" * 32) | TEXTS.filter(bool)),
        )
        for number in range(1, draw(st.integers(1, 12)))
    ]


def message_of(stored: SpanRecord) -> bytes:
    if stored.otlp is not None:
        return stored.otlp
    names = (
        *("trace_id", "otel_span_id", "otel_parent_id", "name", "kind", "start_time_ns"),
        *("end_time_ns", "status_code", "status_message", "attributes", "events", "flags"),
    )
    return of_columns(**{name: getattr(stored, name) for name in names})


@settings(max_examples=100, deadline=None)
@given(stored_without_bytes(), st.integers(1, 5), st.integers(1, 300))
def test_pages_of_any_size_hold_every_span_once_and_in_order(
    records: list[SpanRecord], most_spans: int, most_bytes: int
) -> None:
    with TemporaryDirectory() as folder:
        db = Path(folder) / "spans.db"
        with closing(open_writer(db)) as writer:
            assert not writer.write(Batch(records)).rejected
        read, position, is_last = [], 0, False
        with closing(open_destinations(db)) as store:
            while not is_last:
                page = store.page(position, Filter(), most_spans, most_bytes)
                read += page.spans
                position, is_last = page.position, page.is_last
    assert [message_of(each) for each in records] == [span.otlp for span in read]
    assert sorted({span.seq for span in read}) == [span.seq for span in read]
