"""The OpenTelemetry SDK's ReadableSpan to `SpanRecord`.

Runs in the writer thread of a traced process, once a span: it is written for speed, and it takes no
lock that a span may hold, since a signal handler may be waiting for it on the very thread that
holds one (read through the SDK's public properties, 6 of 40 SIGTERMs deadlocked).
"""

from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring as quote
from struct import Struct
from typing import Any, Final

from opentelemetry.sdk.resources import Resource as SDKResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

from flujo_otel.model import Batch, Resource, Scope, SpanRecord
from flujo_otel.wire.content import content_id
from flujo_otel.wire.projection import project
from flujo_otel.wire.protobuf import delimited, tag, varint
from flujo_otel.wire.values import clean_text, encode_attributes

# Fixed runs of fields in one call each: keys and values alternate.
_IDS = Struct(">2sQQ2sQ").pack
_PARENT = Struct(">2sQ").pack
_TIMES = Struct("<sBsQsQ").pack
_FLAGGED = Struct("<2sI").pack
_EVENT_TIME = Struct("<sQ").pack
_LINK_FLAGS = Struct("<sI").pack

_TRACE_ID: Final = tag(1, 2) + varint(16)
_SPAN_ID: Final = tag(2, 2) + varint(8)
_PARENT_ID: Final = tag(4, 2) + varint(8)
_KIND: Final = tag(6, 0)
_START: Final = tag(7, 1)
_END: Final = tag(8, 1)
_ATTRIBUTES: Final = tag(9, 2)
_DROPPED_ATTRIBUTES: Final = tag(10, 0)
_EVENTS: Final = tag(11, 2)
_DROPPED_EVENTS: Final = tag(12, 0)
_LINKS: Final = tag(13, 2)
_DROPPED_LINKS: Final = tag(14, 0)
_FLAGS: Final = tag(16, 5)

_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_LOW_64: Final = (1 << 64) - 1
_MAX_TIME_NS: Final = (1 << 63) - 1
_UNSIGNED_32: Final = (1 << 32) - 1

_NAMES_KEPT: Final = 4096
_KEPT_LENGTH: Final = 200
_names: dict[str, tuple[str, bytes]] = {}


