"""ExportTraceServiceRequest, as a concatenation of what is stored: nothing is decoded, so unknown
fields pass too, and no protobuf library is needed."""

from collections.abc import Callable, Iterable
from typing import Final

from flujo_otel.spanstore.destinations import Described, DueSpan
from flujo_otel.wire.protobuf import delimited, tag
from flujo_otel.wire.unknown_fields import parted

_RESOURCE_SPANS: Final = tag(1, 2)
_RESOURCE: Final = tag(1, 2)
_SCOPE_SPANS: Final = tag(2, 2)
_SCOPE: Final = tag(1, 2)
_SPANS: Final = tag(2, 2)
_SCHEMA_URL: Final = tag(3, 2)

Describe = Callable[[int], Described]


def encode(spans: Iterable[DueSpan], resource: Describe, scope: Describe) -> bytes:
    """`spans` that have no fault, each below its resource and scope, in their order within it."""
    groups: dict[int, dict[int, list[bytes]]] = {}
    for span in spans:
        if not span.fault:
            scopes = groups.setdefault(span.resource_id, {})
            scopes.setdefault(span.scope_id, []).append(delimited(_SPANS, span.otlp))
    return b"".join(
        delimited(_RESOURCE_SPANS, _resource_spans(resource(resource_id), scopes, scope))
        for resource_id, scopes in groups.items()
    )


def _resource_spans(
    resource: Described, scopes: dict[int, list[bytes]], describe: Describe
) -> bytes:
    message, beside = parted(resource.otlp)
    parts = [delimited(_RESOURCE, message)]
    for scope_id, spans in scopes.items():
        scope = describe(scope_id)
        parts.append(delimited(_SCOPE_SPANS, _scope_spans(scope, spans)))
    return b"".join([*parts, _schema_url(resource), beside])


def _scope_spans(scope: Described, spans: list[bytes]) -> bytes:
    message, beside = parted(scope.otlp)
    return b"".join([delimited(_SCOPE, message), *spans, _schema_url(scope), beside])


def _schema_url(described: Described) -> bytes:
    text = described.schema_url
    return delimited(_SCHEMA_URL, text.encode("utf-8", "backslashreplace")) if text else b""
