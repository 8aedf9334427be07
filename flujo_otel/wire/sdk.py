"""Snapshots of the OpenTelemetry SDK's spans to `SpanRecord`.

Runs in the writer thread of a traced process, once a span: it is written for speed, and it takes no
lock that a span may hold, since a signal handler may be waiting for it on the very thread that
holds one (read through the SDK's public properties, 6 of 40 SIGTERMs deadlocked).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from json.encoder import encode_basestring as quote
from typing import Any, Final

from opentelemetry.sdk.resources import Resource as SDKResource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, StatusCode
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from flujo_otel.model import Batch, Resource, Scope, SpanRecord
from flujo_otel.model.record import LAST_TIME_NS, new_record
from flujo_otel.wire import message
from flujo_otel.wire.content_id import content_id
from flujo_otel.wire.projection import project
from flujo_otel.wire.protobuf import delimited, fixed32, tag, varint
from flujo_otel.wire.span_snapshot import SpanSnapshot
from flujo_otel.wire.values import clean_text, encode_attributes, plain_json

_DROPPED_ATTRIBUTES: Final = tag(10, 0)
_DROPPED_EVENTS: Final = tag(12, 0)
_LINKS: Final = tag(13, 2)
_DROPPED_LINKS: Final = tag(14, 0)

_ERROR: Final = StatusCode.ERROR.value
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_UNSIGNED_32: Final = (1 << 32) - 1


def to_batch(
    spans: Iterable[SpanSnapshot],
    refuse: Callable[[SpanSnapshot, Exception], None],
) -> Batch:
    """Records of `spans`, running ones of those without an end time.

    Whatever values a span holds, it becomes a record; `refuse` is told of one that does not all the
    same (an object that only looks like a span), which costs no other.
    """
    shared = _Shared()
    records = []
    for span in spans:
        try:
            records.append(_record(span, shared))
        except Exception as error:
            refuse(span, error)
    return Batch(records, tuple(shared.resources.values()), tuple(shared.scopes.values()))


class _Shared:
    """What the spans of one batch share, each encoded once."""

    def __init__(self) -> None:
        self.resources: dict[int, Resource] = {}
        self.scopes: dict[int, Scope] = {}
        self.trace_ids: dict[int, str] = {}
        self.parent_ids: dict[int, str] = {}

    def resource_id(self, resource: SDKResource) -> int:
        known = self.resources.get(id(resource))
        if known is None:
            known = self.resources[id(resource)] = _resource(resource)
        return known.resource_id

    def scope_id(self, scope: InstrumentationScope | None) -> int:
        known = self.scopes.get(id(scope))
        if known is None:
            known = self.scopes[id(scope)] = _scope(scope)
        return known.scope_id

    def trace_id(self, trace_id: int) -> str:
        known = self.trace_ids.get(trace_id)
        if known is None:
            known = self.trace_ids[trace_id] = f"{trace_id:032x}"
        return known

    def parent_id(self, span_id: int) -> str:
        known = self.parent_ids.get(span_id)
        if known is None:
            known = self.parent_ids[span_id] = f"{span_id:016x}"
        return known


def _resource(resource: SDKResource) -> Resource:
    otlp, attributes = encode_attributes(tag(1, 2), resource.attributes)
    schema_url = clean_text(resource.schema_url or "")
    return Resource(content_id(otlp, schema_url.encode()), attributes, schema_url, otlp)


def _scope(scope: InstrumentationScope | None) -> Scope:
    if scope is None:
        return Scope(content_id(b"", b""), "", "", "", b"")
    name, version = clean_text(scope.name or ""), clean_text(scope.version or "")
    schema_url = clean_text(scope.schema_url or "")
    otlp = message.string(tag(1, 2), name) + message.string(tag(2, 2), version)
    otlp += encode_attributes(tag(3, 2), scope.attributes)[0]
    return Scope(content_id(otlp, schema_url.encode()), name, version, schema_url, otlp)


def _record(span: SpanSnapshot, shared: _Shared) -> SpanRecord:
    name, context, parent, resource, scope, kind, start, end, status, attributes, *_ = span
    trace_id, span_id, *_ = context
    # An enum's `value` is a property written in Python, as are those of a context.
    code = status.status_code._value_
    run_id, role, stated, cost_usd, tokens = project(
        attributes,
        is_root=parent is None,
        ended=end is not None,
        is_error=code == _ERROR,
        at_ns=start or 0,
    )
    attributes_text, events, links, otlp = _plain(span) or _exact(span)
    description = status.description
    return new_record(
        SpanRecord,
        (
            shared.trace_id(trace_id),
            f"{span_id:016x}",
            None if parent is None else shared.parent_id(parent[1]),
            _name(name),
            kind._value_ + 1,
            _time(start),
            None if end is None else _time(end),
            stated,
            clean_text(description) if description else None,
            attributes_text,
            events,
            links,
            shared.resource_id(resource),
            shared.scope_id(scope),
            run_id or (clean_text(span.run_id) if span.run_id else None),
            role,
            cost_usd,
            tokens,
            _flags(context, parent),
            code,
            otlp,
        ),
    )


_Lists = tuple[str, str | None, str | None, bytes | None]
"""Attributes, events and links as JSON, and the span's bytes where columns cannot tell all."""