def to_batch(
    spans: Iterable[tuple[ReadableSpan, str | None]],
    refuse: Callable[[ReadableSpan, Exception], None],
) -> Batch:
    """Records of `spans`, each given with the run id that it inherited (or None).

    A span without an end time becomes a running record. Whatever values a span holds, it becomes
    one; `refuse` is told of one that does not all the same (an object that only looks like a
    span), which costs no other.
    """
    shared = _Shared()
    records = []
    for span, run_id in spans:
        try:
            records.append(_record(span, run_id, shared))
        except Exception as error:
            refuse(span, error)
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
    if end_ns is not None:
        end_ns = _time(end_ns)
    held_attributes = getattr(span, "_attributes", None)
    attributes = _unlocked(held_attributes, copy=end_ns is None)
    given_name = span.name
    kept_name = _names.get(given_name) if type(given_name) is str else None
    name, exact_name = kept_name or _known_name(given_name)
    kind = span.kind.value + 1
    status = span.status
    facts = project(
        attributes,
        is_root=parent is None,
        ended=end_ns is not None,
        is_error=status.status_code is StatusCode.ERROR,
    )
    exact, text = encode_attributes(_ATTRIBUTES, attributes)
    events, events_text = _list(getattr(span, "_events", None), _EVENTS, _DROPPED_EVENTS, _event)
    links, links_text = _list(getattr(span, "_links", None), _LINKS, _DROPPED_LINKS, _link)
    otlp = b"".join(
        (
            _head(context, parent),
            exact_name,
            _TIMES(_KIND, kind, _START, start_ns, _END, end_ns or 0),
            exact,
            _dropped(held_attributes, _DROPPED_ATTRIBUTES),
            events,
            links,
            _status(status),
            _FLAGGED(_FLAGS, _flags(context, parent)),
        )
    )
    return SpanRecord(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        None if parent is None else f"{parent.span_id:016x}",
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


def _known_name(name: Any) -> tuple[str, bytes]:
    """A span's name as text and as its field: a program has few, and uses them again and again."""
    text = clean_text(name if isinstance(name, str) else str(name))
    known = text, delimited(tag(5, 2), text.encode())
    if len(text) <= _KEPT_LENGTH:
        if len(_names) >= _NAMES_KEPT:
            _names.clear()
        _names[text] = known
    return known


def _unlocked(bounded: Any, *, copy: bool) -> Mapping[str, Any]:
    """The dict inside the SDK's BoundedAttributes; a copy (atomic under the GIL) while it may
    still change. Whatever else holds attributes is read through its own interface."""
    plain = getattr(bounded, "_dict", None)
    if type(plain) is dict:
        return plain.copy() if copy else plain
    return dict(bounded or ())


def _time(time_ns: int | None) -> int:
    """A time that OTLP's fixed64 and SQLite's INTEGER both take; user code may pass any integer."""
    time_ns = int(time_ns or 0)
    return time_ns if 0 <= time_ns <= _MAX_TIME_NS else min(max(time_ns, 0), _MAX_TIME_NS)


def _head(context: SpanContext, parent: SpanContext | None) -> bytes:
    trace_id = context.trace_id
    ids = _IDS(_TRACE_ID, trace_id >> 64, trace_id & _LOW_64, _SPAN_ID, context.span_id)
    if context.trace_state:
        ids += _string(tag(3, 2), context.trace_state.to_header())
    return ids if parent is None else ids + _PARENT(_PARENT_ID, parent.span_id)


def _flags(context: SpanContext, remote: SpanContext | None) -> int:
    """W3C trace flags, and OTLP's two bits that say whether the parent (or link) is remote."""
    flags = context.trace_flags & 0xFF | _HAS_IS_REMOTE
    return flags | _IS_REMOTE if remote is not None and remote.is_remote else flags


def _list(
    held: Any, key: bytes, dropped_key: bytes, encode: Callable[[Any], tuple[bytes, str]]
) -> tuple[bytes, str | None]:
    """The SDK's BoundedList of events or links, with how many it dropped.

    Its __iter__ takes the list's lock; the deque inside can be copied without.
    """
    items = tuple(getattr(held, "_dq", held) or ())
    if not items:
        return b"", None
    encoded = [encode(item) for item in items]
    exact = b"".join([delimited(key, content) for content, _ in encoded])
    text = "[" + ",".join([text for _, text in encoded]) + "]"
    return exact + _dropped(held, dropped_key), text


def _dropped(held: Any, key: bytes) -> bytes:
    count = getattr(held, "dropped", 0)
    return key + varint(min(count, _UNSIGNED_32)) if count else b""


def _event(event: Event) -> tuple[bytes, str]:
    time_ns = _time(event.timestamp)
    name = clean_text(str(event.name))
    exact, text = encode_attributes(tag(3, 2), _unlocked(event.attributes, copy=False))
    content = _EVENT_TIME(tag(1, 1), time_ns) + _string(tag(2, 2), name) + exact
    content += _dropped(event.attributes, tag(4, 0))
    return content, f'{{"name":{quote(name)},"time_ns":{time_ns},"attributes":{text}}}'


def _link(link: Link) -> tuple[bytes, str]:
    context = link.context
    exact, text = encode_attributes(tag(4, 2), _unlocked(link.attributes, copy=False))
    content = delimited(tag(1, 2), context.trace_id.to_bytes(16, "big"))
    content += delimited(tag(2, 2), context.span_id.to_bytes(8, "big"))
    if context.trace_state:
        content += _string(tag(3, 2), context.trace_state.to_header())
    content += exact + _dropped(link.attributes, tag(5, 0))
    content += _LINK_FLAGS(tag(6, 5), _flags(context, context))
    ids = f'"trace_id":"{context.trace_id:032x}","span_id":"{context.span_id:016x}"'
    return content, f'{{{ids},"attributes":{text}}}'


def _status(status: Status) -> bytes:
    code, description = status.status_code, status.description
    if code is StatusCode.UNSET and not description:
        return b""
    content = _string(tag(2, 2), clean_text(description or ""))
    return delimited(tag(15, 2), content + tag(3, 0) + varint(code.value))


def _string(key: bytes, text: str) -> bytes:
    """A string field; proto3 leaves empty ones out."""
    return delimited(key, text.encode("utf-8", "backslashreplace")) if text else b""
