"""OTLP/gRPC out, by grpcio. Only in `lens`: an inherited channel hung or failed in 7 of 12 forked
children, so a traced process forwards over HTTP."""

from typing import Any, Final

from flujo_otel.errors import MissingExtra
from flujo_otel.forward import answer, response
from flujo_otel.forward.answer import ANSWER_BYTES, Answer, Verdict
from flujo_otel.forward.destination import PROTOBUF, Compression, Destination
from flujo_otel.forward.tls import context_of
from flujo_otel.wire.transport import STATUS_DETAILS, Signal, authority

try:
    import grpc  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtra(
        "Forwarding over gRPC needs grpcio: pip install 'flujo-otel[collector]' installs it."
    ) from error

_COLLECTOR: Final = "/opentelemetry.proto.collector"
_EXPORT: Final = {
    Signal.TRACES: f"{_COLLECTOR}.trace.v1.TraceService/Export",
    Signal.METRICS: f"{_COLLECTOR}.metrics.v1.MetricsService/Export",
    Signal.LOGS: f"{_COLLECTOR}.logs.v1.LogsService/Export",
}
_OUR_LIMIT: Final = "CLIENT: Received message larger than max"
"""The backend's answer is too long to be read: only a yes has one."""
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.primary_user_agent", "OTel-OTLP-Exporter-flujo-otel"),
    # Retries are ours to time, and to count.
    ("grpc.enable_retries", 0),
)


class GrpcSender:
    """See `sender.Sender`. Raises SettingsError where the TLS files cannot be used."""

    def __init__(self, destination: Destination, signal: Signal = Signal.TRACES) -> None:
        self._method = _EXPORT[signal]
        self._destination = destination
        self._credentials = _credentials(destination)
        self._metadata = tuple(destination.headers.items())
        is_zipped = destination.compression is Compression.GZIP
        self._compression = grpc.Compression.Gzip if is_zipped else grpc.Compression.NoCompression
        self._channel: Any = None

    def send(self, body: bytes, timeout_seconds: float, content_type: str = PROTOBUF) -> Answer:
        """See `sender.Sender.send`."""
        if content_type != PROTOBUF:
            return Answer(Verdict.REFUSED, f"gRPC does not carry {content_type}")
        export = self._opened().unary_unary(self._method)
        try:
            reply = export(
                body,
                timeout=timeout_seconds,
                metadata=self._metadata,
                compression=self._compression,
            )
        except grpc.RpcError as error:
            if _OUR_LIMIT in (error.details() or ""):
                return Answer(Verdict.TAKEN)
            trailers = dict(error.trailing_metadata() or ())
            details = trailers.get(STATUS_DETAILS, b"")
            return answer.of_grpc(error.code().name, error.details() or "", details)
        except ValueError as error:  # metadata that gRPC does not take
            return Answer(Verdict.PAUSE, answer.shown(str(error)))
        try:
            rejected, said = response.partial_success(reply)
        except ValueError:
            rejected, said = 0, ""
        return Answer(Verdict.TAKEN, answer.shown(said), rejected)

    def close(self) -> None:
        """See `sender.Sender.close`."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _opened(self) -> Any:
        if self._channel is None:
            target = authority(*self._destination.address)
            self._channel = (
                grpc.insecure_channel(target, _OPTIONS)
                if self._credentials is None
                else grpc.secure_channel(target, self._credentials, _OPTIONS)
            )
        return self._channel


def _credentials(destination: Destination) -> Any:
    if context_of(destination) is None:  # which says what gRPC would not: that a file is no use
        return None
    # One PEM file may hold both, as for HTTP. Without a key gRPC ends the whole process.
    key = destination.client_key or destination.client_certificate
    files = (destination.certificate, key, destination.client_certificate)
    return grpc.ssl_channel_credentials(*(path and path.read_bytes() for path in files))
