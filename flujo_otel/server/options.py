"""What `lens serve` may be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flujo_otel.collector.ports import DEFAULT_HOST
from flujo_otel.wire.transport import GRPC_PORT, HTTP_PORT


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """None: what the settings say (docs/settings.md)."""

    db: str | Path | None = None
    host: str = DEFAULT_HOST
    """Another address than a loopback one needs a token; one is made where none is given."""
    http_port: int = HTTP_PORT
    """0: a free one."""
    grpc_port: int = GRPC_PORT
    """0: a free one."""
    token: str | None = None
    """Asked of every request as `Authorization: Bearer`."""
    allowed_hosts: Sequence[str] = ()
    """Further names by which clients may call this server."""
    redact: bool | None = None
    """Take secrets out of what is received; metrics and logs are not sent on then."""
    forward: Sequence[str] | None = None
    """Destinations as the user words them: URLs, names in flujo.toml, `env`. None: all that
    flujo.toml names."""
    max_request_bytes: int | None = None
    """Of a request after decompression."""
    queue_bytes: int | None = None
    """Spans held in memory until they are committed; above it clients are told to come again."""