def _plain(span: SpanSnapshot) -> _Lists | None:
    """Of a span that is exactly its columns (see `message.of_columns`), as most are; None where it
    has links or a trace state, dropped something, or holds a value that JSON would change."""
    state = span.context[4]
    if span.links or span.dropped or (state is not DEFAULT_TRACE_STATE and state):
        return None
    text = plain_json(span.attributes)
    if text is None:
        return None
    if not span.events:
        return text, None, None, None
    texts = [text for text in map(_plain_event, span.events) if text is not None]
    if len(texts) < len(span.events):
        return None
    return text, f"[{','.join(texts)}]", None, None


def _plain_event(event: Event) -> str | None:
    text = plain_json(_unlocked(event.attributes))
    if text is None or _count_dropped(event.attributes):
        return None
    return _event_json(event, text)


def _exact(span: SpanSnapshot) -> _Lists:
    context, parent, status = span.context, span.parent, span.status
    attributes, attributes_text = encode_attributes(message.ATTRIBUTES, span.attributes)
    events, events_text = _list(span.events, message.EVENTS, _event)
    links, links_text = _list(span.links, _LINKS, _link)
    dropped = span.dropped or (0, 0, 0)
    otlp = message.assemble(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        trace_state=context.trace_state.to_header() if context.trace_state else "",
        parent_id=None if parent is None else parent.span_id.to_bytes(8, "big"),
        name=_name(span.name),
        kind=span.kind.value + 1,
        start_time_ns=_time(span.start_time),
        end_time_ns=None if span.end_time is None else _time(span.end_time),
        attributes=attributes + _dropped(dropped[0], _DROPPED_ATTRIBUTES),
        events=events + _dropped(dropped[1], _DROPPED_EVENTS),
        links=links + _dropped(dropped[2], _DROPPED_LINKS),
        status_code=status.status_code.value,
        status_message=clean_text(status.description or ""),
        flags=_flags(context, parent),
    )
    return attributes_text, events_text, links_text, otlp


def _name(name: Any) -> str:
    if type(name) is str and name.isascii():
        return name
    return clean_text(name if isinstance(name, str) else str(name))


def _unlocked(bounded: Any) -> Mapping[str, Any]:
    """The dict inside an event's or link's BoundedAttributes; whatever else holds attributes is
    read through its own interface."""
    plain = getattr(bounded, "_dict", None)
    return plain if type(plain) is dict else dict(bounded or ())


def _time(time_ns: int | None) -> int:
    """A time that OTLP's fixed64 and SQLite's INTEGER both take; user code may pass any integer."""
    if type(time_ns) is not int:
        time_ns = int(time_ns or 0)
    return time_ns if 0 <= time_ns <= LAST_TIME_NS else min(max(time_ns, 0), LAST_TIME_NS)


def _flags(context: SpanContext, remote: SpanContext | None) -> int:
    """W3C trace flags, and OTLP's two bits that say whether the parent (or link) is remote."""
    flags = context[3] & 0xFF | _HAS_IS_REMOTE
    return flags | _IS_REMOTE if remote is not None and remote[2] else flags


def _list(
    items: Sequence[Any], key: bytes, encode: Callable[[Any], tuple[bytes, str]]
) -> tuple[bytes, str | None]:
    encoded = [encode(item) for item in items]
    if not encoded:
        return b"", None
    exact = b"".join([delimited(key, content) for content, _ in encoded])
    return exact, "[" + ",".join([text for _, text in encoded]) + "]"


def _count_dropped(attributes: Any) -> int:
    return getattr(attributes, "dropped", 0)


def _dropped(count: int, key: bytes) -> bytes:
    return key + varint(min(count, _UNSIGNED_32)) if count else b""


def _event(event: Event) -> tuple[bytes, str]:
    given = _unlocked(event.attributes)
    attributes, text = encode_attributes(message.EVENT_ATTRIBUTES, given)
    name = clean_text(str(event.name))
    content = message.event(name, _time(event.timestamp), attributes)
    content += _dropped(_count_dropped(event.attributes), tag(4, 0))
    return content, _event_json(event, text)


def _event_json(event: Event, attributes: str) -> str:
    name = quote(clean_text(str(event.name)))
    return f'{{"name":{name},"time_ns":{_time(event.timestamp)},"attributes":{attributes}}}'


def _link(link: Link) -> tuple[bytes, str]:
    context = link.context
    exact, text = encode_attributes(tag(4, 2), _unlocked(link.attributes))
    content = delimited(tag(1, 2), context.trace_id.to_bytes(16, "big"))
    content += delimited(tag(2, 2), context.span_id.to_bytes(8, "big"))
    if context.trace_state:
        content += message.string(tag(3, 2), context.trace_state.to_header())
    content += exact + _dropped(_count_dropped(link.attributes), tag(5, 0))
    content += fixed32(tag(6, 5), _flags(context, context))
    ids = f'"trace_id":"{context.trace_id:032x}","span_id":"{context.span_id:016x}"'
    return content, f'{{{ids},"attributes":{text}}}'
