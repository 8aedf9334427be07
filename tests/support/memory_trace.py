"""Spans in memory, drawn as a tree."""

import json
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer


class MemoryTrace:
    """A provider of its own, and what it recorded."""

    def __init__(self) -> None:
        self.memory = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.tracer: Tracer = self.provider.get_tracer("the program")

    def spans(self) -> list[ReadableSpan]:
        return sorted(self.memory.get_finished_spans(), key=lambda span: span.start_time or 0)

    def span(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.spans() if span.name == name)
        return found

    def facts(self, name: str) -> dict[str, Any]:
        return dict(self.span(name).attributes or {})

    def value(self, name: str, attribute: str) -> Any:
        return json.loads(self.facts(name)[attribute])

    def events(self, name: str) -> list[str]:
        return [event.name for event in self.span(name).events]

    def tree(self) -> list[str]:
        """A line for each span, indented below its parent, siblings in order of start."""
        spans = self.spans()
        known = {span.context.span_id for span in spans}
        lines: list[str] = []

        def draw(parent: int | None, depth: int) -> None:
            for span in spans:
                above = span.parent.span_id if span.parent else None
                if (above if above in known else None) == parent:
                    lines.append("  " * depth + span.name)
                    draw(span.context.span_id, depth + 1)

        draw(None, 0)
        return lines
