"""Real flujo runs under trace, their spans drawn as text, and what must hold after every one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from flujo_otel.guard import faults
from flujo_otel.integrations.flujo.run import open_runs
from flujo_otel.integrations.flujo.step import current_step
from flujo_otel.semconv import flujo as semconv

FLUJO = tuple(int(part) for part in version("flujo").split(".")[:2])
only_on_04 = pytest.mark.skipif(FLUJO > (0, 4), reason="flujo 0.4 alone does this")
only_on_06 = pytest.mark.skipif(FLUJO < (0, 6), reason="flujo 0.4 has nothing like it")

_SHOWN = (
    (semconv.ITERATION_NUMBER, "#{}"),
    (semconv.PARALLEL_BRANCH, "in {}"),
    (semconv.BRANCH_KEY, "-> {}"),
    (semconv.LOOP_ITERATIONS, "{} rounds"),
    (semconv.LOOP_EXIT_REASON, "exit {}"),
    (semconv.STEP_ATTEMPTS, "attempts {}"),
    (semconv.FALLBACK_TRIGGERED, "fell back"),
    (semconv.CACHE_HIT, "cached"),
    (semconv.RESUMED, "resumed"),
    (semconv.NESTED_PIPELINE_NAME, "nested {}"),
    (semconv.ERROR_TYPE, "error {}"),
)


def by_version(on_04: str, on_06: str) -> str:
    """The tree that is right on the flujo at hand."""
    return on_04 if FLUJO < (0, 6) else on_06


class Watch(SpanProcessor):
    """What is known of each span at its start, and which have not ended."""

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


class Traced:
    """A provider of its own, flujo runners that report to it, and the checks after each run."""

    def __init__(self, make_hooks: Callable[[TracerProvider], list[Any]]) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.watch = Watch()
        self.provider.add_span_processor(self.watch)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the program's own")
        self.hooks = make_hooks(self.provider)
        self._faults_before = dict(faults())

    def runner(self, pipeline: Any, **options: Any) -> Any:
        """A runner without flujo's default database, which is slow and not the point."""
        from flujo import Flujo
        from flujo.state.backends.memory import InMemoryBackend

        options.setdefault("state_backend", InMemoryBackend())
        options.setdefault("pipeline_name", "demo")
        hooks = [*self.hooks, *options.pop("hooks", [])]
        return Flujo(pipeline, hooks=hooks, **options)

    def run(self, pipeline: Any, value: Any = 0, **options: Any) -> Any:
        """Run to the end and return flujo's result."""
        runner = self.runner(pipeline, **options)
        return self.drive(lambda: last_of(runner.run_async(value)))

    def drive(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run `main` in a loop of its own; its context must be afterwards what it was before."""

        async def watched() -> Any:
            before = otel_context.get_current()
            try:
                return await main()
            finally:
                assert dict(otel_context.get_current()) == dict(before)
                assert_no_current_step()

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

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
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
                    lines.append("  " * depth + _line(span))
                    draw(span.context.span_id, depth + 1)

        draw(None, 0)
        return "\n".join(lines)

    def check(self) -> None:
        """What must hold after every run, whatever became of it."""
        left_open = dict(open_runs)
        open_runs.clear()
        assert left_open == {}
        assert self.watch.open == set()
        assert dict(faults()) == self._faults_before
        indexes: dict[str, list[int]] = {}
        for span in self.spans:
            first = self.watch.first[span.context.span_id]
            if semconv.STEP_TYPE in span.attributes:
                assert {semconv.RUN_ID, semconv.STEP_TYPE, semconv.STEP_INDEX, semconv.STEP_ID} <= (
                    first.keys()
                )
                if not _continues(span, self.spans):
                    indexes.setdefault(first[semconv.RUN_ID], []).append(first[semconv.STEP_INDEX])
            if semconv.STATUS in span.attributes:
                is_error = span.status.status_code is StatusCode.ERROR
                assert is_error == (span.attributes[semconv.STATUS] == "failed")
                assert semconv.RUN_ID in first
        for numbers in indexes.values():
            assert len(numbers) == len(set(numbers))


def _continues(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> bool:
    """A step that a pause interrupted is there twice under its one index."""
    return any(
        other is not span
        and other.name == span.name
        and other.attributes.get(semconv.STATUS) == "paused"
        for other in spans
    )


def assert_no_current_step() -> None:
    step = current_step.get()
    assert step is None or step.closed


def _line(span: ReadableSpan) -> str:
    attributes = span.attributes or {}
    if semconv.STATUS not in attributes:
        return span.name
    parts = [span.name]
    if semconv.STEP_INDEX in attributes:
        parts.append(f"[{attributes[semconv.STEP_INDEX]}]")
    parts.append(str(attributes[semconv.STATUS]))
    for name, words in _SHOWN:
        if name == semconv.STEP_ATTEMPTS and attributes.get(name) == 1:
            continue
        if name in attributes:
            parts.append(words.format(attributes[name]))
    return " ".join(parts)


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


async def last_of(source: Any) -> Any:
    """The last item of an asynchronous iterator."""
    last = None
    async for item in source:
        last = item
    return last


class DetachErrors(logging.Handler):
    """Collects OpenTelemetry's complaints about contexts."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
