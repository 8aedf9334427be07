"""The live processor: what is seen of a span while it runs, and what it passes to its children."""

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from flujo_otel import guard
from flujo_otel.semconv.flujo import RUN_ID
from flujo_otel_exporter import processor as processor_module
from flujo_otel_exporter.exporter import SQLiteSpanExporter
from flujo_otel_exporter.processor import LiveSpanProcessor
from support.fake_store import FakeStore

TraceFunction = Callable[[FrameType, str, Any], Any]


def shown(store: FakeStore) -> list[tuple[str, str]]:
    return [(record.name, record.status) for record in store.records]


def runs(store: FakeStore) -> dict[str, str | None]:
    return {record.name: record.run_id for record in store.records}


def test_a_span_open_at_a_flush_is_written_as_running_once_and_its_end_after(
    provider: TracerProvider, store: FakeStore
) -> None:
    span = provider.get_tracer("t").start_span("span")
    assert provider.force_flush()
    assert provider.force_flush()
    span.end()
    assert provider.force_flush()
    assert shown(store) == [("span", "running"), ("span", "completed")]
    first, second = store.records
    assert first.otel_span_id == second.otel_span_id


def test_a_span_that_starts_and_ends_between_two_flushes_is_written_once(
    provider: TracerProvider, store: FakeStore
) -> None:
    provider.get_tracer("t").start_span("span").end()
    assert provider.force_flush()
    assert shown(store) == [("span", "completed")]


def test_the_end_of_a_run_is_not_left_to_the_next_flush_which_that_of_a_child_is(
    provider: TracerProvider, store: FakeStore
) -> None:
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("run"):
        tracer.start_span("child").end()
        time.sleep(0.05)
        assert store.records == []
    deadline = time.monotonic() + 20
    while len(store.records) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert shown(store) == [("child", "completed"), ("run", "completed")]


def test_a_child_belongs_to_its_living_parents_run(
    provider: TracerProvider, store: FakeStore
) -> None:
    tracer = provider.get_tracer("t")
    with (
        tracer.start_as_current_span("run", attributes={RUN_ID: "r1"}),
        tracer.start_as_current_span("step"),
    ):
        tracer.start_span("leaf").end()
    assert provider.force_flush()
    assert runs(store) == {"leaf": "r1", "step": "r1", "run": "r1"}


def test_half_a_character_in_a_runs_id_costs_no_span_of_the_run(
    provider: TracerProvider, store: FakeStore
) -> None:
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("run", attributes={RUN_ID: "r\ud83d"}):
        tracer.start_span("step").end()
    assert provider.force_flush()
    assert runs(store) == {"step": r"r\ud83d", "run": r"r\ud83d"}


def test_a_run_named_after_the_start_counts_for_the_children_that_follow(
    provider: TracerProvider, store: FakeStore
) -> None:
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("run") as run:
        tracer.start_span("before").end()
        run.set_attribute(RUN_ID, "r1")
        tracer.start_span("after").end()
    assert provider.force_flush()
    assert runs(store) == {"before": None, "after": "r1", "run": "r1"}


def test_a_spans_own_run_goes_before_its_parents(
    provider: TracerProvider, store: FakeStore
) -> None:
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer", attributes={RUN_ID: "r1"}):
        with tracer.start_as_current_span("inner", attributes={RUN_ID: "r2"}):
            tracer.start_span("leaf").end()
        tracer.start_span("sibling").end()
    assert provider.force_flush()
    assert runs(store) == {"outer": "r1", "inner": "r2", "leaf": "r2", "sibling": "r1"}


def test_the_run_that_was_open_at_a_fork_is_the_childs_and_the_grandchilds(
    exporter: SQLiteSpanExporter, store: FakeStore
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    live = LiveSpanProcessor(exporter)
    provider.add_span_processor(live)
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("run", attributes={RUN_ID: "r1"}):
        live.start_over()
        tracer.start_span("child").end()
        live.start_over()
        tracer.start_span("grandchild").end()
    assert provider.force_flush()
    assert runs(store) == {"child": "r1", "grandchild": "r1"}


def test_a_span_that_was_open_before_the_processor_came_is_written(
    exporter: SQLiteSpanExporter, store: FakeStore
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span("early")
    provider.add_span_processor(LiveSpanProcessor(exporter))
    span.end()
    assert provider.force_flush()
    assert shown(store) == [("early", "completed")]


class _RecordOnly(Sampler):
    def should_sample(self, *_: object, **__: object) -> SamplingResult:  # type: ignore[override]
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, _RecordOnly()], ids=["off", "record only"])
def test_what_is_not_sampled_is_neither_kept_nor_written(
    exporter: SQLiteSpanExporter, store: FakeStore, sampler: Sampler
) -> None:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    live = LiveSpanProcessor(exporter)
    provider.add_span_processor(live)
    span = provider.get_tracer("t").start_span("span")
    assert live._open == {}
    span.end()
    assert provider.force_flush()
    assert store.records == []


