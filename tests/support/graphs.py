"""Real pydantic-graph runs under trace, whichever version is installed, and their spans as text."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from flujo_otel.guard import faults
from flujo_otel.integrations.pydantic_graph.execution import running_execution
from flujo_otel.semconv import flujo, graph

PYDANTIC_GRAPH = tuple(int(part) for part in version("pydantic-graph").split(".")[:2])
HAS_GRAPHS_OF_BASE_NODES = find_spec("pydantic_graph.persistence") is not None
only_on_1 = pytest.mark.skipif(
    not HAS_GRAPHS_OF_BASE_NODES, reason="pydantic-graph 1.x alone has graphs of BaseNodes"
)
only_on_2 = pytest.mark.skipif(
    HAS_GRAPHS_OF_BASE_NODES, reason="pydantic-graph 2.x alone does this"
)

if find_spec("pydantic_graph.graph_builder") is None:
    from pydantic_graph.beta import GraphBuilder, StepContext
    from pydantic_graph.beta import graph as builder_module
    from pydantic_graph.beta.join import ReduceFirstValue, reduce_list_append, reduce_sum
    from pydantic_graph.beta.util import TypeExpression
else:
    from pydantic_graph import (
        GraphBuilder,
        ReduceFirstValue,
        StepContext,
        TypeExpression,
        reduce_list_append,
        reduce_sum,
    )
    from pydantic_graph import (
        graph_builder as builder_module,
    )

__all__ = [
    "HAS_GRAPHS_OF_BASE_NODES",
    "PYDANTIC_GRAPH",
    "GraphBuilder",
    "ReduceFirstValue",
    "StepContext",
    "TracedGraphs",
    "TypeExpression",
    "builder_module",
    "only_on_1",
    "only_on_2",
    "reduce_list_append",
    "reduce_sum",
]


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


class TracedGraphs:
    """A provider of its own, and the checks after each run."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.watch = Watch()
        self.provider.add_span_processor(self.watch)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the program's own")
        self._faults_before = dict(faults())

    def run(self, of: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the graph to its end and return what its `run` gives."""
        return self.drive(lambda: of.run(*args, **kwargs))

    def drive(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run `main` in a loop of its own; its context must be afterwards what it was before."""

        async def watched() -> Any:
            before = otel_context.get_current()
            try:
                return await main()
            finally:
                assert dict(otel_context.get_current()) == dict(before)
                assert running_execution() is None

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
                    lines.append("  " * depth + line(span))
                    draw(span.context.span_id, depth + 1)

        draw(None, 0)
        return "\n".join(lines)

    def check(self) -> None:
        """What must hold after every run, whatever became of it."""
        assert self.watch.open == set()
        assert dict(faults()) == self._faults_before
        for span in self.spans:
            attributes = span.attributes
            if graph.STATUS not in attributes:
                continue
            assert (attributes[graph.STATUS] == "failed") == (
                span.status.status_code is StatusCode.ERROR
            )
            first = self.watch.first[span.context.span_id]
            assert (graph.NODE_ID in first) == (flujo.STEP_TYPE in first)
            if span.parent is None:
                assert flujo.PIPELINE_NAME in first
            else:
                assert flujo.PIPELINE_NAME not in attributes
            assert flujo.RUN_ID not in attributes


def line(span: ReadableSpan) -> str:
    """A span of ours in a line; of anything else its name."""
    attributes = span.attributes or {}
    if graph.STATUS not in attributes:
        return span.name
    parts = [span.name]
    if graph.NODE_TYPE in attributes:
        kind = str(attributes[graph.NODE_TYPE])
        parts.append(f"({kind})" if kind not in ("step", "node") else "")
        if attributes[graph.NODE_VISIT] != 1:
            parts.append(f"#{attributes[graph.NODE_VISIT]}")
        if flujo.PARALLEL_BRANCH in attributes:
            parts.append(f"in {attributes[flujo.PARALLEL_BRANCH]}")
    if attributes[graph.STATUS] != "completed":
        parts.append(str(attributes[graph.STATUS]))
    if flujo.ERROR_TYPE in attributes:
        parts.append(str(attributes[flujo.ERROR_TYPE]))
    if graph.NODE_NEXT in attributes:
        parts.append("-> " + ", ".join(attributes[graph.NODE_NEXT]))
    return " ".join(part for part in parts if part)


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def states(span: ReadableSpan) -> list[Any]:
    """The state snapshots of a span, in order."""
    return [
        json.loads(str(event.attributes[graph.STATE]))
        for event in span.events
        if event.name in (graph.EVENT_STATE_BEFORE, graph.EVENT_STATE_AFTER)
    ]


def content(span: ReadableSpan, name: str) -> Any:
    """A recorded value, read back."""
    return json.loads(str(span.attributes[name]))
