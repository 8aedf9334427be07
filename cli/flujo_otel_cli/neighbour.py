"""The `lens serve` of this machine that SDKs send to unless they are told otherwise."""

from typing import Any

from flujo_otel.collector.ports import DEFAULT_HOST, health_of
from flujo_otel.wire.transport import HTTP_PORT


def server_here(host: str = DEFAULT_HOST, port: int = HTTP_PORT) -> dict[str, Any] | None:
    """What its /healthz says, and its `address`; None: there is none of ours. Takes 0.5 s for each
    step that somebody else's program does not answer."""
    said = health_of(host, port)
    return None if said is None else said | {"address": f"{host}:{port}"}
