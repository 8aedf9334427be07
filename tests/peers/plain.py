"""Spans as plain data that can be compared, whoever kept them.

A value is a pair of OTLP's name for its type and the value, since to Python True == 1 == 1.0.
"""

import math
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Value: TypeAlias = tuple[str, Any]
Attributes: TypeAlias = dict[str, Value]


@dataclass(frozen=True)
class PlainEvent:
    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True)
class PlainLink:
    trace_id: str
    span_id: str
    attributes: Attributes
    trace_state: str = ""


@dataclass(frozen=True)
class PlainSpan:
    """One span with its resource and scope. Ids in hex, times in Unix nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: tuple[PlainEvent, ...]
    links: tuple[PlainLink, ...]
    status: tuple[int, str]
    trace_state: str
    flags: int
    dropped: tuple[int, int, int]
    """Attributes, events and links that the program's own limits cut."""
    resource: Attributes
    scope: tuple[str, str]
    scope_attributes: Attributes
    schema_urls: tuple[str, str]
    """The resource's and the scope's."""


Spans: TypeAlias = dict[str, PlainSpan]
"""By span id; of one trace."""


def changed(spans: Spans, **fields: Any) -> Spans:
    """All of them with these fields made equal, which the one side does not keep."""
    return {span_id: replace(span, **fields) for span_id, span in spans.items()}


def without_order(spans: Spans) -> Spans:
    """Events in order of time, for backends that sort them in ways of their own."""
    return {
        span_id: replace(
            span, events=tuple(sorted(span.events, key=lambda event: (event.time_ns, event.name)))
        )
        for span_id, span in spans.items()
    }


def of_messages(resource_spans: Iterable[Any]) -> list[PlainSpan]:
    """Of protobuf ResourceSpans messages."""
    return [
        _span(span, of_resource, of_scope)
        for of_resource in resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def by_id(spans: Iterable[PlainSpan]) -> Spans:
    """Each span id may occur once: one that occurs twice was doubled somewhere."""
    found: Spans = {}
    for span in spans:
        assert span.span_id not in found, f"span {span.name} {span.span_id} is there twice"
        found[span.span_id] = span
    return found


def _span(span: Any, of_resource: Any, of_scope: Any) -> PlainSpan:
    return PlainSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=tuple(
            PlainEvent(e.name, e.time_unix_nano, _attributes(e.attributes)) for e in span.events
        ),
        links=tuple(
            PlainLink(k.trace_id.hex(), k.span_id.hex(), _attributes(k.attributes), k.trace_state)
            for k in span.links
        ),
        status=(span.status.code, span.status.message),
        trace_state=span.trace_state,
        flags=span.flags,
        dropped=(
            span.dropped_attributes_count,
            span.dropped_events_count,
            span.dropped_links_count,
        ),
        resource=_attributes(of_resource.resource.attributes),
        scope=(of_scope.scope.name, of_scope.scope.version),
        scope_attributes=_attributes(of_scope.scope.attributes),
        schema_urls=(of_resource.schema_url, of_scope.schema_url),
    )


def _attributes(pairs: Iterable[Any]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return ("empty", None)
    content = getattr(value, kind)
    if kind == "array_value":
        return ("array", tuple(_value(item) for item in content.values))
    if kind == "kvlist_value":
        return ("map", _attributes(content.values))
    if kind == "double_value":
        return double(content)
    return (kind.removesuffix("_value"), content)


def double(number: float) -> Value:
    """A double; NaN as text, since it does not equal itself."""
    return ("double", "NaN" if math.isnan(number) else number)


def of_json(resource_spans: Iterable[Mapping[str, Any]]) -> list[PlainSpan]:
    """Of OTLP's JSON, as a backend's query API writes it."""
    return [
        _span_of_json(span, of_resource, of_scope)
        for of_resource in resource_spans
        for of_scope in of_resource["scopeSpans"]
        # Jaeger leaves a scope without spans where a span was sent twice.
        for span in of_scope.get("spans", [])
    ]


def _span_of_json(
    span: Mapping[str, Any], of_resource: Mapping[str, Any], of_scope: Mapping[str, Any]
) -> PlainSpan:
    scope = of_scope.get("scope", {})
    return PlainSpan(
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        name=span.get("name", ""),
        kind=span.get("kind", 0),
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        attributes=_attributes_of_json(span),
        events=tuple(
            PlainEvent(e.get("name", ""), int(e.get("timeUnixNano", 0)), _attributes_of_json(e))
            for e in span.get("events", [])
        ),
        links=tuple(
            PlainLink(k["traceId"], k["spanId"], _attributes_of_json(k), k.get("traceState", ""))
            for k in span.get("links", [])
        ),
        status=(span.get("status", {}).get("code", 0), span.get("status", {}).get("message", "")),
        trace_state=span.get("traceState", ""),
        flags=span.get("flags", 0),
        dropped=(
            span.get("droppedAttributesCount", 0),
            span.get("droppedEventsCount", 0),
            span.get("droppedLinksCount", 0),
        ),
        resource=_attributes_of_json(of_resource.get("resource", {})),
        scope=(scope.get("name", ""), scope.get("version", "")),
        scope_attributes=_attributes_of_json(scope),
        schema_urls=(of_resource.get("schemaUrl", ""), of_scope.get("schemaUrl", "")),
    )


def _attributes_of_json(owner: Mapping[str, Any]) -> Attributes:
    return {pair["key"]: _value_of_json(pair["value"]) for pair in owner.get("attributes", [])}


def _value_of_json(value: Mapping[str, Any]) -> Value:
    if not value:
        return ("empty", None)
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return ("array", tuple(_value_of_json(item) for item in content.get("values", [])))
    if kind == "kvlistValue":
        return ("map", _attributes_of_json({"attributes": content.get("values", [])}))
    if kind == "doubleValue":
        return double(float(content))
    return (kind.removesuffix("Value"), _READ[kind](content))


_READ: dict[str, Callable[[Any], Any]] = {
    "intValue": int,
    "bytesValue": b64decode,
    "stringValue": str,
    "boolValue": bool,
}
