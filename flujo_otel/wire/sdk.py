"""The OpenTelemetry SDK's ReadableSpan to `SpanRecord`.

Runs in the writer thread of a traced process, once a span: it is written for speed, and it takes no
lock that a span may hold, since a signal handler may be waiting for it on the very thread that
holds one (read through the SDK's public properties, 6 of 40 SIGTERMs deadlocked).
"""

from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring as quote
from struct import Struct
from typing import Any, Final

from opentelemetry.sdk.resources import Resource as SDKResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, StatusCode

from flujo_otel.model import Batch, Resource, Scope, SpanRecord
from flujo_otel.wire.content import content_id
from flujo_otel.wire.projection import project
from flujo_otel.wire.protobuf import delimited, tag, varint
from flujo_otel.wire.values import clean_text, encode_attributes

_FIXED64 = Struct("<Q").pack
_FIXED32 = Struct("<I").pack
_TRACE_ID: Final = tag(1, 2)
_SPAN_ID: Final = tag(2, 2)
_TRACE_STATE: Final = tag(3, 2)
_PARENT_ID: Final = tag(4, 2)
_NAME: Final = tag(5, 2)
_KIND: Final = tag(6, 0)
_START: Final = tag(7, 1)
_END: Final = tag(8, 1)
_ATTRIBUTES: Final = tag(9, 2)
_DROPPED_ATTRIBUTES: Final = tag(10, 0)
_EVENTS: Final = tag(11, 2)
_DROPPED_EVENTS: Final = tag(12, 0)
_LINKS: Final = tag(13, 2)
_DROPPED_LINKS: Final = tag(14, 0)
_STATUS: Final = tag(15, 2)
_FLAGS: Final = tag(16, 5)

_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_MAX_TIME_NS: Final = (1 << 63) - 1
_UNSIGNED_32: Final = (1 << 32) - 1


def to_batch(spans: Iterable[tuple[ReadableSpan, str | None]]) -> Batch:
    """Records of `spans`, each given with the run id that it inherited (or None).

    A span without an end time becomes a running record. Never raises for what a span holds.
    """
    shared = _Shared()
    records = [_record(span, run_id, shared) for span, run_id in spans]
    return Batch(records, tuple(shared.resources.values()), tuple(shared.scopes.values()))


class _Shared:
    """Resources and scopes of one batch, each encoded once."""

    def __init__(self) -> None:
        self.resources: dict[int, Resource] = {}
        self.scopes: dict[int, Scope] = {}

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


def _resource(resource: SDKResource) -> Resource:
    otlp, attributes = encode_attributes(tag(1, 2), resource.attributes)
    schema_url = clean_text(resource.schema_url or "")
    return Resource(content_id(otlp, schema_url.encode()), attributes, schema_url, otlp)


def _scope(scope: InstrumentationScope | None) -> Scope:
    if scope is None:
        return Scope(content_id(b"", b""), "", "", "", b"")
    name, version = clean_text(scope.name or ""), clean_text(scope.version or "")
    schema_url = clean_text(scope.schema_url or "")
    otlp = _string(tag(1, 2), name) + _string(tag(2, 2), version)
    otlp += encode_attributes(tag(3, 2), scope.attributes)[0]
    return Scope(content_id(otlp, schema_url.encode()), name, version, schema_url, otlp)


def _record(span: ReadableSpan, inherited_run_id: str | None, shared: _Shared) -> SpanRecord:
    context: SpanContext = span.context
    parent = span.parent
    start_ns, end_ns = _time(span.start_time), span.end_time
    ended = end_ns is not None
    end_ns = _time(end_ns) if ended else None
    attributes = _unlocked(getattr(span, "_attributes", None), copy=not ended)
    name = span.name if type(span.name) is str else str(span.name)
    status = span.status
    facts = project(
        attributes,
        is_root=parent is None,
        ended=ended,
        is_error=status.status_code is StatusCode.ERROR,
    )
    exact, text = encode_attributes(_ATTRIBUTES, attributes)
    events, events_text = _events(span)
    links, links_text = _links(span.links)
    try:
        raw_name = name.encode()
    except UnicodeEncodeError:
        name = clean_text(name)
        raw_name = name.encode()
    kind = span.kind.value + 1
    otlp = b"".join(
        (
            _head(context, parent),
            _NAME,
            varint(len(raw_name)),
            raw_name,
            _KIND,
            varint(kind),
            _START,
            _FIXED64(start_ns),
            _END + _FIXED64(end_ns) if end_ns else b"",
            exact,
            _count(_DROPPED_ATTRIBUTES, span.dropped_attributes),
            events,
            _count(_DROPPED_EVENTS, span.dropped_events),
            links,
            _count(_DROPPED_LINKS, span.dropped_links),
            _status(status.status_code, status.description),
            _FLAGS,
            _FIXED32(_flags(context, parent)),
        )
    )
    return SpanRecord(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        f"{parent.span_id:016x}" if parent is not None else None,
        name,
        kind,
        start_ns,
        end_ns,
        facts.status,
        clean_text(status.description) if status.description else None,
        text,
        events_text,
        links_text,
        shared.resource_id(span.resource),
        shared.scope_id(span.instrumentation_scope),
        facts.run_id or inherited_run_id,
        facts.role,
        facts.cost_usd,
        facts.tokens,
        otlp,
    )


