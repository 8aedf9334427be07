"""A deferred span says in the end what the SDK's says that is made at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
)

from flujo_otel.bootstrap.local_provider import LocalTracerProvider
from flujo_otel.semconv.flujo import SCOPE
from flujo_otel_exporter import deferral
from flujo_otel_exporter.deferred_span import DeferredSpan
from flujo_otel_exporter.deferring_tracer import DeferringTracer
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.ids import TimeOrderedIdGenerator
from flujo_otel_exporter.processor import LiveSpanProcessor

LINKED = SpanContext(1, 2, is_remote=True)
VALUES = st.one_of(
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(allow_nan=False),
    st.lists(st.integers(0, 9), max_size=3),
    st.none(),
)
ATTRIBUTES = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("set_attribute"), st.text(max_size=5), VALUES),
        st.tuples(st.just("set_attributes"), ATTRIBUTES),
        st.tuples(st.just("add_event"), st.text(max_size=5), ATTRIBUTES, st.integers(1, 9)),
        st.tuples(st.just("add_event"), st.text(max_size=5), st.none(), st.integers(1, 9)),
        st.tuples(st.just("add_link"), st.just(LINKED), ATTRIBUTES),
        st.tuples(st.just("update_name"), st.text(max_size=5)),
        st.tuples(st.just("set_status"), st.just(StatusCode.ERROR), st.text(max_size=5)),
        st.tuples(st.just("set_status"), st.just(Status(StatusCode.OK))),
        st.tuples(st.just("get_span_context")),
        st.tuples(st.just("is_recording")),
        st.tuples(st.just("make")),
    ),
    max_size=8,
)


class Both:
    """A provider whose spans are kept, and a tracer of it that defers."""

    def __init__(self) -> None:
        self.ids = TimeOrderedIdGenerator()
        self.provider = TracerProvider(id_generator=self.ids, shutdown_on_exit=False)
        self.kept = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.sdk: Any = self.provider.get_tracer("steps")
        self.may_defer = True
        self.deferring = DeferringTracer(self.sdk, self.ids, lambda: self.may_defer)
        self.below = trace.set_span_in_context(self.sdk.start_span("run"))

    def deferred(self, name: str = "step", **attributes: Any) -> DeferredSpan:
        span = self.deferring.start_span(name, self.below, attributes=attributes)
        assert isinstance(span, DeferredSpan)
        return span

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.kept.get_finished_spans())


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    yield
    deferral.catch_up()


@given(ATTRIBUTES, CALLS)
def test_any_calls_leave_what_they_leave_on_the_sdk_s(
    attributes: dict[str, Any], calls: list[tuple[Any, ...]]
) -> None:
    both = Both()
    for tracer in (both.sdk, both.deferring):
        span = tracer.start_span("step", both.below, attributes=attributes)
        for method, *values in calls:
            if method != "make" or isinstance(span, DeferredSpan):
                getattr(span, method)(*values)
        span.end()
    deferral.catch_up()
    at_once, later = both.spans
    assert _said(later) == _said(at_once)


def _said(span: ReadableSpan) -> tuple[Any, ...]:
    return (
        span.name,
        dict(span.attributes or {}),
        [(event.name, dict(event.attributes or {}), event.timestamp) for event in span.events],
        [(link.context, dict(link.attributes or {})) for link in span.links],
        (span.status.status_code, span.status.description),
        span.parent,
        span.kind,
        span.context.trace_id,
        span.context.trace_flags,
        span.instrumentation_scope,
    )


def test_it_has_the_times_and_the_ids_that_it_had_from_the_start() -> None:
    both = Both()
    one = both.deferred()
    one.add_event("in between")
    one.end()
    two = both.deferred()
    two.end(two.start_time + 5)
    assert len(both.spans) == 1  # the question made the second
    deferral.catch_up()
    second, first = both.spans
    assert first.context == one.get_span_context()
    assert first.start_time <= first.events[0].timestamp <= first.end_time <= second.start_time
    assert second.end_time == second.start_time + 5


def test_one_below_another_is_its_child_though_neither_is_made() -> None:
    both = Both()
    outer = both.deferred("outer")
    inner = both.deferring.start_span(
        "inner", trace.set_span_in_context(outer), attributes={"a": 1}
    )
    assert isinstance(inner, DeferredSpan)
    inner.end()
    outer.end()
    deferral.catch_up()
    assert [span.name for span in both.spans] == ["outer", "inner"]
    assert both.spans[1].parent == outer.get_span_context()


def test_what_ends_it_with_an_exception_is_recorded() -> None:
    both = Both()
    with pytest.raises(KeyError), both.deferred("as a block"):
        raise KeyError("gone")
    with pytest.raises(KeyError), trace.use_span(both.deferred("used"), end_on_exit=True):
        raise KeyError("gone")
    deferral.catch_up()
    for span in both.spans:
        assert span.status.status_code is StatusCode.ERROR
        assert [event.name for event in span.events] == ["exception"]


def test_a_value_that_changes_later_is_recorded_as_it_was() -> None:
    both = Both()
    numbers, attributes = [1], {"a": 1}
    span = both.deferred()
    span.set_attribute("numbers", numbers)
    span.set_attributes(attributes)
    span.add_event("event", attributes)
    numbers.append(2)
    attributes["a"] = 2
    span.end()
    deferral.catch_up()
    (made,) = both.spans
    assert dict(made.attributes or {}) == {"numbers": (1,), "a": 1}
    assert dict(made.events[0].attributes or {}) == {"a": 1}


def test_it_no_longer_records_once_it_has_ended() -> None:
    span = Both().deferred()
    assert span.is_recording()
    span.end()
    assert not span.is_recording()


def test_so_many_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferral, "_MOST", 3)
    both = Both()
    for _ in range(5):
        both.deferred().end()
    assert deferral.behind() == 3
    assert len(both.spans) == 2


@pytest.mark.parametrize(
    "parent",
    [
        NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))),
        trace.INVALID_SPAN,
    ],
    ids=["remote", "none"],
)
def test_without_a_parent_in_this_process_nothing_is_deferred(parent: Span) -> None:
    both = Both()
    context = trace.set_span_in_context(parent)
    span = both.deferring.start_span("a", context, attributes={"a": 1})
    assert not isinstance(span, DeferredSpan)


def test_nothing_is_deferred_but_by_leave_and_with_no_more_than_attributes() -> None:
    both = Both()
    both.deferring.start_span("links", both.below, attributes={}, links=[]).end()
    both.deferring.start_span("bare", both.below).end()
    with both.deferring.start_as_current_span("current", both.below):
        pass
    both.may_defer = False
    both.deferring.start_span("no leave", both.below, attributes={}).end()
    assert [span.name for span in both.spans] == ["links", "bare", "current", "no leave"]


class TestLocalTracerProvider:
    """When the provider of `configure` defers."""

    @staticmethod
    def provider(exporter: SQLiteSpanExporter | None = None, **options: Any) -> LocalTracerProvider:
        options = {"id_generator": TimeOrderedIdGenerator(), "shutdown_on_exit": False} | options
        provider = LocalTracerProvider(**options)
        if exporter is not None:
            provider.add_span_processor(LiveSpanProcessor(exporter))
        return provider

    @staticmethod
    def defers(provider: TracerProvider, scope: str = SCOPE) -> bool:
        tracer = provider.get_tracer(scope)
        context = trace.set_span_in_context(tracer.start_span("run"))
        return isinstance(tracer.start_span("step", context, attributes={}), DeferredSpan)

    def test_where_our_writer_comes_by(self, make_exporter: Any) -> None:
        assert not self.defers(self.provider())
        assert not self.defers(self.provider(make_exporter(interval=60.0)))
        provider = self.provider(make_exporter(interval=0.2))
        assert self.defers(provider)
        assert not self.defers(provider, "another scope")

    def test_a_batch_processor_beside_it_cannot_tell(self, make_exporter: Any) -> None:
        provider = self.provider(make_exporter(interval=0.2))
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
        assert self.defers(provider)

    def test_with_a_processor_of_the_program_s_all_are_made_at_once(
        self, make_exporter: Any
    ) -> None:
        provider = self.provider(make_exporter(interval=0.2))
        assert self.defers(provider)
        kept = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(kept))
        assert not self.defers(provider)

    @pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.5)])
    def test_where_a_sampler_may_leave_out_a_step_none_is_deferred(
        self, make_exporter: Any, sampler: Any
    ) -> None:
        assert not self.defers(self.provider(make_exporter(interval=0.2), sampler=sampler))

    def test_nor_where_ids_are_another_s(self, make_exporter: Any) -> None:
        assert not self.defers(self.provider(make_exporter(interval=0.2), id_generator=None))

    def test_a_shutdown_makes_what_waits(self, make_exporter: Any, store: Any) -> None:
        provider = self.provider(make_exporter(interval=1.0))
        assert self.defers(provider)
        provider.shutdown()
        assert deferral.behind() == 0
        assert not self.defers(provider)
