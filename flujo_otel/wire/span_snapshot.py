"""What of the SDK's span is kept until it is written, and how much memory that holds."""

from collections.abc import Iterable, Mapping, Sequence
from sys import getsizeof
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status


class SpanSnapshot(NamedTuple):
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
    run_id: str | None
    """Inherited from a living ancestor."""
    size_bytes: int
    """An estimate that is cheap, never far too low, and within a factor of three."""


def span_snapshot(span: ReadableSpan, run_id: str | None = None) -> SpanSnapshot:
    """`span` as it is now (its attributes copied while they may change), and the run id that it
    inherited.

    Called for each span on the traced program's thread, so the SDK's containers are read where they
    are: through the public properties it takes 4 us more, and each property of a container takes
    its lock, which the very thread may hold that a signal handler interrupted.
    """
    try:
        bounded, events, links = span._attributes, span._events, span._links
        attributes = bounded._dict  # type: ignore[union-attr]
        if span._end_time is None:
            attributes = attributes.copy()
        event_tuple = tuple(events._dq) if events._dq else ()  # type: ignore[attr-defined]
        link_tuple = tuple(links._dq) if links._dq else ()  # type: ignore[attr-defined]
        dropped = bounded.dropped, events.dropped, links.dropped  # type: ignore[union-attr,attr-defined]
        return SpanSnapshot._make(
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
                event_tuple,
                link_tuple,
                dropped if any(dropped) else None,
                run_id,
                _size_bytes(span._name, attributes, event_tuple, link_tuple, span._status),
            )
        )
    except AttributeError:
        return _of_properties(span, run_id)


def _of_properties(span: ReadableSpan, run_id: str | None) -> SpanSnapshot:
    """The same for what only has a span's interface: it holds no lock of the SDK's."""
    attributes, events, links = dict(span.attributes or {}), tuple(span.events), tuple(span.links)
    return SpanSnapshot(
        span.name,
        span.context,
        span.parent,
        span.resource,
        span.instrumentation_scope,
        span.kind,
        span.start_time,
        span.end_time,
        span.status,
        attributes,
        events,
        links,
        None,
        run_id,
        _size_bytes(span.name, attributes, events, links, span.status),
    )


_SPAN_BYTES: Final = 1024
"""With five attributes, as measured, and some room. What the values hold comes on top."""
_ENTRY_BYTES: Final = 512
"""An event or a link beside its attributes."""
_FLAT: Final = frozenset({bool, int, float, type(None)})


def _size_bytes(
    name: Any,
    attributes: Mapping[str, Any],
    events: Sequence[Event],
    links: Sequence[Link],
    status: Status,
) -> int:
    total = _SPAN_BYTES + _attributes_bytes(attributes)
    if events or links:
        total += sum(map(_entry_bytes, (*events, *links)))
    if status.description:
        total += len(status.description)
    return total + len(name) if isinstance(name, str) else total  # a program may pass anything


def _entry_bytes(entry: Any) -> int:
    attributes = entry.attributes or {}
    size_bytes = _ENTRY_BYTES + len(getattr(entry, "name", ""))
    return size_bytes + _attributes_bytes(getattr(attributes, "_dict", attributes))


def _attributes_bytes(attributes: Mapping[str, Any]) -> int:
    # One join costs a third of adding up the keys' lengths.
    total = len("".join(attributes))
    for value in attributes.values():
        kind = type(value)
        if kind is str:
            total += len(value) if value.isascii() else getsizeof(value)
        elif kind not in _FLAT:
            total += _deep_bytes(value)
    return total


def _deep_bytes(value: Any, depth: int = 0) -> int:
    if isinstance(value, str | bytes) or depth > 50:
        return getsizeof(value)
    value = getattr(value, "_dict", value)
    if isinstance(value, Mapping):
        parts: Iterable[Any] = [*value, *value.values()]
    elif isinstance(value, list | tuple):
        parts = value
    else:
        return getsizeof(value)
    return getsizeof(value) + sum(_deep_bytes(part, depth + 1) for part in parts)
