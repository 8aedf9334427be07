"""Redacts OTLP messages in place: for `lens serve --redact`, which changes what others recorded.

Only what holds a secret is touched, so a message without any is written again as it was; fields
that the installed opentelemetry-proto does not know are kept, unread. Ids and trace states stay.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flujo_otel.redaction import REDACTED, Redactor

_NONE: Final[Mapping[str, str]] = {}


class MessageRedactor:
    """Applies `by` to the parts of an ExportTraceServiceRequest."""

    __slots__ = ("_by",)

    def __init__(self, by: Redactor) -> None:
        self._by = by

    def text(self, text: str) -> str:
        """A text that stands beside a message: the schema URL of a resource or a scope."""
        return self._by.text(text)

    def resource(self, resource: Resource) -> None:
        by = self._by
        self._attributes(resource.attributes)
        for entity in getattr(resource, "entity_refs", ()):  # which 1.30 does not know
            if (schema_url := by.text(entity.schema_url)) != entity.schema_url:
                entity.schema_url = schema_url
            if (kind := by.text(entity.type)) != entity.type:
                entity.type = kind
            # As the attributes of the resource are named that they point at.
            for keys in (entity.id_keys, entity.description_keys):
                names = [by.name(key) for key in keys]
                if names != keys:
                    keys[:] = names

    def scope(self, scope: InstrumentationScope) -> None:
        self._attributes(scope.attributes)
        by = self._by
        if (name := by.text(scope.name)) != scope.name:
            scope.name = name
        if (version := by.text(scope.version)) != scope.version:
            scope.version = version

    def span(self, span: Span) -> None:
        by = self._by
        if (name := by.text(span.name)) != span.name:
            span.name = name
        if span.HasField("status") and (message := span.status.message):
            span.status.message = by.text(message)
        self._attributes(span.attributes)
        for event in span.events:
            if (name := by.text(event.name)) != event.name:
                event.name = name
            self._attributes(event.attributes)
        for link in span.links:
            self._attributes(link.attributes)

    def _attributes(self, pairs: Sequence[KeyValue]) -> None:
        by = self._by
        before: dict[str, str] = {}
        fields: Mapping[str, str] = {}
        for pair in pairs:
            key, value = pair.key, pair.value
            text = value.string_value
            # Most values are text: to look is cheaper than to ask which kind it is.
            if text and by.knows(key, text):
                continue
            if not fields and by.asks_beside(key):
                fields = {each.key: each.value.string_value for each in pairs} | before
            if text:
                redacted = by.named(key, text, fields)
                if redacted is not text:
                    value.string_value, before[key] = redacted, text
            else:
                self._other(key, value, fields)
            name = by.name(key)
            if name is not key:
                pair.key = name

    def _other(self, key: str, value: AnyValue, fields: Mapping[str, str] = _NONE) -> None:
        """A value under `key`, among `fields`, that is no text, or an empty one."""
        field = value.WhichOneof("value")
        if field is None or field == "bool_value":
            return
        if field in ("array_value", "kvlist_value"):
            values = getattr(value, field).values
            if values and self._by.hides(key, values, fields):
                value.string_value = REDACTED
            elif field == "kvlist_value":
                self._attributes(values)
            else:
                self._items(values)
        elif field == "bytes_value":
            self._bytes(key, value, fields)
        elif self._by.named(key, number := getattr(value, field), fields) is not number:
            value.string_value = REDACTED

    def _items(self, values: Sequence[AnyValue]) -> None:
        texts = [value.string_value for value in values]
        redacted = self._by.value(texts)
        for value, before, after in zip(values, texts, redacted, strict=True):
            if not before:
                self._other("", value)
            elif after is not before:
                value.string_value = after

    def _bytes(self, key: str, value: AnyValue, fields: Mapping[str, str]) -> None:
        if self._by.hides(key, value.bytes_value, fields):
            value.string_value = REDACTED
            return
        raw = value.bytes_value
        redacted = self._by.value(raw)
        if redacted is not raw:
            value.bytes_value = redacted
