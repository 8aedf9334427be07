"""What both ends of OTLP's transports call alike: the receiver's and the sender's."""

from enum import StrEnum
from typing import Final

HTTP_PORT: Final = 4318
GRPC_PORT: Final = 4317
"""Where OTLP is received unless somebody says otherwise."""
TRACES_PATH: Final = "/v1/traces"
STATUS_DETAILS: Final = "grpc-status-details-bin"
"""The trailer that a google.rpc.Status is in."""
RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"
"""The type of the detail that says when to come again."""


class Signal(StrEnum):
    """What an OTLP request carries: each has its own path over HTTP, its own service over gRPC."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


def authority(host: str, port: int | None) -> str:
    """`host:port` as a URL has it: an IPv6 address in brackets, no port where it is None."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"