def _unlocked(bounded: Any, *, copy: bool) -> Mapping[str, Any]:
    """The dict inside the SDK's BoundedAttributes; a copy (atomic under the GIL) while it may
    still change. Whatever else holds attributes is read through its own interface."""
    plain = getattr(bounded, "_dict", None)
    if type(plain) is dict:
        return plain.copy() if copy else plain
    return dict(bounded or ())


def _time(time_ns: int | None) -> int:
    """A time that OTLP's fixed64 and SQLite's INTEGER both take; user code may pass any integer."""
    return min(max(int(time_ns or 0), 0), _MAX_TIME_NS)


def _head(context: SpanContext, parent: SpanContext | None) -> bytes:
    head = (
        _TRACE_ID + b"\x10" + context.trace_id.to_bytes(16, "big")
        + _SPAN_ID + b"\x08" + context.span_id.to_bytes(8, "big")
    )  # fmt: skip
    if context.trace_state:
        head += _string(_TRACE_STATE, context.trace_state.to_header())
    if parent is not None:
        head += _PARENT_ID + b"\x08" + parent.span_id.to_bytes(8, "big")
    return head


def _flags(context: SpanContext, remote: SpanContext | None) -> int:
    """W3C trace flags, and OTLP's two bits that say whether the parent (or link) is remote."""
    flags = context.trace_flags & 0xFF | _HAS_IS_REMOTE
    return flags | _IS_REMOTE if remote is not None and remote.is_remote else flags


def _events(span: ReadableSpan) -> tuple[bytes, str | None]:
    held = getattr(span, "_events", None)
    # BoundedList.__iter__ takes the list's lock; its deque can be copied without.
    events: Sequence[Event] = tuple(getattr(held, "_dq", held) or ())
    if not events:
        return b"", None
    encoded = [_event(event) for event in events]
    exact = b"".join(delimited(_EVENTS, content) for content, _ in encoded)
    return exact, "[" + ",".join(text for _, text in encoded) + "]"


def _event(event: Event) -> tuple[bytes, str]:
    time_ns = _time(event.timestamp)
    name = clean_text(str(event.name))
    exact, text = encode_attributes(tag(3, 2), _unlocked(event.attributes, copy=False))
    content = tag(1, 1) + _FIXED64(time_ns) + _string(tag(2, 2), name) + exact
    content += _count(tag(4, 0), event.dropped_attributes)
    return content, f'{{"name":{quote(name)},"time_ns":{time_ns},"attributes":{text}}}'


def _links(links: Sequence[Link]) -> tuple[bytes, str | None]:
    if not links:
        return b"", None
    encoded = [_link(link) for link in tuple(links)]
    exact = b"".join(delimited(_LINKS, content) for content, _ in encoded)
    return exact, "[" + ",".join(text for _, text in encoded) + "]"


def _link(link: Link) -> tuple[bytes, str]:
    context = link.context
    exact, text = encode_attributes(tag(4, 2), _unlocked(link.attributes, copy=False))
    content = delimited(tag(1, 2), context.trace_id.to_bytes(16, "big"))
    content += delimited(tag(2, 2), context.span_id.to_bytes(8, "big"))
    if context.trace_state:
        content += _string(tag(3, 2), context.trace_state.to_header())
    content += exact + _count(tag(5, 0), link.dropped_attributes)
    content += tag(6, 5) + _FIXED32(_flags(context, context))
    ids = f'"trace_id":"{context.trace_id:032x}","span_id":"{context.span_id:016x}"'
    return content, f'{{{ids},"attributes":{text}}}'


def _status(code: StatusCode, description: str | None) -> bytes:
    if code is StatusCode.UNSET and not description:
        return b""
    content = _string(tag(2, 2), clean_text(description or "")) + _count(tag(3, 0), code.value)
    return delimited(_STATUS, content)


def _string(key: bytes, text: str) -> bytes:
    """A string field; proto3 leaves empty ones out."""
    return delimited(key, text.encode("utf-8", "backslashreplace")) if text else b""


def _count(key: bytes, count: int) -> bytes:
    return key + varint(min(count, _UNSIGNED_32)) if count else b""
