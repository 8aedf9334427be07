"""A way to a backend, by its protocol."""

from typing import Protocol

from flujo_otel.forward.answer import Answer
from flujo_otel.forward.destination import PROTOBUF, Destination, OTLPProtocol
from flujo_otel.wire.transport import Signal


class Sender(Protocol):
    """Used by one thread at a time."""

    def send(self, body: bytes, timeout_seconds: float, content_type: str = PROTOBUF) -> Answer:
        """Send one request of its signal; whatever goes wrong on the way is an Answer too."""
        ...

    def close(self) -> None:
        """Let go of the connection; the next `send` makes another."""
        ...


def sender_to(destination: Destination, signal: Signal = Signal.TRACES) -> Sender:
    """Raises MissingExtra where what it takes is not installed."""
    if destination.protocol is OTLPProtocol.GRPC:
        from flujo_otel.forward.grpc import GrpcSender

        return GrpcSender(destination, signal)
    from flujo_otel.forward.http import HttpSender

    return HttpSender(destination, signal)
