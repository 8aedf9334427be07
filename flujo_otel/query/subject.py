"""What tells a span from others of its name, by OpenTelemetry's conventions: `GET` of what?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flujo_otel.semconv import gen_ai, remote

_GRPC_OK = ("0", "OK")


def subject_of(name: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """What it called or was asked for, and the model; not what its `name` says already."""
    asked = _first(attributes, (gen_ai.REQUEST_MODEL,))
    model = _first(attributes, gen_ai.RESPONSE_MODELS) or asked
    parts = [
        _joined(name, attributes, remote.HTTP_METHOD, remote.HTTP_URL),
        _joined(name, attributes, remote.DB_SYSTEM, remote.DB_QUERY)
        if _first(attributes, remote.DB_QUERY)
        else _joined(name, attributes, remote.DB_SYSTEM, remote.DB_OPERATION, remote.DB_COLLECTION),
        _joined(name, attributes, remote.RPC_SERVICE, remote.RPC_METHOD),
        _joined(name, attributes, remote.MESSAGING_SYSTEM, remote.MESSAGING_DESTINATION),
        "" if asked and asked in name else _unsaid(name, model),
    ]
    return filter(None, parts)


def answer_of(attributes: Mapping[str, Any]) -> str:
    """The status code that it was answered with: `HTTP 503`; "" where there is none, or gRPC's for
    well."""
    http = _first(attributes, remote.HTTP_STATUS)
    if http:
        return f"HTTP {http}"
    rpc = _first(attributes, remote.RPC_STATUS)
    if rpc and rpc not in _GRPC_OK:
        return f"RPC status {rpc}"
    database = _first(attributes, remote.DB_STATUS)
    return f"database status {database}" if database else ""


def _joined(name: str, attributes: Mapping[str, Any], *names: Sequence[str]) -> str:
    found = (_unsaid(name, _first(attributes, each)) for each in names)
    return " ".join(text for text in found if text)


def _unsaid(name: str, text: str) -> str:
    return "" if text in name else " ".join(text.split())


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(attributes[name]) for name in names if name in attributes), "")
