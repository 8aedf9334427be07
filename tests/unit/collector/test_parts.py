"""A large request in parts says what it said as a whole."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flujo_otel.collector import parts as module
from flujo_otel.collector.answers import Refusal
from flujo_otel.collector.parts import check_json, parts
from flujo_otel.errors import MalformedRequest
from flujo_otel.wire.protobuf import delimited, tag

texts = st.text(max_size=30)


def _span(content: bytes) -> bytes:
    return _scope_spans(delimited(tag(2, 2), content))


def _scope_spans(content: bytes) -> bytes:
    return delimited(tag(1, 2), delimited(tag(2, 2), content))


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 4))):
        of = request.resource_spans.add(schema_url=draw(texts))
        of.resource.attributes.add(key="service.name").value.string_value = draw(texts)
        for _ in range(draw(st.integers(0, 4))):
            scope_spans = of.scope_spans.add(schema_url=draw(texts))
            scope_spans.scope.name = draw(texts)
            for _ in range(draw(st.integers(0, 6))):
                span = scope_spans.spans.add(name=draw(texts), trace_id=draw(st.binary(max_size=8)))
                for text in draw(st.lists(texts, max_size=3)):
                    span.attributes.add(key="key").value.string_value = text
    return request


def told(request: ExportTraceServiceRequest) -> list[tuple[bytes, ...]]:
    """Each span with what it belongs to, in order."""
    return [
        (
            of.resource.SerializeToString(),
            of.schema_url.encode(),
            scope_spans.scope.SerializeToString(),
            scope_spans.schema_url.encode(),
            span.SerializeToString(),
        )
        for of in request.resource_spans
        for scope_spans in of.scope_spans
        for span in scope_spans.spans
    ]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(request=requests(), part_bytes=st.integers(1, 400))
def test_every_span_is_in_one_part_with_its_resource_and_scope(
    request: ExportTraceServiceRequest, part_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART_BYTES", part_bytes)
        cut = list(parts(request.SerializeToString()))
    assert told(request) == [
        each for part in cut for each in told(ExportTraceServiceRequest.FromString(part))
    ]


def test_parts_are_no_larger_than_asked_for_beside_what_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 1000)
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for _ in range(500):
        spans.add(name="a span of some bytes")
    sizes = [len(part) for part in parts(request.SerializeToString())]
    assert max(sizes) < 1010
    assert len(sizes) < 14


@pytest.mark.parametrize("unknown", [b"\x7b\x0a\x01x\x7c", b"\x13\x1b\x1c\x14"])
def test_groups_which_nobody_knows_are_kept(
    unknown: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a number of their own, or of that of the spans."""
    monkeypatch.setattr(module, "PART_BYTES", 10)
    span = delimited(tag(2, 2), delimited(tag(5, 2), b"a span of some bytes"))
    scope_spans = delimited(tag(2, 2), unknown + span + span)
    body = delimited(tag(1, 2), unknown + scope_spans)
    cut = list(parts(body))
    names = [
        scope_spans.spans[0].name
        for part in cut
        for scope_spans in ExportTraceServiceRequest.FromString(part).resource_spans[0].scope_spans
    ]
    assert ["a span of some bytes"] * 2 == names
    assert [2, 2] == [part.count(unknown) for part in cut]


@given(body=st.binary(min_size=1, max_size=200))
def test_noise_is_cut_or_malformed(body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PART_BYTES", 1)
        try:
            assert all(isinstance(part, bytes) for part in parts(body))
        except MalformedRequest as error:
            assert "Not a message in protobuf" in str(error)


@pytest.mark.parametrize(
    "wrap",
    [
        _span,
        lambda inner: _span(delimited(tag(11, 2), inner.replace(b"\x4a", b"\x1a"))),
        lambda inner: _scope_spans(delimited(tag(1, 2), inner.replace(b"\x4a", b"\x1a"))),
        lambda inner: delimited(tag(1, 2), delimited(tag(1, 2), inner.replace(b"\x4a", b"\x0a"))),
        lambda inner: delimited(tag(1, 2), delimited(tag(1, 2), inner.replace(b"\x4a", b"\x1a"))),
    ],
    ids=["attributes", "attributes of an event", "of a scope", "of a resource", "entities"],
)
def test_too_many_values_where_there_is_nothing_to_cut_are_refused(wrap) -> None:  # type: ignore[no-untyped-def]
    body = wrap(b"\x4a\x00" * (1 << 20))
    with pytest.raises(Refusal) as caught:
        list(parts(body))
    assert 413 == caught.value.http


def test_too_many_spans_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 10)
    monkeypatch.setattr(module, "SPANS", 50)
    assert list(parts(b"\x0a\x00" * 50))
    with pytest.raises(Refusal) as caught:
        list(parts(b"\x0a\x00" * 51))
    assert 413 == caught.value.http


@pytest.mark.parametrize(
    "wrap",
    [lambda inner: inner, lambda inner: delimited(tag(1, 2), inner), _scope_spans, _span],
    ids=["of a request", "of a resource's", "of a scope's", "of a span"],
)
@pytest.mark.parametrize(
    "unknown", [b"\x78\x01" * 30, b"\x7b" + b"\x08\x01" * 30 + b"\x7c"], ids=["one by one", "group"]
)
def test_too_many_fields_that_nobody_knows_are_refused(
    wrap: Any, unknown: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_BYTES", 10)
    list(parts(wrap(unknown)))
    monkeypatch.setattr(module, "FIELDS", 25)
    with pytest.raises(Refusal) as caught:
        list(parts(wrap(unknown)))
    assert 413 == caught.value.http


def test_one_long_text_is_no_reason_to_refuse() -> None:
    text = delimited(tag(1, 2), b"x" * (5 << 20))
    body = _span(delimited(tag(9, 2), delimited(tag(2, 2), text)))
    assert [body] == list(parts(body))


def test_a_json_body_of_too_many_values_is_refused() -> None:
    check_json(b'{"text":"' + b"x" * (5 << 20) + b'"}')
    with pytest.raises(Refusal):
        check_json(b"[" + b"[]," * (2 << 20) + b"0]")
    with pytest.raises(Refusal):
        check_json(b"[" + b'"",' * (4 << 20) + b"0]")
