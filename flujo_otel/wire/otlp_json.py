"""OTLP's JSON encoding of ExportTraceServiceRequest.

protobuf's own JSON parser does not follow OTLP here: ids are hex, not base64. And one bad value
would cost it the whole request, where it may cost that span alone. So each span's message is filled
here, and taken from there on like one that came in protobuf.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flujo_otel.errors import MalformedRequest
from flujo_otel.redaction import Redactor
from flujo_otel.wire.json_fields import (
    LONGEST_INTEGER,
    BadValue,
    Fields,
    Message,
    Reader,
    attributes,
    enum,
    hexadecimal,
    items,
    message,
    part,
    text,
    texts,
    uint32,
    uint64,
)
from flujo_otel.wire.message import string
from flujo_otel.wire.otlp import Decoded, RequestDecoder
from flujo_otel.wire.protobuf import DELIMITED, delimited, tag

_ENTITY_REFS: Final = tag(3, DELIMITED)


def decode_json(body: bytes, redactor: Redactor | None = None) -> Decoded:
    """The spans of an ExportTraceServiceRequest in OTLP's JSON. An empty one (`{}`) is sound.

    A bad value rejects the span that has it; one in a resource or scope, all spans of that.
    With a `redactor` the secrets in them are redacted.
    Raises MalformedRequest for what is no JSON, or no lists of objects down to the spans.
    """
    decoder = RequestDecoder(redactor)
    for resource_spans in _objects(_parsed(body), "resourceSpans"):
        try:
            resource = _resource(part(resource_spans, "resource"))
            schema_url = text(resource_spans, "schemaUrl")
        except BadValue as error:
            for scope_spans in _objects(resource_spans, "scopeSpans"):
                decoder.refuse(str(error), len(_spans(scope_spans)))
            continue
        decoder.resource(resource, schema_url)
        for scope_spans in _objects(resource_spans, "scopeSpans"):
            _take_scope_spans(decoder, scope_spans)
    return decoder.decoded()


def _parsed(body: bytes) -> Fields:
    try:
        found = json.loads(body, parse_int=_integer)
    except RecursionError as error:
        raise MalformedRequest("Not OTLP's JSON: nested too deep.") from error
    except ValueError as error:
        raise MalformedRequest(f"Not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise MalformedRequest("Not OTLP's JSON: no object with resourceSpans.")
    return found


def _integer(digits: str) -> int | str:
    # Python refuses integers of thousands of digits, and would with them all that is around.
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


def _objects(fields: Fields, name: str) -> Iterator[Fields]:
    found = fields.get(name)
    if found is None:
        return
    if not isinstance(found, list):
        raise MalformedRequest(f"Not OTLP's JSON: {name} is no list.")
    for item in found:
        if not isinstance(item, dict):
            raise MalformedRequest(f"Not OTLP's JSON: an item of {name} is no object.")
        yield item


def _spans(scope_spans: Fields) -> list[Any]:
    found = scope_spans.get("spans")
    if found is None:
        return []
    if not isinstance(found, list):
        raise MalformedRequest("Not OTLP's JSON: spans is no list.")
    return found


def _take_scope_spans(decoder: RequestDecoder, scope_spans: Fields) -> None:
    spans = _spans(scope_spans)
    try:
        scope = InstrumentationScope(**message(part(scope_spans, "scope"), _SCOPE))
        schema_url = text(scope_spans, "schemaUrl")
    except BadValue as error:
        decoder.refuse(str(error), len(spans))
        return
    decoder.scope(scope, schema_url)
    for fields in spans:
        try:
            span = _span(fields)
        except BadValue as error:
            decoder.refuse(str(error))
        else:
            decoder.span(span)


def _resource(fields: Fields) -> Resource:
    resource = Resource(**message(fields, _ATTRIBUTES))
    for entity in items(fields, "entityRefs"):
        # As bytes: opentelemetry-proto 1.30 has no such message, and keeps what it does not know.
        resource.MergeFromString(delimited(_ENTITY_REFS, _entity_ref(entity)))
    return resource


def _entity_ref(fields: Fields) -> bytes:
    keys = [(3, key) for key in texts(fields, "idKeys")]
    keys += [(4, key) for key in texts(fields, "descriptionKeys")]
    return b"".join(
        (
            string(tag(1, DELIMITED), text(fields, "schemaUrl")),
            string(tag(2, DELIMITED), text(fields, "type")),
            *(delimited(tag(number, DELIMITED), key.encode()) for number, key in keys),
        )
    )


def _span(fields: Any) -> Span:
    if not isinstance(fields, dict):
        raise BadValue("spans", "a list of objects")
    return Span(**message(fields, _SPAN))


def _messages(known: Mapping[str, tuple[str, Reader]]) -> Reader:
    return lambda fields, name: [message(each, known) for each in items(fields, name)]


def _status(fields: Fields, name: str) -> Message:
    return message(part(fields, name), _STATUS)


_ATTRIBUTES: Final[dict[str, tuple[str, Reader]]] = {
    "attributes": ("attributes", attributes),
    "droppedAttributesCount": ("dropped_attributes_count", uint32),
}
_SCOPE: Final = {"name": ("name", text), "version": ("version", text), **_ATTRIBUTES}
_STATUS: Final = {"message": ("message", text), "code": ("code", enum)}
_EVENT: Final = {"timeUnixNano": ("time_unix_nano", uint64), "name": ("name", text), **_ATTRIBUTES}
_LINK: Final = {
    "traceId": ("trace_id", hexadecimal),
    "spanId": ("span_id", hexadecimal),
    "traceState": ("trace_state", text),
    "flags": ("flags", uint32),
    **_ATTRIBUTES,
}
_SPAN: Final = {
    **_LINK,
    "parentSpanId": ("parent_span_id", hexadecimal),
    "name": ("name", text),
    "kind": ("kind", enum),
    "startTimeUnixNano": ("start_time_unix_nano", uint64),
    "endTimeUnixNano": ("end_time_unix_nano", uint64),
    "events": ("events", _messages(_EVENT)),
    "droppedEventsCount": ("dropped_events_count", uint32),
    "links": ("links", _messages(_LINK)),
    "droppedLinksCount": ("dropped_links_count", uint32),
    "status": ("status", _status),
}
