"""OTLP over gRPC.

Handlers take raw bytes, and each message as it came over the wire: gRPC's own decompression has no
limit (10 MB would become 10 GB before anybody is asked), so it is switched off and `body` unpacks.
A request is read as a stream of one message, which lets the token be looked at before the data.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from flujo_otel.collector.access import Access, authorization_of
from flujo_otel.collector.answers import Code, Encoding, Refusal, accepted, encode_status, status_of
from flujo_otel.collector.body import Body
from flujo_otel.collector.deadline import Deadlines
from flujo_otel.collector.readers import Readers
from flujo_otel.collector.reception import Reception
from flujo_otel.wire.transport import STATUS_DETAILS, Signal

# Before the import: the core writes its own lines on stderr for every client that errs.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]

_PACKAGE: Final = "opentelemetry.proto.collector"
_SERVICES: Final = {
    f"{_PACKAGE}.trace.v1.TraceService": Signal.TRACES,
    f"{_PACKAGE}.metrics.v1.MetricsService": Signal.METRICS,
    f"{_PACKAGE}.logs.v1.LogsService": Signal.LOGS,
}
_GZIP_MAGIC: Final = b"\x1f\x8b"
"""No OTLP request starts so: it would be field 3 of wire type 7, which there is not."""
_IDENTITY_AND_GZIP: Final = 0b101
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_LOOK_SECONDS: Final = 0.2

Context = Any
"""grpc.aio.ServicerContext, which has no types."""


class NoMessage(Refusal):
    """None was sent, or it was over the limit, which gRPC refuses by itself, or the call has ended:
    the server is not told which."""


class GrpcReceiver:
    """The three services' Export."""

    def __init__(self, reception: Reception, access: Access, deadlines: Deadlines) -> None:
        self._reception = reception
        self._access = access
        self._deadlines = deadlines
        self._readers = Readers()
        self._in_flight = 0
        """Calls that have not got their status yet."""
        self._is_cut_off = False

    def server(self) -> Any:
        """A grpc.aio.Server with the services, bound to nothing yet."""
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # or two servers would share a port silently
                ("grpc.max_receive_message_length", self._reception.limit_bytes),
                ("grpc.per_message_decompression", 0),
                ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
                ("grpc.max_concurrent_streams", 100),
                ("grpc.server_handshake_timeout_ms", 10_000),
            ]
        )
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    service, {"Export": grpc.stream_unary_rpc_method_handler(self._export(signal))}
                )
                for service, signal in _SERVICES.items()
            ]
        )
        return server

    async def stop(self, server: Any, grace_seconds: float) -> None:
        """Take no more calls; those that are in flight have so long to be answered.

        A call that comes in the instant of a stop may be left lying by gRPC's core: no handler gets
        it and nobody tells its client (1 of 250 stops under load with 1.85), so that `stop` waits
        for all its grace. Where nothing is in flight there is nothing to wait for.
        """
        stopped = asyncio.ensure_future(server.stop(grace_seconds))
        while not stopped.done():
            await asyncio.wait((stopped,), timeout=_LOOK_SECONDS)
            if self._is_cut_off or not self._in_flight:
                await server.stop(None)
        await stopped

    def cut_off(self) -> None:
        """Have `stop` wait for no call any more."""
        self._is_cut_off = True

    def _export(self, signal: Signal) -> Callable[[Any, Context], Awaitable[bytes]]:
        async def export(_: Any, context: Context) -> bytes:
            self._in_flight += 1
            context.add_done_callback(self._done)
            try:
                return await self._taken(signal, context)
            except NoMessage as error:
                status = status_of(error)  # not counted: it looks like a call that was cancelled
            except Exception as error:
                status = self._reception.refuse(error, signal)
            metadata = ((STATUS_DETAILS, encode_status(Encoding.PROTOBUF, status)),)
            await context.abort(_CODES[status.grpc], status.message, metadata)
            raise AssertionError("abort raises")

        return export

    def _done(self, _: Context) -> None:
        self._in_flight -= 1

    async def _taken(self, signal: Signal, context: Context) -> bytes:
        self._access.check_token(authorization_of(_headers(context.invocation_metadata())))
        async with self._deadlines.reading() as timeout, self._readers.place(timeout):
            body = await self._unpacked(await _only_message(context))
        try:
            answer = await self._reception.take(signal, body.complete(), Encoding.PROTOBUF)
        finally:
            body.release()
        return accepted(Encoding.PROTOBUF, answer)

    async def _unpacked(self, message: bytes) -> Body:
        """Before a further one is read: it may be far larger than what it unpacks to."""
        body = self._reception.body(gzipped=message.startswith(_GZIP_MAGIC))
        try:
            await body.add(message)
        except BaseException:
            body.release()
            raise
        return body


async def _only_message(context: Context) -> bytes:
    message = await context.read()
    if message is grpc.aio.EOF:
        raise NoMessage(400, Code.INVALID_ARGUMENT, "Export takes one message.")
    if await context.read() is not grpc.aio.EOF:
        raise Refusal(400, Code.INVALID_ARGUMENT, "Export takes one message.")
    return bytes(message)


def _headers(metadata: Sequence[tuple[str, str | bytes]] | None) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in metadata or ()
    ]
