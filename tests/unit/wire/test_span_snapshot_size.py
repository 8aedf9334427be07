"""The estimate of what a queued span holds."""

import tracemalloc

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from flujo_otel.wire.span_snapshot import span_snapshot

MEGABYTE = 1 << 20


def ended(attributes=None, events=(), links=()) -> ReadableSpan:  # type: ignore[no-untyped-def]
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    span = tracer.start_span("name", attributes=attributes, links=links)
    for name, values in events:
        span.add_event(name, values)
    span.end()
    return span._readable_span()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    "span",
    [
        ended({"text": "x" * MEGABYTE}),
        ended({"wide": "\U0001f600" * (MEGABYTE // 4)}),
        ended({"list": ["x" * 1024] * 1024}),
        ended({"numbers": list(range(MEGABYTE // 8))}),
        ended(events=[("event", {"text": "x" * MEGABYTE})]),
        ended(links=[Link(SpanContext(1, 2, False, TraceFlags(1)), {"text": "x" * MEGABYTE})]),
    ],
    ids=["text", "wide text", "list of texts", "list of numbers", "event", "link"],
)
def test_a_megabyte_is_seen_wherever_it_is(span: ReadableSpan) -> None:
    assert MEGABYTE <= span_snapshot(span).size_bytes < 6 * MEGABYTE


def test_a_usual_span_is_not_underestimated() -> None:
    attributes = {"a": "hello", "http.method": "GET", "n": 42, "f": 1.5, "b": True}
    provider = TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("t")
    tracemalloc.start()
    try:
        kept = []
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            span = tracer.start_span("name", attributes=attributes)
            span.end()
            kept.append(span_snapshot(span._readable_span()))  # type: ignore[attr-defined]
            del span
        measured = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert measured <= sum(one.size_bytes for one in kept) <= 2.5 * measured


def test_spans_of_another_make_are_sized_through_their_public_face() -> None:
    plain = ReadableSpan("name", attributes={"text": "x" * MEGABYTE})
    assert span_snapshot(plain).size_bytes >= MEGABYTE


@pytest.mark.parametrize("where", ["name", "key", "description", "event", "event key"])
def test_a_megabyte_counts_wherever_it_is(where: str) -> None:
    long = "x" * MEGABYTE
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    span = tracer.start_span(long if where == "name" else "n")
    if where == "key":
        span.set_attribute(long, 1)
    if where == "description":
        span.set_status(StatusCode.ERROR, long)
    if where.startswith("event"):
        span.add_event(long if where == "event" else "e", {long: 1} if where == "event key" else {})
    span.end()
    assert span_snapshot(span._readable_span()).size_bytes >= MEGABYTE  # type: ignore[attr-defined]
