"""Where spans are sent on to: plain data, checked where it is made (`endpoint`, `environment`,
`table`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from flujo_otel.spanstore.destinations import Filter
from flujo_otel.wire.transport import TRACES_PATH, Signal

PROTOBUF: Final = "application/x-protobuf"
TIMEOUT_SECONDS: Final = 10.0


class OTLPProtocol(StrEnum):
    """As OTEL_EXPORTER_OTLP_PROTOCOL words them."""

    HTTP = "http/protobuf"
    GRPC = "grpc"


class Compression(StrEnum):
    """Of requests' bodies, as OTEL_EXPORTER_OTLP_COMPRESSION says it."""

    NONE = "none"
    GZIP = "gzip"


@dataclass(frozen=True, slots=True)
class Destination:
    """One OTLP backend. Its `name` is what its cursor in the store goes by."""

    name: str
    endpoint: str = field(repr=False)
    """http or https: for HTTP the URL that traces are posted to, for gRPC the server's."""
    protocol: OTLPProtocol = OTLPProtocol.HTTP
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request. They may be secret: never shown, never stored."""
    compression: Compression = Compression.NONE
    certificate: Path | None = None
    """PEM file of the authorities that the server's certificate is held against."""
    client_certificate: Path | None = None
    client_key: Path | None = None
    timeout_seconds: float = TIMEOUT_SECONDS
    """For one request, its answer included."""
    where: Filter = field(default_factory=Filter)
    is_for_traces_alone: bool = False
    """Its endpoint was named for them: what it is to other signals nobody has said."""

    @property
    def url(self) -> SplitResult:
        """The endpoint in its parts."""
        return urlsplit(self.endpoint)

    def endpoint_for(self, signal: Signal) -> str | None:
        """Where a signal goes; None where only that for traces is known."""
        if signal is Signal.TRACES:
            return self.endpoint
        if self.is_for_traces_alone:
            return None
        if self.protocol is OTLPProtocol.GRPC:
            return self.endpoint
        url = self.url
        path = f"{url.path.removesuffix(TRACES_PATH)}/v1/{signal}"
        return url._replace(path=path).geturl()

    @property
    def shown(self) -> str:
        """The endpoint without its query, which may hold a key."""
        return self.url._replace(query="").geturl()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = self.url
        return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