def test_the_map_of_open_spans_is_bounded_and_every_end_is_written(
    provider: TracerProvider, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor_module, "MAX_OPEN", 3)
    tracer = provider.get_tracer("t")
    spans = [tracer.start_span(str(number)) for number in range(5)]
    assert provider.force_flush()
    assert shown(store) == [(str(number), "running") for number in range(3)]
    for span in spans:
        span.end()
    assert provider.force_flush()
    assert {n for n, status in shown(store) if status == "completed"} == set("01234")


def test_nothing_is_kept_of_a_span_that_has_ended(exporter: SQLiteSpanExporter) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    live = LiveSpanProcessor(exporter)
    provider.add_span_processor(live)
    for _ in range(100):
        provider.get_tracer("t").start_span("span").end()
    assert live._open == {}


def test_a_span_that_ends_after_the_shutdown_stays_as_it_was(
    provider: TracerProvider, store: FakeStore
) -> None:
    span = provider.get_tracer("t").start_span("open")
    provider.shutdown()
    span.end()
    processor: Any = provider._active_span_processor._span_processors[0]
    assert processor.writer.flush(10)
    assert shown(store) == [("open", "running")]
    assert [("shut_down", 1)] == [(loss.reason, loss.count) for loss in store.losses]


def test_after_its_shutdown_it_ignores_what_comes(
    provider: TracerProvider, store: FakeStore
) -> None:
    tracer = provider.get_tracer("t")
    tracer.start_span("before").end()
    provider.shutdown()
    tracer.start_span("after").end()
    assert provider.force_flush()
    assert shown(store) == [("before", "completed")]


def test_the_events_and_attributes_of_a_running_span_are_those_of_the_flush(
    provider: TracerProvider, store: FakeStore
) -> None:
    span = provider.get_tracer("t").start_span("span")
    span.set_attribute("a", 1)
    span.add_event("event")
    assert provider.force_flush()
    (record,) = store.records
    assert record.attributes == '{"a":1}'
    assert record.events is not None
    span.end()


def test_a_running_span_is_read_without_its_locks(
    provider: TracerProvider, store: FakeStore
) -> None:
    """A SIGTERM handler waits for the writer on the thread that may hold them."""
    span = provider.get_tracer("t").start_span("span", attributes={"a": 1})
    span.add_event("event")
    locks = (span._lock, span._attributes._lock, span._events._lock)  # type: ignore[attr-defined]
    for lock in locks:
        lock.acquire()
    try:
        assert provider.force_flush()
    finally:
        for lock in locks:
            lock.release()
    assert shown(store) == [("span", "running")]
    span.end()


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_a_fault_of_ours_never_reaches_the_program(
    provider: TracerProvider,
    exporter: SQLiteSpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    monkeypatch.delenv("FLUJO_OTEL_RAISE")
    live = LiveSpanProcessor(exporter)
    before = guard.faults().get(method, 0)
    getattr(live, method)(_Broken())
    assert before + 1 == guard.faults()[method]


class _Broken(ReadableSpan):
    def __init__(self) -> None:
        pass

    @property
    def context(self) -> trace.SpanContext:
        raise RuntimeError("broken")


def test_two_processors_and_an_exporter_share_one_writer(
    make_exporter: Callable[..., SQLiteSpanExporter],
) -> None:
    exporter = make_exporter()
    assert LiveSpanProcessor(exporter).writer is LiveSpanProcessor(exporter).writer


def test_a_signal_between_any_two_lines_of_a_spans_life_is_served_at_once(
    make_exporter: Callable[..., SQLiteSpanExporter],
) -> None:
    """What the SIGTERM handler does, done at each line, the SDK's and ours: nothing that the
    interrupted line holds keeps it waiting."""
    exporter = make_exporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(LiveSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    served: list[tuple[str, bool]] = []
    handling = False

    def interrupt(frame: FrameType, event: str, _: object) -> TraceFunction:
        nonlocal handling
        if event == "line" and not handling:
            handling = True
            where = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
            served.append((where, exporter.writer.flush(10)))
            handling = False
        return interrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        span = tracer.start_span("span", attributes={"a": 1})
        span.set_attribute("b", 2)
        span.add_event("event", {"c": 3})
        span.end()
        exporter.writer._bell.ring()
    finally:
        sys.settrace(before)
    assert [where for where, in_time in served if not in_time] == []
    assert {"LiveSpanProcessor.on_end", "Intake.put", "Bell.ring", "Span.set_attribute"} <= {
        where.split(":")[0] for where, _ in served
    }
