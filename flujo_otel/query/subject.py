"""What tells a span from others of its name, by OpenTelemetry's conventions: `GET` of what?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flujo_otel.semconv import gen_ai, remote

_GRPC_OK: Final = ("0", "OK")
_FIRST_HTTP_ERROR: Final = 400
_HTTP_DIGITS: Final = 3


def called_of(name: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """What it called, where its `name` does not say so already."""
    parts = [
        _joined(name, attributes, remote.HTTP_METHOD, remote.HTTP_URL),
        _joined(name, attributes, remote.DB_SYSTEM, remote.DB_QUERY)
        if _first(attributes, remote.DB_QUERY)
        else _joined(name, attributes, remote.DB_SYSTEM, remote.DB_OPERATION, remote.DB_COLLECTION),
        _joined(name, attributes, remote.RPC_SERVICE, remote.RPC_METHOD),
        _joined(name, attributes, remote.MESSAGING_SYSTEM, remote.MESSAGING_DESTINATION),
    ]
    return filter(None, parts)


def model_of(name: str, attributes: Mapping[str, Any]) -> str:
    """The model that it asked, where its `name` does not say so already; "" where it asked none."""
    asked = _first(attributes, (gen_ai.REQUEST_MODEL,))
    if asked and not _unsaid(name, asked):
        return ""
    return _unsaid(name, _first(attributes, gen_ai.RESPONSE_MODELS) or asked)


def answer_of(attributes: Mapping[str, Any]) -> str:
    """The status code that it was answered with: `HTTP 200`; "" where there is none, or, but for
    HTTP, where all was well."""
    http = _first(attributes, remote.HTTP_STATUS)
    return fault_of(attributes) or (f"HTTP {http}" if http else "")


def fault_of(attributes: Mapping[str, Any]) -> str:
    """The status code that says what failed: `HTTP 503`; "" where none does."""
    rpc = _first(attributes, remote.RPC_STATUS)
    if rpc and rpc not in _GRPC_OK:
        return f"RPC status {rpc}"
    http = _first(attributes, remote.HTTP_STATUS)
    if len(http) == _HTTP_DIGITS and http.isdecimal() and int(http) >= _FIRST_HTTP_ERROR:
        return f"HTTP {http}"
    database = _first(attributes, remote.DB_STATUS)
    return f"database status {database}" if database not in ("", "0") else ""


def _joined(name: str, attributes: Mapping[str, Any], *names: Sequence[str]) -> str:
    found = (_unsaid(name, _first(attributes, each)) for each in names)
    return " ".join(text for text in found if text)


def _unsaid(name: str, text: str) -> str:
    """`text`, where it does not stand in `name` as words of their own."""
    is_said = text in name and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", name)
    return "" if is_said else " ".join(text.split())


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> str:
    found = (attributes.get(name) for name in names)
    return next((str(each) for each in found if each not in (None, "")), "")
