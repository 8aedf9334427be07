"""A provider of its own whose spans are watched from their start, and drawn as text."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flujo_otel.guard import faults


class Watch(SpanProcessor):
    """In which order spans started, what was known of them then, and which have not ended."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.open: set[int] = set()
        self.first: dict[int, dict[str, Any]] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span_id = span.get_span_context().span_id
        self.order.append(span_id)
        self.open.add(span_id)
        self.first[span_id] = dict(span.attributes or {})

    def on_end(self, span: ReadableSpan) -> None:
        self.open.discard(span.get_span_context().span_id)


class Watched(ABC):
    """What every test of an instrumentation needs, and what must hold after each run."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.watch = Watch()
        self.provider.add_span_processor(self.watch)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the program's own")
        self._faults_before = dict(faults())

    @abstractmethod
    def line(self, span: ReadableSpan) -> str:
        """A span of ours in a line; of anything else its name."""

    @abstractmethod
    def expect_nothing_current(self) -> None:
        """Fails if a run or a step is still taken for the one that goes on."""

    def drive(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run `main` in a loop of its own; its context must be afterwards what it was before."""

        async def watched() -> Any:
            before = otel_context.get_current()
            try:
                return await main()
            finally:
                assert dict(otel_context.get_current()) == dict(before)
                self.expect_nothing_current()

        return asyncio.run(watched())

    def forget_faults(self) -> None:
        """For tests that made tracing itself fail."""
        self._faults_before = dict(faults())

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The finished spans in order of their start."""
        place = {span_id: number for number, span_id in enumerate(self.watch.order)}
        finished = self.exporter.get_finished_spans()
        return sorted(finished, key=lambda span: place[span.get_span_context().span_id])

    def all_named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def named(self, name: str) -> ReadableSpan:
        (found,) = self.all_named(name)
        return found

    def tree(self) -> str:
        """The finished spans as an indented text, one line each."""
        spans = self.spans
        known = {span.context.span_id for span in spans}
        lines: list[str] = []

        def draw(parent_id: int | None, depth: int) -> None:
            for span in spans:
                above = span.parent.span_id if span.parent else None
                if above == parent_id or (parent_id is None and above not in known):
                    lines.append("  " * depth + self.line(span))
                    draw(span.context.span_id, depth + 1)

        draw(None, 0)
        return "\n".join(lines)

    def check(self) -> None:
        """All spans have ended, and tracing has had no fault that was not foreseen."""
        assert self.watch.open == set()
        assert dict(faults()) == self._faults_before


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]
