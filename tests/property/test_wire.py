"""SDK spans to records: the bytes are OTLP, the JSON is strict, and nothing a span holds raises."""

import json
import math
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OTLPSpan
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flujo_otel.wire import values as values_module
from flujo_otel.wire.sdk import to_batch
from flujo_otel.wire.span_snapshot import SpanSnapshot, span_snapshot
from flujo_otel.wire.values import MAX_DEPTH, encode_attributes, encode_value, plain_json
from support.records import otlp

scalars = (
    st.text()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.binary()
    | st.none()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def plain(value: AnyValue) -> Any:
    """What the protobuf library reads out of an AnyValue."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
        case field:
            return getattr(value, field)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def refuse(span: SpanSnapshot, error: Exception) -> None:
    raise AssertionError(span.name) from error


@given(values)
def test_a_value_is_read_by_the_protobuf_library_as_it_was(value: Any) -> None:
    assert same(value, plain(AnyValue.FromString(encode_value(value)[0])))


@given(values)
def test_a_value_is_strict_json_that_sqlite_reads(value: Any) -> None:
    text = encode_value(value)[1]
    json.loads(text, parse_constant=not_json)
    connection = sqlite3.connect(":memory:")
    assert (1,) == connection.execute("SELECT json_valid(?)", (text,)).fetchone()
    connection.close()


@given(st.dictionaries(st.text(), values | st.lists(st.text()).map(tuple), max_size=4))
def test_plain_json_says_all_that_the_bytes_say_or_is_not_given(attributes: dict[str, Any]) -> None:
    exact, text = encode_attributes(b"\x4a", attributes)
    plain_text = plain_json(attributes)
    assert plain_text is None or (text, exact) == (
        plain_text,
        encode_attributes(b"\x4a", json.loads(plain_text))[0],
    )


@given(st.dictionaries(st.text(), scalars, max_size=6))
def test_attributes_are_key_values_of_their_field(attributes: dict[str, Any]) -> None:
    exact, _ = encode_attributes(b"\x4a", attributes)  # field 9, length-delimited
    read = OTLPSpan.FromString(exact).attributes
    assert list(attributes) == [pair.key for pair in read]
    assert all(same(attributes[pair.key], plain(pair.value)) for pair in read)


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_what_otlp_cannot_say_becomes_its_text() -> None:
    assert '"18446744073709551616"' == encode_value(1 << 64)[1]
    assert encode_value(1 << 100_000)[1].startswith('"0x1000')
    assert '"<Odd: RuntimeError in str()>"' == encode_value(Odd())[1]
    assert '"a\\\\udc80b"' == encode_value("a\udc80b")[1]
    for value in (1 << 64, Odd(), "a\udc80b"):
        assert "string_value" == AnyValue.FromString(encode_value(value)[0]).WhichOneof("value")


def test_non_finite_numbers_are_exact_in_otlp_and_text_in_json() -> None:
    assert ['"NaN"', '"Infinity"', '"-Infinity"'] == [
        encode_value(v)[1] for v in (math.nan, math.inf, -math.inf)
    ]


def test_depth_is_bounded_and_a_value_within_itself_ends() -> None:
    deep: Any = "bottom"
    for _ in range(MAX_DEPTH * 3):
        deep = [deep]
    circular: list[Any] = []
    circular.append(circular)
    for value in (deep, circular):
        exact, text = encode_value(value)
        otlp_value, read, depth = AnyValue.FromString(exact), json.loads(text), 0
        while isinstance(read, list):
            [read], [otlp_value] = read, otlp_value.array_value.values
            depth += 1
        assert MAX_DEPTH == depth
        assert read == otlp_value.string_value


def finished(build: Any, **limits: Any) -> ReadableSpan:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "app"}, "https://schema"),
        span_limits=SpanLimits(**limits),
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    build(provider.get_tracer("tracer", "1.2", "https://scope", {"scope": True}))
    provider.shutdown()
    return exporter.get_finished_spans()[0]


def test_a_span_with_everything_is_what_the_official_encoder_makes_of_it() -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    def build(tracer: trace.Tracer) -> None:
        remote = trace.SpanContext(5, 6, True, trace.TraceFlags(1), trace.TraceState([("k", "v")]))
        parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
        link = trace.Link(remote, {"why": "because"})
        span = tracer.start_span("all", parent, trace.SpanKind.SERVER, {"n": 1}, [link])
        for number in range(5):
            span.add_event(f"event {number}", {"at": number}, timestamp=number + 1)
            span.set_attribute(f"a{number}", [number, number])
        span.set_status(trace.StatusCode.ERROR, "sour milk")
        span.end()

    span = finished(build, max_events=3, max_span_attributes=4)
    batch = to_batch([span_snapshot(span)], refuse)
    official = encode_spans([span]).resource_spans[0]
    expected = official.scope_spans[0].spans[0]
    ours = OTLPSpan.FromString(otlp(batch.records[0]))
    # The official encoder leaves the W3C flags and the link's trace state out.
    assert ours.flags & 0xFF == span.context.trace_flags
    assert "k=v" == ours.links[0].trace_state
    ours.flags &= ~0xFF
    ours.links[0].flags &= ~0xFF
    ours.links[0].ClearField("trace_state")
    assert expected == ours
    assert (2, 2, 0) == (
        ours.dropped_events_count,
        ours.dropped_attributes_count,
        ours.dropped_links_count,
    )
    assert official.resource == type(official.resource).FromString(batch.resources[0].otlp)
    scope = official.scope_spans[0].scope
    assert scope == type(scope).FromString(batch.scopes[0].otlp)
    assert ("https://schema", "https://scope") == (
        batch.resources[0].schema_url,
        batch.scopes[0].schema_url,
    )


@given(
    st.text(),
    st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.floats(), max_size=4),
    st.integers(-(1 << 70), 1 << 70),
)
def test_no_span_that_a_program_can_make_raises(
    name: str, attributes: dict[str, Any], start: int
) -> None:
    def build(tracer: trace.Tracer) -> None:
        tracer.start_span(name, attributes=attributes, start_time=start).end(end_time=start)

    [record] = to_batch([span_snapshot(finished(build), "run")], refuse).records
    assert "run" == record.run_id
    OTLPSpan.FromString(otlp(record))
    assert 0 <= record.start_time_ns < 1 << 63


@given(st.floats() | st.integers() | st.text() | st.none())
def test_usage_of_any_kind_and_size_raises_nothing(value: Any) -> None:
    def build(tracer: trace.Tracer) -> None:
        names = ("gen_ai.usage.input_tokens", "flujo.cost_usd", "flujo.run_id", "flujo.status")
        tracer.start_span("s", attributes=dict.fromkeys(names, value)).end()

    [record] = to_batch([span_snapshot(finished(build))], refuse).records
    assert record.tokens is None or 0 <= record.tokens < 1 << 53


def test_what_only_looks_like_a_span_costs_no_other() -> None:
    def build(tracer: trace.Tracer) -> None:
        tracer.start_span("sound").end()

    sound, odd = span_snapshot(finished(build)), span_snapshot(ReadableSpan("no ids at all"))
    refused: list[SpanSnapshot] = []
    batch = to_batch([odd, sound], lambda span, _: refused.append(span))
    assert ["sound"] == [record.name for record in batch.records]
    assert [odd] == refused


@pytest.mark.parametrize(
    ("argument", "value"),
    [("start_time", 1.5), ("name", ["a", "list"]), ("name", {"a": "set"}), ("name", None)],
)
def test_arguments_of_another_type_than_the_sdk_asks_for_are_taken(
    argument: str, value: Any
) -> None:
    def build(tracer: trace.Tracer) -> None:
        tracer.start_span(**{"name": "n", argument: value}).end()

    [record] = to_batch([span_snapshot(finished(build))], refuse).records
    OTLPSpan.FromString(otlp(record))
    assert record.name == (str(value) if argument == "name" else "n")


def test_long_names_and_keys_are_not_kept() -> None:
    def build(tracer: trace.Tracer) -> None:
        tracer.start_span("n" * 10_000, attributes={"k" * 10_000: 1}).end()

    to_batch([span_snapshot(finished(build))], refuse)
    assert all(len(key) <= 200 for key in values_module._keys)


def test_a_span_without_an_end_is_running() -> None:
    provider = TracerProvider()
    span = provider.get_tracer("t").start_span("open")
    [record] = to_batch([span_snapshot(span)], refuse).records
    assert ("running", None) == (record.status, record.end_time_ns)
    assert 0 == OTLPSpan.FromString(otlp(record)).end_time_unix_nano
    span.end()
    provider.shutdown()
