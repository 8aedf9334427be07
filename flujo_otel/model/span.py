"""What a reader gets back of a span."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Event(NamedTuple):
    """A span event; `time_ns` is Unix time in nanoseconds."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]


class Link(NamedTuple):
    """A link to another span, ids in hex."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]


class Span(NamedTuple):
    """One stored span, decoded. Times are Unix time in nanoseconds; `end_time_ns` None: no end yet.

    `span_id` is the row's name in the `spans` table; trees are built from `trace_id`,
    `otel_span_id` and `otel_parent_id` only.
    """

    span_id: str
    run_id: str
    trace_id: str
    otel_span_id: str
    otel_parent_id: str | None
    name: str
    kind: int
    start_time_ns: int
    end_time_ns: int | None
    status: str
    status_message: str | None
    attributes: Mapping[str, Any]
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    role: int
    cost_usd: float | None
    tokens: int | None

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds from start to end, None while it runs."""
        return None if self.end_time_ns is None else self.end_time_ns - self.start_time_ns
